"""Tests of sipx.net.hops and sipx.net.ways: which flow a request takes, and which after it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, cast

from twisted.internet.error import ConnectError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipx.core.flowid import FlowId
from sipx.core.locating import NextHop, Question, Srv
from sipx.core.uri import parse_uri
from sipx.net import hops as module
from sipx.net import ways as ways_module
from sipx.net.hops import LARGE_REQUEST, Hops
from sipx.net.interfaces import IResolver
from sipx.net.resolver.wire import Answer
from sipx.net.ways import AVOIDED_LIFE, TCP_REFUSED_MEMORY, Avoided, Ways

SMALL, LARGE = LARGE_REQUEST, LARGE_REQUEST + 1
FLOW = FlowId("tcp", "192.0.2.1", 5060, "198.51.100.7", 40000)


class Way:
    """A flow that is only a name."""

    def __init__(self, name: str, alive: bool = True, transport: str = "tcp") -> None:
        self.name = name
        self.transport = transport
        self.alive = alive

    def __repr__(self) -> str:
        return self.name


class Transport:
    """A transport that reaches everything, or nothing."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.refuses = False
        self.living: dict[FlowId, Way] = {}
        self.dead: set[str] = set()
        self.asked: list[str] = []
        self.named: list[str] = []
        self.hosts = ["192.0.2.254"]

    def addresses(self) -> list[tuple[str, int]]:
        return [(host, 5060) for host in self.hosts]

    def flow(self, name: Any) -> Any:
        if isinstance(name, FlowId):
            return self.living.get(name)
        return Way(f"{self.name} {name[0]}:{name[1]}")

    def towards(self, host: str) -> Transport:
        return self

    def reach(self, host: str, port: int, done: Callable[[Any], None], name: str = "") -> None:
        self.asked.append(f"{host}:{port}")
        self.named.append(name)
        refused = self.refuses or host in self.dead
        done(ConnectError() if refused else Way(f"{self.name} {host}:{port}"))


@implementer(IResolver)
class World:
    """Transports, a DNS and a clock.

    Attributes:
        zone: records by name and kind.
        down: no name server answers.
        asked: questions that were asked and are not answered yet.
    """

    def __init__(self, *names: str) -> None:
        self.known = {name: Transport(name) for name in names}
        self.now = 1000.0
        self.zone: dict[tuple[str, str], Any] = {}
        self.down = False
        self.held = False
        self.asked: list[tuple[Question, Callable[[Answer], None]]] = []
        self.hops = Hops(cast(Any, self), self, lambda: self.now, Random(1).random)

    def transport(self, name: str) -> Transport | None:
        return self.known.get(name)

    def transports(self) -> list[Transport]:
        return list(self.known.values())

    def ask(self, question: Question, done: Callable[[Answer], None]) -> None:
        self.asked.append((question, done))
        if not self.held:
            self.answer()

    def answer(self) -> None:
        """Answer what was asked."""
        asked, self.asked = self.asked, []
        for question, done in asked:
            records = self.zone.get((question.name, question.kind.name), ())
            done(Answer(() if self.down else tuple(records), 60.0, self.down))

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

    def ways(self, uri: str, size: int = SMALL) -> Ways:
        """All next hops of a request."""
        found: list[Any] = []
        self.hops.ways(parse_uri(uri), size, found.append)
        (ways,) = found
        assert isinstance(ways, Ways), ways
        return ways


