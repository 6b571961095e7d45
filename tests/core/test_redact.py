"""Secrets are hidden, whatever the message around them looks like; the rest can be read."""

from __future__ import annotations

import random

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase as TestCase

from sipx.core.redact import MARK, redact

SECRET = "Zq7XsecretW9"

HIDDEN = {
    "response": 'Authorization: Digest username="200", response="{}", uri="sip:x"',
    "nonce": 'WWW-Authenticate: Digest realm="sipx", nonce="{}", algorithm=MD5',
    "cnonce": 'Proxy-Authorization: Digest username="200", cnonce="{}"',
    "opaque": 'Proxy-Authenticate: Digest opaque="{}", realm="sipx"',
    "next nonce": 'Authentication-Info: nextnonce="{}"',
    "answer of the server": 'Proxy-Authentication-Info: rspauth="{}"',
    "not quoted": "Authorization: Digest response={}, username=200",
    "white space around": 'Authorization: Digest response \t=\t "{}"',
    "upper case": 'AUTHORIZATION: DIGEST RESPONSE="{}"',
    "white space before the colon": 'Authorization : Digest response="{}"',
    "folded before the value": 'Authorization: Digest\r\n response=\r\n\t"{}"',
    "folded inside the value": 'Authorization: Digest response="{}\r\n {}"',
    "bare line feed in the value": 'Authorization: Digest response="{}\n{}"',
    "bare line feed before": 'Authorization: Digest username="200",\nresponse="{}"',
    "escaped quote": 'Authorization: Digest response="\\"{}"',
    "quote without end": 'Authorization: Digest response="{}',
    "username without end": 'Authorization: Digest username="200, response="{}", uri="sip:x"',
    "realm that swallows": 'Authorization: Digest realm="sipx, nonce={}',
    "realm that pretends": 'Authorization: Digest realm="x, response={}"',
    "parameter nobody knows": 'Authorization: Digest key="{}"',
    "after a quoted string": 'Authorization: Digest realm="sipx"{}',
    "basic": "Authorization: Basic {}==",
    "bearer": "Authorization: Bearer {}",
    "scheme nobody knows": "Authorization: {}",
    "header nobody knows": 'X-My-Auth: response="{}"',
    "outside its header": 'Subject: response="{}"',
    "password": "INVITE sip:200:{}@example.com SIP/2.0",
    "password in brackets": 'From: "A" <sips:200:{}@example.com>;tag=1',
    "password with an at": "Contact: <sip:200:x@{}@example.com>",
    "password with a colon": "Contact: <sip:200:x:{}@example.com>",
    "password with spaces": "Contact: <sip:200: {} @example.com>",
    "password of a web page": "Call-Info: <https://me:{}@example.com/x>",
    "header of a URI": "Refer-To: <sip:200@example.com?Authorization=Digest%20x{}&a=b>",
    "crypto": "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}|2^20|1:4",
    "second key": "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x|1:4;inline:{}",
    "crypto without a suite": "a=crypto:1 inline:{}",
    "crypto with another method": "a=crypto:1 AES_CM_128_HMAC_SHA1_80 other:{}",
    "crypto in upper case": " A = CRYPTO:1 X INLINE:{}",
    "key of the session": "k=clear:{}",
    "ice password": "a=ice-pwd:{}",
    "mikey": "a=key-mgmt:mikey {}",
    "our state": "Record-Route: <sip:192.0.2.1;lr;sx={}>",
    "our state in a Route": "Route: <sip:192.0.2.1;SX = {};lr>,<sip:192.0.2.2;lr>",
    "our state quoted": 'Route: <sip:192.0.2.1;lr>;sx="{}"',
    "flow token in Path": "Path: <sip:{}@192.0.2.1;lr;ob>",
    "flow token in Route": "Route: <sip:192.0.2.2;lr>, <sips:{}@192.0.2.1;lr>",
    "flow token in Service-Route": "service-route: <sip:{}@192.0.2.1;lr>",
}
STRANGE = (b"", b"\r", b"\n", b"\0", b'"', b"\\", b"<", b"@", b":", b"\r\n ", b"=", b"\xff")
SHOWN = {
    "user": ('Authorization: Digest username="200", response="x"', 'username="200"'),
    "realm": ('WWW-Authenticate: Digest nonce="x", realm="sipx"', 'realm="sipx"'),
    "algorithm": ("WWW-Authenticate: Digest algorithm=SHA-256, nonce=x", "algorithm=SHA-256"),
    "digest URI": ('Authorization: Digest uri="sip:201@x", response="x"', 'uri="sip:201@x"'),
    "scheme": ("Authorization: Digest response=x", "Digest"),
    "stale": ('WWW-Authenticate: Digest nonce="x", stale=true', "stale=true"),
    "port": ("Contact: <sip:200@192.0.2.7:5060>", "<sip:200@192.0.2.7:5060>"),
    "port without user": ("Route: <sip:192.0.2.7:5060;lr>", "<sip:192.0.2.7:5060;lr>"),
    "user before a password": ("INVITE sip:200:x@h SIP/2.0", f"INVITE sip:200:{MARK}@h SIP/2.0"),
    "Call-ID": ("Call-ID: a:b:c@192.0.2.7", "Call-ID: a:b:c@192.0.2.7"),
    "contact without space": ("m:sip:200@192.0.2.7", "m:sip:200@192.0.2.7"),
    "suite": ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "1 AES_CM_128_HMAC_SHA1_80"),
    "codec": ("a=rtpmap:101 telephone-event/8000", "a=rtpmap:101 telephone-event/8000"),
    "next hop": ("Route: <sip:abc@192.0.2.1;lr>", f"<sip:{MARK}@192.0.2.1;lr>"),
}


