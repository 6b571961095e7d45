"""The version of the configuration, and who changed what in which version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from config.storage.interfaces import Transaction


class Change(NamedTuple):
    """One change, as it is remembered.

    Attributes:
        action: ``add user`` and the like.
        subject: the name of what was changed.
        detail: what about it, in words, without any secret.
    """

    action: str
    subject: str
    detail: str


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
        ("version", "item", "at", "actor", "action", "subject", "detail"),
        ("version", "item"),
        [(number, item, at, actor, *change) for item, change in enumerate(changes)],
    )


async def rows(tx: Transaction, limit: int) -> list[AuditRow]:
    """Read the latest changes, the last one first."""
    found = await tx.query(
        "select version, at, actor, action, subject, detail from audit"
        " order by version desc, item desc limit :limit",
        limit=limit,
    )
    return [AuditRow(row[0], row[1], row[2], Change(*row[3:])) for row in found]
