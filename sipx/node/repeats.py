"""What is done regularly while the node runs, all from one ticker."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

log = Logger()

# Seconds between the ticks of a node.
TICK = 0.1


class _Repeat:
    __slots__ = ("call", "due", "interval")

    def __init__(self, interval: float, call: Callable[[float], None]) -> None:
        self.interval = interval
        self.call = call
        self.due: float | None = None


class Repeats:
    """Calls, each with its interval; a late tick stands for those that were missed."""

    def __init__(self) -> None:
        self._repeats: list[_Repeat] = []

    def add(self, interval: float, call: Callable[[float], None]) -> None:
        """Call again and again, for the first time after one interval.

        Args:
            interval: seconds, a multiple of ``TICK``.
            call: takes monotonic seconds; what it raises is logged.
        """
        self._repeats.append(_Repeat(interval, call))

    def tick(self, now: float) -> None:
        """Call what is due."""
        for repeat in self._repeats:
            if repeat.due is None:
                repeat.due = now + repeat.interval
            elif now >= repeat.due - TICK / 2:
                # Ticks jitter: the next one is due from when this one was, unless it is late.
                repeat.due = max(repeat.due, now - TICK) + repeat.interval
                try:
                    repeat.call(now)
                except Exception:
                    log.failure("{call} failed and is repeated", call=repeat.call)
