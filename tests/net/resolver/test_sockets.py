"""Tests of sipx.net.resolver.sockets: real sockets to a name server that the test starts."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import TestCase

from sipx.core.locating import Kind, Question
from sipx.net.resolver.client import Resolver
from sipx.net.resolver.sockets import ReactorNetwork
from sipx.net.resolver.system import Hosts, Servers
from sipx.net.resolver.wire import Answer
from tests.support.ports import HOST
from tests.support.zone import NameServer, Zone, a, srv

NOBODY = ("127.0.0.1", 1)  # refuses


class SocketTests(TestCase):
    """A resolver and a name server on this machine."""

    timeout = 20

    def setUp(self) -> None:
        self.zone = Zone(
            a("h.test", "192.0.2.1"),
            *(srv("_sip._udp.many.test", 1, n, 5060, f"server-{n}.many.test") for n in range(50)),
        )
        self.server = NameServer(reactor, self.zone)
        self.addCleanup(self.server.stop)

    def resolver(self, *servers: tuple[str, int]) -> Resolver:
        """Make a resolver that asks some servers."""
        made = Resolver(
            Servers(servers),
            Hosts(Path(self.mktemp())),
            ReactorNetwork(reactor),
            monotonic,
            lambda: 4711,
        )
        ticks = LoopingCall(lambda: made.tick(monotonic()))
        ticks.start(0.1)
        self.addCleanup(made.close)
        self.addCleanup(ticks.stop)
        return made

    async def ask(self, resolver: Resolver, name: str, kind: Kind = Kind.A) -> Answer:
        """Ask, and wait."""
        answer: Deferred[Any] = Deferred()
        resolver.ask(Question(name, kind), answer.callback)
        found: Answer = await answer
        return found

    async def test_answers(self) -> None:
        """An answer in a datagram, and one of 50 records that takes a connection."""
        resolver = self.resolver((HOST, self.server.port))
        self.assertEqual((await self.ask(resolver, "h.test")).records, ("192.0.2.1",))
        found = await self.ask(resolver, "_sip._udp.many.test", Kind.SRV)
        self.assertEqual(len(found.records), 50)
        self.assertEqual(len(self.zone.asked), 3)
        self.assertEqual((await self.ask(resolver, "x.test")).records, ())

    async def test_refused(self) -> None:
        """A name server that is not there is passed over as soon as its host says so."""
        started = monotonic()
        resolver = self.resolver(NOBODY, (HOST, self.server.port))
        self.assertEqual((await self.ask(resolver, "h.test")).records, ("192.0.2.1",))
        self.assertTrue(resolver.answering)
        self.assertLess(monotonic() - started, 10)

    async def test_nobody(self) -> None:
        """Where there is none at all, that is said."""
        resolver = self.resolver(NOBODY)
        self.assertTrue((await self.ask(resolver, "h.test")).failed)
        self.assertFalse(resolver.answering)

    def test_closed(self) -> None:
        """What is asked when the node stops is told, and leaves no socket."""
        self.zone.silent = True
        resolver = self.resolver((HOST, self.server.port))
        answers: list[Answer] = []
        resolver.ask(Question("h.test", Kind.A), answers.append)
        resolver.close()
        self.assertTrue(answers[0].failed)
