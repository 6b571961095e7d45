"""How late the reactor is: what blocks it delays every call."""

from __future__ import annotations

from collections import deque

from sipx.interfaces import IHealth

# Above this a caller notices, and T1 retransmissions begin (RFC 3261 17.1.1.1: 0.5 s).
LAG_LIMIT = 0.25
# The worst lag of this many seconds is what the gauge shows.
WINDOW = 60.0


class Watchdog:
    """Fed with each tick; remembers the worst lag of each second of the window."""

    def __init__(self, health: IHealth, interval: float) -> None:
        """Watch ticks.

        Args:
            health: told when the reactor is late, and when it no longer is.
            interval: seconds from tick to tick.
        """
        self._health = health
        self._interval = interval
        self._last: float | None = None
        # One entry a second at most: (time, worst lag since the entry before).
        self._worst: deque[tuple[float, float]] = deque(maxlen=int(WINDOW))
        self._late = False
        health.gauge("reactor_lag_seconds", self.worst, LAG_LIMIT)
        health.set("reactor", True, "on time")

    def worst(self) -> float:
        """Give the worst lag of the window, in seconds."""
        return max((lag for _, lag in self._worst), default=0.0)

    def tick(self, now: float) -> None:
        """Take a tick, ``now`` in monotonic seconds."""
        lag = 0.0 if self._last is None else max(0.0, now - self._last - self._interval)
        self._last = now
        while self._worst and self._worst[0][0] <= now - WINDOW:
            self._worst.popleft()
        if self._worst and now - self._worst[-1][0] < 1.0:
            since, worst = self._worst[-1]
            self._worst[-1] = (since, max(worst, lag))
        else:
            self._worst.append((now, lag))
        late = self.worst() > LAG_LIMIT
        if late or late != self._late:
            self._late = late
            text = f"up to {self.worst():.2f} s late in the last minute" if late else "on time"
            self._health.set("reactor", not late, text)
