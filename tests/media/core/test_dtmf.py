"""Tests of media.core.dtmf and media.core.inband: digits in packets, in sound and in INFO."""

from __future__ import annotations

import random
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from media.core.codecs.g711 import ULAW
from media.core.dtmf import (
    DIGITS,
    LONGEST_DURATION,
    MOST_WAITING,
    SILENCE,
    EventReceiver,
    EventSender,
    Key,
    parse_info,
)
from media.core.inband import HIGH, KEYS, LOW, InbandDetector, generate
from sipx.core.errors import RemoteError
from tests.media.core.sounds import ESPEAK, Samples, buzz, noise, speech

Packets = list[tuple[float, int, bytes]]


def payload(event: int, duration: int, end: bool = False) -> bytes:
    return struct.pack("!BBH", event, (0x80 if end else 0) | 10, duration)


def sent(digits: str) -> Packets:
    """What our sender sends: arrival, timestamp, payload."""
    sender = EventSender(8000)
    sender.send(digits)
    packets = []
    now, timestamp = 0.0, 4_294_966_000
    while sender.busy:
        packet = sender.tick()
        if packet is not None:
            packets.append((now, (timestamp - packet.behind) & 0xFFFFFFFF, packet.payload))
        now += 0.02
        timestamp = (timestamp + 160) & 0xFFFFFFFF
    return packets


def heard(packets: Packets, until: float = 0.0) -> list[Key]:
    receiver = EventReceiver(8000)
    keys: list[Key] = []
    for now, timestamp, data in packets:
        keys += receiver.expire(now)
        keys += receiver.received(timestamp, data, now)
    keys += receiver.expire(until)
    return keys


def pressed(keys: list[Key]) -> str:
    return "".join(key.digit for key in keys if key.pressed)


class SenderTests(SynchronousTestCase):
    def test_one_digit(self) -> None:
        """Durations grow, the timestamp stays, the first has the marker, the end comes thrice."""
        sender = EventSender(8000)
        sender.send("5")
        packets = [sender.tick() for _ in range(12)]
        events = [packet for packet in packets if packet is not None]
        durations = [struct.unpack("!BBH", packet.payload)[2] for packet in events]
        self.assertEqual(durations, [160, 320, 480, 640, 800, 800, 800])
        self.assertEqual([packet.marker for packet in events], [True] + [False] * 6)
        self.assertEqual([bool(p.payload[1] & 0x80) for p in events], [False] * 4 + [True] * 3)
        self.assertEqual([packet.behind for packet in events], [n * 160 for n in range(7)])
        self.assertFalse(sender.busy)

    def test_what_it_takes(self) -> None:
        """Small letters are digits too; other characters, and too many, are refused."""
        sender = EventSender(8000)
        sender.send("abcd")
        self.assertRaises(ValueError, sender.send, "12x")
        self.assertRaises(ValueError, sender.send, "1" * MOST_WAITING)
        self.assertTrue(sender.busy)


class ReceiverTests(SynchronousTestCase):
    def test_all_digits(self) -> None:
        """Each key goes down once and comes up once, after 100 ms; the same one twice too."""
        keys = heard(sent(DIGITS + "55"))
        self.assertEqual(pressed(keys), DIGITS + "55")
        self.assertEqual([key.seconds for key in keys if not key.pressed], [0.1] * 18)

    @settings(derandomize=True, deadline=None, max_examples=60)
    @given(st.integers(0, 10_000))
    def test_faults(self, seed: int) -> None:
        """Loss of some packets of each digit, copies and reordering change nothing."""
        draw = random.Random(seed)
        arrived: Packets = []
        for number, packet in enumerate(sent("13579*#A")):
            if number % 7 == 2 or draw.random() > 0.3:
                arrived.append(packet)
                if draw.random() < 0.2:
                    arrived.append(packet)
        for at in range(len(arrived) - 1):
            if draw.random() < 0.2:
                arrived[at], arrived[at + 1] = arrived[at + 1], arrived[at]
        keys = heard(arrived, until=99.0)
        self.assertEqual(sorted(pressed(keys)), sorted("13579*#A"))
        self.assertEqual(sum(not key.pressed for key in keys), 8)

    def test_the_end_is_lost(self) -> None:
        """A key of which nothing more comes is up after a while."""
        receiver = EventReceiver(8000)
        receiver.received(1000, payload(7, 160), 5.0)
        self.assertEqual(receiver.expire(5.0 + SILENCE / 2), [])
        self.assertEqual(receiver.expire(5.0 + SILENCE), [Key("7", False, 0.02)])
        self.assertEqual(receiver.expire(9.0), [])

    def test_only_ends_arrive(self) -> None:
        """Of a key of which only the end arrives both are told."""
        self.assertEqual(
            heard([(0.0, 50, payload(3, 800, end=True))]),
            [Key("3", True, 0.0), Key("3", False, 0.1)],
        )

    def test_a_long_one(self) -> None:
        """A key held for more than 8 s comes in segments and is one key (2.5.1.3)."""
        receiver = EventReceiver(8000)
        keys = receiver.received(0, payload(1, LONGEST_DURATION), 8.0)
        keys += receiver.received(LONGEST_DURATION, payload(1, 8000), 9.0)
        keys += receiver.received(LONGEST_DURATION, payload(1, 14_465, end=True), 9.1)
        self.assertEqual(keys, [Key("1", True, 0.0), Key("1", False, 10.0)])

    def test_garbage(self) -> None:
        """What is no event is counted; so are events that are no digits."""
        receiver = EventReceiver(8000)
        for data in (b"", b"\1\2\3", payload(16, 160), payload(200, 160)):
            self.assertEqual(receiver.received(0, data, 0.0), [])
        self.assertEqual((receiver.malformed, receiver.ignored), (2, 2))

    def test_another_source(self) -> None:
        """After a change of source the timestamps begin anew."""
        receiver = EventReceiver(8000)
        receiver.received(90_000, payload(1, 800, end=True), 0.0)
        receiver.restart()
        keys = receiver.received(10, payload(2, 160), 1.0)
        self.assertEqual(keys, [Key("2", True, 0.0)])


