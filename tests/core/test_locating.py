"""Tests of sipx.core.locating: RFC 3263 as a table, RFC 2782's chance, and bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.locating import (
    MOST_HOPS,
    MOST_TARGETS,
    Locating,
    Naptr,
    NextHop,
    Question,
    Srv,
    by_weight,
    literal,
)
from sipx.core.uri import parse_uri

V4 = frozenset({4})
BOTH = frozenset({4, 6})
PLAIN = {"udp": V4, "tcp": V4}
ALL = dict.fromkeys(("udp", "tcp", "tls", "ws", "wss"), V4)
Zone = dict[tuple[str, str], Any]

NAPTR: Zone = {
    ("h.example", "NAPTR"): [
        Naptr(90, 50, "s", "SIP+D2T", "", "_sip._tcp.h.example"),
        Naptr(50, 50, "s", "SIPS+D2T", "", "_sips._tcp.h.example"),
        Naptr(100, 50, "s", "SIP+D2U", "", "_sip._udp.h.example"),
    ],
}
SERVERS: Zone = {
    ("_sip._udp.h.example", "SRV"): [Srv(1, 0, 5060, "a.example"), Srv(2, 0, 5070, "b.example")],
    ("_sip._tcp.h.example", "SRV"): [Srv(1, 0, 5080, "a.example")],
    ("_sips._tcp.h.example", "SRV"): [Srv(1, 0, 5081, "a.example")],
}
ADDRESSES: Zone = {
    ("h.example", "A"): ["192.0.2.1"],
    ("a.example", "A"): ["192.0.2.10"],
    ("b.example", "A"): ["192.0.2.20", "192.0.2.21"],
}


class Asker:
    """Answers from a zone, and notes what was asked in which round."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.rounds: list[list[str]] = []

    def locate(
        self,
        uri: str,
        transports: Mapping[str, frozenset[int]] = PLAIN,
        large: bool = False,
        random: Any = None,
    ) -> list[NextHop]:
        """Ask until the next hops are known."""
        read = parse_uri(uri)
        host = read.param("maddr") or read.host
        locating = Locating(
            read.scheme,
            host,
            read.port,
            read.transport,
            large,
            transports,
            random or Random(1).random,
        )
        answers: dict[Question, Sequence[Any]] = {}
        for _ in range(10):
            hops = locating.advance(answers.get)
            if hops is not None:
                return hops
            self.rounds.append([f"{name} {kind.name}" for name, kind in locating.missing])
            assert locating.missing
            for question in locating.missing:
                assert question not in answers
                answers[question] = self.zone.get((question.name, question.kind.name), ())
        raise AssertionError("it does not end")


def ways(hops: Sequence[NextHop]) -> str:
    return ", ".join(f"{hop.transport} {hop.host}:{hop.port}" for hop in hops)


