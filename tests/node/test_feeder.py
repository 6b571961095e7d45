"""Feeding the database, and keeping the journal."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipx.interfaces import IJournalSink
from sipx.node.feeder import BATCH_OCTETS, LONGEST_DELAY, STOP_LIMIT, Feeder
from sipx.node.journal import Journal
from sipx.node.upkeep import JournalUpkeep
from tests.node.parts import Said, Sink, at_once, folder, sentence


class Locked(Exception):
    """The database is locked."""


class FeederTests(SynchronousTestCase):
    """From the journal to the database."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.health = Said()
        self.journal = Journal(folder(), self.health, segment_octets=BATCH_OCTETS)
        self.addCleanup(self.journal.close)
        self.sink = Sink()
        self.feeder = self.make(at_once)

    def make(self, do: Callable[..., Deferred[Any]]) -> Feeder:
        seconds = self.clock.seconds
        return Feeder(self.journal, self.sink, self.health, do, seconds, lambda: 1.8e9)

    def write(self, *records: list[Any]) -> None:
        for record in records:
            self.journal.append(record)
        self.journal.commit()

    def ticks(self, seconds: float) -> None:
        """Let time pass, a tick every 0.1 s."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)
            self.feeder.tick(self.clock.seconds())

    def test_sink(self) -> None:
        """The database of these tests keeps the contract."""
        verifyObject(IJournalSink, self.sink)

    def test_replay(self) -> None:
        """At start everything that the database lacks is applied, in order."""
        self.write(["a"], ["b"])
        self.feeder.replay()
        self.write(["c"])
        again = self.make(at_once)
        again.replay()
        self.assertEqual(self.sink.stored, [["a"], ["b"], ["c"]])
        self.assertEqual(self.sink.at, self.journal.end)

    def test_replay_fails(self) -> None:
        """One sentence."""
        self.write(["a"])
        self.sink.error = Locked("database is locked")
        with sentence(self, "does not take what the journal holds", "Locked: database is locked"):
            self.feeder.replay()

    def test_every_second(self) -> None:
        """What is written is applied within a second, at once when told."""
        self.feeder.replay()
        self.ticks(0.1)
        self.write(["a"])
        self.ticks(0.5)
        self.assertEqual(self.sink.stored, [])
        self.ticks(0.6)
        self.assertEqual(self.sink.stored, [["a"]])
        self.write(["b"])
        self.feeder.soon()
        self.ticks(0.1)
        self.assertEqual(self.sink.stored, [["a"], ["b"]])

    def test_idle(self) -> None:
        """A journal without news costs the database nothing."""
        self.feeder.replay()
        self.ticks(5)
        self.assertEqual(self.sink.batches, 0)

    def test_failing(self) -> None:
        """The same batch comes again, later and later, until it is taken; then the rest."""
        self.feeder.replay()
        self.write(["a"])
        self.sink.error = Locked("database is locked")
        tried: list[float] = []
        for _ in range(600):
            before = self.sink.batches
            self.ticks(0.1)
            self.write(["b"])
            if self.sink.batches > before:
                tried.append(self.clock.seconds())
        self.assertGreater(len(tried), 7)
        wanted: list[float] = [0.5, 1.0, 2.0, 4.0, 8.0] + [LONGEST_DELAY] * (len(tried) - 6)
        for (sooner, later), pause in zip(pairwise(tried), wanted, strict=True):
            self.assertLess(abs(later - sooner - pause), 0.11)
        ok, text = self.health.parts["journal feed"]
        self.assertFalse(ok)
        self.assertEqual(
            text,
            "nothing stored since 2027-01-15T08:00:00+00:00: Locked: database is locked;"
            " it stays in the journal",
        )
        self.assertEqual(len(self.flushLoggedErrors(Locked)), 1)
        self.assertGreater(self.health.gauges["journal_backlog_octets"](), 0)
        self.sink.error = None
        self.ticks(12)
        self.assertEqual(self.sink.stored, [["a"]] + [["b"]] * 600)
        self.assertEqual(self.health.parts["journal feed"], (True, "storing again"))
        self.assertEqual(self.health.gauges["journal_backlog_octets"](), 0)

    def test_slow(self) -> None:
        """While the database works on a batch it gets no other, and nobody waits."""
        begun: list[Callable[[], bool]] = []

        def later(work: Callable[[], bool]) -> Deferred[bool]:
            begun.append(work)
            return Deferred()

        self.feeder = self.make(later)
        self.feeder.replay()
        self.write(["a"])
        self.ticks(60)
        self.assertEqual(len(begun), 1)

    def test_batches_and_trim(self) -> None:
        """A long journal is applied in batches; the segments behind are removed."""
        self.feeder.replay()
        text = "x" * 100_000
        self.write(*(["a", number, text] for number in range(30)))
        self.write(["end"])
        self.ticks(3)
        self.assertEqual(len(self.sink.stored), 31)
        self.assertGreaterEqual(self.sink.batches, 3)
        self.assertEqual(self.journal.read((0, 0), 10**9), ([["end"]], self.journal.end))

    def test_stop(self) -> None:
        """What is left is applied before the end."""
        self.feeder.replay()
        self.write(["a"], ["b"])
        self.successResultOf(self.feeder.stop())
        self.assertEqual(self.sink.stored, [["a"], ["b"]])

    def test_stop_of_a_hanging_database(self) -> None:
        """It is waited for as long as STOP_LIMIT says; the rest stays in the journal."""
        self.feeder = self.make(lambda work: Deferred())
        self.feeder.replay()
        self.write(["a"])
        stopped = self.feeder.stop()
        self.ticks(STOP_LIMIT - 0.2)
        self.assertNoResult(stopped)
        self.ticks(0.4)
        self.successResultOf(stopped)
        self.ticks(1)
        self.assertEqual(self.journal.read((0, 0), 1000)[0], [["a"]])

    def test_stop_of_a_failing_database(self) -> None:
        """It is not waited for."""
        self.feeder.replay()
        self.write(["a"])
        self.sink.error = Locked()
        self.successResultOf(self.feeder.stop())
        self.assertEqual(self.sink.stored, [])

    def test_more_than_a_stop_can_take(self) -> None:
        """A database that is too slow for the rest leaves it in the journal."""
        self.feeder.replay()
        self.write(["a"])
        apply = self.sink.apply

        def slowly(records: Any, upto: Any) -> None:
            apply(records, upto)
            self.clock.advance(STOP_LIMIT)
            self.write(["more"])

        self.patch(self.sink, "apply", slowly)
        self.successResultOf(self.feeder.stop())
        self.assertEqual(self.sink.stored, [["a"]])


class UpkeepTests(SynchronousTestCase):
    """Syncing, and trying again."""

    def setUp(self) -> None:
        self.health = Said()
        self.journal = Journal(folder(), self.health)
        self.addCleanup(self.journal.close)

    def test_sync_when_dirty(self) -> None:
        """One sync at a time, and only when something was written."""
        asked: list[Deferred[None]] = []

        def do(work: Callable[[], None]) -> Deferred[None]:
            work()
            asked.append(Deferred())
            return asked[-1]

        upkeep = JournalUpkeep(self.journal, self.health, do)
        upkeep.tick(0.1)
        self.assertEqual(len(asked), 0)
        self.journal.append(["a"])
        upkeep.tick(0.2)
        self.assertFalse(self.journal.dirty)
        self.journal.append(["b"])
        upkeep.tick(0.3)
        self.assertEqual(len(asked), 1)
        asked[0].callback(None)
        upkeep.tick(0.4)
        self.assertEqual(len(asked), 2)

    def test_sync_fails(self) -> None:
        """Health says so until it works again."""
        failing = [True]

        def do(work: Callable[[], None]) -> Deferred[None]:
            return fail(OSError(5, "Input/output error")) if failing else at_once(work)

        upkeep = JournalUpkeep(self.journal, self.health, do)
        self.journal.append(["a"])
        upkeep.tick(0.1)
        ok, text = self.health.parts["journal sync"]
        self.assertFalse(ok)
        self.assertIn("Input/output error", text)
        failing.clear()
        upkeep.tick(0.2)
        self.assertTrue(self.health.parts["journal sync"][0])

    def test_tries_again_each_second(self) -> None:
        """While it fails, the journal is tried once a second."""
        tries: list[bytes] = []

        def refuse(file: int, data: bytes) -> int:
            tries.append(data)
            raise OSError(28, "No space left on device")

        journal = Journal(folder(), self.health, write=refuse)
        upkeep = JournalUpkeep(journal, self.health, at_once)
        journal.append(["a"])
        for tick in range(1, 31):
            upkeep.tick(tick / 10)
        self.assertEqual(len(tries), 3)
