"""The configuration in force: the snapshots of its current version, swapped in whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from twisted.logger import Logger
from zope.interface import implementer

from config.compile import accounts, routing
from config.storage import audit, users
from config.storage.entities import Stored
from config.storage.interfaces import IDatabase, Transaction
from config.storage.users import StoredAccount
from sipx.auth.snapshot import Account, AccountSnapshot
from sipx.interfaces import IConfiguration
from sipx.routing.snapshot import RoutingSnapshot

log = Logger()


class Keys(Protocol):
    """The part of the node's key ring that commands need."""

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt a text for a context."""

    def unseal(self, sealed: bytes, context: str) -> str:
        """Open it again; ValueError when it was altered."""


class AccountChange(NamedTuple):
    """What changed about one user; None where there is no account, before or now."""

    before: StoredAccount | None
    after: StoredAccount | None


class EntityChange(NamedTuple):
    """What changed about one thing; None where there is none, before or now."""

    before: Stored | None
    after: Stored | None


@implementer(IConfiguration)
class Configuration:
    """What the node works from.

    Args:
        keys: open stored passwords.
        realm: of digest challenges.
    """

    def __init__(self, keys: Keys, realm: str) -> None:
        self.accounts = AccountSnapshot()
        self.routing = RoutingSnapshot()
        self.broken = 0  # accounts whose password does not open
        self._keys = keys
        self._realm = realm
        self._listeners: list[Callable[[], None]] = []

    @property
    def version(self) -> int:
        """The version in force."""
        return self.routing.version

    def changed(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def load(self, database: IDatabase) -> None:
        """Compile everything that is stored; blocks, for start-up."""
        version, stored = database.read_now(_everything)
        pairs = ((account.name, account.sealed) for account in stored)
        self.accounts, self.broken = accounts.accounts(pairs, self._account, version)
        self.routing = routing.routing(
            ((account.name, account.aliases) for account in stored), version
        )

    def swap(
        self,
        version: int,
        changes: Iterable[AccountChange],
        entities: Iterable[EntityChange] = (),
    ) -> None:
        """Put a version in force that differs from the last by some users and things; say so."""
        latest: dict[str, StoredAccount | None] = {}
        names = []
        for before, after in changes:
            if before is not None:
                latest[before.name] = None
            if after is not None:
                latest[after.name] = after
            names.append((_names(before), _names(after)))
        compiled = accounts.with_changes(
            self.accounts,
            {
                name: None if stored is None else self._account(name, stored.sealed)
                for name, stored in latest.items()
            },
            version,
        )
        self.routing = routing.with_changes(self.routing, names, version)
        self.accounts = compiled
        for listener in self._listeners:
            try:
                listener()
            except Exception:
                log.failure("a listener failed on version {version}", version=version)

    def _account(self, name: str, sealed: bytes) -> Account:
        return accounts.account(name, sealed, self._keys, self._realm)


def _names(account: StoredAccount | None) -> routing.Names | None:
    return None if account is None else (account.name, account.aliases)


async def _everything(tx: Transaction) -> tuple[int, list[StoredAccount]]:
    return await audit.version(tx), list(await users.accounts(tx))
