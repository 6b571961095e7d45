"""The table of subscriptions.

It is written from the journal and read at start; while the node runs, nobody looks here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from zope.interface import implementer

from config.storage.interfaces import IDatabase, Transaction
from sipx.interfaces import ISubscriptionStore

KEY: Final = ("call_id", "local_tag", "package", "event_id")
COLUMNS: Final = (*KEY, "expires", "details")


@implementer(ISubscriptionStore)
class SubscriptionStore:
    """The database's side of subscriptions."""

    def __init__(self, database: IDatabase) -> None:
        self._database = database

    def load(self) -> Sequence[Mapping[str, Any]]:
        return self._database.read_now(load)


async def load(tx: Transaction) -> list[Mapping[str, Any]]:
    """Read all subscriptions, as the journal has them."""
    rows = await tx.query(
        "select call_id, local_tag, package, event_id, expires, details from subscriptions"
        " order by expires"
    )
    return [
        {**dict(zip(COLUMNS[:-1], row[:-1], strict=True)), "details": json.loads(row[-1])}
        for row in rows
    ]


async def put(tx: Transaction, rows: Sequence[Sequence[Any]]) -> None:
    """Store subscriptions: the values of COLUMNS, the details as JSON."""
    await tx.put("subscriptions", COLUMNS, KEY, rows)


async def take_away(tx: Transaction, keys: Sequence[Sequence[Any]]) -> None:
    """Delete subscriptions by their keys."""
    await tx.take_away("subscriptions", KEY, keys)


async def purge(tx: Transaction, before: float) -> int:
    """Delete what expired before a time, in utc seconds: nobody was there to say so."""
    return await tx.execute("delete from subscriptions where expires < :before", before=before)
