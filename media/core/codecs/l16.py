"""L16, uncompressed samples in network order: RFC 3551 section 4.5.11, at 8 and 16 kHz."""

from __future__ import annotations

from typing import Final

import numpy as np

from media.core.codecs.codec import Codec, Octets, Samples


class _Rows:
    """Rows of octets and rows of samples, half as many."""

    def decode(self, octets: Octets) -> Samples:
        return np.ascontiguousarray(octets).view(">i2").astype(np.int16)

    def encode(self, samples: Samples) -> Octets:
        return samples.astype(">i2").view(np.uint8)


class _Stream:
    """A stream of its own; there is no memory."""

    def decode(self, payload: bytes) -> Samples:
        return np.frombuffer(payload, ">i2", len(payload) // 2).astype(np.int16)

    def conceal(self) -> None:
        return None

    def encode(self, samples: Samples) -> bytes:
        return samples.astype(">i2").tobytes()


def _duration(payload: bytes) -> int:
    return len(payload) // 2


def _codec(rate: int) -> Codec:
    return Codec("L16", rate, rate, rate // 25, _Stream, _Stream, _duration, rows=_Rows())


L16_WIDE: Final = _codec(16_000)
L16_NARROW: Final = _codec(8000)
