"""The codecs that this machine has, in the order in which we offer them."""

from __future__ import annotations

from media.core.codecs import g722, opus
from media.core.codecs.codec import Codec, Decoder, Encoder, Octets, Rows, Samples
from media.core.codecs.g711 import PCMA, PCMU
from media.core.codecs.l16 import L16_NARROW, L16_WIDE
from media.core.codecs.stream import FrameDecoder

__all__ = [
    "Codec",
    "Decoder",
    "Encoder",
    "FrameDecoder",
    "Octets",
    "Rows",
    "Samples",
    "available",
    "find",
]


def _present() -> tuple[Codec, ...]:
    # Wide band first; Opus after G.711 because encoding it costs a hundred times as much, so it is
    # for peers that have nothing else in common with us or that ask for it first.
    choices = (g722.codec(), PCMU, PCMA, opus.codec(), L16_WIDE, L16_NARROW)
    return tuple(codec for codec in choices if codec is not None)


_AVAILABLE = _present()


def available() -> tuple[Codec, ...]:
    """The codecs of this machine, best first."""
    return _AVAILABLE


def find(name: str, clock_rate: int) -> Codec | None:
    """The codec of that name (in any case) and clock rate, or None."""
    for codec in _AVAILABLE:
        if codec.name.lower() == name.lower() and codec.clock_rate == clock_rate:
            return codec
    return None
