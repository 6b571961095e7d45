"""Feeds the database from the journal's files.

Memory holds one batch at most: what waits is in the journal. When the database is slow,
locked or away, the same batch is tried again, later and later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipx.interfaces import IHealth, IJournalSink
from sipx.node.errors import StartError
from sipx.node.journal import Journal
from sipx.node.segments import Position

log = Logger()

BATCH_OCTETS = 1024 * 1024
# Seconds between two looks at the journal.
PERIOD = 1.0
# Seconds until a failed batch is tried again: the first time, and at most.
FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
# Seconds that a stopping node waits for the database; the rest stays in the journal.
STOP_LIMIT = 3.0


class Feeder:
    """Fed with each tick of the node once ``replay`` is done."""

    def __init__(
        self,
        journal: Journal,
        sink: IJournalSink,
        health: IHealth,
        do: Callable[[Callable[[], bool]], Deferred[bool]],
        monotonic: Callable[[], float],
        utc: Callable[[], float],
    ) -> None:
        """Make a feeder.

        Args:
            journal: read from in a thread.
            sink: used in that thread only.
            health: told in the part ``journal feed``.
            do: does something in a thread, one thing after another.
            monotonic: the clock of delays.
            utc: the clock for people.
        """
        self._journal = journal
        self._sink = sink
        self._health = health
        self._do = do
        self._monotonic = monotonic
        self._utc = utc
        self._position: Position = (0, 0)
        self._batch: tuple[list[list[Any]], Position] | None = None
        self._busy = False
        self._due = 0.0
        self._delay = 0.0
        self._failing_since = ""
        self._stopped: Deferred[None] | None = None
        self._deadline = 0.0
        health.gauge("journal_backlog_octets", lambda: journal.backlog(self._position))

    def replay(self) -> None:
        """Apply everything that the database lacks; blocks, before the reactor runs.

        Raises:
            StartError: the database does not take it.
        """
        try:
            self._position = self._sink.position()
            self._journal.skip_to(self._position)
            while self._step():
                pass
        except StartError:
            raise
        except Exception as error:
            raise StartError(
                "The database does not take what the journal holds:"
                f" {type(error).__name__}: {error}."
            ) from error
        self._health.set("journal feed", True, "all stored")

    def tick(self, now: float) -> None:
        """Take a tick, ``now`` in monotonic seconds."""
        if self._stopped is not None:
            if now >= self._deadline:
                self._end()
        elif not self._busy and now >= self._due:
            self._busy = True
            self._do(self._step).addCallbacks(self._applied, self._failed)

    def soon(self) -> None:
        """Look at the journal at the next tick."""
        if not self._delay:
            self._due = 0.0

    def stop(self) -> Deferred[None]:
        """Apply what is left, for at most ``STOP_LIMIT`` seconds."""
        stopped: Deferred[None] = Deferred()
        self._stopped = stopped
        self._deadline = self._monotonic() + STOP_LIMIT
        self._do(self._drain).addCallbacks(self._drained, self._not_drained)
        return stopped

    def _step(self) -> bool:
        """Apply a batch; in the thread. Say whether there may be more."""
        if self._batch is None:
            records, upto = self._journal.read(self._position, BATCH_OCTETS)
            if upto == self._position:
                return False
            self._batch = (records, upto)
        records, upto = self._batch
        self._sink.apply(records, upto)
        self._batch = None
        former, self._position = self._position, upto
        if upto[0] != former[0]:
            self._journal.trim(upto)
        return True

    def _drain(self) -> bool:
        while self._monotonic() < self._deadline:
            if not self._step():
                return True
        return False

    def _applied(self, more: bool) -> None:
        self._busy = False
        self._due = 0.0 if more else self._monotonic() + PERIOD
        if self._delay:
            self._delay = 0.0
            self._health.set("journal feed", True, "storing again")

    def _failed(self, failure: Failure) -> None:
        self._busy = False
        if not self._delay:
            self._failing_since = self._time()
            log.failure("the database does not take the journal", failure)
        self._delay = min(LONGEST_DELAY, self._delay * 2 or FIRST_DELAY)
        self._due = self._monotonic() + self._delay
        self._health.set(
            "journal feed",
            False,
            f"nothing stored since {self._failing_since}: {_words(failure)}; it stays in the"
            " journal",
        )

    def _drained(self, whole: bool) -> None:
        if not whole:
            log.warn("the rest of the journal is stored at the next start")
        self._end()

    def _not_drained(self, failure: Failure) -> None:
        log.error("the journal is stored at the next start: {why}", why=_words(failure))
        self._end()

    def _end(self) -> None:
        stopped, self._deadline = self._stopped, float("inf")
        if stopped is not None and not stopped.called:
            stopped.callback(None)

    def _time(self) -> str:
        return datetime.fromtimestamp(self._utc(), UTC).isoformat(timespec="seconds")


def _words(failure: Failure) -> str:
    return f"{type(failure.value).__name__}: {failure.getErrorMessage()}"