class RedactTests(TestCase):
    """Each kind of secret on its own."""

    def test_hidden(self) -> None:
        """A secret does not survive, whether its line stands alone or ends with CRLF, LF or CR."""
        for name, text in HIDDEN.items():
            for end in ("\r\n", "\n", "\r", ""):
                before = f"Max-Forwards: 70{end}" if end else ""
                after = f"{end}Expires: 60{end}" if end else ""
                line = text.replace("{}", SECRET)
                shown = redact(f"{before}{line}{after}".encode())
                self.assertNotIn(SECRET, shown, name)
                self.assertIn(MARK, shown, name)

    def test_shown(self) -> None:
        """What is no secret stays."""
        for name, (text, part) in SHOWN.items():
            self.assertIn(part, redact(text.encode()), name)

    def test_neighbors_untouched(self) -> None:
        """The lines around a secret stay as they are."""
        shown = redact(b"To: <sip:a@b>\r\nAuthorization: Basic abc\r\nCSeq: 1 INVITE\r\n\r\nbody")
        self.assertEqual(
            shown, f"To: <sip:a@b>\r\nAuthorization: Basic {MARK}\r\nCSeq: 1 INVITE\r\n\r\nbody"
        )

    def test_fold_kept(self) -> None:
        """A folded header stays folded."""
        self.assertEqual(
            redact(b'Authorization: Digest realm="a",\r\n nonce="x"'),
            f'Authorization: Digest realm="a",\r\n nonce={MARK}',
        )

    def test_nothing_for_a_terminal(self) -> None:
        """Control characters become visible, and so does what is not UTF-8."""
        self.assertEqual(
            redact(b"Subject: \x1b[2J\x00\r\xc2\x9b\xff\xc3\xa4\r\n\tx"),
            "Subject: \\x1b[2J\\x00\\x0d\\x9b\\xffä\r\n\tx",
        )

    def test_linear(self) -> None:
        """A long line of what patterns begin with takes no time worth mentioning."""
        for piece in (
            "sip:",
            "<",
            '"',
            "auth",
            "?auth",
            "response ",
            "inline ",
            "a=",
            "\\",
            " ",
            "sx",
        ):
            shown = redact(b"Authorization: " + piece.encode() * (65000 // len(piece)))
            self.assertLess(len(shown), 200_000)
            redact(b"Route: " + piece.encode() * (65000 // len(piece)) + b"@")
            redact(piece.encode() * (65000 // len(piece)))


class RedactPropertyTests(TestCase):
    """Secrets in whole messages."""

    @given(st.binary(max_size=400))
    @settings(derandomize=True, deadline=None)
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever comes, a text comes out, and redacting it again changes no secret back."""
        again = redact(redact(data).encode())
        self.assertEqual(redact(again.encode()), again)

    @given(
        st.lists(st.sampled_from(sorted(HIDDEN)), min_size=1, max_size=6),
        st.sampled_from(["\r\n", "\n"]),
        st.text("abcXYZ0189+/", min_size=12, max_size=24),
        st.data(),
    )
    @settings(derandomize=True, deadline=None, max_examples=300)
    def test_planted(self, names: list[str], end: str, secret: str, data: st.DataObject) -> None:
        """Secrets in any order, case and line end of their messages do not survive."""
        lines = [HIDDEN[name] for name in names]
        if data.draw(st.booleans()):
            lines = [line.swapcase() for line in lines]
        lines = [line.replace("{}", secret) for line in lines]
        text = end.join(["INVITE sip:201@192.0.2.1 SIP/2.0", *lines, "", ""])
        assume(secret not in end.join(HIDDEN.values()))
        self.assertNotIn(secret, redact(text.encode()))

    @given(st.sampled_from(sorted(HIDDEN)), st.integers(0, 200), st.binary(max_size=3))
    @settings(derandomize=True, deadline=None, max_examples=500)
    def test_damage_after(self, name: str, place: int, noise: bytes) -> None:
        """Damage done behind a secret does not bring it back."""
        line = HIDDEN[name].replace("{}", SECRET).encode()
        after = line.rindex(SECRET.encode()) + len(SECRET)
        if b"@" in line[after:] and (b"@" in noise or place < 1):
            return
        tail = line[after:] + b"\r\nTo: <sip:a@b>\r\n"
        cut = min(place, len(tail))
        damaged = line[:after] + tail[:cut] + noise + tail[cut:]
        self.assertNotIn(SECRET, redact(damaged))


class RedactMutationTests(TestCase):
    """Seeded damage to a whole message."""

    def test_never_raises(self) -> None:
        """Five hundred damaged messages come out as text."""
        text = "\r\n".join(["INVITE sip:201@192.0.2.1 SIP/2.0", *HIDDEN.values(), "", "v=0", ""])
        message = text.replace("{}", SECRET).encode()
        chance = random.Random(1)
        for _ in range(500):
            damaged = bytearray(message)
            for _ in range(chance.randrange(1, 8)):
                place, length = chance.randrange(len(damaged)), chance.randrange(4)
                damaged[place : place + length] = chance.choice(STRANGE)
            self.assertIsInstance(redact(bytes(damaged)), str)
