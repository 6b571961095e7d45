"""Ticks, what hangs on them, and how late they are."""

from __future__ import annotations

import time

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipx.node.repeats import Repeats
from sipx.node.ticker import Ticker
from sipx.node.watchdog import LAG_LIMIT, WINDOW, Watchdog
from tests.node.parts import Said


class ReactorTickerTests(TestCase):
    """With the real reactor ticks come from a timer file descriptor."""

    timeout = 2 * 3600.0  # trial's own timer follows the wall clock that is stepped here

    async def ticks(self, count: int, step: float) -> list[float]:
        """Gather ticks while the reactor's wall clock is stepped after the first one."""
        seconds = reactor.seconds
        found: list[float] = []
        enough: Deferred[None] = Deferred()

        def tick(now: float) -> None:
            found.append(now)
            if len(found) == 1:
                self.patch(reactor, "seconds", lambda: seconds() + step)
            if len(found) == count:
                enough.callback(None)
            if len(found) == 2:
                raise ValueError("a tick that fails")

        ticker = Ticker(reactor, 0.01, tick)
        ticker.start()
        try:
            await enough
        finally:
            ticker.stop()
            ticker.stop()
            self.patch(reactor, "seconds", seconds)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        return found

    async def test_wall_clock_back(self) -> None:
        """An hour back does not stall them."""
        await self.check(-3600.0)

    async def test_wall_clock_forward(self) -> None:
        """An hour ahead does not burst them."""
        await self.check(3600.0)

    async def check(self, step: float) -> None:
        begin = time.monotonic()
        found = await self.ticks(6, step)
        end = time.monotonic()
        self.assertEqual(found, sorted(found))
        self.assertGreaterEqual(found[0], begin)
        self.assertLessEqual(found[-1], end)
        # Six ticks of 10 ms, the first after one of them; the kernel never ticks early.
        self.assertGreaterEqual(end - begin, 0.0599)


class ClockTickerTests(SynchronousTestCase):
    """With a test's clock they come from callLater."""

    def test_ticks(self) -> None:
        """One an interval, until it is stopped."""
        clock = Clock()
        found: list[float] = []
        ticker = Ticker(clock, 0.5, found.append, clock.seconds)
        ticker.start()
        clock.pump([0.5] * 3)
        self.assertEqual(found, [0.5, 1.0, 1.5])
        ticker.stop()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_stopped_by_itself(self) -> None:
        """A tick may stop its ticker."""
        clock = Clock()
        found: list[float] = []

        def tick(now: float) -> None:
            found.append(now)
            ticker.stop()

        ticker = Ticker(clock, 1, tick, clock.seconds)
        ticker.start()
        clock.pump([1] * 3)
        self.assertEqual(found, [1])
        self.assertEqual(clock.getDelayedCalls(), [])


class RepeatsTests(SynchronousTestCase):
    """What is done regularly."""

    def run_for(self, repeats: Repeats, ticks: list[float]) -> None:
        for now in ticks:
            repeats.tick(now)

    def test_intervals(self) -> None:
        """Each has its own interval, kept although ticks jitter."""
        repeats = Repeats()
        fast: list[float] = []
        slow: list[float] = []
        repeats.add(0.1, fast.append)
        repeats.add(0.5, slow.append)
        ticks = [100 + tick / 10 + (0.03, -0.02, 0.0)[tick % 3] for tick in range(51)]
        self.run_for(repeats, ticks)
        self.assertEqual(len(fast), 50)
        self.assertEqual(len(slow), 10)

    def test_late(self) -> None:
        """What was missed is not made up for."""
        repeats = Repeats()
        found: list[float] = []
        repeats.add(0.1, found.append)
        self.run_for(repeats, [0.0, 0.1, 10.0, 10.1, 10.2])
        self.assertEqual(found, [0.1, 10.0, 10.1, 10.2])

    def test_one_that_fails(self) -> None:
        """It is logged and repeated, and disturbs nobody."""

        def bad(now: float) -> None:
            raise ValueError(now)

        repeats = Repeats()
        found: list[float] = []
        repeats.add(1, bad)
        repeats.add(1, found.append)
        self.run_for(repeats, [0, 1, 2])
        self.assertEqual(found, [1, 2])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)


class WatchdogTests(SynchronousTestCase):
    """How late the reactor is."""

    def test_lag(self) -> None:
        """The worst of the last minute shows, and then is forgotten."""
        health = Said()
        watchdog = Watchdog(health, 0.1)
        self.assertEqual(watchdog.worst(), 0.0)
        now = 1000.0
        for _ in range(20):
            watchdog.tick(now)
            now += 0.1
        self.assertAlmostEqual(watchdog.worst(), 0.0)
        now += 0.5
        watchdog.tick(now)
        self.assertAlmostEqual(health.gauges["reactor_lag_seconds"](), 0.5)
        self.assertGreater(watchdog.worst(), LAG_LIMIT)
        self.assertEqual(health.parts["reactor"], (False, "up to 0.50 s late in the last minute"))
        for _ in range(round(WINDOW * 10) + 20):
            now += 0.1
            watchdog.tick(now)
        self.assertAlmostEqual(watchdog.worst(), 0.0)
        self.assertEqual(health.parts["reactor"], (True, "on time"))
