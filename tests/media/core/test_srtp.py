"""Tests of media.core.srtp against a slow SRTP of our own, and that against RFC 3711 appendix B."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from media.core import rtcp
from media.core.rtp import Packet, build
from media.core.srtp import MOST_SOURCES, WINDOW, Protection, is_available
from sipx.core.agreement import Keys
from sipx.core.offeranswer import SUITES

NEAR = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
FAR = bytes(range(30))


def keystream(key: bytes, start: int, size: int) -> bytes:
    """AES in counter mode (4.1.1)."""
    cipher = Cipher(algorithms.AES(key), modes.CTR(start.to_bytes(16)))
    return cipher.encryptor().update(bytes(size))


def derive(master: bytes, label: int, size: int) -> bytes:
    """A session key (4.3.1), with a key derivation rate of zero."""
    salt = int.from_bytes(master[16:]) ^ label << 48
    return keystream(master[:16], salt << 16, size)


def slow_protect(master: bytes, packet: Packet, index: int, tag: int) -> bytes:
    """An RTP packet without extras, encrypted and signed (3.1, 4.1, 4.2)."""
    key, salt, sign = derive(master, 0, 16), derive(master, 2, 14), derive(master, 1, 20)
    start = int.from_bytes(salt) << 16 ^ packet.ssrc << 64 ^ index << 16
    stream = keystream(key, start, len(packet.payload))
    body = bytes(a ^ b for a, b in zip(packet.payload, stream, strict=True))
    data = build(packet)[:12] + body
    roll_over = (index >> 16).to_bytes(4)
    return data + hmac.digest(sign, data + roll_over, hashlib.sha1)[:tag]


def packet(sequence: int, ssrc: int = 0xCAFEBABE) -> Packet:
    return Packet(False, 8, sequence & 0xFFFF, sequence * 160, ssrc, bytes(range(160)))


class AppendixTests(SynchronousTestCase):
    def test_keystream(self) -> None:
        """B.2: the first blocks of AES in counter mode."""
        key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
        start = int("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000", 16)
        self.assertEqual(
            keystream(key, start, 48).hex(),
            "e03ead0935c95e80e166b16dd92b4eb4"
            "d23513162b02d0f72a43a2fe4a5f97ab"
            "41e95b3bb0a2e8dd477901e4fca894c0",
        )

    def test_key_derivation(self) -> None:
        """B.3: cipher key, salt and authentication key."""
        self.assertEqual(derive(NEAR, 0, 16).hex(), "c61e7a93744f39ee10734afe3ff7a087")
        self.assertEqual(derive(NEAR, 2, 14).hex(), "30cbbc08863d8c85d49db34a9ae1")
        self.assertEqual(derive(NEAR, 1, 20).hex(), "cebe321f6ff7716b6fd4ab49af256a156d38baa4")


class ProtectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        if not is_available():
            raise SkipTest("pylibsrtp is not installed")
        self.near, self.far = self.pair(SUITES[0])

    def pair(self, suite: str) -> tuple[Protection, Protection]:
        return Protection(Keys(suite, NEAR, FAR)), Protection(Keys(suite, FAR, NEAR))

    def test_against_the_slow_one(self) -> None:
        """Both suites make and read the very octets that RFC 3711 asks for, across a roll-over."""
        for suite, tag in zip(SUITES, (10, 4), strict=True):
            near, far = self.pair(suite)
            for index in range(65_530, 65_545):
                wanted = slow_protect(NEAR, packet(index), index, tag)
                self.assertEqual(near.protect(build(packet(index))), wanted)
                self.assertEqual(far.unprotect(wanted), build(packet(index)))

    def test_replayed(self) -> None:
        """A packet is taken once; one that is late but new is taken, one far too old is not."""
        sent = [self.near.protect(build(packet(n))) for n in range(1, WINDOW + 50)]
        self.assertIsNotNone(self.far.unprotect(sent[2]))
        self.assertIsNone(self.far.unprotect(sent[2]))
        self.assertIsNotNone(self.far.unprotect(sent[1]))
        self.assertIsNotNone(self.far.unprotect(sent[-1]))
        self.assertIsNone(self.far.unprotect(sent[0]))
        self.assertEqual((self.far.replayed, self.far.forged), (2, 0))

    def test_forged(self) -> None:
        """A changed octet, another key and plain RTP are dropped, and the stream goes on."""
        good = self.near.protect(build(packet(1)))
        changed = bytearray(good)
        changed[20] ^= 1
        stranger, _ = self.pair(SUITES[0])
        stranger = Protection(Keys(SUITES[0], bytes(30), FAR))
        for data in (
            bytes(changed),
            stranger.protect(build(packet(1))),
            build(packet(1)),
            b"",
            b"\x80",
            bytes(2000),
        ):
            self.assertIsNone(self.far.unprotect(data))
        self.assertEqual(self.far.forged, 6)
        self.assertIsNotNone(self.far.unprotect(good))

    def test_control(self) -> None:
        """RTCP is encrypted too, taken once, and not to be changed."""
        report = rtcp.build(rtcp.Report(7), rtcp.Description(((7, "name"),)))
        data = self.near.protect_control(report)
        self.assertNotIn(b"name", data)
        self.assertIsNone(self.far.unprotect_control(data[:-1] + b"\0"))
        self.assertEqual(self.far.unprotect_control(data), report)
        self.assertIsNone(self.far.unprotect_control(data))

    def test_sources_are_bounded(self) -> None:
        """A peer may change its SSRC some times in a call, not without end."""
        for ssrc in range(MOST_SOURCES + 5):
            self.far.unprotect(self.near.protect(build(packet(1, ssrc))))
        self.assertEqual(self.far.forged, 5)