class TargetTests(SynchronousTestCase):
    """A URI to next hops."""

    def locate(self, zone: Zone, *given: Any, **more: Any) -> str:
        return ways(Asker(zone).locate(*given, **more))

    def test_numeric(self) -> None:
        """An address needs no DNS; scheme, port, transport and size decide (4.1, 4.2)."""
        for uri, large, way in (
            ("sip:192.0.2.9", False, "udp 192.0.2.9:5060"),
            ("sip:192.0.2.9:5070", False, "udp 192.0.2.9:5070"),
            ("sip:192.0.2.9", True, "tcp 192.0.2.9:5060, udp 192.0.2.9:5060"),
            ("sip:192.0.2.9;transport=tcp", False, "tcp 192.0.2.9:5060"),
            ("sip:192.0.2.9;transport=tls", False, "tls 192.0.2.9:5061"),
            ("sip:192.0.2.9;transport=ws", False, "ws 192.0.2.9:80"),
            ("sip:192.0.2.9;transport=sctp", False, ""),
            ("sips:192.0.2.9", False, "tls 192.0.2.9:5061"),
            ("sips:192.0.2.9", True, "tls 192.0.2.9:5061"),
            ("sips:192.0.2.9:5071;transport=tcp", False, "tls 192.0.2.9:5071"),
            ("sips:192.0.2.9;transport=ws", False, "wss 192.0.2.9:443"),
            ("sips:192.0.2.9;transport=udp", False, ""),
            ("sip:h.example;maddr=192.0.2.10", False, "udp 192.0.2.10:5060"),
            ("sip:LOCALHOST", False, "udp 127.0.0.1:5060"),
            ("sip:a.localhost.:5070", False, "udp 127.0.0.1:5070"),
            ("sip:[2001:db8::1]", False, ""),
        ):
            asker = Asker({})
            self.assertEqual(ways(asker.locate(uri, ALL, large)), way, uri)
            self.assertEqual(asker.rounds, [], uri)
        self.assertEqual(self.locate({}, "sip:192.0.2.9", {"tcp": V4}), "tcp 192.0.2.9:5060")
        self.assertEqual(self.locate({}, "sips:192.0.2.9", PLAIN), "")

    def test_naptr(self) -> None:
        """The lowest order that fits decides the transport; sips takes secure ones (4.1)."""
        zone = {**NAPTR, **SERVERS, **ADDRESSES}
        self.assertEqual(self.locate(zone, "sip:h.example", ALL), "tls 192.0.2.10:5081")
        self.assertEqual(self.locate(zone, "sip:h.example"), "tcp 192.0.2.10:5080")
        self.assertEqual(
            self.locate(zone, "sip:h.example", {"udp": V4}),
            "udp 192.0.2.10:5060, udp 192.0.2.20:5070, udp 192.0.2.21:5070",
        )
        self.assertEqual(self.locate(zone, "sips:h.example", ALL), "tls 192.0.2.10:5081")
        asker = Asker(zone)
        asker.locate("sip:h.example")
        self.assertEqual(
            asker.rounds, [["h.example NAPTR"], ["_sip._tcp.h.example SRV"], ["a.example A"]]
        )

    def test_unfitting_naptr(self) -> None:
        """Records of other services, flags and with a regexp are ignored."""
        for bad in (
            Naptr(1, 1, "a", "SIP+D2T", "", "_sip._tcp.h.example"),
            Naptr(1, 1, "s", "E2U+sip", "", "_sip._tcp.h.example"),
            Naptr(1, 1, "s", "SIP+D2T", "!.*!x!", "_sip._tcp.h.example"),
            Naptr(1, 1, "s", "SIP+D2T", "", ""),
            Naptr(1, 1, "s", "SIP+D2S", "", "_sip._sctp.h.example"),
        ):
            zone = {("h.example", "NAPTR"): [bad], **SERVERS, **ADDRESSES}
            self.assertEqual(self.locate(zone, "sip:h.example")[:19], "udp 192.0.2.10:5060", bad)

    def test_preference(self) -> None:
        """Among those of one order preference decides, and a large request wants a stream."""
        records = [
            Naptr(1, 20, "S", "sip+d2t", "", "_sip._tcp.h.example"),
            Naptr(1, 10, "s", "SIP+D2U", "", "_sip._udp.h.example"),
        ]
        zone = {("h.example", "NAPTR"): records, **SERVERS, **ADDRESSES}
        self.assertEqual(
            self.locate(zone, "sip:h.example"),
            "udp 192.0.2.10:5060, udp 192.0.2.20:5070, udp 192.0.2.21:5070, tcp 192.0.2.10:5080",
        )
        self.assertEqual(self.locate(zone, "sip:h.example", large=True), "tcp 192.0.2.10:5080")

    def test_srv(self) -> None:
        """Without NAPTR the SRV records of each transport are tried, ours first (4.1)."""
        zone = {**SERVERS, **ADDRESSES}
        udp = "udp 192.0.2.10:5060, udp 192.0.2.20:5070, udp 192.0.2.21:5070"
        self.assertEqual(self.locate(zone, "sip:h.example"), f"{udp}, tcp 192.0.2.10:5080")
        self.assertEqual(
            self.locate(zone, "sip:h.example", large=True), f"tcp 192.0.2.10:5080, {udp}"
        )
        self.assertEqual(self.locate(zone, "sips:h.example", ALL), "tls 192.0.2.10:5081")

    def test_transport_given(self) -> None:
        """With a transport there is no NAPTR, only the SRV records of it (4.2)."""
        zone = {**NAPTR, **SERVERS, **ADDRESSES}
        for uri, way in (
            ("sip:h.example;transport=tcp", "tcp 192.0.2.10:5080"),
            ("sip:h.example;transport=TLS", "tls 192.0.2.10:5081"),
            ("sips:h.example;transport=tcp", "tls 192.0.2.10:5081"),
            ("sip:h.example;transport=ws", "ws 192.0.2.1:80"),
        ):
            asker = Asker(zone)
            self.assertEqual(ways(asker.locate(uri, ALL)), way)
            self.assertNotIn(["h.example NAPTR"], asker.rounds)

    def test_port_given(self) -> None:
        """With a port there are only addresses (4.2)."""
        asker = Asker({**NAPTR, **SERVERS, **ADDRESSES})
        self.assertEqual(ways(asker.locate("sip:h.example:5099")), "udp 192.0.2.1:5099")
        self.assertEqual(asker.rounds, [["h.example A"]])

    def test_addresses_only(self) -> None:
        """Where there is neither NAPTR nor SRV the name is a host's (4.2)."""
        asker = Asker(ADDRESSES)
        self.assertEqual(ways(asker.locate("sip:h.example")), "udp 192.0.2.1:5060")
        self.assertEqual(
            asker.rounds,
            [
                ["h.example NAPTR"],
                ["_sip._udp.h.example SRV", "_sip._tcp.h.example SRV"],
                ["h.example A"],
            ],
        )
        self.assertEqual(self.locate(ADDRESSES, "sips:h.example", ALL), "tls 192.0.2.1:5061")
        self.assertEqual(self.locate({}, "sip:h.example"), "")

    def test_decidedly_not(self) -> None:
        """A dot as target says that the service is not there: the host is not asked (RFC 2782)."""
        zone: Zone = {("_sip._udp.h.example", "SRV"): [Srv(0, 0, 0, "")], **ADDRESSES}
        self.assertEqual(self.locate(zone, "sip:h.example"), "")

    def test_families(self) -> None:
        """Addresses of both families are used where there is a socket for them."""
        zone: Zone = {
            ("h.example", "A"): ["192.0.2.1"],
            ("h.example", "AAAA"): ["2001:db8::1"],
        }
        uri = "sip:h.example:5060"
        self.assertEqual(self.locate(zone, uri), "udp 192.0.2.1:5060")
        self.assertEqual(
            self.locate(zone, uri, {"udp": BOTH}), "udp 2001:db8::1:5060, udp 192.0.2.1:5060"
        )
        self.assertEqual(self.locate(zone, uri, {"udp": frozenset({6})}), "udp 2001:db8::1:5060")
        self.assertEqual(
            self.locate({}, "sip:[2001:DB8:0::1]:5070", {"udp": BOTH}), "udp 2001:db8::1:5070"
        )

    def test_literal(self) -> None:
        """What is an address, and what is a name."""
        for host, address in (
            ("192.0.2.9", "192.0.2.9"),
            ("[2001:db8:::192.0.2.1]", "2001:db8::c000:201"),
            ("[::1]", "::1"),
            ("[1:2]", ""),
            ("08.8.8.8", ""),
            ("1.2.3.256", ""),
            ("h.example", ""),
            ("notlocalhost", ""),
        ):
            self.assertEqual(literal(host), address, host)

    def test_bounds(self) -> None:
        """Of many servers and many addresses so many are asked for and tried."""
        zone: Zone = {
            ("_sip._udp.h.example", "SRV"): [Srv(1, 1, 5060, f"s{n}.example") for n in range(50)],
        }
        for number in range(50):
            zone[f"s{number}.example", "A"] = [f"192.0.2.{number}", f"198.51.100.{number}"]
        asker = Asker(zone)
        hops = asker.locate("sip:h.example")
        self.assertEqual(len(hops), MOST_HOPS)
        self.assertEqual(len(asker.rounds[-1]), MOST_TARGETS)
        self.assertEqual(len({hop.host for hop in hops}), MOST_HOPS)
        zone["_sip._udp.h.example", "SRV"] = []
        zone["h.example", "A"] = [f"192.0.2.{number}" for number in range(64)]
        self.assertEqual(len(asker.locate("sip:h.example")), MOST_HOPS)