class HopsTests(SynchronousTestCase):
    """A URI to a flow, where no name has to be found."""

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

    def test_name(self) -> None:
        """A transport is told the host of the URI, not of the server behind it (RFC 5922 7.3)."""
        world = World("tls")
        world.zone["_sips._tcp.h.example", "SRV"] = [Srv(1, 1, 5071, "server.example")]
        world.zone["server.example", "A"] = ["192.0.2.5"]
        self.assertEqual(world.way("sips:a@h.example"), "tls 192.0.2.5:5071")
        self.assertEqual(world.known["tls"].named, ["h.example"])

    def test_living_flow(self) -> None:
        """The flow of a binding wins while it lives, whatever URI and size say."""
        living = Way("the connection")
        self.world.known["tcp"].living[FLOW] = living
        for uri in ("sip:a@192.0.2.9", "sip:a@h.example;transport=udp"):
            for size in (SMALL, LARGE):
                self.assertEqual(self.world.way(uri, FLOW, size), "the connection")
        # But nothing that asks for TLS goes without (RFC 3261 section 26.2.2).
        self.assertEqual(
            self.world.way("sips:a@192.0.2.9", FLOW), "503 No transport here for sips URIs"
        )
        living.transport = "tls"
        self.assertEqual(self.world.way("sips:a@192.0.2.9", FLOW), "the connection")
        living.alive = False
        self.assertEqual(self.world.way("sip:a@192.0.2.9", FLOW), "udp 192.0.2.9:5060")
        self.world.known["tcp"].living.clear()
        self.assertEqual(self.world.way("sip:a@192.0.2.9", FLOW), "udp 192.0.2.9:5060")
        self.assertEqual(
            self.world.way("sip:a@192.0.2.9", FLOW._replace(transport="ws")), "udp 192.0.2.9:5060"
        )

    def test_refused(self) -> None:
        """Where TCP is refused UDP is used, and TCP is not tried again for a while."""
        tcp = self.world.known["tcp"]
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

    def test_refused_and_asked_for(self) -> None:
        """Who asks for TCP gets TCP or nothing, and the peer is asked each time."""
        tcp = self.world.known["tcp"]
        tcp.refuses = True
        for times in (1, 2):
            self.assertEqual(
                self.world.way("sip:a@192.0.2.9;transport=tcp", size=LARGE),
                "503 192.0.2.9:5060 is not reachable over TCP",
            )
            self.assertEqual(len(tcp.asked), times)

    def test_other_transports(self) -> None:
        """Whatever transports a node has are used, and both families of their addresses."""
        world = World("udp", "tls")
        self.assertEqual(world.way("sips:a@192.0.2.9"), "tls 192.0.2.9:5061")
        self.assertEqual(world.way("sip:a@192.0.2.9;transport=tls"), "tls 192.0.2.9:5061")
        world.known["tls"].hosts = ["192.0.2.1", "2001:db8::1"]
        self.assertEqual(world.way("sips:a@[2001:db8::9]"), "tls 2001:db8::9:5061")
        self.assertEqual(world.way("sip:a@[2001:db8::9]"), "503 No IPv6 transport here")

    def test_one_transport(self) -> None:
        """A node without one of them uses the other."""
        self.assertEqual(World("tcp").way("sip:a@192.0.2.9"), "tcp 192.0.2.9:5060")
        self.assertEqual(World("udp").way("sip:a@192.0.2.9", size=LARGE), "udp 192.0.2.9:5060")
        self.assertEqual(World().way("sip:a@192.0.2.9"), "503 No transport udp here")

    def test_no_dns(self) -> None:
        """Addresses ask nobody."""
        self.world.held = True
        for uri in ("sip:a@192.0.2.9", "sip:a@192.0.2.9;transport=tcp", "sip:a@localhost"):
            self.assertTrue(self.world.way(uri, size=LARGE))
        self.assertEqual(self.world.asked, [])


class NameTests(SynchronousTestCase):
    """Host names."""

    def setUp(self) -> None:
        self.world = World("udp", "tcp")
        self.world.zone["h.example", "A"] = ["192.0.2.9"]

    def test_address(self) -> None:
        """A name that is a host's."""
        self.assertEqual(self.world.way("sip:a@h.example"), "udp 192.0.2.9:5060")
        self.assertEqual(self.world.way("sip:a@H.example.:5070"), "udp 192.0.2.9:5070")
        self.assertEqual(self.world.way("sip:a@x;maddr=h.example"), "udp 192.0.2.9:5060")

    def test_refused_by_name(self) -> None:
        """A peer that goes by a name and refuses TCP is remembered by its address."""
        tcp = self.world.known["tcp"]
        tcp.refuses = True
        for _ in range(3):
            self.assertEqual(self.world.way("sip:a@h.example", size=LARGE), "udp 192.0.2.9:5060")
        self.assertEqual(tcp.asked, ["192.0.2.9:5060"])

    def test_unknown(self) -> None:
        """A name that is not there, and one that nobody could say, are reasons in words."""
        self.assertEqual(
            self.world.way("sip:a@x.example"), "503 The host name x.example cannot be resolved"
        )
        self.world.down = True
        self.assertEqual(
            self.world.way("sip:a@h.example"),
            "503 No name server answers: the host name h.example is not known",
        )

    def test_waiting(self) -> None:
        """Who asks while answers are on their way waits; answers may come in any order."""
        world = self.world
        world.held = True
        found: list[Any] = []
        world.hops.reach(parse_uri("sip:x@h.example:5060"), None, SMALL, found.append)
        world.hops.reach(parse_uri("sip:x@h.example"), None, SMALL, found.append)
        self.assertEqual((found, world.hops.waiting), ([], 2))
        for _ in range(3):
            world.asked.reverse()
            world.answer()
        self.assertEqual([str(one) for one in found], ["udp 192.0.2.9:5060"] * 2)
        self.assertEqual(world.hops.waiting, 0)

    def test_waiting_is_bounded(self) -> None:
        """So many requests wait for the DNS; the next is told at once, the others are served."""
        self.patch(module, "MOST_WAITING", 3)
        self.world.held = True
        found: list[Any] = []
        for _ in range(5):
            self.world.hops.reach(parse_uri("sip:x@h.example:1"), None, SMALL, found.append)
        why = "503 Too many requests wait for the address of h.example"
        self.assertEqual([str(one) for one in found], [why] * 2)
        self.world.answer()
        self.assertEqual([str(one) for one in found[2:]], ["udp 192.0.2.9:1"] * 3)
        self.assertEqual(self.world.hops.waiting, 0)

    def test_back(self) -> None:
        """A response whose connection is gone goes where the sent-by leads (RFC 3263 5)."""
        self.world.zone["_sip._tcp.h.example", "SRV"] = [Srv(1, 1, 5080, "s.example")]
        self.world.zone["s.example", "A"] = ["192.0.2.10"]
        for transport, host, port, way in (
            ("tcp", "h.example", None, "tcp 192.0.2.10:5080"),
            ("tcp", "h.example", 5070, "tcp 192.0.2.9:5070"),
            ("tcp", "192.0.2.9", None, "tcp 192.0.2.9:5060"),
            ("tcp", "x.example", None, "503 The host name x.example cannot be resolved"),
            ("tls", "h.example", None, "503 No transport tls here"),
        ):
            found: list[Any] = []
            self.world.hops.back(transport, host, port, found.append)
            self.assertEqual([str(one) for one in found], [way])


