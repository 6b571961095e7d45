"""The table of registrations.

It is written from the journal and read at start; while the node runs, nobody looks here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from zope.interface import implementer

from config.storage.interfaces import IDatabase, Row, Transaction
from sipx.interfaces import IBindingStore

KEY: Final = ("user_name", "contact")
COLUMNS: Final = (
    *KEY,
    "q",
    "expires",
    "call_id",
    "cseq",
    "path",
    "flow",
    "instance",
    "instrument",
    "user_agent",
    "registered",
)


@implementer(IBindingStore)
class BindingStore:
    """The database's side of registrations."""

    def __init__(self, database: IDatabase) -> None:
        self._database = database

    def load(self) -> Sequence[Mapping[str, Any]]:
        return self._database.read_now(load)


async def load(tx: Transaction) -> list[Mapping[str, Any]]:
    """Read all bindings, as the journal has them."""
    return [
        _binding(row)
        for row in await tx.query(
            "select user_name, contact, q, expires, call_id, cseq, path, flow, instance,"
            " instrument, user_agent, registered from bindings order by user_name, registered"
        )
    ]


async def put(tx: Transaction, rows: Sequence[Sequence[Any]]) -> None:
    """Store bindings: the values of COLUMNS, the path as JSON."""
    await tx.put("bindings", COLUMNS, KEY, rows)


async def take_away(tx: Transaction, keys: Sequence[Sequence[Any]]) -> None:
    """Delete bindings by user and contact."""
    await tx.take_away("bindings", KEY, keys)


async def forget_user(tx: Transaction, user: str) -> None:
    """Delete all bindings of a user."""
    await tx.execute("delete from bindings where user_name = :name", name=user)


async def purge(tx: Transaction, before: float) -> int:
    """Delete what expired before a time, in utc seconds: nobody was there to say so."""
    return await tx.execute("delete from bindings where expires < :before", before=before)


def _binding(row: Row) -> Mapping[str, Any]:
    user, contact, q, expires, call_id, cseq, path, flow, *rest = row
    instance, instrument, user_agent, registered = rest
    return {
        "user": user,
        "contact": contact,
        "q": q,
        "expires": expires,
        "call_id": call_id,
        "cseq": cseq,
        "path": [] if path == "[]" else json.loads(path),
        "flow": flow,
        "instance": instance,
        "instrument": instrument,
        "user_agent": user_agent,
        "registered": registered,
    }
