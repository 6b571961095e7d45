"""Whole nodes in processes of their own, with real peers on the loopback address."""
