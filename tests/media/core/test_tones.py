"""Tests of media.core.tones: frequencies, levels and rhythms."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from media.core.codecs.g711 import ULAW
from media.core.tones import BUSY, JOINED, MILLIWATT, RINGING, ToneSource, beep, melody, peak
from tests.support.tones import tone_share


class ToneTests(SynchronousTestCase):
    def test_milliwatt(self) -> None:
        """1004 Hz whose level is 0 dBm0: 3.17 dB below the loudest sine, through u-law too."""
        source = ToneSource(MILLIWATT, 8000)
        sound = np.concatenate([source.frame(160) for _ in range(100)])
        line = ULAW.decode_rows(ULAW.encode_rows(sound)).astype(np.float64)
        level = 20 * np.log10(np.sqrt(np.mean(line**2)) * np.sqrt(2) / 32767) + 3.17
        self.assertLess(abs(level), 0.1)
        self.assertGreater(tone_share(line[:8000].tolist(), 1004, 8000), 0.99)

    def test_the_milliwatt_of_the_standard(self) -> None:
        """The eight codes that G.711 table 6 gives for 0 dBm0 at 1 kHz are as loud as our sine."""
        codes = np.array([0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E], np.uint8)
        power = float(np.mean(ULAW.decode_rows(codes).astype(np.float64) ** 2))
        self.assertLess(abs(10 * np.log10(power / (peak(0.0) ** 2 / 2))), 0.05)

    def test_no_seam(self) -> None:
        """Frames join without a step, at any rate."""
        for rate in (8000, 16_000):
            whole = ToneSource(MILLIWATT, rate).frame(rate)
            source = ToneSource(MILLIWATT, rate)
            pieces = np.concatenate([source.frame(rate // 50) for _ in range(50)])
            np.testing.assert_array_equal(whole, pieces)

    def test_cadences(self) -> None:
        """Ringing sounds two seconds of six; busy half of the time; both with both tones."""
        for cadence, period, share in ((RINGING["us"], 6.0, 1 / 3), (BUSY["us"], 1.0, 0.5)):
            sound = ToneSource(cadence, 8000).frame(round(period * 8000) * 2)
            loud = np.abs(sound.reshape(-1, 80)).max(axis=1) > 100
            self.assertLess(abs(loud.mean() - share), 0.02)
            start = sound[800:2400].tolist()
            for hertz in cadence.hertz:
                self.assertGreater(tone_share(start, hertz, 8000), 0.4)

    def test_beeps(self) -> None:
        """A beep begins and ends at nothing; a melody lasts what its notes last."""
        sound = beep(800, 0.2, 16_000)
        self.assertEqual((len(sound), int(sound[0]), int(sound[-1])), (3200, 0, 0))
        self.assertGreater(tone_share(sound[400:2800].tolist(), 800, 16_000), 0.95)
        self.assertEqual(len(melody(JOINED, 8000)), 2000)
        self.assertEqual(len(melody((), 8000)), 0)
