"""G.722 at 64 kbit/s by the library ``G722``, where it is installed.

Its RTP clock is 8000 although it has 16 000 samples a second: RFC 3551 section 4.5.2 keeps an old
mistake.
"""

from __future__ import annotations

import numpy as np

from media.core.codecs.codec import Codec, Samples

try:
    from G722 import G722 as _G722
except ImportError:  # no wheel for this machine: the codec is not offered
    _G722 = None

RATE = 16_000
BITS = 64_000


class _Decoder:
    def __init__(self) -> None:
        self._state = _G722(RATE, BITS)

    def decode(self, payload: bytes) -> Samples:
        return np.array(self._state.decode(payload), np.int16)

    def conceal(self) -> None:
        return None


class _Encoder:
    def __init__(self) -> None:
        self._state = _G722(RATE, BITS)

    def encode(self, samples: Samples) -> bytes:
        payload: bytes = self._state.encode(np.ascontiguousarray(samples))
        return payload


def codec() -> Codec | None:
    """G.722, or None where its library is missing."""
    if _G722 is None:
        return None
    return Codec("G722", 8000, RATE, 160, _Decoder, _Encoder, len, 9)
