"""Tones: what a network plays, and what tests lines.

Levels are in dBm0, the power at the point of the telephone network where 0 dBm0 is 3.17 dB (u-law)
below the loudest sine: a sine of 0 dBm0 has a root mean square of about 15 950 of 32 767 (ITU-T
G.711 section 5; u-law's clipping point 3.17 dBm0 is used for both laws).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.core.codecs.codec import Samples

FULL_SCALE: Final = 3.17
"""dBm0 of a sine whose peak is 32767."""
RAMP: Final = 0.002
"""Seconds in which a tone rises and falls, so that it does not click."""


def peak(level: float) -> float:
    """Peak of a sine of a level in dBm0, of 32767."""
    return float(32767 * 10 ** ((level - FULL_SCALE) / 20))


def _samples(sound: NDArray[np.float64]) -> Samples:
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


@dataclass(frozen=True, slots=True)
class Cadence:
    """A tone that comes and goes for ever.

    Attributes:
        hertz: frequencies that sound together.
        level: of each of them, in dBm0.
        pattern: seconds on, off, on, off ...; empty for a tone without end.
    """

    hertz: tuple[float, ...]
    level: float
    pattern: tuple[float, ...] = ()


# ITU-T E.182 names the tones; frequencies and rhythms are national (E.180 supplement 2).
RINGING: Final = {
    "us": Cadence((440, 480), -19, (2.0, 4.0)),
    "eu": Cadence((425,), -13, (1.0, 4.0)),
    "uk": Cadence((400, 450), -19, (0.4, 0.2, 0.4, 2.0)),
}
BUSY: Final = {
    "us": Cadence((480, 620), -24, (0.5, 0.5)),
    "eu": Cadence((425,), -13, (0.5, 0.5)),
    "uk": Cadence((400,), -13, (0.375, 0.375)),
}
CONGESTION: Final = {
    "us": Cadence((480, 620), -24, (0.25, 0.25)),
    "eu": Cadence((425,), -13, (0.25, 0.25)),
    "uk": Cadence((400,), -13, (0.4, 0.35, 0.225, 0.525)),
}
MILLIWATT: Final = Cadence((1004,), 0)
"""One milliwatt at 1004 Hz: away from 1000 Hz, which divides the sample rate and so would use the
same few codes over and over."""


class ToneSource:
    """A cadence as a stream of frames; its phase goes on from frame to frame."""

    def __init__(self, cadence: Cadence, rate: int) -> None:
        """Begin at the start of the pattern.

        Args:
            cadence: the tone.
            rate: samples a second.
        """
        self._steps = [2 * math.pi * hertz / rate for hertz in cadence.hertz]
        self._peak = peak(cadence.level)
        self._edges = np.cumsum([round(part * rate) for part in cadence.pattern])
        self._ramp = max(round(RAMP * rate), 1)
        self._at = 0

    def frame(self, samples: int) -> Samples:
        """The next samples."""
        at = self._at + np.arange(samples)
        self._at += samples
        sound = np.zeros(samples)
        for step in self._steps:
            sound += self._peak * np.sin(step * at)
        if len(self._edges):
            sound *= self._envelope(at)
        return _samples(sound)

    def _envelope(self, at: NDArray[np.int_]) -> NDArray[np.float64]:
        position = at % self._edges[-1]
        part = np.searchsorted(self._edges, position, side="right")
        starts = np.concatenate(([0], self._edges[:-1]))
        since, left = position - starts[part], self._edges[part] - position
        envelope = np.minimum(np.minimum(since, left) / self._ramp, 1.0)
        return np.asarray(np.where(part % 2 == 0, envelope, 0.0))


def beep(hertz: float, seconds: float, rate: int, level: float = -12.0) -> Samples:
    """One tone, as a recording: rises and falls in RAMP.

    Args:
        hertz: its frequency.
        seconds: how long it is.
        rate: samples a second.
        level: in dBm0.
    """
    return melody(((hertz, seconds),), rate, level)


def melody(notes: Sequence[tuple[float, float]], rate: int, level: float = -12.0) -> Samples:
    """Tones one after the other: (hertz, seconds), 0 Hz for a rest. Entry and exit tones."""
    parts = []
    for hertz, seconds in notes:
        count = round(seconds * rate)
        at = np.arange(count)
        ramp = max(min(round(RAMP * rate), count // 2), 1)
        envelope = np.minimum(np.minimum(at, count - 1 - at) / ramp, 1.0)
        parts.append(peak(level) * envelope * np.sin(2 * math.pi * hertz * at / rate))
    return _samples(np.concatenate([np.zeros(0), *parts]))


JOINED: Final = ((660.0, 0.1), (880.0, 0.15))
"""Somebody came into a conference."""
LEFT: Final = ((880.0, 0.1), (660.0, 0.15))
"""Somebody left it."""
