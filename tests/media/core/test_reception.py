"""Tests of media.core.reception: sources, loss and jitter."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from media.core.reception import MAX_DROPOUT, Reception, Source, Verdict
from media.core.rtp import Packet
from tests.media.core.network import Network, speech


def packet(sequence: int, timestamp: int | None = None, ssrc: int = 7) -> Packet:
    stamp = sequence * 160 if timestamp is None else timestamp
    return Packet(False, 0, sequence & 0xFFFF, stamp & 0xFFFFFFFF, ssrc, b"x" * 160)


def verdicts(reception: Reception, packets: list[Packet]) -> list[Verdict]:
    return [reception.received(one, 0.02 * number) for number, one in enumerate(packets)]


class SourceTests(SynchronousTestCase):
    def test_two_in_sequence_make_a_source(self) -> None:
        """One packet is on probation, the next one in sequence makes the source valid."""
        found = verdicts(Reception(8000), [packet(9), packet(20), packet(21), packet(22)])
        self.assertEqual(
            found, [Verdict.PROBATION, Verdict.PROBATION, Verdict.NEW_SOURCE, Verdict.ACCEPTED]
        )

    def test_another_ssrc(self) -> None:
        """One stray packet changes nothing; two in sequence are the new source."""
        reception = Reception(8000)
        verdicts(reception, [packet(1), packet(2), packet(3)])
        self.assertIs(reception.received(packet(900, ssrc=8), 0.1), Verdict.PROBATION)
        self.assertIs(reception.received(packet(4), 0.1), Verdict.ACCEPTED)
        self.assertEqual(
            verdicts(reception, [packet(700, ssrc=9), packet(701, ssrc=9)]),
            [Verdict.PROBATION, Verdict.NEW_SOURCE],
        )
        assert reception.source is not None
        self.assertEqual((reception.source.ssrc, reception.sources), (9, 2))
        self.assertEqual(reception.totals, (4, 4))

    def test_duplicates_and_misordered(self) -> None:
        """A packet that comes twice counts once; one that was overtaken is not lost."""
        reception = Reception(8000)
        found = verdicts(reception, [packet(n) for n in (1, 2, 4, 3, 4, 5)])
        self.assertEqual(found[-2:], [Verdict.DUPLICATE, Verdict.ACCEPTED])
        source = reception.source
        assert source is not None
        self.assertEqual((source.duplicates, source.misordered, source.lost), (1, 1, 0))

    def test_loss_across_a_wrap(self) -> None:
        """The sequence wraps and every lost packet is counted, in all and since the last report."""
        source = Source(packet(65_530), 8000)
        numbers = [number for number in range(65_530, 65_630) if number % 10 != 5]
        for number in numbers:
            source.received(packet(number), 0.0)
        self.assertEqual(source.extended_highest, 65_629)
        self.assertEqual(source.lost, 10)
        block = source.report(0, 0)
        self.assertEqual(block.lost, 10)
        self.assertEqual(block.fraction, 10 * 256 // 99)
        for number in range(65_630, 65_640):
            source.received(packet(number), 0.0)
        self.assertEqual(source.report(0, 0).fraction, 0)
        self.assertEqual(source.report(0, 0).highest, 65_639)

    def test_a_jump_of_the_sequence(self) -> None:
        """One packet far away is dropped; the next one after it is a new beginning."""
        reception = Reception(8000)
        verdicts(reception, [packet(1), packet(2), packet(3)])
        far = 10 + MAX_DROPOUT
        self.assertEqual(
            verdicts(reception, [packet(far), packet(4), packet(far), packet(far + 1)]),
            [
                Verdict.BAD_SEQUENCE,
                Verdict.ACCEPTED,
                Verdict.BAD_SEQUENCE,
                Verdict.NEW_SOURCE,
            ],
        )
        self.assertEqual(reception.totals, (4, 4))
        self.assertEqual(reception.lost_share, 0.0)


class JitterTests(SynchronousTestCase):
    def test_by_hand(self) -> None:
        """J += (|D| - J) / 16, in units of the clock (6.4.1)."""
        reception = Reception(8000)
        for sequence, arrival in ((0, 0.0), (1, 0.02), (2, 0.045), (3, 0.06)):
            reception.received(packet(sequence), arrival)
        source = reception.source
        assert source is not None
        first = 40 / 16  # 5 ms late
        self.assertAlmostEqual(source.jitter, first + (40 - first) / 16, places=6)

    def test_none_on_a_perfect_network_across_wraps(self) -> None:
        """Packets that come as evenly as they were sent have no jitter."""
        reception = Reception(8000)
        for arrival, one in Network().carry(speech(200)):
            reception.received(one, arrival)
        self.assertLess(reception.jitter_seconds, 1e-6)
        self.assertEqual(reception.totals, (199, 199))

    def test_faults(self) -> None:
        """10 % loss and 50 ms of jitter are measured as what they are."""
        reception = Reception(8000)
        for arrival, one in Network(loss=0.1, jitter=0.05).carry(speech(3000)):
            reception.received(one, arrival)
        self.assertLess(abs(reception.lost_share - 0.1), 0.02)
        # The mean difference of two delays drawn evenly from 50 ms is a third of that.
        self.assertLess(abs(reception.jitter_seconds - 0.05 / 3), 0.008)
