"""Packet loss concealment for all streams at once, after the idea of ITU-T G.711 appendix I.

A frame that is missing is made of the last pitch period of what was heard, repeated and faded:
full for 10 ms, silent after 60 ms. The first frame after a gap is blended in over 5 ms. Unlike the
appendix nothing is held back, so no delay is added and what arrives is played unchanged.

A row is a stream; which row is whose is up to the caller.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.int16]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]

SHORTEST_PITCH: Final = 0.005
LONGEST_PITCH: Final = 0.015
"""Seconds; voices from 200 down to 66 Hz, and multiples of higher ones."""
TEMPLATE: Final = 0.02
"""Seconds that are compared to find the pitch."""
BLEND: Final = 0.005
"""Seconds over which the first frame after a gap is blended in."""
FADE_START: Final = 0.01
FADE_END: Final = 0.06
"""Seconds into a gap between which the sound fades out."""


class Concealment:
    """What was heard of each stream, to fill its gaps.

    Attributes:
        gaps: frames in a row that are missing, per row.
    """

    def __init__(self, capacity: int, rate: int) -> None:
        """Make it for so many rows of frames of 20 ms.

        Args:
            capacity: rows.
            rate: samples a second.
        """
        self._samples = rate // 50
        self._short = round(rate * SHORTEST_PITCH)
        self._long = round(rate * LONGEST_PITCH)
        self._template = round(rate * TEMPLATE)
        self._kept = self._template + self._long
        blend = round(rate * BLEND)
        self._rise = (np.arange(1, blend + 1, dtype=np.float32) / (blend + 1)).astype(np.float32)
        seconds = np.arange(round(rate * FADE_END)) / rate
        fade = np.clip((FADE_END - seconds) / (FADE_END - FADE_START), 0, 1).astype(np.float32)
        self._fades = np.zeros((len(fade) // self._samples + 1, self._samples), np.float32)
        self._fades[:-1] = fade.reshape(-1, self._samples)
        self._history = np.zeros((capacity, self._kept), np.int16)
        self._pitch = np.full(capacity, self._long, np.intp)
        self.gaps = np.zeros(capacity, np.int32)

    def clear(self, row: int) -> None:
        """Forget what was heard: the row is another stream now."""
        self._history[row] = 0
        self.gaps[row] = 0

    def tick(self, frames: Frames, present: Flags, active: Flags | None = None) -> None:
        """Fill the gaps of one tick, in place.

        Args:
            frames: rows of 20 ms; what stands in a missing row is written over.
            present: which rows have a frame.
            active: which rows have a stream that is playing; others are made silent where they
                have no frame. All, if left out.
        """
        gaps = self.gaps
        back = np.flatnonzero(present & (gaps > 0))
        if back.size:
            self._blend_in(frames, back)
        missing = ~present
        if active is not None:
            idle = missing & ~active
            if idle.any():
                frames[idle] = 0
                missing &= active
        gone = np.flatnonzero(missing)
        made: Frames | None = None
        if gone.size:
            fresh = gone[gaps[gone] == 0]
            if fresh.size:
                self._pitch[fresh] = self._find_pitch(self._history[fresh])
            made = self._continue(gone)
            level = np.minimum(gaps[gone], len(self._fades) - 1)
            frames[gone] = np.rint(made * self._fades[level]).astype(np.int16)
        self._remember(frames)
        if made is not None:
            # Unfaded, so that a gap of several frames goes on from what was heard.
            self._history[gone, -self._samples :] = made
            gaps[gone] += 1
        gaps[present] = 0

    def _remember(self, frames: Frames) -> None:
        history, size = self._history, self._samples
        if self._kept > size:
            history[:, :-size] = history[:, size:]
        history[:, -size:] = frames

    def _continue(self, rows: Rows) -> Frames:
        """What follows the history if its last pitch period repeats."""
        period = self._pitch[rows][:, None]
        at = self._kept - period + np.arange(self._samples) % period
        return np.take_along_axis(self._history[rows], at, axis=1)

    def _blend_in(self, frames: Frames, rows: Rows) -> None:
        level = np.minimum(self.gaps[rows], len(self._fades) - 1)
        rise = self._rise
        old = self._continue(rows)[:, : len(rise)] * self._fades[level][:, : len(rise)]
        new = frames[rows, : len(rise)]
        frames[rows, : len(rise)] = np.rint(old * (1 - rise) + new * rise).astype(np.int16)

    def _find_pitch(self, history: Frames) -> Rows:
        """The lag with the highest normalized correlation, per row."""
        sound = history.astype(np.float32)
        last = sound[:, -self._template :]
        lags = self._long - self._short + 1
        # Window k begins k samples after the start: its lag is long - k.
        windows = np.lib.stride_tricks.sliding_window_view(sound, self._template, axis=1)[:, :lags]
        match = np.einsum("rkt,rt->rk", windows, last)
        power = np.einsum("rkt,rkt->rk", windows, windows)
        score = match / np.sqrt(power + 1.0)
        # The shortest of equals, so that a pure tone repeats its own period.
        best = lags - 1 - np.argmax(score[:, ::-1], axis=1)
        return np.asarray(self._long - best, np.intp)
