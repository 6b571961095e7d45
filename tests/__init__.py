"""The tests of sipx."""
