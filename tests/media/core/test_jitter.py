"""Tests of media.core.jitter: what is played when packets come late, twice or not at all."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from media.core.jitter import CONTINUED, IDLE_FRAMES, LARGEST_DELAY, MOST_FRAMES, JitterBuffer
from media.core.rtp import Packet
from tests.media.core.network import Network, speech, ticks

Arrivals = list[tuple[float, Packet]]


def play(
    buffer: JitterBuffer, arrivals: Arrivals, start: float, seconds: float, quiet: bool = False
) -> list[bytes | None]:
    """What each tick gets; each packet is pushed before the first tick after its arrival."""
    waiting = list(arrivals)
    heard = []
    for now in ticks(start, seconds):
        while waiting and waiting[0][0] <= now:
            arrival, packet = waiting.pop(0)
            buffer.push(packet.timestamp, packet.payload, arrival)
        heard.append(buffer.pull(now, quiet))
    return heard


def frames(count: int) -> list[bytes]:
    return [bytes((number % 251,)) * 160 for number in range(count)]


def whole(heard: list[bytes | None]) -> list[bytes]:
    return [one for one in heard if one is not None]


class OrderTests(SynchronousTestCase):
    def buffer(self) -> JitterBuffer:
        return JitterBuffer(8000, 160)

    def test_a_perfect_network(self) -> None:
        """Every frame once and in order, across the wraps of sequence and timestamp."""
        buffer = self.buffer()
        heard = play(buffer, Network().carry(speech(500)), 100.0, 10.5)
        self.assertEqual(whole(heard), frames(500)[-len(whole(heard)) :])
        self.assertGreaterEqual(len(whole(heard)), 498)
        self.assertLessEqual(buffer.target, 0.02)

    def test_reordered(self) -> None:
        """Packets that overtake each other are played as they were sent."""
        buffer = self.buffer()
        arrivals = Network().carry(speech(240))
        for at in range(1, len(arrivals) - 1, 2):
            arrivals[at : at + 2] = [
                (arrivals[at][0], arrivals[at + 1][1]),
                (arrivals[at + 1][0], arrivals[at][1]),
            ]
        heard = whole(play(buffer, arrivals, 100.0, 6.2))
        self.assertEqual(heard, sorted(heard))
        self.assertGreaterEqual(len(heard), 237)

    def test_overtaken_by_the_second(self) -> None:
        """If the second packet comes first, both are played."""
        buffer = self.buffer()
        arrivals = Network().carry(speech(20))
        arrivals[0], arrivals[1] = (
            (arrivals[0][0], arrivals[1][1]),
            (arrivals[0][0] + 0.001, arrivals[0][1]),
        )
        heard = whole(play(buffer, arrivals, 100.0, 0.5))
        self.assertEqual(heard[:3], frames(3))

    def test_doubled(self) -> None:
        """A packet that comes twice is played once."""
        buffer = self.buffer()
        heard = whole(play(buffer, Network(doubled=0.5).carry(speech(300)), 100.0, 6.2))
        self.assertEqual(heard, frames(300)[-len(heard) :])
        self.assertGreater(buffer.duplicates + buffer.late, 100)


class TimeTests(SynchronousTestCase):
    def test_fifty_milliseconds_of_jitter(self) -> None:
        """The delay grows to what the network needs; then nearly all frames are in time."""
        buffer = JitterBuffer(8000, 160)
        arrivals = Network(jitter=0.05).carry(speech(2000))
        play(buffer, arrivals[:500], 100.0, 10.0)
        late = buffer.late
        play(buffer, arrivals[500:], 110.0, 30.0)
        self.assertLess(buffer.late - late, 1500 * 0.04)
        self.assertGreater(buffer.target, 0.04)
        self.assertLess(buffer.target, 0.08)

    def test_ten_percent_loss(self) -> None:
        """Lost frames are missing, no more, and the delay does not grow for them."""
        buffer = JitterBuffer(8000, 160)
        heard = play(buffer, Network(loss=0.1).carry(speech(2000)), 100.0, 40.0)
        self.assertLess(abs(len(whole(heard)) / 2000 - 0.9), 0.03)
        self.assertLessEqual(buffer.target, 0.025)
        self.assertEqual(buffer.late, 0)

    def test_everything_at_once(self) -> None:
        """Loss, jitter, reordering and duplicates: what is played is in order."""
        buffer = JitterBuffer(8000, 160)
        network = Network(loss=0.1, jitter=0.05, doubled=0.05)
        heard = whole(play(buffer, network.carry(speech(240)), 100.0, 4.8))
        order = [frame[0] for frame in heard]
        self.assertEqual(order, sorted(order))
        self.assertEqual(len(order), len(set(order)))
        self.assertGreater(len(order), 240 * 0.8)

    def test_it_falls_again(self) -> None:
        """When the network calms down the delay is taken back, one frame at a time."""
        buffer = JitterBuffer(8000, 160)
        bad = Network(jitter=0.1).carry(speech(1000))
        good = [(at, one) for at, one in Network().carry(speech(4000)) if at > 120.1]
        play(buffer, bad, 100.0, 20.0)
        high = buffer.target
        heard = play(buffer, good, 120.0, 60.0, quiet=True)
        self.assertGreater(high, 0.07)
        self.assertLessEqual(buffer.target, 0.025)
        self.assertGreaterEqual(buffer.skipped, 2)
        self.assertLess(buffer.delay(180.0), 0.07)
        self.assertEqual(sum(one is None for one in heard[-500:]), 0)

    def test_clock_drift(self) -> None:
        """A sender whose clock is 0.1 % fast or slow is followed without growing delay."""
        for factor in (0.999, 1.001):
            buffer = JitterBuffer(8000, 160)
            arrivals = [
                (100.03 + (sent - 100.0) * factor, packet) for sent, packet in speech(15_000)
            ]
            heard = play(buffer, arrivals, 100.0, 295.0, quiet=True)
            self.assertLess(buffer.delay(395.0), 0.08)
            self.assertGreater(len(whole(heard)), 14_500)
            self.assertEqual(buffer.restarts, 1)

    def test_silence(self) -> None:
        """A peer that stops sending empties the buffer; when it speaks again it is heard."""
        buffer = JitterBuffer(8000, 160)
        sound = speech(200)
        arrivals = Network().carry(sound[:50] + sound[150:])
        heard = play(buffer, arrivals, 100.0, 4.1)
        self.assertEqual(whole(heard)[-50:], frames(200)[150:])
        self.assertEqual(buffer.restarts, 2)
        self.assertLessEqual(buffer.missing, IDLE_FRAMES + 3)  # three after the end

    def test_late_into_an_empty_buffer(self) -> None:
        """A frame that comes late while nothing else waits is played, not thrown away."""
        buffer = JitterBuffer(8000, 160)
        arrivals = Network().carry(speech(40))
        held_up = [
            (at + (0.05 if number >= 20 else 0), one) for number, (at, one) in enumerate(arrivals)
        ]
        heard = play(buffer, held_up, 100.0, 0.95)
        self.assertEqual(whole(heard), frames(40))
        self.assertEqual(buffer.late, 0)


class BoundTests(SynchronousTestCase):
    def test_a_burst(self) -> None:
        """However many packets come at once, MOST_FRAMES wait at most."""
        buffer = JitterBuffer(8000, 160)
        for _, packet in speech(90):
            buffer.push(packet.timestamp, packet.payload, 100.0)
            self.assertLessEqual(len(buffer), MOST_FRAMES)
        self.assertEqual(buffer.overflowed, 40)
        self.assertLessEqual(buffer.target, LARGEST_DELAY)

    def test_a_jump_of_the_timestamp(self) -> None:
        """A sender that begins again elsewhere is played from there."""
        buffer = JitterBuffer(8000, 160)
        before = Network().carry(speech(50))
        after = Network().carry(speech(50, timestamp=77_000_000, start=101.0))
        heard = whole(play(buffer, before + after, 100.0, 2.2))
        self.assertEqual(heard[-50:], frames(50))
        self.assertEqual(buffer.restarts, 2)

    def test_parts_are_bounded(self) -> None:
        """Halves of frames whose other half never comes do not pile up."""
        buffer = JitterBuffer(8000, 160)
        for number in range(500):
            buffer.push(number * 160, b"x" * 80, 100.0 + number * 0.02)
            buffer.pull(100.0 + number * 0.02)
            self.assertLessEqual(len(buffer._parts), MOST_FRAMES)
        self.assertEqual(len(buffer), 0)


class PtimeTests(SynchronousTestCase):
    def test_other_ptimes(self) -> None:
        """Payloads of 10, 30, 40 and 60 ms are cut and joined to frames of 20 ms."""
        for ptime in (10, 30, 40, 60):
            buffer = JitterBuffer(8000, 160)
            arrivals = Network().carry(speech(6000 // ptime, ptime))
            heard = whole(play(buffer, arrivals, 100.0, 6.2))
            self.assertEqual(heard, frames(300)[-len(heard) :], ptime)
            self.assertGreaterEqual(len(heard), 296, ptime)

    def test_half_a_frame_is_missing(self) -> None:
        """A frame of which half was lost is concealed, not played by half."""
        buffer = JitterBuffer(8000, 160)
        arrivals = [entry for number, entry in enumerate(speech(60, 10)) if number != 31]
        heard = whole(play(buffer, arrivals, 100.0, 0.7))
        self.assertEqual(heard, [*frames(15), *frames(30)[16:]])

    def test_payloads_that_stay_whole(self) -> None:
        """A packet of 60 ms that cannot be cut is given once, and stands for three frames."""
        buffer = JitterBuffer(48_000, None)
        for number in range(10):
            buffer.push(number * 2880, b"opus%d" % number, 100.0 + number * 0.06, units=2880)
        heard = [buffer.pull(now) for now in ticks(100.06, 0.6)]
        self.assertIn(
            [b"opus3", CONTINUED, CONTINUED, b"opus4"], [heard[at : at + 4] for at in range(20)]
        )
