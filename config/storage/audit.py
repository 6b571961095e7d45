"""The version of the configuration, and who changed what in which version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from config.storage.interfaces import Row, Transaction


class Change(NamedTuple):
    """One change, as it is remembered.

    Attributes:
        action: ``add user`` and the like.
        subject: the name of what was changed.
        detail: what about it, in words, without any secret.
        kind: of what was changed; empty in what was written before there were kinds.
        before: its value, as its table writes it; None when it was not.
        after: its value now; None when it is no more.
    """

    action: str
    subject: str
    detail: str
    kind: str = ""
    before: str | None = None
    after: str | None = None


_CHANGE: Final = ("action", "subject", "detail", "kind", "old", "new")
_ALL: Final = 2**62  # above every version
_COLUMNS: Final = f"version, at, actor, {', '.join(_CHANGE)}"


class AuditRow(NamedTuple):
    """A change, with when it was made and by whom."""

    version: int
    at: float
    actor: str
    change: Change


async def version(tx: Transaction) -> int:
    """Read the current version."""
    ((number,),) = await tx.query("select version from configuration where id = 1")
    return int(number)


async def lock(tx: Transaction) -> None:
    """Let nobody else change the configuration until the transaction ends."""
    await tx.execute("update configuration set version = version where id = 1")


async def next_version(tx: Transaction) -> int:
    """Count the version up."""
    ((number,),) = await tx.query(
        "update configuration set version = version + 1 where id = 1 returning version"
    )
    return int(number)


async def record(
    tx: Transaction, number: int, at: float, actor: str, changes: Sequence[Change]
) -> None:
    """Remember the changes of a version, in their order.

    Args:
        tx: the transaction that makes the changes.
        number: the version.
        at: utc seconds.
        actor: who made them.
        changes: at least one.
    """
    await tx.put(
        "audit",
        ("version", "item", "at", "actor", *_CHANGE),
        ("version", "item"),
        [(number, item, at, actor, *change) for item, change in enumerate(changes)],
    )


async def rows(tx: Transaction, limit: int, before: int | None = None) -> list[AuditRow]:
    """Read the latest changes, the last one first; only those before a version, if one is given."""
    found = await tx.query(
        f"select {_COLUMNS} from audit where version < :before"  # noqa: S608 - constants
        " order by version desc, item desc limit :limit",
        limit=limit,
        before=_ALL if before is None else before,
    )
    return [_row(row) for row in found]


async def since(tx: Transaction, number: int) -> list[AuditRow]:
    """Read the changes after a version, the last one first."""
    found = await tx.query(
        f"select {_COLUMNS} from audit where version > :number order by version desc, item desc",  # noqa: S608 - constants
        number=number,
    )
    return [_row(row) for row in found]


async def oldest(tx: Transaction) -> int:
    """Say which is the oldest version that can be made again.

    A version can be, as long as all changes after it are remembered with their values.
    """
    ((lost,),) = await tx.query("select max(version) from audit where kind = ''")
    ((first,),) = await tx.query("select min(version) from audit where kind <> ''")
    if lost is not None:
        return int(lost)
    return await version(tx) if first is None else int(first) - 1


async def purge(tx: Transaction, before: float, most: int) -> int:
    """Forget the oldest changes that were made before a time.

    A version lives as long as the call records that name it: what can undo the changes since
    it was in force stays.

    Args:
        tx: the transaction.
        before: utc seconds.
        most: how many rows at one time.

    Returns:
        How many rows were forgotten.
    """
    ((named,),) = await tx.query("select min(version) from call_records where version > 0")
    last = await version(tx) if named is None else int(named)
    return await tx.execute(
        "delete from audit where version in (select version from audit"
        " where version <= :last and at < :before order by version limit :most)",
        last=last,
        before=before,
        most=most,
    )


def _row(row: Row) -> AuditRow:
    return AuditRow(int(row[0]), row[1], row[2], Change(*row[3:]))
