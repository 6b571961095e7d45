"""What every edit ends in: one transaction with its audit rows, then the swap.

One at a time: versions come in force in the order in which they were stored.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, DeferredLock

from config.commands.configuration import AccountChange, Configuration, EntityChange
from config.commands.interfaces import RowError
from config.model.errors import FieldError, Invalid
from config.storage import audit
from config.storage.audit import Change
from config.storage.interfaces import IDatabase, Transaction, Work
from config.storage.users import StoredAccount, StoredUser

T = TypeVar("T")


class Applied(NamedTuple):
    """What an edit did inside its transaction.

    Attributes:
        before: the user as he was; None when he was not.
        after: the user as he is; None when he is no more.
        change: for the audit; None when nothing is different.
        generated: whether a random password was drawn.
        entities: what else changed, each with its own row of the audit.
    """

    before: StoredUser | None
    after: StoredUser | None
    change: Change | None
    generated: bool = False
    entities: tuple[tuple[EntityChange, Change], ...] = ()


class Committed(NamedTuple):
    """A transaction of some edits.

    Attributes:
        version: that they made; None when nothing changed.
        applied: what each did.
        failed: rows that were left out.
    """

    version: int | None
    applied: list[Applied]
    failed: list[RowError]


class DryRun(Exception):
    """Ends a transaction that is not to be kept."""

    def __init__(self, committed: Committed) -> None:
        super().__init__()
        self.committed = committed


class Commits:
    """Makes versions of the configuration.

    Args:
        database: where they are stored.
        configuration: where they come in force.
        utc: the wall clock, for the audit.
    """

    def __init__(
        self, database: IDatabase, configuration: Configuration, utc: Callable[[], float]
    ) -> None:
        self._database = database
        self._configuration = configuration
        self._utc = utc
        self._lock = DeferredLock()

    async def commit(self, work: Work[Committed]) -> Committed:
        """Run a transaction, and put in force what it made."""
        await self._lock.acquire()
        try:
            committed = await self._database.write(work)
            self._swap(committed)
        finally:
            self._lock.release()
        return committed

    def commit_now(self, work: Work[Committed]) -> None:
        """Block for a ``commit``, at start-up."""
        self._swap(self._database.write_now(work))

    async def audited(
        self, tx: Transaction, applied: list[Applied], failed: list[RowError], actor: str
    ) -> Committed:
        """Count the version up and write down what changed, if anything did."""
        changes: list[Change] = []
        for done in applied:
            if done.change is not None:
                changes.append(done.change)
            changes += [change for _, change in done.entities]
        if not changes:
            return Committed(None, applied, failed)
        version = await audit.next_version(tx)
        await audit.record(tx, version, self._utc(), actor, changes)
        return Committed(version, applied, failed)

    def _swap(self, committed: Committed) -> None:
        if committed.version is not None:
            self._configuration.swap(
                committed.version,
                [
                    AccountChange(account(done.before), account(done.after))
                    for done in committed.applied
                    if done.change is not None
                ],
                [entity for done in committed.applied for entity, _ in done.entities],
            )


def account(stored: StoredUser | None) -> StoredAccount | None:
    """Give what the snapshots need of a user; None of one who may not use the node."""
    if stored is None or not stored.user.enabled:
        return None
    return StoredAccount(stored.user.name, stored.sealed, stored.user.aliases)


def transaction(
    commits: Commits,
    steps: Sequence[Callable[[Transaction], Coroutine[Any, Any, Applied]]],
    actor: str,
) -> Work[Committed]:
    """Make a transaction of which all steps or none are done."""

    async def work(tx: Transaction) -> Committed:
        await audit.lock(tx)
        applied = [await step(tx) for step in steps]
        return await commits.audited(tx, applied, [], actor)

    return work


def refuse(found: Iterable[FieldError]) -> None:
    """Raise what was found, if anything was."""
    if wrong := list(found):
        raise Invalid(wrong)


def shielded(work: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Start work that goes on when nobody waits for it any more.

    Between the transaction and the swap there must be no way out.
    """
    outer: Deferred[T] = Deferred()
    Deferred.fromCoroutine(work).chainDeferred(outer)
    return outer
