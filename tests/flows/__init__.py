"""Whole calls on a simulated network and clock: a sentence each."""
