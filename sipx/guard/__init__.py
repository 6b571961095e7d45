"""Limits on what a peer may ask for, and how often."""
