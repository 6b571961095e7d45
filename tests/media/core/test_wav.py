"""Tests of media.core.wav: what is read, what is written, and what is refused in which words."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from media.core import wav
from media.core.codecs.g711 import ALAW, ULAW
from tests.media.core.sounds import noise, signal_to_noise, sine


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def file(
    body: bytes, code: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, *extra: bytes
) -> bytes:
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", code, channels, rate, rate * width, width, bits)
    chunks = chunk(b"fmt ", form) + b"".join(extra) + chunk(b"data", body)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


class ReadTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """PCM of each width and both laws are the same sound."""
        sound = sine(440, 0.1, 8000)
        wide = sound.astype(np.int32)
        for data, least in (
            (file(sound.astype("<i2").tobytes()), 300),
            (file(((wide >> 8) + 128).astype(np.uint8).tobytes(), bits=8), 30),
            (file((wide << 16).astype("<i4").tobytes(), bits=32), 300),
            (
                file(
                    (wide << 8).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes(),
                    bits=24,
                ),
                300,
            ),
            (file(ULAW.encode_rows(sound).tobytes(), code=7, bits=8), 30),
            (file(ALAW.encode_rows(sound).tobytes(), code=6, bits=8), 30),
        ):
            recording = wav.read(data)
            self.assertEqual((recording.rate, len(recording.samples)), (8000, 800))
            self.assertGreater(signal_to_noise(sound, recording.samples) + 0.5, min(least, 90))

    def test_two_channels(self) -> None:
        """Two channels are mixed to one without wrapping."""
        pairs = np.array([[32767, 32767], [100, -300]], "<i2")
        self.assertEqual(
            wav.read(file(pairs.tobytes(), channels=2)).samples.tolist(), [32767, -100]
        )

    def test_other_chunks(self) -> None:
        """Chunks that we do not know, odd ones too, are passed over."""
        data = file(b"\1\0\2\0", 1, 1, 8000, 16, chunk(b"LIST", b"abc"), chunk(b"fact", b"1234"))
        self.assertEqual(wav.read(data).samples.tolist(), [1, 2])

    def test_extensible(self) -> None:
        """The extensible header of newer programs."""
        form = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4, 1) + bytes(
            14
        )
        body = chunk(b"fmt ", form) + chunk(b"data", b"\5\0")
        recording = wav.read(b"RIFF" + bytes(4) + b"WAVE" + body)
        self.assertEqual((recording.rate, recording.samples.tolist()), (16_000, [5]))

    def test_a_recording_that_was_cut_off(self) -> None:
        """A size beyond the end of the file means: until the end."""
        data = file(b"\1\0\2\0")[:-6] + struct.pack("<I", 0xFFFFFFFF)[:0]
        data = file(b"")[:-4] + struct.pack("<I", 0x7FFFFFFF) + b"\1\0\2\0\3"
        self.assertEqual(wav.read(data).samples.tolist(), [1, 2])

    def test_at_another_rate(self) -> None:
        """A recording is given at the rate that is played."""
        recording = wav.read(file(sine(440, 0.5, 44_100).astype("<i2").tobytes(), rate=44_100))
        self.assertLess(abs(recording.seconds - 0.5), 0.001)
        self.assertGreater(
            signal_to_noise(sine(440, 0.5, 8000)[200:3800], recording.at(8000)[200:3800]), 40
        )

    @settings(derandomize=True, deadline=None, max_examples=300)
    @given(st.binary(max_size=60), st.integers(0, 60), st.booleans())
    def test_damage(self, junk: bytes, place: int, whole: bool) -> None:
        """A damaged file is read or refused, never anything else."""
        data = bytearray(file(b"\1\0" * 20))
        data[place : place + len(junk)] = junk
        try:
            wav.read(bytes(junk) if whole else bytes(data))
        except wav.Unplayable as refusal:
            self.assertGreater(len(str(refusal)), 10)


class RefusalTests(SynchronousTestCase):
    def test_words(self) -> None:
        """Each refusal says what is wrong and what to do."""
        for data, words in (
            (b"ID3\4" + bytes(40), "an MP3 file"),
            (b"OggS" + bytes(40), "an Ogg file"),
            (b"<html>", "no WAV file"),
            (b"", "no WAV file"),
            (file(b"\0" * 8, code=0x55, bits=0), "sound as MP3"),
            (file(b"\0" * 8, code=3, bits=32), "floating point"),
            (file(b"\0" * 8, code=999), "kind 999"),
            (file(b"\0" * 12, channels=6), "6 channels"),
            (file(b"\0" * 8, rate=1), "1 samples a second"),
            (file(b"\0" * 8, bits=12), "12 bits"),
            (file(b""), "no sound"),
            (file(b"")[:36], "no sound"),
            (file(bytes(2 * 4000 * 3700), rate=4000), "62 minutes"),
            (b"RIFF" + bytes(4) + b"WAVE" + chunk(b"data", b"12"), "before its format"),
            (b"RIFF" + bytes(4) + b"WAVE" + chunk(b"fmt ", b"12"), "short format"),
            (bytes(wav.LARGEST + 1), "64 MiB"),
        ):
            refusal = self.assertRaises(wav.Unplayable, wav.read, data)
            self.assertIn(words, str(refusal))


class WriteTests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """What is written is read again; PCM by Python's own module too."""
        recording = wav.Recording(16_000, noise(0.05, 16_000)[:-1])
        self.assertEqual(
            wav.read(wav.write(recording)).samples.tolist(), recording.samples.tolist()
        )
        with wave.open(io.BytesIO(wav.write(recording))) as reader:
            self.assertEqual(reader.getframerate(), 16_000)
            self.assertEqual(reader.readframes(9999), recording.samples.astype("<i2").tobytes())
        for law, table in (("u", ULAW), ("a", ALAW)):
            again = wav.read(wav.write(recording, law)).samples
            wanted = table.decode_rows(table.encode_rows(recording.samples))
            self.assertEqual(again.tolist(), wanted.tolist())

    def test_a_header_to_be_written_again(self) -> None:
        """A recorder writes a header first, the sound, and the header again with its length."""
        sound = sine(300, 0.1, 8000)
        data = bytearray(wav.header(8000, 0) + sound.tobytes())
        start = wav.header(8000, len(sound))
        data[: len(start)] = start
        self.assertEqual(wav.read(bytes(data)).samples.tolist(), sound.tolist())
