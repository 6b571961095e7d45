"""What a codec is to the engine: its numbers, and how payloads become samples.

Samples are ``int16`` arrays at the codec's own rate. Codecs without memory (``rows``) are worked
on for all streams at once; the others have a decoder and an encoder per stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sipx.core.agreement import Format

Samples = NDArray[np.int16]
Octets = NDArray[np.uint8]


class Decoder(Protocol):
    """Payloads of one stream to samples."""

    def decode(self, payload: bytes) -> Samples:
        """Give the samples of a payload; empty if it is no such payload (never an exception)."""

    def conceal(self) -> Samples | None:
        """Give 20 ms for a lost payload; None where ``media.core.plc`` shall do it."""


class Encoder(Protocol):
    """Samples of one stream to payloads."""

    def encode(self, samples: Samples) -> bytes:
        """Give the payload of 20 ms of samples."""


class Rows(Protocol):
    """A codec without memory, over all streams at once."""

    def decode(self, octets: Octets) -> Samples:
        """Rows of payload octets to rows of samples."""

    def encode(self, samples: Samples) -> Octets:
        """Rows of samples to rows of payload octets."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec, as it is offered and used.

    Attributes:
        name: in SDP, as RFC 3551 or its registration spells it.
        clock_rate: of RTP timestamps; for G.722 that is not the rate of its samples.
        rate: samples a second that it takes and gives.
        octets: of a payload of 20 ms, or None where payloads cannot be cut and joined.
        decoder: makes the decoder of a stream.
        encoder: makes the encoder of a stream.
        duration: tells how long a payload lasts, in units of the clock rate; 0 if it is none.
        payload_type: the static one of RFC 3551, or None.
        channels: in ``a=rtpmap``; what we take and give is always one.
        fmtp: what ``a=fmtp`` says of us; empty for nothing.
        rows: the codec over all streams at once, where it has no memory.
    """

    name: str
    clock_rate: int
    rate: int
    octets: int | None
    decoder: Callable[[], Decoder]
    encoder: Callable[[], Encoder]
    duration: Callable[[bytes], int]
    payload_type: int | None = None
    channels: int = 1
    fmtp: str = ""
    rows: Rows | None = None

    @property
    def samples(self) -> int:
        """Samples of a frame of 20 ms."""
        return self.rate // 50

    @property
    def units(self) -> int:
        """What 20 ms are in units of the clock rate."""
        return self.clock_rate // 50

    @property
    def format(self) -> Format:
        """What offers and answers say of it."""
        return Format(self.name, self.clock_rate, self.channels, self.payload_type, self.fmtp)

    @property
    def wideband(self) -> bool:
        """Whether it carries more than a telephone's 3.4 kHz."""
        return self.rate > 8000
