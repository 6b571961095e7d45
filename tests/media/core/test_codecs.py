"""Tests of media.core.codecs: bit by bit where there is a standard, by ear where there is none."""

from __future__ import annotations

import ctypes
import warnings
from typing import Any

import numpy as np
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from media.core.codecs import Codec, FrameDecoder, available, find
from media.core.codecs.g711 import ALAW, PCMA, PCMU, ULAW
from media.core.codecs.l16 import L16_NARROW, L16_WIDE
from media.core.jitter import CONTINUED
from tests.media.core.sounds import frames, noise, signal_to_noise, sine

ALL_SAMPLES = np.arange(-32768, 32768).astype(np.int16)
ALL_CODES = np.arange(256).astype(np.uint8)


def oracle() -> Any:
    """The G.711 of Python's own audioop, gone in 3.13."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import audioop
    except ImportError:
        raise SkipTest("this Python has no audioop") from None
    return audioop


def needed(name: str, clock_rate: int) -> Codec:
    codec = find(name, clock_rate)
    if codec is None:
        raise SkipTest(f"the library of {name} is not installed")
    return codec


class G711Tests(SynchronousTestCase):
    def test_every_value(self) -> None:
        """All 256 codes and all 65 536 samples are those of an independent implementation."""
        audioop = oracle()
        for law, to_law, from_law in (
            (ULAW, audioop.lin2ulaw, audioop.ulaw2lin),
            (ALAW, audioop.lin2alaw, audioop.alaw2lin),
        ):
            self.assertEqual(
                law.encode_rows(ALL_SAMPLES).tobytes(), to_law(ALL_SAMPLES.tobytes(), 2)
            )
            self.assertEqual(law.decode_rows(ALL_CODES).tobytes(), from_law(ALL_CODES.tobytes(), 2))

    def test_published_values(self) -> None:
        """Ends and middle of the tables of G.711: 8031 of 14 bits u-law, 4032 of 13 A-law."""
        self.assertEqual(
            ULAW.decode_rows(np.array([0x80, 0x00, 0xFF, 0x7F], np.uint8)).tolist(),
            [8031 * 4, -8031 * 4, 0, 0],
        )
        self.assertEqual(
            ALAW.decode_rows(np.array([0xAA, 0x2A, 0xD5, 0x55], np.uint8)).tolist(),
            [4032 * 8, -4032 * 8, 8, -8],
        )
        self.assertEqual((ULAW.silence, ALAW.silence), (0xFF, 0xD5))

    def test_again_and_again(self) -> None:
        """What was decoded is encoded to the same code, so a relay through us changes nothing."""
        for law in (ULAW, ALAW):
            again = law.encode_rows(law.decode_rows(ALL_CODES))
            different = ALL_CODES[again != ALL_CODES].tolist()
            self.assertEqual(different, [0x7F] if law is ULAW else [])  # u-law has two zeros

    def test_rows_and_streams(self) -> None:
        """Many streams at once give what each gives alone."""
        sound = noise(0.2, 8000)
        rows = sound.reshape(-1, 160)
        for codec in (PCMU, PCMA, L16_NARROW):
            assert codec.rows is not None
            payloads = codec.rows.encode(rows)
            self.assertEqual(
                [codec.encoder().encode(row) for row in rows], [one.tobytes() for one in payloads]
            )
            decoded = codec.rows.decode(payloads)
            self.assertEqual(decoded.shape, rows.shape)
            for payload, row in zip(payloads, decoded, strict=True):
                self.assertEqual(codec.decoder().decode(payload.tobytes()).tolist(), row.tolist())


class L16Tests(SynchronousTestCase):
    def test_network_order(self) -> None:
        """The high octet comes first; an octet too many is left over."""
        self.assertEqual(L16_WIDE.encoder().encode(np.array([1, -2], np.int16)), b"\0\1\xff\xfe")
        self.assertEqual(L16_WIDE.decoder().decode(b"\0\1\xff\xfe\7").tolist(), [1, -2])
        self.assertEqual(L16_WIDE.octets, 640)


class G722Tests(SynchronousTestCase):
    def test_against_spandsp(self) -> None:
        """Codes and samples are those of another implementation, bit by bit."""
        codec = needed("G722", 8000)
        try:
            spandsp = ctypes.CDLL("libspandsp.so.2")
        except OSError:
            raise SkipTest("libspandsp, which baresip brings, is not installed") from None
        for name in ("g722_encode_init", "g722_decode_init"):
            getattr(spandsp, name).restype = ctypes.c_void_p
        coding = ctypes.c_void_p(spandsp.g722_encode_init(None, 64_000, 0))
        decoding = ctypes.c_void_p(spandsp.g722_decode_init(None, 64_000, 0))
        encoder, decoder = codec.encoder(), codec.decoder()
        sound = np.concatenate(
            (noise(0.4, 16_000), sine(1000, 0.4, 16_000), noise(0.2, 16_000, 90))
        )
        for frame in frames(sound, 320):
            octets = ctypes.create_string_buffer(160)
            size = spandsp.g722_encode(coding, octets, ctypes.c_void_p(frame.ctypes.data), 320)
            payload = encoder.encode(frame)
            self.assertEqual(payload, octets.raw[:size])
            heard = np.zeros(320, np.int16)
            spandsp.g722_decode(decoding, ctypes.c_void_p(heard.ctypes.data), octets, size)
            self.assertEqual(decoder.decode(payload).tolist(), heard.tolist())

    def test_wide_band(self) -> None:
        """A tone of 6 kHz, which no telephone carries, comes through."""
        codec = needed("G722", 8000)
        encoder, decoder = codec.encoder(), codec.decoder()
        sound = sine(6000, 0.5, 16_000)
        heard = np.concatenate([decoder.decode(encoder.encode(f)) for f in frames(sound, 320)])
        self.assertGreater(float(np.std(heard[2000:])), 0.7 * float(np.std(sound)))
        self.assertEqual((codec.payload_type, codec.clock_rate, codec.rate), (9, 8000, 16_000))


class OpusTests(SynchronousTestCase):
    def test_sounds_alike(self) -> None:
        """A chord comes through, in packets far smaller than G.711's."""
        codec = needed("opus", 48_000)
        encoder, decoder = codec.encoder(), codec.decoder()
        sound = sine(300, 1.0, 16_000, 4000) + sine(700, 1.0, 16_000, 3000)
        payloads = [encoder.encode(frame) for frame in frames(sound, 320)]
        heard = np.concatenate([decoder.decode(payload) for payload in payloads])
        self.assertGreater(signal_to_noise(sound[3200:12_000], heard[3200:12_400], 400), 8)
        self.assertLess(max(map(len, payloads[5:])), 150)
        self.assertEqual({codec.duration(payload) for payload in payloads}, {960})

    def test_garbage(self) -> None:
        """What is no packet gives no sound, and the decoder goes on."""
        codec = needed("opus", 48_000)
        decoder = codec.decoder()
        garbage = bytes.fromhex("ff" * 40)
        self.assertEqual(len(decoder.decode(garbage)), 0)
        self.assertEqual(codec.duration(b""), 0)
        payload = codec.encoder().encode(sine(300, 0.02, 16_000))
        self.assertEqual(len(decoder.decode(payload)), 320)

    def test_conceals_by_itself(self) -> None:
        """A missing packet gives 20 ms that go on from what was heard."""
        codec = needed("opus", 48_000)
        encoder, stream = codec.encoder(), FrameDecoder(codec)
        for frame in frames(sine(300, 0.5, 16_000), 320):
            stream.frame(encoder.encode(frame))
        made = stream.frame(None)
        assert made is not None
        self.assertEqual(len(made), 320)
        self.assertGreater(float(np.std(made)), 1000)


