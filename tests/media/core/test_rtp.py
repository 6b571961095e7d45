"""Tests of media.core.rtp: packets on the wire, arithmetic across wraps, cutting and joining."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from media.core.rtp import (
    LARGEST_PACKET,
    Kind,
    Packet,
    Packetizer,
    Recent,
    Sender,
    build,
    kind_of,
    parse,
    sequence_difference,
    timestamp_difference,
)

packets = st.builds(
    Packet,
    st.booleans(),
    st.integers(0, 127),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=400),
)


class PacketTests(SynchronousTestCase):
    @settings(derandomize=True, deadline=None)
    @given(packets)
    def test_round_trip(self, packet: Packet) -> None:
        """What is written is read again."""
        self.assertEqual(parse(build(packet)), packet)

    @settings(derandomize=True, deadline=None, max_examples=300)
    @given(st.binary(max_size=80))
    def test_garbage(self, data: bytes) -> None:
        """Octets from anywhere are a packet or None, never an exception."""
        packet = parse(data)
        if packet is not None:
            self.assertEqual(data[0] >> 6, 2)
            self.assertLessEqual(len(packet.payload), len(data) - 12)

    def test_a_known_packet(self) -> None:
        """The fields stand where RFC 3550 section 5.1 has them."""
        data = bytes.fromhex("80 88 1234 00000a00 deadbeef ff7f")
        self.assertEqual(parse(data), Packet(True, 8, 0x1234, 0xA00, 0xDEADBEEF, b"\xff\x7f"))

    def test_extras_are_skipped(self) -> None:
        """CSRCs, a header extension and padding are not part of the payload."""
        data = bytes.fromhex(
            "b2 00 0001 00000002 00000003"  # padding, extension, two CSRCs
            "aaaaaaaa bbbbbbbb"
            "bede 0001 cccccccc"
            "0102"
            "000003"
        )
        packet = parse(data)
        assert packet is not None
        self.assertEqual(packet.payload, b"\x01\x02")

    def test_lies_about_lengths(self) -> None:
        """A packet whose extras do not fit in it is none."""
        for text in (
            "8f00 0001 00000002 00000003 0102",  # fifteen CSRCs
            "9000 0001 00000002 00000003 bede",  # half an extension header
            "9000 0001 00000002 00000003 bede 0005 00000000",  # extension beyond the end
            "a000 0001 00000002 00000003 0102 00",  # no padding at all
            "a000 0001 00000002 00000003 0102 09",  # more padding than payload
            "4000 0001 00000002 00000003 0102",  # version 1
            "8000 0001 00000002 0000",
        ):
            self.assertIsNone(parse(bytes.fromhex(text)), text)
        self.assertIsNone(parse(bytes((0x80,)) + bytes(LARGEST_PACKET)))

    def test_kinds(self) -> None:
        """What shares a port is told apart by its first octets."""
        for first, second, kind in (
            (0x80, 0, Kind.RTP),
            (0x80, 0x80 | 101, Kind.RTP),
            (0x80, 200, Kind.RTCP),
            (0x81, 207, Kind.RTCP),
            (0, 1, Kind.STUN),
            (22, 254, Kind.DTLS),
            (0x40, 0, Kind.UNKNOWN),
        ):
            self.assertIs(kind_of(bytes((first, second, 0, 0))), kind)
        self.assertIs(kind_of(b"\x80"), Kind.UNKNOWN)


class ArithmeticTests(SynchronousTestCase):
    @settings(derandomize=True, deadline=None)
    @given(st.integers(0, 0xFFFF), st.integers(-0x8000, 0x7FFF))
    def test_sequence(self, start: int, step: int) -> None:
        """A step is found again, wherever it begins."""
        self.assertEqual(sequence_difference((start + step) & 0xFFFF, start), step)

    @settings(derandomize=True, deadline=None)
    @given(st.integers(0, 0xFFFFFFFF), st.integers(-0x80000000, 0x7FFFFFFF))
    def test_timestamp(self, start: int, step: int) -> None:
        """A step is found again, wherever it begins."""
        self.assertEqual(timestamp_difference((start + step) & 0xFFFFFFFF, start), step)


class SenderTests(SynchronousTestCase):
    def test_numbers_across_wraps(self) -> None:
        """Sequence and timestamp wrap; the first packet of a talk spurt has the marker."""
        sender = Sender(5, 0xFFFF, 0xFFFFFFFF - 159)
        first, second = (parse(sender.audio(0, b"x" * 160, 160)) for _ in range(2))
        sender.pause(1600)
        third = parse(sender.audio(0, b"x" * 160, 160))
        assert first and second and third
        self.assertEqual([first.sequence, second.sequence, third.sequence], [0xFFFF, 0, 1])
        self.assertEqual([first.timestamp, second.timestamp], [0xFFFFFF60, 0])
        self.assertEqual(third.timestamp, 1760)
        self.assertEqual([first.marker, second.marker, third.marker], [True, False, True])
        self.assertEqual((sender.packets, sender.octets), (3, 480))

    def test_an_event_keeps_its_timestamp(self) -> None:
        """Packets of an event have the sequence of the stream and a timestamp of their own."""
        sender = Sender(5, 10, 1000)
        packet = parse(sender.event(101, b"\x01\x0a\x00\xa0", 840, True))
        assert packet
        self.assertEqual((packet.sequence, packet.timestamp, packet.marker), (10, 840, True))
        self.assertEqual((sender.sequence, sender.timestamp), (11, 1000))


class PacketizerTests(SynchronousTestCase):
    def test_every_ptime(self) -> None:
        """Nothing is lost or turned round, whatever the ptime."""
        sound = bytes(at % 253 for at in range(160 * 12))
        for ptime in (10, 20, 30, 40, 60, 120):
            packetizer = Packetizer(8, 8, ptime)
            made = []
            for at in range(0, len(sound), 160):
                made += packetizer.feed(sound[at : at + 160])
            self.assertEqual({len(payload) for payload in made}, {ptime * 8})
            self.assertEqual(b"".join(made), sound)
            self.assertEqual(packetizer.units, ptime * 8)

    def test_what_waits_is_forgotten(self) -> None:
        """After a pause a packet has nothing of before."""
        packetizer = Packetizer(8, 8, 30)
        self.assertEqual(packetizer.feed(b"a" * 160), [])
        packetizer.clear()
        packetizer.feed(b"b" * 160)
        self.assertEqual(packetizer.feed(b"b" * 160), [b"b" * 240])

    def test_a_ptime_too_long(self) -> None:
        """What would hold sound back for long is refused."""
        for ptime in (0, 140):
            self.assertRaises(ValueError, Packetizer, 8, 8, ptime)


class RecentTests(SynchronousTestCase):
    def test_remembers_a_bounded_number(self) -> None:
        """A number is known again until SIZE others came."""
        recent = Recent()
        self.assertFalse(recent.again(5))
        self.assertTrue(recent.again(5))
        for number in range(100, 100 + Recent.SIZE):
            self.assertFalse(recent.again(number))
        self.assertFalse(recent.again(5))
