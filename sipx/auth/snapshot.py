"""The slice of the configuration that authentication needs: accounts with their HA1.

Frozen; ``config.compile`` makes it, ``config.commands`` swaps it in whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def password_context(user: str) -> str:
    """Say what a user's sealed password belongs to, so that it opens nobody else's account."""
    return f"password:{user}"


@dataclass(frozen=True, slots=True)
class Account:
    """What is needed to check a user's digest.

    Attributes:
        user: the user's name, which is also the authentication name.
        ha1_md5: MD5 of ``user:realm:password``, lower-case hex.
        ha1_sha256: the same with SHA-256.
        sealed: the password sealed with the cluster's key (sipx.node.keys), from which the
            HA1 of ``user/instrument`` names is derived.
    """

    user: str
    ha1_md5: str = field(repr=False)
    ha1_sha256: str = field(repr=False)
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """All accounts of one version of the configuration, by authentication name."""

    version: int = 0
    accounts: Mapping[str, Account] = field(default_factory=dict)
