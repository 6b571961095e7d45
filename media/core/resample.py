"""Changing the sample rate: for streams in rows, and for whole recordings.

Both use the same low pass, a sinc under a Kaiser window: flat to 0.87 of the lower band edge, and
60 dB down where images would be heard.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.core.codecs.codec import Samples

Floats = NDArray[np.float32]

ZEROS: Final = 16
"""Zero crossings of the sinc on each side: more are sharper, and cost and delay more."""
CUTOFF: Final = 0.94
"""Of the lower Nyquist frequency: the middle of the slope."""
BETA: Final = 6.0
"""Of the Kaiser window: about 60 dB."""
LONGEST_PIECE: Final = 16_384
"""Samples of a recording that are converted at a time, so memory does not grow with it."""
MOST_PHASES: Final = 1024
"""Of the filter of a recording: rates whose ratio is stranger are refused."""


def _filters(up: int, down: int) -> tuple[Floats, int]:
    """The low pass in ``up`` phases, and how many input samples it looks ahead and behind.

    Returns:
        Filters of shape (phases, 2 * reach): the output at phase ``p`` after input sample ``n`` is
        the product with samples ``n - reach + 1`` to ``n + reach``.
    """
    band = CUTOFF * min(1.0, up / down)
    reach = math.ceil(ZEROS / band)
    taps = np.arange(-reach + 1, reach + 1)
    distance = taps[None, :] - np.arange(up)[:, None] / up
    window = np.i0(BETA * np.sqrt(np.maximum(1 - (distance / reach) ** 2, 0))) / np.i0(BETA)
    filters = band * np.sinc(band * distance) * window
    filters /= filters.sum(axis=1, keepdims=True)  # a constant stays what it is
    return filters.astype(np.float32), reach


class RowResampler:
    """Streams of 20 ms frames from one rate to another, all rows at once.

    The sound comes out ``delay`` seconds later. Work is a product with one matrix per piece of a
    frame, which numpy hands to its linear algebra library.
    """

    def __init__(self, capacity: int, source: int, target: int) -> None:
        """Make it for so many rows.

        Args:
            capacity: rows.
            source: samples a second that go in, a multiple of 8000.
            target: that come out, a multiple of 8000.
        """
        divisor = math.gcd(source, target)
        up, down = target // divisor, source // divisor
        self._size = source // 50
        # Pieces of so many input samples share the matrix.
        self._piece = math.lcm(down, 32) if self._size % math.lcm(down, 32) == 0 else self._size
        filters, reach = _filters(up, down)
        self._past = 2 * reach - 1
        outputs = self._piece * up // down
        matrix = np.zeros((self._piece + self._past, outputs), np.float32)
        for output in range(outputs):
            at, phase = divmod(output * down, up)
            matrix[at : at + 2 * reach, output] = filters[phase]
        self._matrix = matrix
        self._history = np.zeros((capacity, self._past), np.float32)
        self.delay = reach / source
        """Seconds."""

    def clear(self, row: int) -> None:
        """Forget the past of a row: it is another stream now."""
        self._history[row] = 0

    def tick(self, frames: Samples, rows: NDArray[np.intp]) -> Samples:
        """Convert one frame of some rows.

        Args:
            frames: as many as ``rows``, 20 ms each at the source rate.
            rows: which streams they are of, each at most once.

        Returns:
            As many frames of 20 ms at the target rate.
        """
        count = len(frames)
        sound = np.empty((count, self._past + self._size), np.float32)
        sound[:, : self._past] = self._history[rows]
        sound[:, self._past :] = frames
        self._history[rows] = sound[:, self._size :]
        windows = np.lib.stride_tricks.sliding_window_view(sound, self._piece + self._past, axis=1)[
            :, :: self._piece
        ]
        return _to_samples((windows @ self._matrix).reshape(count, -1))


def convert(sound: Samples, source: int, target: int) -> Samples:
    """Convert a whole recording; nothing is delayed.

    Args:
        sound: one channel.
        source: its samples a second.
        target: those wanted.

    Raises:
        ValueError: rates that have no small ratio.
    """
    if source == target or not len(sound):
        return sound
    divisor = math.gcd(source, target)
    up, down = target // divisor, source // divisor
    if up > MOST_PHASES:
        raise ValueError(f"no conversion from {source} to {target} samples a second")
    filters, reach = _filters(up, down)
    padded = np.pad(sound.astype(np.float32), (reach - 1, reach))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach)
    count = len(sound) * up // down
    out = np.empty(count, np.int16)
    for start in range(0, count, LONGEST_PIECE):
        at = np.arange(start, min(start + LONGEST_PIECE, count)) * down
        products = np.einsum("nt,nt->n", windows[at // up], filters[at % up])
        out[start : start + len(at)] = _to_samples(products)
    return out


def _to_samples(sound: Floats) -> Samples:
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
