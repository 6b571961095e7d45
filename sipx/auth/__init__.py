"""Digest challenges, nonces, permissions and what may be believed on arrival."""
