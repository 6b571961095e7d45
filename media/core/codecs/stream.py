"""One stream decoded to frames of 20 ms, whatever its payloads last."""

from __future__ import annotations

from typing import Final

import numpy as np

from media.core.codecs.codec import Codec, Samples

MOST_WAITING: Final = 6
"""Frames of one payload: 120 ms, the longest of Opus."""


class FrameDecoder:
    """Takes what a jitter buffer gives per tick, returns the samples of that tick.

    For codecs that have memory, or whose payloads stay whole; those with ``rows`` are decoded for
    all streams at once instead.

    Attributes:
        malformed: payloads that gave no samples.
    """

    __slots__ = ("_decoder", "_samples", "_waiting", "malformed")

    def __init__(self, codec: Codec) -> None:
        self._decoder = codec.decoder()
        self._samples = codec.samples
        self._waiting = np.zeros(0, np.int16)
        self.malformed = 0

    def frame(self, payload: bytes | None) -> Samples | None:
        """Give 20 ms.

        Args:
            payload: of this tick; empty where the sound came with the one before
                (``jitter.CONTINUED``); None where it is missing.

        Returns:
            None where there is nothing and ``media.core.plc`` shall conceal it.
        """
        size = self._samples
        if payload:
            sound = self._decoder.decode(payload)
            if not len(sound):
                self.malformed += 1
            self._waiting = np.concatenate((self._waiting, sound))[-MOST_WAITING * size :]
        if len(self._waiting) < size:
            self._waiting = self._waiting[:0]
            return self._decoder.conceal()
        frame, self._waiting = self._waiting[:size], self._waiting[size:]
        return frame
