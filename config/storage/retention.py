"""Deletes call records that are older than the node keeps them, and versions that none names.

A few thousand at a time, by an index, so that nobody else waits for long: a short span after a
long one is reached within hours, not at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from config.storage import audit, callrecords
from config.storage.errors import StorageError
from config.storage.interfaces import IDatabase, Transaction

log = Logger()

INTERVAL: Final = 60.0  # seconds between two transactions
MOST_DELETED: Final = 5000  # rows in one of them: 80 calls a second, every second of the year
DAY: Final = 86_400.0


class Retention:
    """Keeps the table of call records within a span of days.

    Args:
        database: that has it.
        days: for which the record of a call is kept after its start; at least 1.
        utc: gives wall time.
    """

    def __init__(self, database: IDatabase, days: int, utc: Callable[[], float]) -> None:
        self._database = database
        self._span = days * DAY
        self._utc = utc
        self._running = False
        self._failing = False

    def tick(self, now: float) -> None:
        """Delete the oldest, unless the last time is not over yet."""
        if not self._running:
            self._running = True
            Deferred.fromCoroutine(self._delete()).addErrback(
                lambda failure: log.failure("old call records were not deleted", failure=failure)
            )

    async def _delete(self) -> None:
        before = self._utc() - self._span
        try:
            await self._database.write(lambda tx: _purge(tx, before))
            self._failing = False
        except StorageError as error:
            if not self._failing:
                log.warn("old call records cannot be deleted for now: {why}", why=error)
            self._failing = True
        finally:
            self._running = False


async def _purge(tx: Transaction, before: float) -> None:
    """Calls first: a version that was named by the last of them can go with it."""
    await callrecords.purge(tx, before, MOST_DELETED)
    await audit.purge(tx, before, MOST_DELETED)
