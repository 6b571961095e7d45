"""Tests of sipx.node."""
