"""The table of call records: one row a call, by Call-ID, the caller's tag and its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from zope.interface import implementer

from config.storage.interfaces import IDatabase, Row, Transaction
from sipx.core.callrecord import CallRecord, CallResult
from sipx.interfaces import ICallRecordStore

# A caller may use a Call-ID and a tag again after the call: that hides no earlier call.
KEY: Final = ("call_id", "from_tag", "started")
COLUMNS: Final = (
    "call_id",
    "from_tag",
    "caller",
    "callee",
    "dialed",
    "started",
    "connected",
    "ended",
    "result",
    "failure_code",
    "failure_reason",
    "duration",
    "version",
)
_READ: Final = (
    "select call_id, from_tag, caller, callee, dialed, started, connected, ended, result,"
    " failure_code, failure_reason, duration, version from call_records"
)
# Later than any call: 9999-12-31.
_FOREVER: Final = 253402214400.0


@implementer(ICallRecordStore)
class CallRecordStore:
    """The database's side of call records."""

    def __init__(self, database: IDatabase) -> None:
        self._database = database

    def unfinished(self) -> Sequence[CallRecord]:
        return self._database.read_now(unfinished)

    def find(
        self, limit: int, before: float | None, user: str | None, call_id: str | None
    ) -> Deferred[Sequence[CallRecord]]:
        return self._database.read(lambda tx: find(tx, limit, before, user, call_id))


async def unfinished(tx: Transaction) -> Sequence[CallRecord]:
    """Read the calls that have no end, the oldest first."""
    return [_record(row) for row in await tx.query(f"{_READ} where ended is null order by started")]


async def find(
    tx: Transaction, limit: int, before: float | None, user: str | None, call_id: str | None
) -> Sequence[CallRecord]:
    """Read records, the latest start first.

    Args:
        tx: the transaction.
        limit: how many at most.
        before: utc seconds; only calls that started before.
        user: only calls with this caller or callee.
        call_id: only calls with this Call-ID.
    """
    before = _FOREVER if before is None else before
    latest = "started < :before order by started desc limit :limit"
    if call_id is not None:
        sql = f"{_READ} where call_id = :call_id and {latest}"
        rows = await tx.query(sql, call_id=call_id, before=before, limit=limit)
        if user is not None:
            rows = [row for row in rows if user in (row[2], row[3])]
    elif user is not None:
        # Two walks down an index: what a busy user has behind him costs nothing.
        sql = (
            f"select * from ({_READ} where caller = :name and {latest}) as made"  # noqa: S608 - constants
            f" union select * from ({_READ} where callee = :name and {latest}) as taken"
            " order by started desc limit :limit"
        )
        rows = await tx.query(sql, name=user, before=before, limit=limit)
    else:
        rows = await tx.query(f"{_READ} where {latest}", before=before, limit=limit)
    return [_record(row) for row in rows]


async def put(tx: Transaction, rows: Sequence[Sequence[Any]]) -> None:
    """Store records: the values of COLUMNS."""
    await tx.put("call_records", COLUMNS, KEY, rows)


async def purge(tx: Transaction, before: float, most: int) -> int:
    """Delete calls that started before a time and have ended, the oldest first.

    Args:
        tx: the transaction.
        before: utc seconds.
        most: rows to delete.

    Returns:
        How many there were.
    """
    return await tx.execute(
        "delete from call_records where (call_id, from_tag, started) in (select call_id, from_tag,"
        " started from call_records where started < :before and ended is not null"
        " order by started limit :most)",
        before=before,
        most=most,
    )


def _record(row: Row) -> CallRecord:
    return CallRecord(
        call_id=row[0],
        from_tag=row[1],
        caller=row[2],
        callee=row[3],
        dialed=row[4],
        start=row[5],
        connect=row[6],
        end=row[7],
        result=CallResult(row[8]),
        failure_code=row[9],
        failure_reason=row[10],
        duration=row[11],
        version=row[12],
    )
