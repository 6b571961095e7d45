"""Tests of sipx.net.resolver."""
