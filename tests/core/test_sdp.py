"""Tests of sipx.core.sdp: what phones write is read, kept and written again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.errors import RemoteError
from sipx.core.sdp import Crypto, Description, Direction, Media, Origin, RtpMap, parse

PHONE = (
    b"v=0\r\no=alice 2890844526 2890844527 IN IP4 host.example.com\r\ns=A call\r\n"
    b"i=something nobody reads\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\na=sendonly\r\n"
    b"m=audio 49170 RTP/AVP 0 8 97 101\r\na=rtpmap:97 opus/48000/2\r\n"
    b"a=fmtp:97 useinbandfec=1\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\n"
    b"a=x-unknown:kept\r\nm=video 51372/2 RTP/AVP 31\r\nc=IN IP6 2001:db8::1\r\na=inactive\r\n"
    b"a=rtcp:53020 IN IP4 126.16.64.4\r\n"
)

tokens = st.text("abcdefgh0123456789-.", min_size=1, max_size=8)
values = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=20)
lines = st.lists(st.tuples(st.sampled_from("iubakrze"), values), max_size=5).map(tuple)
medias = st.builds(
    Media,
    st.sampled_from(["audio", "video", "image"]),
    st.integers(0, 65_535),
    st.sampled_from(["RTP/AVP", "RTP/SAVP", "udptl"]),
    st.lists(tokens, min_size=1, max_size=5).map(tuple),
    lines,
    st.integers(1, 3),
)
origins = st.builds(
    Origin, tokens, st.integers(0, 2**64), st.integers(0, 99), st.sampled_from(["192.0.2.1", "::1"])
)
descriptions = st.builds(
    Description, origins, values, lines, st.lists(medias, max_size=4).map(tuple)
)


class ReadTests(SynchronousTestCase):
    def test_written_as_it_came(self) -> None:
        """Unknown lines stay where they are; bare LF is read too."""
        self.assertEqual(parse(PHONE).to_bytes(), PHONE)
        self.assertEqual(parse(PHONE.replace(b"\r\n", b"\n")).to_bytes(), PHONE)

    @settings(derandomize=True, deadline=None)
    @given(descriptions)
    def test_round_trip(self, description: Description) -> None:
        """What is written is read again."""
        self.assertEqual(parse(description.to_bytes()), description)

    @settings(derandomize=True, deadline=None, max_examples=300)
    @given(st.integers(0, len(PHONE) - 1), st.binary(max_size=4))
    def test_damage(self, place: int, junk: bytes) -> None:
        """A damaged description is read or refused, never anything else."""
        try:
            found = parse(PHONE[:place] + junk + PHONE[place + len(junk) :])
            for media in found.media:
                media.rtpmaps(), media.parameters(), media.cryptos(), media.number("ptime")
                found.rtcp(media), found.direction(media)
        except RemoteError as refusal:
            self.assertIn(refusal.status, (400, 413))

    def test_values(self) -> None:
        """Static numbers need no rtpmap; lines of the media go before those of the session."""
        description = parse(PHONE)
        audio, video = description.media
        self.assertEqual(
            audio.rtpmaps(),
            {
                0: RtpMap("PCMU", 8000, 1),
                8: RtpMap("PCMA", 8000, 1),
                97: RtpMap("opus", 48_000, 2),
                101: RtpMap("telephone-event", 8000, 1),
            },
        )
        self.assertEqual(audio.parameters(), {"97": "useinbandfec=1"})
        self.assertEqual((audio.number("ptime"), audio.number("maxptime")), (30, None))
        self.assertEqual(description.address(audio), "192.0.2.7")
        self.assertEqual(description.rtcp(audio), ("192.0.2.7", 49_171))
        self.assertIs(description.direction(audio), Direction.SENDONLY)
        self.assertEqual(description.address(video), "2001:db8::1")
        self.assertEqual(description.rtcp(video), ("126.16.64.4", 53_020))
        self.assertIs(description.direction(video), Direction.INACTIVE)
        self.assertEqual(video.ports, 2)

    def test_keys(self) -> None:
        """Crypto lines that we can use; those with an MKI or parameters of their own are not."""
        key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
        media = Media(
            "audio",
            1,
            "RTP/SAVP",
            ("0",),
            (
                ("a", f"crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20|1:32"),
                ("a", f"crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20 KDR=1"),
                ("a", f"crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{key}|2^20"),
                ("a", f"crypto:4 F8_128_HMAC_SHA1_80 inline:{key}"),
                ("a", "crypto:5 AES_CM_128_HMAC_SHA1_80 inline:abc"),
                ("a", "crypto:nonsense"),
            ),
        )
        octets = b"YS___semctl () {\t220;}\n}\nunles"
        self.assertEqual(
            media.cryptos(),
            [
                Crypto(3, "AES_CM_128_HMAC_SHA1_32", octets),
                Crypto(4, "F8_128_HMAC_SHA1_80", octets),
            ],
        )

    def test_refused_with_a_reason(self) -> None:
        """Each refusal names the line or what is missing."""
        for data, words in (
            (b"", "line 1"),
            (b"v=1\r\n", "line 1"),
            (b"v=0\r\ns=-\r\n", "no o="),
            (b"v=0\r\no=- 1 1 IN IP4 x\r\n", "no s="),
            (b"v=0\r\no=- a 1 IN IP4 x\r\n", "o= in line 2"),
            (b"v=0\r\nnonsense\r\n", "line 2"),
            (PHONE.replace(b"49170", b"70000"), "m= in line 8"),
            (PHONE + b"m=audio\r\n", "m= in line 18"),
        ):
            error = self.assertRaises(RemoteError, parse, data)
            self.assertEqual(error.status, 400)
            self.assertIn(words, error.reason)

    def test_bounds(self) -> None:
        """What is larger than any phone's is refused with 413."""
        for data in (
            PHONE + b"a=x\r\n" * 600,
            PHONE + b"m=audio 0 RTP/AVP 0\r\n" * 20,
            PHONE + b"m=audio 0 RTP/AVP" + b" 0" * 99 + b"\r\n",
            PHONE + b"a=" + b"x" * 20_000 + b"\r\n",
        ):
            self.assertEqual(self.assertRaises(RemoteError, parse, data).status, 413)
