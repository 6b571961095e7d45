"""Tests of sipx.cdr."""