class WeightTests(SynchronousTestCase):
    """RFC 2782's order."""

    def assert_near(self, percent: float, expected: float, tolerance: float) -> None:
        """A share is what it should be, about."""
        self.assertLess(abs(percent - expected), tolerance)

    @given(
        st.lists(
            st.builds(
                Srv,
                st.integers(0, 3),
                st.integers(0, 65535),
                st.integers(1, 65535),
                st.sampled_from(["a", "b", "c"]),
            ),
            max_size=50,
        ),
        st.integers(0, 1000),
    )
    def test_all(self, records: list[Srv], seed: int) -> None:
        """Each record is there once, and no priority before a lower one."""
        ordered = by_weight(records, Random(seed).random)
        self.assertEqual(Counter(ordered), Counter(records))
        priorities = [record.priority for record in ordered]
        self.assertEqual(priorities, sorted(priorities))

    def test_distribution(self) -> None:
        """Who comes first is chance in proportion to the weights; 0 nearly never is."""
        random = Random(3263).random
        records = [Srv(1, weight, 5060, str(weight)) for weight in (10, 30, 60, 0)]
        first = Counter(by_weight(records, random)[0].weight for _ in range(10_000))
        for weight in (10, 30, 60):
            self.assert_near(first[weight] / 100, weight, 1.5)
        self.assertLess(first[0], 10)

    def test_second(self) -> None:
        """Who comes second is chance among those that are left."""
        random = Random(2782).random
        records = [Srv(1, weight, 5060, str(weight)) for weight in (20, 20, 60)]
        second = Counter(
            found[1].weight
            for found in (by_weight(records, random) for _ in range(10_000))
            if found[0].weight == 60
        )
        self.assertEqual(set(second), {20})
        both = [Srv(1, 25, 1, "a"), Srv(1, 75, 2, "b"), Srv(0, 1, 3, "c")]
        tails = Counter(by_weight(both, random)[1].target for _ in range(10_000))
        self.assert_near(tails["a"] / 100, 25, 1.5)

    def test_no_weights(self) -> None:
        """Without weights all are alike."""
        random = Random(1).random
        records = [Srv(1, 0, 5060, name) for name in "abcd"]
        first = Counter(by_weight(records, random)[0].target for _ in range(4000))
        for name in "abcd":
            self.assert_near(first[name] / 40, 25, 3)

    def test_chance_decides_once(self) -> None:
        """The order is drawn once for a request, however often its answers come piecemeal."""
        zone: Zone = {
            ("_sip._udp.h.example", "SRV"): [Srv(1, 1, 5060, f"s{n}.example") for n in range(50)],
            **{(f"s{n}.example", "A"): [f"192.0.2.{n}"] for n in range(50)},
        }
        asker = Asker(zone)
        hops = asker.locate("sip:h.example", random=Random(7).random)
        self.assertEqual(len(hops), MOST_TARGETS)
        self.assertEqual(len(asker.rounds), 3)
        other = Asker(zone).locate("sip:h.example", random=Random(8).random)
        self.assertNotEqual(hops, other)
