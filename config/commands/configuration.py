"""The configuration in force: the snapshots of its current version, swapped in whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple, Protocol

from twisted.logger import Logger
from zope.interface import implementer

from config.commands.catalog import Catalog
from config.compile import accounts, routing
from config.model.entities import KINDS
from config.storage import audit, users
from config.storage.entities import Stored, every
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
        self._catalog = Catalog()
        self._listeners: list[Callable[[], None]] = []

    @property
    def version(self) -> int:
        """The version in force."""
        return self.routing.version

    def changed(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def load(self, database: IDatabase) -> None:
        """Compile everything that is stored; blocks, for start-up."""
        version, stored, things = database.read_now(_everything)
        pairs = ((account.name, account.sealed) for account in stored)
        self.accounts, self.broken = accounts.accounts(pairs, self._account, version)
        self._catalog = Catalog(things)
        named = routing.routing(((account.name, account.aliases) for account in stored), version)
        people = {account.name for account in stored}
        self.routing = replace(
            named,
            users=self._catalog.users({}, people, (), set()),
            **self._catalog.plan(KINDS),
        )

    def swap(
        self,
        version: int,
        changes: Iterable[AccountChange],
        entities: Iterable[EntityChange] = (),
    ) -> None:
        """Put a version in force that differs from the last by some users and things; say so."""
        given = list(entities)
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
        kinds = self._catalog.change(given)
        named = routing.with_changes(self.routing, names, version)
        touched = set(latest)
        touched.update(
            one.entity.name
            for pair in given
            for one in pair
            if one is not None and one.entity.kind == "telephony"
        )
        # A user of whom the password does not open is called all the same.
        people = {name for name, user in named.names.items() if name == user}
        self.routing = replace(
            named,
            users=self._catalog.users(self.routing.users, people, touched, kinds),
            **self._catalog.plan(kinds),
        )
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


async def _everything(tx: Transaction) -> tuple[int, list[StoredAccount], list[Stored]]:
    return await audit.version(tx), list(await users.accounts(tx)), await every(tx)
