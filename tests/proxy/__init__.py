"""Tests of sipx.proxy."""
