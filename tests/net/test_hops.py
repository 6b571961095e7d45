"""Tests of sipx.net.hops: which flow a request takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.flowid import FlowId
from sipx.core.uri import parse_uri
from sipx.net import hops as module
from sipx.net.hops import (
    LARGE_REQUEST,
    MOST_LOOKUPS,
    NAME_LIFE,
    TCP_REFUSED_MEMORY,
    UNKNOWN_NAME_LIFE,
    Hops,
)

SMALL, LARGE = LARGE_REQUEST, LARGE_REQUEST + 1
FLOW = FlowId("tcp", "192.0.2.1", 5060, "198.51.100.7", 40000)


class Way:
    """A flow that is only a name."""

    def __init__(self, name: str, alive: bool = True) -> None:
        self.name = name
        self.alive = alive

    def __repr__(self) -> str:
        return self.name


class Transport:
    """A transport that reaches everything, or nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.refuses = False
        self.living: dict[FlowId, Way] = {}
        self.asked: list[str] = []

    def flow(self, name: Any) -> Any:
        if isinstance(name, FlowId):
            return self.living.get(name)
        return Way(f"{self.name} {name[0]}:{name[1]}")

    def towards(self, host: str) -> Transport:
        return self

    def reach(self, host: str, port: int, done: Callable[[Any], None]) -> None:
        self.asked.append(f"{host}:{port}")
        done(ConnectError() if self.refuses else Way(f"{self.name} {host}:{port}"))


class World:
    """Transports, a resolver and a clock."""

    def __init__(self, *names: str) -> None:
        self.transports = {name: Transport(name) for name in names}
        self.now = 1000.0
        self.lookups: list[tuple[str, Deferred[str]]] = []
        self.hops = Hops(cast(Any, self), self, lambda: self.now)

    def transport(self, name: str) -> Transport | None:
        return self.transports.get(name)

    def resolve(self, host: str, timeout: object) -> Deferred[str]:
        deferred: Deferred[str] = Deferred()
        self.lookups.append((host, deferred))
        return deferred

    def way(self, uri: str, flow: FlowId | None = None, size: int = SMALL) -> str:
        """Where a request goes, or why it does not; empty while nobody knows."""
        found: list[Any] = []
        at_once = self.hops.find(parse_uri(uri), flow, size)
        self.hops.reach(parse_uri(uri), flow, size, found.append)
        if not found:
            return ""
        if at_once is not None:
            assert str(at_once) == str(found[0])
        if isinstance(found[0], Exception):
            return str(found[0])
        return str(found[0])


