"""Opus, one channel at 16 kHz, by libopus where it is installed (Debian: libopus0). RFC 6716, 7587.

The library is called by ctypes: a call of some microseconds beside 10 (decode) or 100 (encode) of
work. Nothing here keeps a pointer longer than a call, but for the state of each stream.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, Final

import numpy as np

from media.core.codecs.codec import Codec, Samples

RATE: Final = 16_000
CLOCK: Final = 48_000
"""Of timestamps, whatever the rate of the samples (RFC 7587 section 4.1)."""
FRAME: Final = RATE // 50
LONGEST: Final = RATE * 120 // 1000
"""Samples of the longest packet, 120 ms."""
LARGEST: Final = 1275
"""Octets that a frame of 20 ms may have (RFC 6716 section 3.2.1)."""
COMPLEXITY: Final = 5
"""Of 10: about half the work of the most, for speech hardly to be told from it."""

_LIBRARY: Final = "libopus.so.0"
_VOIP: Final = 2048
_SET_COMPLEXITY: Final = 4010
_SET_INBAND_FEC: Final = 4012
_SET_PACKET_LOSS_PERC: Final = 4014
_EXPECTED_LOSS: Final = 5


def _load() -> Any:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:  # not installed: the codec is not offered
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.opus_encoder_create.restype = pointer
    library.opus_encoder_create.argtypes = [ctypes.c_int32, number, number, pointer]
    library.opus_encoder_destroy.argtypes = [pointer]
    library.opus_encode.argtypes = [pointer, pointer, number, pointer, ctypes.c_int32]
    library.opus_decoder_create.restype = pointer
    library.opus_decoder_create.argtypes = [ctypes.c_int32, number, pointer]
    library.opus_decoder_destroy.argtypes = [pointer]
    library.opus_decode.argtypes = [pointer, pointer, ctypes.c_int32, pointer, number, number]
    library.opus_packet_get_nb_samples.argtypes = [pointer, ctypes.c_int32, ctypes.c_int32]
    return library


_opus = _load()


class _Decoder:
    def __init__(self) -> None:
        state = _opus.opus_decoder_create(RATE, 1, None)
        if not state:
            raise MemoryError("libopus has no memory for a decoder")
        self._state = state
        self._samples = np.zeros(LONGEST, np.int16)
        weakref.finalize(self, _opus.opus_decoder_destroy, state)

    def decode(self, payload: bytes) -> Samples:
        return self._decode(payload, len(payload), LONGEST)

    def conceal(self) -> Samples:
        return self._decode(None, 0, FRAME)

    def _decode(self, payload: bytes | None, size: int, most: int) -> Samples:
        count = _opus.opus_decode(self._state, payload, size, self._samples.ctypes.data, most, 0)
        return self._samples[: max(count, 0)].copy()


class _Encoder:
    def __init__(self) -> None:
        state = _opus.opus_encoder_create(RATE, 1, _VOIP, None)
        if not state:
            raise MemoryError("libopus has no memory for an encoder")
        self._state = state
        self._octets = ctypes.create_string_buffer(LARGEST)
        weakref.finalize(self, _opus.opus_encoder_destroy, state)
        for setting, value in (
            (_SET_COMPLEXITY, COMPLEXITY),
            (_SET_INBAND_FEC, 1),
            (_SET_PACKET_LOSS_PERC, _EXPECTED_LOSS),
        ):
            # Variadic in C: the state must be told to be a pointer, or it is cut to an int.
            _opus.opus_encoder_ctl(ctypes.c_void_p(state), setting, ctypes.c_int32(value))

    def encode(self, samples: Samples) -> bytes:
        sound = np.ascontiguousarray(samples, np.int16)
        count = _opus.opus_encode(self._state, sound.ctypes.data, len(sound), self._octets, LARGEST)
        if count < 0:
            raise ValueError(f"libopus refused {len(sound)} samples: error {count}")
        return self._octets.raw[:count]


def duration(payload: bytes) -> int:
    """How long a packet lasts, in 1/48000 s; 0 if it is no Opus packet."""
    return max(int(_opus.opus_packet_get_nb_samples(payload, len(payload), CLOCK)), 0)


def codec() -> Codec | None:
    """Opus, or None where its library is missing."""
    if _opus is None:
        return None
    return Codec(
        "opus",
        CLOCK,
        RATE,
        None,
        _Decoder,
        _Encoder,
        duration,
        channels=2,  # always so in SDP (RFC 7587 section 7)
        fmtp=f"maxplaybackrate={RATE};sprop-maxcapturerate={RATE};useinbandfec=1",
    )
