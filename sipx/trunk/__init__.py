"""Calls to and from the providers of telephone service."""