class HopsTests(SynchronousTestCase):
    """A URI to a flow."""

    def setUp(self) -> None:
        self.world = World("udp", "tcp", "local")

    def test_table(self) -> None:
        """Scheme, host, port, transport, maddr and size decide."""
        for uri, size, way in (
            ("sip:a@192.0.2.9", SMALL, "udp 192.0.2.9:5060"),
            ("sip:a@192.0.2.9:5070", SMALL, "udp 192.0.2.9:5070"),
            ("sip:a@192.0.2.9;transport=UDP", SMALL, "udp 192.0.2.9:5060"),
            ("sip:a@192.0.2.9;transport=tcp", SMALL, "tcp 192.0.2.9:5060"),
            ("sip:a@192.0.2.9", LARGE, "tcp 192.0.2.9:5060"),
            ("sip:a@192.0.2.9;transport=udp", LARGE, "udp 192.0.2.9:5060"),
            ("sip:a@192.0.2.9;maddr=192.0.2.10", SMALL, "udp 192.0.2.10:5060"),
            ("sip:a@h.example;maddr=192.0.2.10;transport=tcp", SMALL, "tcp 192.0.2.10:5060"),
            ("sip:a@localhost", SMALL, "udp 127.0.0.1:5060"),
            ("sip:a@LOCALHOST:5070", SMALL, "udp 127.0.0.1:5070"),
            ("sip:a@192.0.2.9;transport=tls", SMALL, "503 No transport tls here"),
            ("sip:a@192.0.2.9;transport=sctp", LARGE, "503 No transport sctp here"),
            ("sip:options;transport=local", SMALL, "503 No transport local here"),
            ("sips:a@192.0.2.9", SMALL, "503 No transport here for sips URIs"),
            ("tel:+15550100", SMALL, "503 No transport here for tel URIs"),
            ("sip:a@[2001:db8::1]", SMALL, "503 No IPv6 transport here"),
            ("sip:a@[2001:db8::1]:5060;transport=tcp", SMALL, "503 No IPv6 transport here"),
        ):
            self.assertEqual(self.world.way(uri, size=size), way, (uri, size))

    def test_living_flow(self) -> None:
        """The flow of a binding wins while it lives, whatever URI and size say."""
        living = Way("the connection")
        self.world.transports["tcp"].living[FLOW] = living
        for uri in ("sip:a@192.0.2.9", "sip:a@h.example;transport=udp", "sips:a@x"):
            for size in (SMALL, LARGE):
                self.assertEqual(self.world.way(uri, FLOW, size), "the connection")
        living.alive = False
        self.assertEqual(self.world.way("sip:a@192.0.2.9", FLOW), "udp 192.0.2.9:5060")
        self.world.transports["tcp"].living.clear()
        self.assertEqual(self.world.way("sip:a@192.0.2.9", FLOW), "udp 192.0.2.9:5060")
        self.assertEqual(
            self.world.way("sip:a@192.0.2.9", FLOW._replace(transport="ws")), "udp 192.0.2.9:5060"
        )

    def test_refused(self) -> None:
        """Where TCP is refused UDP is used, and TCP is not tried again for a while."""
        tcp = self.world.transports["tcp"]
        tcp.refuses = True
        for _ in range(3):
            self.assertEqual(self.world.way("sip:a@192.0.2.9", size=LARGE), "udp 192.0.2.9:5060")
        self.assertEqual(tcp.asked, ["192.0.2.9:5060"])
        self.world.way("sip:a@192.0.2.9:5070", size=LARGE)
        self.assertEqual(len(tcp.asked), 2)
        self.world.now += TCP_REFUSED_MEMORY - 1
        self.world.way("sip:a@192.0.2.9", size=LARGE)
        self.assertEqual(len(tcp.asked), 2)
        self.world.now += 1
        tcp.refuses = False
        self.assertEqual(self.world.way("sip:a@192.0.2.9", size=LARGE), "tcp 192.0.2.9:5060")

    def test_refused_by_name(self) -> None:
        """So it is for a peer that goes by a name: it is looked up once and remembered."""
        world = self.world
        tcp = world.transports["tcp"]
        tcp.refuses = True
        world.way("sip:a@h.example", size=LARGE)
        world.lookups.pop()[1].callback("192.0.2.9")
        for _ in range(3):
            self.assertEqual(world.way("sip:a@h.example", size=LARGE), "udp 192.0.2.9:5060")
        self.assertEqual(tcp.asked, ["192.0.2.9:5060"])

    def test_refused_and_asked_for(self) -> None:
        """Who asks for TCP gets TCP or nothing."""
        self.world.transports["tcp"].refuses = True
        self.assertEqual(
            self.world.way("sip:a@192.0.2.9;transport=tcp", size=LARGE),
            "503 192.0.2.9:5060 is not reachable over TCP",
        )

    def test_remembering_is_bounded(self) -> None:
        """The peers without TCP are forgotten when there are too many, old ones first."""
        self.patch(module, "MOST_REMEMBERED", 3)
        self.world.transports["tcp"].refuses = True
        for port in (1, 2):
            self.world.way(f"sip:192.0.2.9:{port}", size=LARGE)
        self.world.now += TCP_REFUSED_MEMORY
        for port in (3, 4, 5, 6):
            self.world.way(f"sip:192.0.2.9:{port}", size=LARGE)
            self.assertLessEqual(len(self.world.hops._without_tcp), 3)

    def test_one_transport(self) -> None:
        """A node without one of them uses the other."""
        self.assertEqual(World("tcp").way("sip:a@192.0.2.9"), "tcp 192.0.2.9:5060")
        self.assertEqual(World("udp").way("sip:a@192.0.2.9", size=LARGE), "udp 192.0.2.9:5060")
        self.assertEqual(World().way("sip:a@192.0.2.9"), "503 No transport udp here")


