"""A node with components of the tests: built, started and stopped in order."""

from __future__ import annotations

import gc
import io
import os
import resource
import socket
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from sipx.interfaces import IComponent
from sipx.node.component import Component
from sipx.node.discovery import Discovery
from sipx.node.errors import StartError
from sipx.node.node import Node
from sipx.node.process import NodeProcess, StartRefused
from tests.node.parts import NAME, Sink, folder, sentence

FIRST = Component("zz-first", NAME + "first", provides=[NAME + "IFirst"])
SECOND = Component("second", NAME + "second", requires=[NAME + "IFirst"])


def part(name: str, **more: Any) -> Component:
    return Component(name, NAME + name, **more)


class NodeCase(TestCase):
    """Makes nodes in a folder of their own, and stops them."""

    def setUp(self) -> None:
        self.events: list[str] = []
        self.sink = Sink()
        self.options: dict[str, Any] = {
            "state": folder() / "state",
            "domain": None,
            "listen": ("127.0.0.1",),
            "sip-port": 5060,
            "events": self.events,
            "sink": self.sink,
        }

    def make(self, *components: IComponent, broken: Any = ()) -> Node:
        node = Node(reactor, self.options, Discovery(components, broken), components)
        self.addCleanup(node.stopService)
        return node

    def start(self, *components: IComponent, **more: Any) -> Node:
        node = self.make(*components, **more)
        node.privilegedStartService()
        node.startService()
        return node


class NodeTests(NodeCase):
    """The life of a node."""

    async def test_order(self) -> None:
        """Built and started as they need each other, stopped the other way round."""
        node = self.start(SECOND, FIRST)
        started = ["build first", "build second", "start first", "start second"]
        self.assertEqual(self.events, started)
        await node.stopService()
        self.assertEqual(self.events, [*started, "stop second", "stop first"])

    async def test_waits_for_each(self) -> None:
        """A component stops when those that need it have stopped."""
        stopped: Deferred[None] = Deferred()
        self.options["stopped"] = stopped
        node = self.start(FIRST, part("slow", requires=[NAME + "IFirst"]))
        done = node.stopService()
        self.assertNotIn("stop first", self.events)
        stopped.callback(None)
        await done
        self.assertEqual(self.events[-2:], ["stop slow", "stop first"])

    async def test_stop_goes_on(self) -> None:
        """A component that does not stop well is logged, and the others stop."""
        node = self.start(FIRST, part("failing", requires=[NAME + "IFirst"]))
        await node.stopService()
        self.assertEqual(self.events[-1], "stop first")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_state(self) -> None:
        """The first start makes everything, a later one keeps it."""
        node = self.start()
        state = self.options["state"]
        self.assertEqual(
            sorted(os.listdir(state)),
            ["certificate.pem", "cluster.key", "journal", "lock", "node.json", "private.key"],
        )
        self.assertEqual(state.stat().st_mode & 0o777, 0o700)
        kept = {path: path.read_bytes() for path in state.iterdir() if path.is_file()}
        realm = node.context.identity.realm
        await node.stopService()
        self.options["domain"] = "other.example"
        again = self.start()
        self.assertEqual(again.context.identity.realm, realm)
        self.assertEqual(again.context.identity.domain, "other.example")
        for path, data in kept.items():
            self.assertEqual(path.read_bytes(), data)

    async def test_one_at_a_time(self) -> None:
        """A second node on the same state folder is refused, until the first has stopped."""
        node = self.start()
        with sentence(self, "Another node runs on the state folder"):
            self.make().privilegedStartService()
        await node.stopService()
        self.start()

    async def test_health(self) -> None:
        """It names the components, and plugins that do not load."""
        node = self.start(FIRST, broken=[("theirs", "ImportError: gone")])
        report = node.health.report()
        self.assertFalse(report["ok"])
        self.assertEqual(
            report["parts"]["plugin theirs"],
            {"ok": False, "text": "does not load: ImportError: gone"},
        )
        self.assertEqual(report["parts"]["components"], {"ok": True, "text": "zz-first"})

    async def test_journal_to_database(self) -> None:
        """What is in the journal at the end is in the database, or is at the next start."""
        stored = part("stored", provides=["sipx.interfaces.IJournalSink"])
        node = self.start(stored, FIRST)
        node.context.journal.append(["a"])
        await node.stopService()
        self.assertEqual(self.sink.stored, [["a"]])
        without = self.start(FIRST)
        without.context.journal.append(["b"])
        await without.stopService()
        reader = part("reader", requires=["sipx.interfaces.IJournalSink"])
        self.start(stored, reader)
        self.assertIn("finds [['a'], ['b']]", self.events)

    async def test_start_errors(self) -> None:
        """Whatever prevents a start is one sentence that names the component."""
        interface = NAME + "IFirst"
        for component, words in (
            (SECOND, "component second needs tests.node.parts.IFirst"),
            (
                part("refused"),
                "component refused does not start: Couldn't listen on 127.0.0.1:5060",
            ),
            (part("unreadable"), "component unreadable does not start: [Errno 13] Permission"),
            (part("liar", provides=[interface]), f"declared to provide {interface}, but its"),
            (part("nothing"), "component nothing cannot be loaded: "),
            (Component("gone", "no.such.module"), "component gone cannot be loaded: No module"),
        ):
            self.options["state"] = folder() / "state"
            node = self.make(component)
            with sentence(self, words):
                node.privilegedStartService()
                node.startService()

    async def test_bugs_stay_loud(self) -> None:
        """What nobody foresaw keeps its traceback, with the component's name."""
        node = self.make(part("bug"))
        with self.assertRaises(ZeroDivisionError) as caught:
            node.privilegedStartService()
        self.assertEqual(
            caught.exception.__notes__, ["while the component bug was built or started"]
        )
        self.options["state"] = folder() / "state"
        self.assertRaises(TypeError, self.make(part("no_service")).privilegedStartService)