class InfoTests(SynchronousTestCase):
    def test_bodies(self) -> None:
        """What phones send is read, in its spellings."""
        for kind, body, key in (
            ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", Key("5", False, 0.16)),
            ("application/dtmf-relay", b"Signal= #\r\nDuration= 250", Key("#", False, 0.25)),
            ("Application/DTMF-Relay; x=y", b"signal=11\nduration=100", Key("#", False, 0.1)),
            ("application/dtmf-relay", b"Signal=d\r\n", Key("D", False, 0.1)),
            ("application/dtmf", b"*\r\n", Key("*", False, 0.1)),
            ("application/dtmf", b"Signal=10", Key("*", False, 0.1)),
            ("application/dtmf-relay", b"Signal=1\r\nDuration=999999", Key("1", False, 10.0)),
        ):
            self.assertEqual(parse_info(kind, body), key, body)

    def test_refused(self) -> None:
        """Another body gets 415, one without a digit 400."""
        for kind, body, status in (
            ("text/plain", b"Signal=5", 415),
            ("application/dtmf-relay", b"", 400),
            ("application/dtmf-relay", b"Signal=16\r\n", 400),
            ("application/dtmf-relay", b"Signal=flash", 400),
            ("application/dtmf", b"\xff\xfe", 400),
        ):
            error = self.assertRaises(RemoteError, parse_info, kind, body)
            self.assertEqual(error.status, status, body)


def detect(sound: Samples) -> str:
    """What the detector finds, after G.711 as on a line."""
    line = ULAW.decode_rows(ULAW.encode_rows(sound))
    detector = InbandDetector()
    return "".join(detector.feed(line[at : at + 160]) for at in range(0, len(line), 160))


def dialed(
    digits: str, milliseconds: int, off: float = 0.0, snr: float | None = None, seed: int = 1
) -> Samples:
    """Digits with pauses of the same length, at frequencies that are off by a share."""
    draw = np.random.default_rng(seed)
    at = 2 * np.pi * np.arange(8 * milliseconds) / 8000 * (1 + off)
    parts = []
    for digit in digits:
        row = next(number for number, keys in enumerate(KEYS) if digit in keys)
        high = HIGH[KEYS[row].index(digit)]
        parts += [4000 * (np.sin(LOW[row] * at) + np.sin(high * at))]
        parts += [np.zeros(8 * milliseconds + draw.integers(0, 102))]
    sound = np.concatenate(parts)
    if snr is not None:
        sound += draw.normal(0, 4000 / 10 ** (snr / 20), len(sound))
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


class InbandTests(SynchronousTestCase):
    def test_all_digits(self) -> None:
        """Digits of 40, 50 and 80 ms, 1.5 % off either way, with noise 15 dB below: all, once."""
        digits = DIGITS * 3 + "5509"
        for milliseconds in (40, 50, 80):
            for off in (0.0, 0.015, -0.015):
                for snr in (None, 15.0):
                    found = detect(dialed(digits, milliseconds, off, snr))
                    self.assertEqual(found, digits, (milliseconds, off, snr))

    def test_far_off(self) -> None:
        """Tones 3.5 % off are no digits (Q.24)."""
        for off in (0.035, -0.035):
            self.assertEqual(detect(dialed(DIGITS, 60, off)), "")

    def test_too_short(self) -> None:
        """What lasts 15 ms is no digit."""
        self.assertEqual(detect(dialed(DIGITS, 15)), "")

    def test_one_tone(self) -> None:
        """One tone of a digit is none."""
        at = 2 * np.pi * np.arange(4000) / 8000
        for hertz in LOW + HIGH:
            self.assertEqual(detect((8000 * np.sin(hertz * at)).astype(np.int16)), "")

    def test_faint_and_loud(self) -> None:
        """Digits from -40 to -3 dBm0 a tone are found, at -50 none."""
        for level, wanted in ((-40.0, DIGITS), (-20.0, DIGITS), (-3.0, DIGITS), (-50.0, "")):
            pause = np.zeros(480, np.int16)
            sound = np.concatenate(
                [part for d in DIGITS for part in (generate(d, 0.06, level=level), pause)]
            )
            self.assertEqual(detect(sound), wanted, level)

    def test_a_held_key(self) -> None:
        """A key held for two seconds is one digit."""
        self.assertEqual(detect(generate("8", 2.0)), "8")

    def test_no_digit_in_noise_and_voices(self) -> None:
        """Two minutes of noise and of something like voices: no digit."""
        self.assertEqual(detect(noise(120, 8000)), "")
        self.assertEqual(detect(buzz(120)), "")

    def test_no_digit_in_speech(self) -> None:
        """Ten minutes of speech in many voices: no digit, at three levels."""
        if ESPEAK is None:
            raise SkipTest("espeak-ng is not installed: make peers")
        sound = speech(10.0)
        for gain in (0.25, 1.0, 2.0):
            louder = np.clip(sound * gain, -32768, 32767).astype(np.int16)
            self.assertEqual(detect(louder), "", gain)
