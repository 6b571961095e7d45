"""Tests of media.core.rtcp and media.core.control: reports on the wire and what they tell."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from media.core import rtcp
from media.core.control import COMPENSATION, ControlSession, interval
from media.core.quality import mean_opinion_score, rating
from media.core.reception import Reception
from media.core.rtcp import Description, Goodbye, Report, ReportBlock, SenderInfo
from media.core.rtp import Sender, parse

u32 = st.integers(0, 0xFFFFFFFF)
blocks = st.builds(
    ReportBlock, u32, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), u32, u32, u32, u32
)
infos = st.builds(SenderInfo, st.integers(0, 2**64 - 1), u32, u32, u32)
reports = st.builds(Report, u32, st.none() | infos, st.lists(blocks, max_size=31).map(tuple))
names = st.text(st.characters(codec="utf-8"), max_size=60)
descriptions = st.builds(Description, st.lists(st.tuples(u32, names), max_size=5).map(tuple))
goodbyes = st.builds(Goodbye, st.lists(u32, max_size=5).map(tuple), names)
compounds = st.tuples(reports, st.lists(reports | descriptions | goodbyes, max_size=4))


class WireTests(SynchronousTestCase):
    @settings(derandomize=True, deadline=None)
    @given(compounds)
    def test_round_trip(self, compound: tuple[Report, list[rtcp.Control]]) -> None:
        """What is written is read again."""
        parts = [compound[0], *compound[1]]
        data = rtcp.build(*parts)
        self.assertEqual(len(data) % 4, 0)
        self.assertEqual(rtcp.parse(data), parts)

    @settings(derandomize=True, deadline=None, max_examples=300)
    @given(compounds, st.integers(0, 2000), st.integers(0, 255))
    def test_damage(
        self, compound: tuple[Report, list[rtcp.Control]], place: int, octet: int
    ) -> None:
        """A damaged packet is read as something or as None, never an exception."""
        data = bytearray(rtcp.build(compound[0], *compound[1]))
        data[place % len(data)] = octet
        rtcp.parse(bytes(data))
        rtcp.parse(bytes(data[: place % len(data)]))

    def test_a_known_report(self) -> None:
        """The fields of a receiver report stand where section 6.4.2 has them."""
        data = bytes.fromhex(
            "81 c9 0007 00000001 00000002 40 fffffe 00010005 00000010 12345678 00010000"
        )
        self.assertEqual(
            rtcp.parse(data),
            [Report(1, None, (ReportBlock(2, 0x40, -2, 0x10005, 16, 0x12345678, 65536),))],
        )

    def test_unknown_types_are_skipped(self) -> None:
        """APP and feedback packets in a compound are passed over."""
        data = rtcp.build(Report(1)) + bytes.fromhex("81cc0002 00000001 61626364")
        self.assertEqual(rtcp.parse(data), [Report(1)])

    def test_no_rtcp(self) -> None:
        """Lengths that do not fit, another version or padding in the middle: none."""
        good = rtcp.build(Report(1), Goodbye((1,)))
        for data in (b"", good[:-2], good[:-4], b"\x40" + good[1:], b"\xa0" + good[1:]):
            self.assertIsNone(rtcp.parse(data))

    def test_a_report_comes_first(self) -> None:
        """What would be no valid compound is not written."""
        self.assertRaises(ValueError, rtcp.build, Goodbye((1,)))
        self.assertRaises(ValueError, rtcp.build, Report(1), Goodbye(tuple(range(32))))


class IntervalTests(SynchronousTestCase):
    def test_a_call(self) -> None:
        """With two members it is the shortest interval, halved before the first report."""
        for first, base in ((True, 2.5), (False, 5.0)):
            shortest = interval(2, 2, 400.0, True, 100.0, first, 0.0)
            longest = interval(2, 2, 400.0, True, 100.0, first, 1.0)
            self.assertAlmostEqual(shortest, 0.5 * base / COMPENSATION)
            self.assertAlmostEqual(longest, 1.5 * base / COMPENSATION)

    def test_grows_with_members(self) -> None:
        """Many members share the bandwidth, senders a quarter of it."""
        listener = interval(1000, 1, 400.0, False, 100.0, False, 0.5)
        self.assertAlmostEqual(listener, 999 * 100 / 300 / COMPENSATION)
        speaker = interval(1000, 100, 400.0, True, 100.0, False, 0.5)
        self.assertAlmostEqual(speaker, 100 * 100 / 100 / COMPENSATION)


class Side:
    """One side of a call: it sends, receives and reports."""

    def __init__(self, name: str, ssrc: int) -> None:
        self.sender = Sender(ssrc, 1, 1)
        self.reception = Reception(8000)
        draw = random.Random(ssrc)
        self.control = ControlSession(self.sender, self.reception, name, draw.random, 0.0)

    def speak(self, other: Side, now: float, lost: bool = False) -> None:
        packet = parse(self.sender.audio(0, b"x" * 160, 160))
        assert packet
        if not lost:
            other.reception.received(packet, now)


class SessionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.near, self.far = Side("near", 11), Side("far", 22)

    def talk(self, start: float, frames: int, lose_every: int = 0) -> float:
        now = start
        for number in range(frames):
            now = start + number * 0.02
            self.near.speak(self.far, now, bool(lose_every) and number % lose_every == 0)
            self.far.speak(self.near, now)
        return now

    def test_round_trip_and_loss(self) -> None:
        """Reports tell each side the way's length, and what the other side lost."""
        now = self.talk(0.0, 100)
        now = self.talk(now + 0.02, 100, lose_every=10)
        utc = 1_000_000_000.0
        report = self.near.control.report(now, utc + now)
        self.far.control.received(report, now + 0.04, utc + now + 0.04)
        answer = self.far.control.report(now + 1.0, utc + now + 1.0)
        self.near.control.received(answer, now + 1.06, utc + now + 1.06)
        trip = self.near.control.round_trip
        assert trip is not None
        self.assertLess(abs(trip - 0.1), 0.001)
        self.assertEqual(self.near.control.remote_lost, 10)
        self.assertLess(abs(self.near.control.remote_lost_share - 10 / 199), 0.005)
        self.assertEqual(self.near.control.peer_name, "far")

    def test_deadline(self) -> None:
        """After a report the next one is due in 2 to 6.2 seconds, not always the same."""
        steps = set()
        for _ in range(5):
            now = self.near.control.deadline()
            self.near.control.report(now, now)
            steps.add(round(self.near.control.deadline() - now, 3))
        self.assertTrue(all(2.0 < step < 6.2 for step in steps), steps)
        self.assertEqual(len(steps), 5)

    def test_who_does_not_send_reports_as_a_receiver(self) -> None:
        """A side on hold sends receiver reports (6.4)."""
        self.talk(0.0, 5)
        first = rtcp.parse(self.near.control.report(0.2, 0.2))
        second = rtcp.parse(self.near.control.report(5.0, 5.0))
        assert first and second
        self.assertIsInstance(first[0], Report)
        self.assertIsNotNone(first[0].sender)  # type: ignore[union-attr]  # checked above
        self.assertIsNone(second[0].sender)  # type: ignore[union-attr]  # same kind

    def test_goodbye(self) -> None:
        """The peer's BYE is noticed, a stranger's is not, garbage is counted."""
        self.talk(0.0, 5)
        stranger = rtcp.build(Report(99), Goodbye((99,)))
        self.near.control.received(stranger, 1.0, 1.0)
        self.near.control.received(b"\x80\xc8\x00\x09", 1.0, 1.0)
        self.assertFalse(self.near.control.gone)
        self.assertEqual(self.near.control.malformed, 1)
        self.near.control.received(self.far.control.goodbye(1.0, 1.0, "hung up"), 1.0, 1.0)
        self.assertTrue(self.near.control.gone)


class QualityTests(SynchronousTestCase):
    def test_a_perfect_call(self) -> None:
        """G.711 without loss and delay gets the 4.4 of G.107."""
        self.assertAlmostEqual(mean_opinion_score("PCMU", 0.0, 0.0), 4.41, places=2)

    def test_worse_is_lower(self) -> None:
        """Loss and delay lower the score, down to 1."""
        scores = [mean_opinion_score("PCMA", share / 100, 0.05) for share in range(0, 101, 5)]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertGreaterEqual(scores[-1], 1.0)
        late = [rating("PCMA", 0.0, ms / 1000) for ms in range(0, 1000, 50)]
        self.assertEqual(late, sorted(late, reverse=True))

    def test_two_percent(self) -> None:
        """2 % loss cost G.711 with concealment 7 points of R: 95 * 2 / (2 + 25.1)."""
        self.assertAlmostEqual(rating("PCMU", 0.0, 0.0) - rating("PCMU", 0.02, 0.0), 7.01, places=2)