class ProcessTests(NodeCase):
    """A node as a process talks to who started it."""

    def process(self, *components: IComponent, daemon: bool = False) -> NodeProcess:
        thresholds = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *thresholds)
        files = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, files)
        self.addCleanup(gc.unfreeze)
        return NodeProcess(self.make(*components), daemon)

    async def test_notifies(self) -> None:
        """Systemd is told when it is ready and when it stops."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            address = f"@sipx-test-{os.getpid()}"
            listener.bind("\0" + address[1:])
            listener.setblocking(False)
            self.patch(os, "environ", {**os.environ, "NOTIFY_SOCKET": address})
            process = self.process()
            process.privilegedStartService()
            self.assertRaises(BlockingIOError, listener.recv, 100)
            process.startService()
            self.assertEqual(listener.recv(100), b"READY=1")
            await process.stopService()
            self.assertEqual(listener.recv(100), b"STOPPING=1")

    async def test_memory(self) -> None:
        """What is there at start is not looked at again for garbage."""
        process = self.process()
        process.privilegedStartService()
        process.startService()
        self.assertGreater(gc.get_freeze_count(), 1000)
        self.assertEqual(gc.get_threshold()[0], 100_000)

    async def test_open_files(self) -> None:
        """The process may have as many open files as the system lets it."""
        process = self.process()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard - 1, hard))
        process.privilegedStartService()
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (hard, hard))

    async def test_refused(self) -> None:
        """One sentence on stderr, and an end with status 1 that twistd can clean up after."""
        stderr = io.StringIO()
        self.patch(sys, "__stderr__", stderr)
        with self.assertRaises(StartRefused) as caught:
            self.process(SECOND).privilegedStartService()
        self.assertEqual(caught.exception.code, 1)
        self.assertIsInstance(caught.exception, Exception)
        self.assertIsInstance(caught.exception, SystemExit)
        self.assertIsInstance(caught.exception.__cause__, StartError)
        self.assertEqual(stderr.getvalue(), f"sipx: {caught.exception.__cause__}\n")

    async def test_refused_as_daemon(self) -> None:
        """The sentence is for the log; stderr belongs to somebody else."""
        stderr = io.StringIO()
        self.patch(sys, "__stderr__", stderr)
        process = self.process(part("refused"), daemon=True)
        process.privilegedStartService()
        self.assertRaises(StartRefused, process.startService)
        self.assertEqual(stderr.getvalue(), "")