class StreamTests(SynchronousTestCase):
    def test_a_packet_of_several_frames(self) -> None:
        """What lasts longer than a tick is given in pieces; then it is missing."""
        stream = FrameDecoder(L16_WIDE)
        sound = noise(0.06, 16_000)
        payload = L16_WIDE.encoder().encode(sound)
        heard = [stream.frame(one) for one in (payload, CONTINUED, CONTINUED)]
        self.assertEqual(
            np.concatenate([f for f in heard if f is not None]).tolist(), sound.tolist()
        )
        self.assertIsNone(stream.frame(None))

    def test_waiting_is_bounded(self) -> None:
        """Payloads that are longer than they say do not pile up."""
        stream = FrameDecoder(L16_NARROW)
        for _ in range(100):
            stream.frame(bytes(1300))
        self.assertLessEqual(len(stream._waiting), 6 * 160)


class RegistryTests(SynchronousTestCase):
    def test_what_is_there(self) -> None:
        """G.711 is always there; each codec's numbers agree with what it makes."""
        names = [codec.name for codec in available()]
        self.assertIn("PCMU", names)
        self.assertIn("PCMA", names)
        self.assertIs(find("pcmu", 8000), PCMU)
        self.assertIsNone(find("PCMU", 16_000))
        for codec in available():
            self.assertIs(find(codec.format.name, codec.format.clock_rate), codec)
            payload = codec.encoder().encode(noise(0.02, codec.rate))
            self.assertEqual(codec.duration(payload), codec.units, codec.name)
            self.assertEqual(len(codec.decoder().decode(payload)), codec.samples, codec.name)
            if codec.octets is not None:
                self.assertEqual(len(payload), codec.octets, codec.name)