class WaysTests(SynchronousTestCase):
    """Several next hops, tried one after the other."""

    def setUp(self) -> None:
        self.world = World("udp", "tcp")
        self.world.zone = {
            ("_sip._tcp.h.example", "SRV"): [Srv(1, 1, 1, "a.example"), Srv(2, 1, 2, "b.example")],
            ("a.example", "A"): ["192.0.2.1"],
            ("b.example", "A"): ["192.0.2.2"],
        }

    def next(self, ways: Ways) -> str:
        found: list[Any] = []
        ways.next(found.append)
        return str(found[0])

    def test_order(self) -> None:
        """One after the other, until there are none."""
        ways = self.world.ways("sip:h.example")
        self.assertEqual((self.next(ways), ways.more), ("tcp 192.0.2.1:1", True))
        self.assertEqual((self.next(ways), ways.more), ("tcp 192.0.2.2:2", False))

    def test_refused(self) -> None:
        """Those that cannot be reached are passed over and avoided, for a while."""
        tcp = self.world.known["tcp"]
        tcp.dead = {"192.0.2.1"}
        self.assertEqual(self.world.way("sip:h.example"), "tcp 192.0.2.2:2")
        self.assertEqual(self.world.way("sip:h.example"), "tcp 192.0.2.2:2")
        self.assertEqual(tcp.asked, ["192.0.2.1:1", "192.0.2.2:2", "192.0.2.2:2"])
        self.world.now += AVOIDED_LIFE
        tcp.dead = set()
        self.assertEqual(self.world.way("sip:h.example"), "tcp 192.0.2.1:1")

    def test_all_refused(self) -> None:
        """When all are avoided, all are tried."""
        tcp = self.world.known["tcp"]
        tcp.refuses = True
        for _ in range(2):
            self.assertEqual(
                self.world.way("sip:h.example"), "503 192.0.2.2:2 is not reachable over TCP"
            )
        self.assertEqual(len(tcp.asked), 4)

    def test_avoided(self) -> None:
        """Avoided is one address, port and transport, and nothing else of the host."""
        ways = self.world.ways("sip:h.example")
        self.next(ways)
        ways.avoid(100)
        self.assertEqual(len(self.world.hops.avoided), 1)
        self.assertEqual(self.world.way("sip:h.example"), "tcp 192.0.2.2:2")
        self.world.zone["_sip._tcp.h.example", "SRV"] = [
            Srv(1, 1, 1, "a.example"),
            Srv(2, 1, 3, "a.example"),
        ]
        self.assertEqual(self.world.way("sip:h.example"), "tcp 192.0.2.1:3")
        self.world.now += 100
        self.assertEqual(self.world.way("sip:h.example"), "tcp 192.0.2.1:1")
        self.world.hops.avoided.sweep(self.world.now)
        self.assertEqual(len(self.world.hops.avoided), 0)

    def test_other_transport(self) -> None:
        """After a connection the same address is not tried over another transport."""
        ways = self.world.ways("sip:192.0.2.9", LARGE)
        self.assertEqual((self.next(ways), ways.more), ("tcp 192.0.2.9:5060", False))

    def test_bounded(self) -> None:
        """Those avoided are forgotten when there are too many, the old ones first."""
        self.patch(ways_module, "MOST_AVOIDED", 3)
        avoided = Avoided()
        old, *fresh = [NextHop("udp", "192.0.2.1", port) for port in range(5)]
        avoided.add(old, 10, 0.0)
        for hop in fresh[:2]:
            avoided.add(hop, 100, 0.0)
        avoided.add(fresh[2], 100, 20.0)
        self.assertEqual(len(avoided), 3)
        self.assertEqual(avoided.usable([old, *fresh], 20.0), [old, fresh[3]])
        avoided.add(fresh[3], 100, 20.0)
        self.assertEqual(len(avoided), 1)
