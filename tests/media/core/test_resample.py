"""Tests of media.core.resample: tones stay, images and aliases do not come."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from media.core.resample import RowResampler, convert
from tests.media.core.sounds import Samples, frames, noise, signal_to_noise, sine

RATES = (8000, 16_000, 48_000)


def streamed(sound: Samples, source: int, target: int) -> tuple[Samples, float]:
    resampler = RowResampler(3, source, target)
    row = np.array([1])
    out = [resampler.tick(frame[None], row)[0] for frame in frames(sound, source // 50)]
    return np.concatenate(out), resampler.delay


class RowTests(SynchronousTestCase):
    def test_a_tone_stays(self) -> None:
        """Between all rates a tone of 1 kHz is the same tone, a little later."""
        for source in RATES:
            for target in RATES:
                if source == target:
                    continue
                out, delay = streamed(sine(1000, 0.4, source), source, target)
                at = np.arange(len(out)) / target - delay
                wanted = np.rint(8000 * np.sin(2 * np.pi * 1000 * at)).astype(np.int16)
                steady = slice(len(out) // 4, None)
                ratio = max(
                    signal_to_noise(wanted[steady], np.roll(out, shift)[steady])
                    for shift in range(-2, 3)
                )
                self.assertGreater(ratio, 40, (source, target))

    def test_nothing_folds_back(self) -> None:
        """A tone that the lower rate cannot carry is gone."""
        out, _ = streamed(sine(5500, 0.4, 16_000), 16_000, 8000)
        self.assertLess(float(np.std(out[800:])), 5657 * 0.003)

    def test_rows_do_not_touch_each_other(self) -> None:
        """Rows that come and go give what each would give alone."""
        sounds = [noise(0.2, 8000, seed=seed) for seed in (1, 2)]
        together = RowResampler(4, 8000, 16_000)
        out: dict[int, list[Samples]] = {0: [], 3: []}
        for number in range(10):
            rows = [0, 3] if number % 2 else [3, 0]
            cut = slice(number * 160, number * 160 + 160)
            made = together.tick(np.array([sounds[row // 3][cut] for row in rows]), np.array(rows))
            for row, frame in zip(rows, made, strict=True):
                out[row].append(frame)
        for row in (0, 3):
            alone, _ = streamed(sounds[row // 3], 8000, 16_000)
            error = np.abs(np.concatenate(out[row]).astype(int) - alone)
            self.assertLessEqual(int(error.max()), 1)


class RecordingTests(SynchronousTestCase):
    def test_usual_rates(self) -> None:
        """Recordings at the rates of the world become ours, in place and as loud."""
        for rate in (11_025, 22_050, 32_000, 44_100, 48_000):
            out = convert(sine(700, 0.5, rate), rate, 8000)
            self.assertLessEqual(abs(len(out) - 4000), 1)
            self.assertGreater(signal_to_noise(sine(700, 0.5, 8000)[200:3800], out[200:3800]), 40)

    def test_pieces_join(self) -> None:
        """A long recording, worked on in pieces, is one sound."""
        sound = sine(440, 8.0, 44_100)
        out = convert(sound, 44_100, 16_000)
        self.assertGreater(signal_to_noise(sine(440, 8.0, 16_000)[200:-200], out[200:-200]), 40)

    def test_loud_is_clipped(self) -> None:
        """What is at full scale is clipped, never wrapped."""
        square = np.where(np.arange(4000) % 40 < 20, 32767, -32768).astype(np.int16)
        out = convert(square, 8000, 16_000).astype(int)
        self.assertLess(int(np.abs(np.diff(out)).max()), 65_000)
        self.assertEqual((int(out.max()), int(out.min())), (32767, -32768))

    def test_strange_rates(self) -> None:
        """A ratio that is no ratio is refused in words; the same rate costs nothing."""
        sound = sine(440, 0.1, 8000)
        self.assertIs(convert(sound, 8000, 8000), sound)
        self.assertRaises(ValueError, convert, sound, 8009, 7993)
