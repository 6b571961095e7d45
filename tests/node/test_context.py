"""The context, health, and the worker."""

from __future__ import annotations

import json
import threading
from functools import partial
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import Interface, implementer
from zope.interface.verify import verifyObject

from sipx.interfaces import IHealth, INodeContext
from sipx.node.context import NodeContext
from sipx.node.health import Health
from sipx.node.identity import make_identity
from sipx.node.journal import Journal
from sipx.node.keys import KeyRing
from sipx.node.repeats import Repeats
from sipx.node.worker import Worker
from tests.node.parts import Said, folder


class IThing(Interface):
    """Something to provide."""


@implementer(IThing)
class Thing:
    pass


class ContextTests(SynchronousTestCase):
    """What components get, and give to each other."""

    def setUp(self) -> None:
        health = Said()
        journal = Journal(folder(), health)
        self.addCleanup(journal.close)
        self.repeats = Repeats()
        self.context = NodeContext(
            None,
            Path("/state"),
            {},
            make_identity("r", None, [], 5060),
            KeyRing(bytes(32)),
            journal,
            health,
            self.repeats,
            lambda: 5.0,
            lambda: 1.8e9,
        )

    def test_interface(self) -> None:
        """It is a context."""
        verifyObject(INodeContext, self.context)

    def test_clocks(self) -> None:
        """Both clocks are the node's."""
        self.assertEqual((self.context.monotonic(), self.context.utc()), (5.0, 1.8e9))

    def test_provide(self) -> None:
        """The first of several is got; all of them in order."""
        self.assertRaises(LookupError, self.context.get, IThing)
        self.assertEqual(self.context.every(IThing), ())
        one, two = Thing(), Thing()
        self.context.provide(IThing, one)
        self.context.provide(IThing, two)
        self.assertIs(self.context.get(IThing), one)
        self.assertEqual(self.context.every(IThing), (one, two))
        self.assertEqual(self.context.provided("tests.node.test_context.IThing"), 2)

    def test_provide_something_else(self) -> None:
        """What does not provide the interface is refused at once."""
        self.assertRaises(TypeError, self.context.provide, IThing, object())

    def test_repeat(self) -> None:
        """What is to be repeated is."""
        found: list[float] = []
        self.context.repeat(1.0, found.append)
        for now in (0, 1, 2):
            self.repeats.tick(now)
        self.assertEqual(found, [1, 2])


class HealthTests(SynchronousTestCase):
    """The state of a node in words."""

    def test_report(self) -> None:
        """Plain JSON values; well when all parts are."""
        health = Health()
        verifyObject(IHealth, health)
        self.assertEqual(health.report(), {"ok": True, "parts": {}, "gauges": {}})
        health.set("udp", False, "no socket")
        health.set("tcp", True, "listens")
        health.gauge("calls", lambda: 3, 100)
        health.gauge("lag", lambda: 0.5)
        report = {
            "ok": False,
            "parts": {
                "tcp": {"ok": True, "text": "listens"},
                "udp": {"ok": False, "text": "no socket"},
            },
            "gauges": {"calls": {"value": 3, "limit": 100}, "lag": {"value": 0.5, "limit": None}},
        }
        self.assertEqual(health.report(), report)
        self.assertEqual(json.loads(json.dumps(health.report())), report)
        health.set("udp", True, "listens")
        self.assertTrue(health.report()["ok"])

    def test_gauge_that_fails(self) -> None:
        """It has no value, and the report is made all the same."""
        health = Health()
        health.gauge("bad", lambda: 1 / 0)
        self.assertEqual(health.report()["gauges"], {"bad": {"value": None, "limit": None}})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class WorkerTests(TestCase):
    """One thread for what blocks."""

    async def test_in_order(self) -> None:
        """One thing after another, in one thread that is not the reactor's."""
        worker = Worker(reactor, "test")
        found: list[int] = []

        def work(number: int) -> int:
            found.append(number)
            return threading.get_ident()

        works = [worker.do(partial(work, number)) for number in range(5)]
        threads = {await done for done in works}
        self.assertEqual(found, list(range(5)))
        self.assertEqual(len(threads), 1)
        self.assertNotIn(threading.get_ident(), threads)
        worker.stop()

    async def test_failure(self) -> None:
        """What is raised comes to who asked, and the thread goes on."""
        worker = Worker(reactor, "test")
        with self.assertRaises(ZeroDivisionError):
            await worker.do(lambda: 1 / 0)
        self.assertEqual(await worker.do(lambda: 1), 1)
        worker.stop()
        worker.stop()