class NameTests(SynchronousTestCase):
    """Host names."""

    def setUp(self) -> None:
        self.world = World("udp", "tcp")

    def test_cached(self) -> None:
        """A name is looked up once a minute."""
        world = self.world
        self.assertEqual(world.way("sip:a@h.example"), "")
        ((host, lookup),) = world.lookups
        self.assertEqual(host, "h.example")
        lookup.callback("192.0.2.9")
        self.assertEqual(world.way("sip:a@h.example"), "udp 192.0.2.9:5060")
        self.assertEqual(len(world.lookups), 1)
        world.now += NAME_LIFE
        self.assertEqual(world.way("sip:a@h.example"), "")

    def test_failed(self) -> None:
        """A name that cannot be resolved is a reason, not a traceback."""
        found: list[Any] = []
        self.world.hops.reach(parse_uri("sip:a@h.example"), None, SMALL, found.append)
        self.world.lookups[0][1].errback(DNSLookupError())
        self.assertEqual(str(found[0]), "503 The host name h.example cannot be resolved")

    def test_asked_once(self) -> None:
        """Requests to one host name wait for one lookup."""
        found: list[Any] = []
        for _ in range(MOST_LOOKUPS + 1):
            self.world.hops.reach(parse_uri("sip:x@h.example"), None, SMALL, found.append)
        self.assertEqual(len(self.world.lookups), 1)
        self.world.lookups[0][1].callback("192.0.2.9")
        self.assertEqual(len(found), MOST_LOOKUPS + 1)

    def test_waiting_is_bounded(self) -> None:
        """So many requests wait for one name; the next is told at once, the others are served."""
        self.patch(module, "MOST_WAITING", 3)
        found: list[Any] = []
        for _ in range(5):
            self.world.hops.reach(parse_uri("sip:x@h.example"), None, SMALL, found.append)
        why = "503 Too many requests wait for the address of h.example"
        self.assertEqual([str(one) for one in found], [why] * 2)
        self.world.lookups[0][1].callback("192.0.2.9")
        self.assertEqual([str(one) for one in found[2:]], ["udp 192.0.2.9:5060"] * 3)

    def test_unknown_remembered(self) -> None:
        """A name that was not found is not asked again for a while."""
        found: list[Any] = []
        uri = parse_uri("sip:x@h.example")
        self.world.hops.reach(uri, None, SMALL, found.append)
        self.world.lookups[0][1].errback(DNSLookupError())
        self.world.hops.reach(uri, None, SMALL, found.append)
        self.assertEqual(len(self.world.lookups), 1)
        self.world.now += UNKNOWN_NAME_LIFE
        self.world.hops.reach(uri, None, SMALL, found.append)
        self.assertEqual(len(self.world.lookups), 2)

    def test_bounded(self) -> None:
        """So many lookups run at a time; the next request is told, not queued."""
        for number in range(MOST_LOOKUPS):
            self.assertEqual(self.world.way(f"sip:h{number}.example"), "")
        self.assertEqual(
            self.world.way("sip:one.too.many"), "503 Too many host names are being looked up"
        )
        self.world.lookups[0][1].callback("192.0.2.9")
        self.world.lookups[1][1].errback(DNSLookupError())
        self.assertEqual(self.world.way("sip:one.too.many"), "")

    def test_forgotten(self) -> None:
        """There is a limit to the names that are remembered."""
        self.patch(module, "MOST_REMEMBERED", 2)
        for number in range(5):
            self.world.way(f"sip:h{number}.example")
            self.world.lookups.pop()[1].callback("192.0.2.9")
            self.assertLessEqual(len(self.world.hops._names), 2)
