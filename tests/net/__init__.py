"""Tests of sipx.net."""
