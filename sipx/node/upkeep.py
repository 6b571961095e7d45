"""What the journal needs regularly: to be synced, and to be tried again when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipx.interfaces import IHealth
from sipx.node.journal import Journal

# Seconds between two attempts to write what could not be written.
RETRY = 1.0


class JournalUpkeep:
    """Fed with each tick of the node: at most a tick's worth is lost with the power."""

    def __init__(
        self,
        journal: Journal,
        health: IHealth,
        do: Callable[[Callable[[], None]], Deferred[None]],
    ) -> None:
        """Keep a journal.

        Args:
            journal: used on the reactor, but for ``sync``.
            health: told in the part ``journal sync``.
            do: does something in a thread.
        """
        self._journal = journal
        self._health = health
        self._do = do
        self._syncing = False
        self._retry_at = 0.0
        self._failed = False

    def tick(self, now: float) -> None:
        """Take a tick, ``now`` in monotonic seconds."""
        if not self._journal.failing or now >= self._retry_at:
            self._retry_at = now + RETRY
            self._journal.commit()
        if self._journal.dirty and not self._syncing:
            self._syncing = True
            self._do(self._journal.sync).addCallbacks(self._synced, self._not_synced)

    def _synced(self, _: Any) -> None:
        self._syncing = False
        if self._failed:
            self._failed = False
            self._health.set("journal sync", True, "the disk confirms again")

    def _not_synced(self, failure: Failure) -> None:
        self._syncing = False
        self._failed = True
        self._health.set(
            "journal sync", False, f"the disk does not confirm: {failure.getErrorMessage()}"
        )
