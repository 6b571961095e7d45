"""WAV files: what we record, and what people upload.

Read are PCM of 8, 16, 24 and 32 bits, u-law and A-law, of one or two channels; two are mixed down.
What cannot be played is refused in words that a person can act on. RIFF as Microsoft and IBM
published it in 1991, with the extensible header of 1999.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from media.core.codecs.codec import Samples
from media.core.codecs.g711 import ALAW, ULAW
from media.core.resample import convert

LARGEST: Final = 64 << 20
"""Octets of a file: more than an hour at telephone quality."""
LONGEST: Final = 3600.0
"""Seconds of a recording that is played."""
SLOWEST_RATE: Final = 4000
FASTEST_RATE: Final = 192_000
MOST_CHANNELS: Final = 2
MOST_CHUNKS: Final = 256

_PCM: Final = 1
_ALAW: Final = 6
_ULAW: Final = 7
_EXTENSIBLE: Final = 0xFFFE
_NAMES: Final = {
    2: "ADPCM",
    3: "floating point",
    0x11: "IMA ADPCM",
    0x31: "GSM 6.10",
    0x40: "G.721 ADPCM",
    0x50: "MPEG",
    0x55: "MP3",
    0xA1: "WMA",
}
_ADVICE: Final = "save it as WAV, PCM 16 bit, mono, 8000 or 16000 Hz"
_OTHER_FILES: Final = (
    (b"ID3", "an MP3 file"),
    (b"\xff\xfb", "an MP3 file"),
    (b"\xff\xf3", "an MP3 file"),
    (b"OggS", "an Ogg file"),
    (b"fLaC", "a FLAC file"),
    (b"FORM", "an AIFF file"),
    (b".snd", "an AU file"),
    (b"RF64", "a WAV file of the 64 bit kind"),
    (b"RIFX", "a WAV file in big-endian order"),
)


class Unplayable(Exception):
    """A file that cannot be played; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound of one channel.

    Attributes:
        rate: samples a second.
        samples: the sound.
    """

    rate: int
    samples: Samples

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate

    def at(self, rate: int) -> Samples:
        """Its samples at another rate."""
        return convert(self.samples, self.rate, rate)


@dataclass(frozen=True, slots=True)
class _Format:
    code: int
    channels: int
    rate: int
    bits: int


def read(data: bytes) -> Recording:
    """Read a WAV file.

    Raises:
        Unplayable: no WAV file, a damaged one, or a kind that we cannot play.
    """
    if len(data) > LARGEST:
        raise Unplayable(
            f"The file has {len(data) >> 20} MiB, the most is {LARGEST >> 20}: shorten it, or "
            f"{_ADVICE}"
        )
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        for start, kind in _OTHER_FILES:
            if data.startswith(start):
                raise Unplayable(f"This is {kind}: {_ADVICE}")
        raise Unplayable(f"This is no WAV file: {_ADVICE}")
    form: _Format | None = None
    at = 12
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(data):
            break
        name, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = _read_format(body)
        elif name == b"data":
            if form is None:
                raise Unplayable("The WAV file has sound before its format: it is damaged")
            # Recorders that were cut off, or write to a pipe, leave a size that is not true.
            return _sound(form, body)
        at += 8 + size + size % 2
    raise Unplayable("The WAV file has no sound in it: it is damaged")


def _read_format(body: bytes) -> _Format:
    if len(body) < 16:
        raise Unplayable("The WAV file has a short format: it is damaged")
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if code == _EXTENSIBLE and len(body) >= 26:
        (code,) = struct.unpack_from("<H", body, 24)
    if not 1 <= channels <= MOST_CHANNELS:
        raise Unplayable(f"The WAV file has {channels} channels, we play 1 or 2: {_ADVICE}")
    if not SLOWEST_RATE <= rate <= FASTEST_RATE:
        raise Unplayable(
            f"The WAV file has {rate} samples a second, we play {SLOWEST_RATE} to {FASTEST_RATE}: "
            f"{_ADVICE}"
        )
    if code not in (_PCM, _ALAW, _ULAW):
        name = _NAMES.get(code, f"kind {code}")
        raise Unplayable(f"The WAV file has sound as {name}, we play PCM and G.711: {_ADVICE}")
    if bits not in ((8, 16, 24, 32) if code == _PCM else (8,)):
        raise Unplayable(f"The WAV file has samples of {bits} bits: {_ADVICE}")
    return _Format(code, channels, rate, bits)


def _sound(form: _Format, body: bytes) -> Recording:
    width = form.bits // 8
    count = len(body) // (width * form.channels)
    if not count:
        raise Unplayable("The WAV file has no sound in it: record it again")
    if count / form.rate > LONGEST:
        raise Unplayable(
            f"The recording lasts {count / form.rate / 60:.0f} minutes, the most is "
            f"{LONGEST / 60:.0f}: shorten it"
        )
    octets = np.frombuffer(body, np.uint8, count * width * form.channels)
    match form.code, width:
        case (7, _):
            sound = ULAW.decode_rows(octets)
        case (6, _):
            sound = ALAW.decode_rows(octets)
        case (_, 1):
            sound = ((octets.astype(np.int16) - 128) << 8).astype(np.int16)
        case (_, 2):
            sound = octets.view("<i2").astype(np.int16)
        case _:  # the upper two octets of each
            sound = (
                np.ascontiguousarray(octets.reshape(-1, width)[:, -2:]).view("<i2")[:, 0]
            ).astype(np.int16)
    if form.channels == 2:
        pairs = sound.reshape(-1, 2).astype(np.int32)
        sound = (pairs.sum(axis=1) >> 1).astype(np.int16)
    return Recording(form.rate, sound)


def header(rate: int, count: int, law: str = "") -> bytes:
    """The first octets of a file of one channel.

    Args:
        rate: samples a second.
        count: samples that follow; write it again when they are known.
        law: ``u`` or ``a`` for G.711, empty for PCM of 16 bits.
    """
    code, width = {"": (_PCM, 2), "u": (_ULAW, 1), "a": (_ALAW, 1)}[law]
    form = struct.pack("<HHIIHH", code, 1, rate, rate * width, width, 8 * width)
    if code != _PCM:
        form += struct.pack("<H", 0)
    size = count * width
    rest = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", len(rest) + size + size % 2) + rest


def write(recording: Recording, law: str = "") -> bytes:
    """A whole file of one channel; arguments as of ``header``."""
    sound = recording.samples
    match law:
        case "u":
            body = ULAW.encode_rows(np.ascontiguousarray(sound)).tobytes()
        case "a":
            body = ALAW.encode_rows(np.ascontiguousarray(sound)).tobytes()
        case _:
            body = sound.astype("<i2").tobytes()
    return header(recording.rate, len(sound), law) + body + bytes(len(body) % 2)
