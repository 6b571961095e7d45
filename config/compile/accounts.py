"""Makes the slice that authentication needs: HA1 values, from sealed passwords.

HA1 is as good as the password at this node, so it is in memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from sipx.auth.snapshot import Account, AccountSnapshot, password_context
from sipx.core.digest import MD5, SHA256, compute_ha1


class Unsealer(Protocol):
    """The part of the node's key ring that is needed here."""

    def unseal(self, sealed: bytes, context: str) -> str:
        """Open what was sealed for a context; ValueError when it was altered."""


def account(user: str, sealed: bytes, keys: Unsealer, realm: str) -> Account:
    """Compile one account.

    Raises:
        ValueError: the password does not open: another key, or altered.
    """
    password = keys.unseal(sealed, password_context(user))
    return Account(
        user=user,
        ha1_md5=compute_ha1(MD5, user, realm, password),
        ha1_sha256=compute_ha1(SHA256, user, realm, password),
        sealed=sealed,
    )


def accounts(
    users: Iterable[tuple[str, bytes]],
    compiled: Callable[[str, bytes], Account],
    version: int,
) -> tuple[AccountSnapshot, int]:
    """Compile all accounts.

    An account that does not open is left out, so that one cannot stop a node.

    Args:
        users: names and sealed passwords of all who are enabled.
        compiled: makes one account.
        version: of the configuration.

    Returns:
        The snapshot, and how many accounts did not open.
    """
    found: dict[str, Account] = {}
    broken = 0
    for user, sealed in users:
        try:
            found[user] = compiled(user, sealed)
        except ValueError:
            broken += 1
    return AccountSnapshot(version, found), broken


def with_changes(
    before: AccountSnapshot, changes: Mapping[str, Account | None], version: int
) -> AccountSnapshot:
    """Give the snapshot with some accounts changed, or, where None, gone."""
    found = dict(before.accounts)
    for user, changed in changes.items():
        if changed is None:
            found.pop(user, None)
        else:
            found[user] = changed
    return AccountSnapshot(version, found)
