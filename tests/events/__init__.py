"""Tests of sipx.events that need no node; tests/flows/test_events.py has the others."""
