"""Tests of media.core.plc: what fills a gap sounds like what was before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from media.core.plc import Concealment

RATE = 8000
SIZE = 160


def tone(hertz: float, frames: int, rate: int = RATE, level: float = 8000.0) -> NDArray[np.int16]:
    at = np.arange(frames * rate // 50)
    sound = level * np.sin(2 * np.pi * hertz * at / rate)
    return np.rint(sound).astype(np.int16).reshape(frames, rate // 50)


def heard(sound: NDArray[np.int16], lost: set[int], rate: int = RATE) -> NDArray[np.int16]:
    """One stream with some frames lost."""
    concealment = Concealment(1, rate)
    out = []
    for number, frame in enumerate(sound):
        rows = frame[None].copy()
        if number in lost:
            rows[:] = -32768  # what stands there must not matter
        concealment.tick(rows, np.array([number not in lost]))
        out.append(rows[0])
    return np.array(out)


def power(frame: NDArray[np.int16]) -> float:
    return float(np.mean(frame.astype(np.float64) ** 2))


class ConcealmentTests(SynchronousTestCase):
    def test_nothing_lost(self) -> None:
        """What arrives is played unchanged."""
        sound = tone(300, 10)
        np.testing.assert_array_equal(heard(sound, set()), sound)

    def test_a_tone_goes_on(self) -> None:
        """In a lost frame the first 10 ms are as if nothing was lost; at both rates."""
        for rate in (8000, 16_000):
            sound = tone(200, 12, rate)
            out = heard(sound, {6}, rate)
            half = rate // 100
            error = power(out[6][:half] - sound[6][:half])
            self.assertLess(error, power(sound[6]) * 0.01)

    def test_better_than_silence(self) -> None:
        """With 10 % of the frames lost the error is far below that of silence."""
        at = np.arange(400 * SIZE)
        buzz = sum(np.sin(2 * np.pi * 117 * k * at / RATE) / k for k in range(1, 12))
        wave = (4000 * buzz * (1 + 0.3 * np.sin(at / 900))).astype(np.int16).reshape(400, SIZE)
        draw = np.random.default_rng(1)
        lost = {int(n) for n in np.flatnonzero(draw.random(400) < 0.1) if n > 3}
        out = heard(wave, lost)
        error = power(np.array([out[n] - wave[n] for n in sorted(lost)]))
        self.assertGreater(len(lost), 20)
        self.assertLess(error, 0.35 * power(np.array([wave[n] for n in sorted(lost)])))

    def test_a_long_gap_fades_to_silence(self) -> None:
        """Each frame is quieter than the one before, and after 60 ms there is nothing."""
        out = heard(tone(200, 20), set(range(5, 20)))
        powers = [power(frame) for frame in out[4:9]]
        self.assertEqual(powers, sorted(powers, reverse=True))
        self.assertEqual(int(np.abs(out[8:]).max()), 0)

    def test_no_click_at_the_end(self) -> None:
        """The first frame after a gap begins where the concealment was and ends as it came."""
        sound = tone(230, 12)
        out = heard(sound, {6}).reshape(-1)
        steepest = int(np.abs(np.diff(sound.reshape(-1).astype(int))).max())
        steps = np.abs(np.diff(out.astype(int)))
        self.assertLess(int(steps[7 * SIZE - 5 : 7 * SIZE + 45].max()), steepest * 1.5)
        np.testing.assert_array_equal(out[7 * SIZE + 40 : 8 * SIZE], sound[7][40:])

    def test_rows_do_not_touch_each_other(self) -> None:
        """Many streams at once give what each would give alone."""
        sounds = [tone(hertz, 12) for hertz in (110, 190, 280, 400)]
        losses: list[set[int]] = [{3}, set(), {5, 6, 7}, {9}]
        together = Concealment(4, RATE)
        out = []
        for number in range(12):
            rows = np.array([sound[number] for sound in sounds])
            present = np.array([number not in lost for lost in losses])
            together.tick(rows, present)
            out.append(rows)
        for row in range(4):
            np.testing.assert_array_equal(np.array(out)[:, row], heard(sounds[row], losses[row]))

    def test_rows_without_a_stream(self) -> None:
        """A row whose stream does not play is silent, and a cleared row has no past."""
        concealment = Concealment(2, RATE)
        for frame in tone(200, 5):
            concealment.tick(np.array([frame, frame]), np.array([True, True]))
        rows = np.full((2, SIZE), 99, np.int16)
        concealment.clear(0)
        concealment.tick(rows, np.array([False, False]), np.array([True, False]))
        self.assertEqual(int(np.abs(rows).max()), 0)
        self.assertEqual(concealment.gaps.tolist(), [1, 0])
