"""Tests of sipx.net.resolver: what name servers say, when they say it, and when they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.locating import Kind, Naptr, Question, Srv
from sipx.net.resolver import client
from sipx.net.resolver.cache import (
    FAILURE_LIFE,
    LONGEST_LIFE,
    MOST_ANSWERS,
    RETRY,
    SHORTEST_LIFE,
    STALE_LIFE,
)
from sipx.net.resolver.client import MOST_QUERIES, SICK_LIFE, STALE_PATIENCE
from sipx.net.resolver.query import PATIENCE, ROUNDS
from sipx.net.resolver.wire import MOST_RECORDS
from tests.net.resolver.support import FIRST, SECOND, Net
from tests.support.zone import Zone, a, aaaa, cname, naptr, srv


class ResolverCase(SynchronousTestCase):
    """A resolver with two name servers, unless a test says otherwise."""

    def net(self, *zones: Zone, **more: Any) -> Net:
        return Net(Path(self.mktemp()), *zones, **more)


class AnswerTests(ResolverCase):
    """What name servers say."""

    def test_kinds(self) -> None:
        """Records of each kind are read."""
        net = self.net(
            Zone(
                a("h.example", "192.0.2.1"),
                a("h.example", "192.0.2.2"),
                aaaa("h.example", "2001:db8::1"),
                srv("_sip._udp.h.example", 1, 2, 5070, "A.example"),
                srv("_sip._tcp.h.example", 0, 0, 0, "."),
                naptr("h.example", 10, "SIP+D2U", "_sip._udp.h.example"),
            )
        )
        self.assertEqual(net.records("h.example"), ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(net.records("h.example", Kind.AAAA), ["2001:db8::1"])
        self.assertEqual(
            net.records("_sip._udp.h.example", Kind.SRV), [Srv(1, 2, 5070, "a.example")]
        )
        self.assertEqual(net.records("_sip._tcp.h.example", Kind.SRV), [Srv(0, 0, 0, "")])
        self.assertEqual(
            net.records("h.example", Kind.NAPTR),
            [Naptr(10, 50, "s", "SIP+D2U", "", "_sip._udp.h.example")],
        )

    def test_number_of_servers(self) -> None:
        """None, one and 50 records; beyond the limit they are not kept."""
        for number, kept in ((0, 0), (1, 1), (50, 50), (200, MOST_RECORDS)):
            name = "_sip._udp.h.example"
            zone = Zone(*(srv(name, 1, n, 5060, f"s{n}.example") for n in range(number)))
            self.assertEqual(len(self.net(zone).records(name, Kind.SRV)), kept)

    def test_absent(self) -> None:
        """No such name and no such type are answers, good for as long as the zone says."""
        zone = Zone(a("h.example", "192.0.2.1"))
        net = self.net(zone)
        for name, kind in (("x.example", Kind.A), ("h.example", Kind.AAAA)):
            answer = net.ask(name, kind)
            assert answer is not None
            self.assertEqual((answer.records, answer.failed), ((), False))
            asked = len(zone.asked)
            net.advance(29)
            net.ask(name, kind)
            self.assertEqual(len(zone.asked), asked)
            net.advance(2)
            net.ask(name, kind)
            self.assertEqual(len(zone.asked), asked + 1)

    def test_absent_without_word(self) -> None:
        """When nobody says for how long, it is asked again soon."""
        zone = Zone()
        zone.negative = None
        net = self.net(zone)
        net.ask("x.example")
        net.advance(SHORTEST_LIFE - 1)
        net.ask("x.example")
        self.assertEqual(len(zone.asked), 1)
        net.advance(1)
        net.ask("x.example")
        self.assertEqual(len(zone.asked), 2)

    def test_aliases(self) -> None:
        """Aliases are followed, whether the name server does it or we do."""
        for chases in (True, False):
            zone = Zone(
                cname("h.example", "B.example", 50),
                cname("b.example", "c.example", 40),
                a("c.example", "192.0.2.1"),
            )
            zone.chases = chases
            zone.negative = None
            net = self.net(zone)
            answer = net.ask("h.example")
            assert answer is not None
            self.assertEqual((answer.records, answer.life), (("192.0.2.1",), 40))
            self.assertEqual(len(zone.asked), 1 if chases else 3)
            self.assertEqual(net.records("h.example"), ["192.0.2.1"])
            self.assertEqual(len(zone.asked), 1 if chases else 3)

    def test_alias_to_nothing(self) -> None:
        """An alias of a name that is not there leads to nothing."""
        zone = Zone(cname("h.example", "b.example"))
        zone.chases = False
        answer = self.net(zone).ask("h.example")
        assert answer is not None
        self.assertEqual((answer.records, answer.failed), ((), False))

    def test_circles(self) -> None:
        """Aliases in a circle, and chains without end, are given up."""
        circle = [cname("h.example", "b.example"), cname("b.example", "h.example")]
        chain = [cname(f"h{n}.example", f"h{n + 1}.example") for n in range(30)]
        for records, name in ((circle, "h.example"), (chain, "h0.example")):
            for chases in (True, False):
                zone = Zone(*records)
                zone.chases = chases
                zone.negative = None
                net = self.net(zone)
                answer = net.ask(name)
                assert answer is not None
                self.assertEqual((answer.records, answer.failed), ((), True))
                self.assertLess(len(zone.asked), 12)
                self.assertEqual(net.resolver.queries, 0)

    def test_lies(self) -> None:
        """What a message says of other names is not believed."""
        zone = Zone(a("h.example", "192.0.2.1"))
        zone.lies = [a("bank.example", "203.0.113.6"), a("x.h.example", "203.0.113.7")]
        net = self.net(zone)
        self.assertEqual(net.records("h.example"), ["192.0.2.1"])
        self.assertEqual(len(net.resolver.cache), 1)
        self.assertEqual(net.records("nobody.example"), [])

    def test_other_answers(self) -> None:
        """An answer with another number, to another question, or that is a query, is no answer."""

        def number(message: dns.Message) -> None:
            message.id ^= 1

        def question(message: dns.Message) -> None:
            message.queries[0].name = dns.Name("other.example")

        def kind(message: dns.Message) -> None:
            message.queries[0].type = dns.SRV

        def query(message: dns.Message) -> None:
            message.answer = 0

        def none(message: dns.Message) -> None:
            message.queries = []

        for change in (number, question, kind, query, none):
            liar, honest = Zone(a("h.example", "203.0.113.6")), Zone(a("h.example", "192.0.2.1"))
            liar.change = change
            net = self.net(liar, honest)
            self.assertEqual(net.records("h.example"), ["192.0.2.1"], change)

    def test_unusable_targets(self) -> None:
        """Servers whose names are none are left out."""
        zone = Zone(
            srv("h.example", 1, 1, 5060, "a b.example"),
            srv("h.example", 1, 1, 5060, "::1"),
            srv("h.example", 1, 1, 5060, "a.example"),
        )
        net = self.net(zone)
        self.assertEqual(net.records("h.example", Kind.SRV), [Srv(1, 1, 5060, "a.example")])

    def test_bad_names(self) -> None:
        """What cannot be a name is not asked for."""
        zone = Zone()
        net = self.net(zone)
        for name in (
            "",
            "a..b",
            "a" * 64,
            ".".join(["a" * 60] * 5),
            "b\xfccher.example",
            "a b",
            "-a",
        ):
            self.assertEqual(net.records(name), [], name)
        self.assertEqual(zone.asked, [])

    def test_truncated(self) -> None:
        """What does not fit a datagram is asked for over TCP."""
        zone = Zone(*(srv("h.example", 1, n, 5060, f"s{n}.example") for n in range(50)))
        zone.truncates = True
        net = self.net(zone)
        self.assertEqual(len(net.records("h.example", Kind.SRV)), 50)
        self.assertEqual(len(zone.asked), 2)

    def test_truncated_without_tcp(self) -> None:
        """A name server that cannot say it all over TCP is passed over."""
        short, whole = Zone(a("h.example", "192.0.2.1")), Zone(a("h.example", "192.0.2.2"))
        short.truncates = True
        net = self.net(short, whole)
        net.no_streams = {FIRST}
        self.assertEqual(net.records("h.example"), ["192.0.2.2"])


class SilenceTests(ResolverCase):
    """Name servers that do not answer."""

    def test_refused(self) -> None:
        """Where nobody listens the next one is asked at once."""
        net = self.net(Zone(), Zone(a("h.example", "192.0.2.1")))
        del net.zones[FIRST]
        started = net.now
        self.assertEqual(net.records("h.example"), ["192.0.2.1"])
        self.assertLess(net.now - started, 0.3)

    def test_refuses(self) -> None:
        """So it is with one that refuses or fails."""
        for code in (dns.ESERVER, dns.EREFUSED, dns.ENOTIMP, dns.EFORMAT):
            bad = Zone(a("h.example", "203.0.113.6"))
            bad.code = code
            net = self.net(bad, Zone(a("h.example", "192.0.2.1")))
            started = net.now
            self.assertEqual(net.records("h.example"), ["192.0.2.1"])
            self.assertLess(net.now - started, 0.3)

    def test_silent(self) -> None:
        """A silent one is given its time, and is asked last for a while."""
        silent, good = Zone(), Zone(a("h.example", "192.0.2.1"), a("i.example", "192.0.2.2"))
        silent.silent = True
        net = self.net(silent, good)
        started = net.now
        self.assertEqual(net.records("h.example"), ["192.0.2.1"])
        self.assertTrue(PATIENCE <= net.now - started < PATIENCE + 0.5)
        started = net.now
        self.assertEqual(net.records("i.example"), ["192.0.2.2"])
        self.assertLess(net.now - started, 0.3)
        self.assertEqual(len(silent.asked), 1)
        net.advance(SICK_LIFE)
        net.records("j.example")
        self.assertEqual(len(silent.asked), 2)

    def test_slow(self) -> None:
        """An answer that comes after the next one was asked is an answer too."""
        slow, silent = Zone(a("h.example", "192.0.2.1")), Zone()
        silent.silent = True
        net = self.net(slow, silent)
        net.delays[FIRST] = PATIENCE + 1
        started = net.now
        self.assertEqual(net.records("h.example"), ["192.0.2.1"])
        self.assertTrue(PATIENCE + 1 <= net.now - started < PATIENCE + 1.5)

    def test_down(self) -> None:
        """When none answers that is said after a bounded time, and remembered for a little."""
        down = Zone(), Zone()
        for zone in down:
            zone.silent = True
        net = self.net(*down)
        started = net.now
        answer = net.ask("h.example")
        assert answer is not None
        self.assertTrue(answer.failed)
        self.assertLess(net.now - started, 2 * ROUNDS * PATIENCE + 0.5)
        self.assertFalse(net.resolver.answering)
        asked = len(down[0].asked)
        net.advance(FAILURE_LIFE - 1)
        self.assertTrue(net.ask("h.example", wait=0.0) is not None)
        self.assertEqual(len(down[0].asked), asked)
        net.advance(1.1)
        for zone in down:
            zone.silent = False
            zone.records = [a("h.example", "192.0.2.1")]
        self.assertEqual(net.records("h.example"), ["192.0.2.1"])
        self.assertTrue(net.resolver.answering)
        self.assertTrue(all(not way.open for way in net.ways))

    def test_sockets(self) -> None:
        """All sockets of a question are closed once it is answered; each has its own."""
        net = self.net(Zone(a("h.example", "192.0.2.1")))
        for name in ("h.example", "i.example", "j.example"):
            net.ask(name)
        self.assertEqual(len(net.ways), 3)
        self.assertTrue(all(not way.open for way in net.ways))


class MemoryTests(ResolverCase):
    """Answers that are remembered."""

    def setUp(self) -> None:
        self.zone = Zone(a("h.example", "192.0.2.1", 100))
        self.zones = [self.zone, Zone()]
        self.zones[1].silent = True

    def test_life(self) -> None:
        """An answer is good for as long as it says, within limits."""
        for ttl, life in ((100, 100), (0, SHORTEST_LIFE), (10**6, LONGEST_LIFE)):
            zone = Zone(a("h.example", "192.0.2.1", ttl))
            net = self.net(zone)
            net.ask("h.example")
            net.advance(life * 0.85)
            self.assertIsNotNone(net.ask("h.example", wait=0))
            self.assertEqual(len(zone.asked), 1)
            net.advance(life * 0.25)
            self.assertIsNone(net.ask("h.example", wait=0))
            self.assertEqual(len(zone.asked), 2)

    def test_ahead(self) -> None:
        """What is in use is renewed before it ends, and nobody waits for that."""
        net = self.net(*self.zones)
        net.ask("h.example")
        net.advance(95)
        self.zone.records = [a("h.example", "192.0.2.2", 100)]
        self.assertEqual(net.ask("h.example", wait=0), (("192.0.2.1",), 100, False))
        self.assertEqual(len(self.zone.asked), 2)
        net.advance(1)
        self.assertEqual(net.ask("h.example", wait=0), (("192.0.2.2",), 100, False))
        self.assertEqual(len(self.zone.asked), 2)

    def test_stale(self) -> None:
        """While the DNS is down, former answers serve: the first asker waits shortly, no other."""
        net = self.net(*self.zones)
        net.ask("h.example")
        self.zone.silent = True
        net.advance(101)
        started = net.now
        self.assertEqual(net.records("h.example"), ["192.0.2.1"])
        self.assertLess(net.now - started, STALE_PATIENCE + 0.3)
        net.advance(2 * ROUNDS * PATIENCE)
        asked = len(self.zone.asked)
        answer = net.ask("h.example", wait=0)
        assert answer is not None
        self.assertEqual(answer.records, ("192.0.2.1",))
        self.assertEqual(len(self.zone.asked), asked)  # until the next attempt
        self.assertEqual(net.resolver.stale, 2)
        net.advance(RETRY)
        self.zone.silent = False
        self.zone.records = [a("h.example", "192.0.2.2", 100)]
        self.assertEqual(net.records("h.example"), ["192.0.2.2"])

    def test_too_stale(self) -> None:
        """After a day they are forgotten."""
        net = self.net(*self.zones)
        net.ask("h.example")
        self.zone.silent = True
        net.now += 100 + STALE_LIFE
        answer = net.ask("h.example")
        assert answer is not None
        answer = net.ask("h.example")
        assert answer is not None
        self.assertTrue(answer.failed)

    def test_gone(self) -> None:
        """A name that is taken away is gone: an absence is no failure."""
        net = self.net(*self.zones)
        net.ask("h.example")
        self.zone.records = []
        net.advance(101)
        self.assertEqual(net.records("h.example"), [])

    def test_asked_once(self) -> None:
        """Who asks while it is being asked waits for the same answer."""
        net = self.net(*self.zones)
        answers: list[Any] = []
        for _ in range(5):
            net.resolver.ask(Question("h.example", Kind.A), answers.append)
        self.assertEqual((answers, net.resolver.queries), ([], 1))
        net.advance(0.1)
        self.assertEqual([found.records for found in answers], [("192.0.2.1",)] * 5)
        self.assertEqual(len(self.zone.asked), 1)

    def test_bounds(self) -> None:
        """So many questions at a time, so many answers in memory."""
        self.zone.silent = True
        net = self.net(*self.zones)
        answers: list[Any] = []
        for number in range(MOST_QUERIES + 1):
            net.resolver.ask(Question(f"h{number}.example", Kind.A), answers.append)
        self.assertEqual(net.resolver.queries, MOST_QUERIES)
        self.assertEqual([found.failed for found in answers], [True])
        net.advance(2 * ROUNDS * PATIENCE + 1)
        self.assertEqual(net.resolver.queries, 0)
        self.patch(client, "MOST_QUERIES", MOST_ANSWERS * 2)
        self.zone.silent = False
        for number in range(MOST_ANSWERS + 10):
            net.resolver.ask(Question(f"n{number}.example", Kind.A), answers.append)
        net.advance(0.1)
        self.assertEqual(len(net.resolver.cache), MOST_ANSWERS)


class MachineTests(ResolverCase):
    """/etc/hosts and /etc/resolv.conf."""

    HOSTS = (
        "# comment\n127.0.0.1 localhost\n192.0.2.7  Phone phone.example # ours\n"
        "2001:db8::7 phone.example\nnonsense here\n192.0.2.8 phone.example\n"
    )

    def test_hosts(self) -> None:
        """Names in /etc/hosts need no name server."""
        zone = Zone(a("phone.example", "203.0.113.6"))
        net = self.net(zone, hosts=self.HOSTS)
        self.assertEqual(net.records("phone.example"), ["192.0.2.7", "192.0.2.8"])
        self.assertEqual(net.records("phone"), ["192.0.2.7"])
        self.assertEqual(net.records("phone.example", Kind.AAAA), ["2001:db8::7"])
        self.assertEqual(net.records("phone", Kind.AAAA), [])
        self.assertEqual(zone.asked, [])
        net.records("phone.example", Kind.SRV)
        self.assertEqual(zone.asked, [("phone.example", "SRV")])

    def test_changed(self) -> None:
        """Both files are read again when they change; one that is gone is empty."""
        zone = Zone(a("phone.example", "203.0.113.6"), a("h.example", "192.0.2.1"))
        net = self.net(Zone(), zone, hosts=self.HOSTS)
        net.hosts_file.write_text("192.0.2.99 phone.example\n")
        net.conf.write_text(f"options rotate\nnameserver {SECOND[0]}\nnameserver x\n")
        self.assertEqual(net.records("phone.example")[0], "192.0.2.7")
        net.resolver.refresh()
        self.assertEqual(net.records("phone.example"), ["192.0.2.99"])
        self.assertEqual(net.resolver.describe(), f"{SECOND[0]}:53")
        self.assertEqual(net.records("h.example"), ["192.0.2.1"])
        net.hosts_file.unlink()
        net.conf.unlink()
        net.resolver.refresh()
        net.resolver.refresh()
        self.assertEqual(net.resolver.describe(), "127.0.0.1:53")

    def test_given(self) -> None:
        """Name servers that were given are asked, and no others."""
        net = self.net(Zone(), Zone(a("h.example", "192.0.2.1")), given=[SECOND])
        self.assertEqual(net.records("h.example"), ["192.0.2.1"])
        self.assertEqual(net.zones[FIRST].asked, [])
