"""What no phone would send, over the wire to a live node, and phones that still work after it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.support.credentials import answers_to
from tests.support.mutate import LARGEST, Credentials, Mutator
from tests.support.peers import require
from tests.support.ports import HOST, datagrams_dropped
from tests.support.probe import Probe
from tests.support.sipp import Sipp
from tests.system.case import NodeTestCase, password

COUNT = 20_000  # damaged messages in a test
SEED = 3261
LIVELY = 10.0  # seconds within which a node under fire answers OPTIONS
GROWTH = 96.0  # MiB; transactions of the last 32 s are kept, RFC 3261 timers B, F, H, J
TOGETHER = 5  # messages on a TCP connection; after a bad one a server may close it
HALF = 0.5  # share of requests with right credentials
FUZZER = "203"


class Sink(Protocol):
    """A TCP connection whose other side is not listened to."""

    def __init__(self) -> None:
        self.closed: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.closed.callback(None)


class FuzzTests(NodeTestCase):
    """A node under fire."""

    timeout = 120
    users = ("201", "202", FUZZER)
    options = ("--digest", "md5")

    async def setUp(self) -> None:
        require("sipp")
        await super().setUp()
        self.probe = Probe(self.node.port)
        self.probe.open()
        self.addCleanup(self.probe.close)
        self.before = self.node.rss_mib()

    async def assert_works(self) -> None:
        """A real call succeeds, and the node has not grown out of bounds."""
        self.assertEqual(datagrams_dropped(self.node.port), 0, "sent faster than it can read")
        growth = self.node.rss_mib() - self.before
        self.assertLess(growth, GROWTH, "MiB more than before")
        sipp = Sipp(self.folder, self.node.port, self.node.domain)
        self.addCleanup(sipp.stop)
        caller, callee = (sipp.phone(user, password(user)) for user in ("201", "202"))
        await callee.register()
        called = await callee.start("answer.xml")
        await caller.play("call.xml", "202")
        await called.passed()

    async def credentials(self) -> Credentials:
        """Get right credentials for about half of the requests."""
        domain = self.node.domain
        address = f"sip:{FUZZER}@{domain}"
        challenge = await self.probe.ask("REGISTER", f"sip:{domain}", address, LIVELY)
        answer = answers_to(challenge, FUZZER, password(FUZZER))
        rng = random.Random(SEED)
        return lambda method, uri: answer(method, uri) if rng.random() < HALF else ""

    async def mutator(self, transport: str) -> Mutator:
        """Make the source of the damaged messages."""
        return Mutator(
            SEED,
            domain=self.node.domain,
            user=FUZZER,
            port=self.probe.port,
            transport=transport,
            credentials=await self.credentials(),
        )

    async def test_udp(self) -> None:
        """Damaged requests and responses over UDP: the node answers, and a call works after."""
        mutator = await self.mutator("UDP")
        self.probe.responder = mutator.answer
        for chunk in mutator.chunks(COUNT):
            for message in chunk:
                self.probe.send(message)
            await self.probe.answered(LIVELY)
        await self.assert_works()

    async def test_tcp(self) -> None:
        """Damaged messages over TCP: the node answers, and a call works after."""
        mutator = await self.mutator("TCP")
        endpoint = TCP4ClientEndpoint(reactor, HOST, self.node.port)

        async def deliver(messages: Sequence[bytes]) -> None:
            connection = await connectProtocol(endpoint, Sink())
            assert connection.transport is not None
            connection.transport.writeSequence(messages)
            # The node has read everything when it answers the end with its own.
            connection.transport.loseWriteConnection()
            await connection.closed.addTimeout(LIVELY, IReactorTime(reactor))

        for chunk in mutator.chunks(COUNT):
            deliveries = (chunk[n : n + TOGETHER] for n in range(0, len(chunk), TOGETHER))
            await gatherResults([Deferred.fromCoroutine(deliver(part)) for part in deliveries])
            await self.probe.answered(LIVELY)
        await self.assert_works()


class MutatorTests(SynchronousTestCase):
    """The damage can be done again."""

    def make_mutator(self, seed: int) -> Mutator:
        """Make a mutator with nothing but a seed of its own."""
        return Mutator(seed, domain="pbx.test", user=FUZZER, port=5060, transport="UDP")

    def test_same_seed(self) -> None:
        """The same seed gives the same messages, another one gives others."""
        first, same, other = (
            [message for chunk in self.make_mutator(seed).chunks(500) for message in chunk]
            for seed in (1, 1, 2)
        )
        self.assertEqual(first, same)
        self.assertNotEqual(first, other)

    def test_bounds(self) -> None:
        """There are as many as asked for, and each fits into a datagram."""
        chunks = list(self.make_mutator(1).chunks(3_000))
        self.assertEqual(sum(len(chunk) for chunk in chunks), 3_000)
        self.assertTrue(all(chunks))
        self.assertLessEqual(max(len(message) for chunk in chunks for message in chunk), LARGEST)

    def test_different(self) -> None:
        """Hardly any two are the same, and hardly any is undamaged."""
        mutator = self.make_mutator(1)
        messages = {mutator.mutated() for _ in range(1_000)}
        self.assertGreater(len(messages), 900)
