"""The cluster key, what is derived from it, and texts sealed with it.

All keys of a cluster come from 32 random octets in ``STATE/cluster.key``: each purpose has
its own, by HKDF-SHA256 (RFC 5869), so that none gives another away.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sipx.node.errors import StartError
from sipx.node.files import keep

KEY_OCTETS = 32
_NONCE_OCTETS = 12
# The first octet of what is sealed says how: ChaCha20-Poly1305 with the nonce in front.
_VERSION = b"\x01"


class SealBroken(ValueError):
    """What was sealed was altered, or sealed with another key or for another context."""


class KeyRing:
    """Keys of the cluster, by purpose."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_OCTETS:
            raise ValueError(f"a cluster key has {KEY_OCTETS} octets")
        self._key = key
        self._derived: dict[str, bytes] = {}
        self._cipher = ChaCha20Poly1305(self.subkey("seal"))

    def __repr__(self) -> str:
        return "<KeyRing>"

    def subkey(self, purpose: str) -> bytes:
        """Give the 32 octets of one purpose.

        Args:
            purpose: a constant of the code, such as ``"dialog-state"``; never a peer's word,
                because each is remembered.
        """
        found = self._derived.get(purpose)
        if found is None:
            derive = HKDF(SHA256(), KEY_OCTETS, salt=None, info=b"sipx " + purpose.encode())
            found = self._derived[purpose] = derive.derive(self._key)
        return found

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt a text so that it opens only with this key and the same context.

        Args:
            text: the secret.
            context: what it belongs to, such as ``"password:200"``; not stored.
        """
        nonce = os.urandom(_NONCE_OCTETS)
        sealed = self._cipher.encrypt(nonce, text.encode("utf-8", "surrogateescape"), _aad(context))
        return _VERSION + nonce + sealed

    def unseal(self, sealed: bytes, context: str) -> str:
        """Decrypt what ``seal`` made.

        Raises:
            SealBroken: as the class says.
        """
        start = 1 + _NONCE_OCTETS
        if sealed[:1] != _VERSION:
            raise SealBroken("a sealed value begins with another version")
        try:
            text = self._cipher.decrypt(sealed[1:start], sealed[start:], _aad(context))
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                "a sealed value was altered, or belongs to another key or context"
            ) from error
        return text.decode("utf-8", "surrogateescape")


def kept_keys(state: Path) -> KeyRing:
    """Read the cluster key; draw it at first start.

    Raises:
        StartError: it cannot be read, or has the wrong length.
    """
    path = state / "cluster.key"
    key = keep(path, lambda: secrets.token_bytes(KEY_OCTETS))
    if len(key) != KEY_OCTETS:
        raise StartError(
            f"{path} is damaged: it has {len(key)} octets instead of {KEY_OCTETS}; put back the"
            " copy from a backup, because stored passwords are sealed with it."
        )
    return KeyRing(key)


def _aad(context: str) -> bytes:
    return _VERSION + context.encode("utf-8", "surrogateescape")
