"""Calls by the second in which to look at them.

They are taken out when they end, which may be a day before; sipx.core.wheel would keep them until
then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipx.cdr.call import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sipx.cdr.call import Call


class Deadlines:
    """When to end which call."""

    def __init__(self, now: float) -> None:
        self._seconds: dict[int, set[Call]] = {}
        self._next = int(now)

    def __len__(self) -> int:
        """How many calls wait."""
        return sum(map(len, self._seconds.values()))

    def put(self, call: Call, deadline: float) -> None:
        """Note when to end a call; a later time than before costs nothing now."""
        call.deadline = deadline
        second = max(int(deadline), self._next)
        if call.second != NOWHERE:
            if call.second <= second:
                return
            self.remove(call)
        call.second = second
        waiting = self._seconds.get(second)
        if waiting is None:
            self._seconds[second] = {call}
        else:
            waiting.add(call)

    def remove(self, call: Call) -> None:
        """Forget a call."""
        waiting = self._seconds.get(call.second)
        if waiting is not None:
            waiting.discard(call)
            if not waiting:
                del self._seconds[call.second]
        call.second = NOWHERE

    def due(self, now: float) -> Iterator[Call]:
        """Give the calls whose time has come, once each; to be asked about once a second."""
        while self._next < int(now):
            for call in self._seconds.pop(self._next, ()):
                call.second = NOWHERE
                if call.deadline > now:
                    self.put(call, call.deadline)
                else:
                    yield call
            self._next += 1
