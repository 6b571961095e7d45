"""Tests of sipx.routing."""
