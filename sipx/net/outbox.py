"""What a turn of the reactor sends: after the journal has what it acknowledges.

Each driver that lets something in (a socket that became readable, a tick) ends with
``flush``: one write to the journal, then all messages in the order they were made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipx.interfaces import IFlow, IJournal

_log = Logger()


def _ignore(_messages: list[Any]) -> None:
    """Nobody keeps messages."""


class Outbox:
    """Messages that wait for the end of the turn.

    Attributes:
        withheld: messages not sent because what they acknowledge could not be written.
        on_withheld: is told of them; the transaction layer, so that none is sent again.
    """

    def __init__(self, journal: IJournal) -> None:
        self._journal = journal
        self._waiting: list[tuple[IFlow, Any]] = []
        self._flushing = False
        self._was_failing = False
        self.withheld = 0
        self.on_withheld: Callable[[list[Any]], None] = _ignore

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, flow: IFlow, message: Any) -> None:
        """Send a message at the end of the turn."""
        self._waiting.append((flow, message))

    def flush(self) -> None:
        """Commit the journal, then send everything; what sending causes is sent too."""
        if self._flushing:
            return
        self._flushing = True
        try:
            while True:
                written = self._journal.commit()
                waiting = self._waiting
                if not waiting:
                    return
                self._waiting = []
                if not written and not self._was_failing:
                    # The turn in which the disk failed: peers send again what they asked.
                    self._was_failing = True
                    self.withheld += len(waiting)
                    self.on_withheld([message for _, message in waiting])
                else:
                    self._was_failing = not written
                    _send(waiting)
                if not self._waiting:
                    return
        finally:
            self._flushing = False


def _send(waiting: list[tuple[IFlow, Any]]) -> None:
    for flow, message in waiting:
        try:
            flow.send(message)
        except Exception:  # one flow's fault keeps nobody else from being answered
            _log.failure("A message could not be sent over {flow!r}", flow=flow)
