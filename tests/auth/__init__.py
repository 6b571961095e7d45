"""Tests of sipx.auth."""
