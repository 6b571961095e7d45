"""Messages: headers read when asked for, changed one by one, written back as they came."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.errors import RemoteError
from sipx.core.message import COMPACT_NAMES, Message, Request, Response, header_line, reply
from sipx.core.parser import parse_datagram
from sipx.core.via import Via, parse_via
from tests.core import strategies


def request(*lines: str | bytes, body: bytes = b"") -> Request:
    """A request with these headers."""
    head = [line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line
            for line in ("OPTIONS sip:a@h SIP/2.0", *lines)]  # fmt: skip
    message = parse_datagram(b"\r\n".join([*head, b"", body]))
    assert isinstance(message, Request)
    return message


class ReadingTests(SynchronousTestCase):
    def test_names(self) -> None:
        """A header is found by its name in any case, and by its compact form."""
        for short, name in COMPACT_NAMES.items():
            for spelling in (short, short.upper(), name, name.upper(), name.title()):
                self.assertEqual(request(f"{spelling}: v").get(name), "v", spelling)

    def test_values(self) -> None:
        """White space around a value is none of it; folds become one space (7.3.1)."""
        for line, value in (
            ("Subject:x", "x"),
            ("Subject : x", "x"),
            ("Subject\t:\tx \t", "x"),
            ("Subject:", ""),
            ("Subject: a:b: c", "a:b: c"),
            ("Subject: a\r\n b", "a b"),
            ("Subject: a\r\n\t b \r\n  \r\n c", "a b  c"),
            ("Subject:\r\n a", "a"),
            ("Subject: \u00fc", "\u00fc"),
            (b"Subject: \xff", "\udcff"),
        ):
            message = request(line)
            self.assertEqual((message.get("subject"), message.defects), (value, ()), line)

    def test_absent(self) -> None:
        """What is not there is None, an empty list or a 400, as one asks."""
        message = request()
        self.assertIsNone(message.get("via"))
        self.assertIsNone(message.number("expires", "Expires", 9))
        self.assertEqual((message.every("via"), message.listed("via")), ([], []))
        self.assertEqual((message.addresses("route", "Route"), message.vias()), ([], []))
        self.assertFalse(message.has("via"))
        for name in ("via", "to", "from_", "call_id", "cseq"):
            error = self.assertRaises(RemoteError, getattr, message, name)
            self.assertEqual(error.status, 400)
            self.assertTrue(error.reason.startswith("Missing "), error.reason)

    def test_lists(self) -> None:
        """Values in one line and in several are the same list."""
        message = request("Supported: path, 100rel", "Subject: x", "k: ,Timer,")
        self.assertEqual(message.listed("supported"), ["path", "100rel", "Timer"])
        self.assertEqual(message.tokens("supported"), ["path", "100rel", "timer"])
        self.assertEqual(message.every("supported"), ["path, 100rel", ",Timer,"])

    def test_cseq(self) -> None:
        """CSeq is a number below 2**31 and a method."""
        for text, value in (
            ("1 INVITE", (1, "INVITE")),
            ("0\t x-Y", (0, "x-Y")),
            ("0001 A", (1, "A")),
            ("2147483647 ACK", (2**31 - 1, "ACK")),
        ):
            self.assertEqual(request(f"CSeq: {text}").cseq, value)
        for text in (
            "", "1", "INVITE", "INVITE 1", "1 INVITE x", "-1 A", "1.0 A", "2147483648 A",
            "99999999999999999999999 A", "\u0661 A", "1\u00a0A", "1 A,B", "1 \u00fc",
        ):  # fmt: skip
            error = self.assertRaises(RemoteError, lambda text=text: request(f"CSeq: {text}").cseq)
            self.assertEqual(error.status, 400)

    def test_call_id(self) -> None:
        """A Call-ID is one word, and case counts."""
        self.assertEqual(request("i: aB<>@[]").call_id, "aB<>@[]")
        for text in ("", "a b", "a\tb", "a\r\n b"):
            error = self.assertRaises(
                RemoteError, lambda text=text: request(f"Call-ID: {text}").call_id
            )
            self.assertEqual(error.reason, "Malformed Call-ID")

    def test_number(self) -> None:
        """A number is decimal digits and no larger than what it is for."""
        self.assertEqual(request("Max-Forwards: 070").number("max-forwards", "M", 255), 70)
        for text in ("", "-1", "+1", "1.0", "0x1", "1 2", "256", "9" * 5000, "\u0661"):
            message = request(f"Max-Forwards: {text}")
            error = self.assertRaises(
                RemoteError, message.number, "max-forwards", "Max-Forwards", 255
            )
            self.assertIn("Max-Forwards", error.reason)

    def test_addresses(self) -> None:
        """Addresses are read once and then remembered until changed."""
        message = request("To: <sip:a@h>;tag=1", "f: sip:b@h;tag=2", "m: <sip:c@h>, <sip:d@h>")
        self.assertEqual((message.to.tag, message.from_.uri_text), ("1", "sip:b@h"))
        self.assertIs(message.to, message.to)
        message.set("to", "<sip:x@h>")
        self.assertEqual((message.to.tag, message.to.uri_text), ("", "sip:x@h"))
        self.assertEqual(
            [value.uri_text for value in message.addresses("contact", "Contact")],
            ["sip:c@h", "sip:d@h"],
        )

    def test_vias(self) -> None:
        """All Via values are found, the topmost alone too."""
        message = request(
            "Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP / 2.0 / TCP b : 5070", "v: SIP/2.0/TLS [::1]"
        )
        self.assertEqual(
            [(via.transport, via.host, via.port) for via in message.vias()],
            [("UDP", "a", None), ("TCP", "b", 5070), ("TLS", "[::1]", None)],
        )
        self.assertEqual(message.via.branch, "z9hG4bK1")
        self.assertEqual(
            [via.sent_by for via in message.vias()], ["a:5060", "b:5070", "[::1]:5061"]
        )


class ViaTests(SynchronousTestCase):
    def test_malformed(self) -> None:
        """What is no Via is 400."""
        for text in (
            "", "SIP/2.0/UDP", "SIP/1.0/UDP h", "HTTP/2.0/TCP h", "SIP/2.0 UDP h", "SIP/2.0/UDP h:",
            "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:65536", "SIP/2.0/UDP h:x", "SIP/2.0/UDP ::1",
            "SIP/2.0/UDP h;", "SIP/2.0/UDP h;branch=", "SIP/2.0/UDP h;rport;RPORT",
            "SIP/2.0/UDP h:" + "9" * 5000, "SIP/2.0/UDP h:0005060", "SIP/2.0/UDP h:5060;b=<x>",
            "SIP/2.0/UDP h:5060;(=x", "SIP/2.0/UDP h:5060;b=c?", "SIP/2.0/UDP h:\u0665\u0665",
            "SIP/2.0/UDP h g", "SIP/2.0/UDP \u00fc", "SIP/2.0/U(DP h",
        ):  # fmt: skip
            error = self.assertRaises(RemoteError, parse_via, text)
            self.assertEqual(error.status, 400, text)

    @settings(derandomize=True, deadline=None)
    @given(strategies.vias)
    def test_round_trip(self, text: str) -> None:
        """What is written is read again."""
        self.assertEqual(str(parse_via(text)), text)


class ChangingTests(SynchronousTestCase):
    def message(self) -> Request:
        """A message with a list over several lines."""
        return request("v: SIP/2.0/UDP a", "Route: <sip:x;lr>, <sip:y;lr>", "subject:  s",
                       "Route:<sip:z;lr>", "Content-Length: 0")  # fmt: skip

    def assertLines(self, message: Message, *lines: bytes) -> None:
        """These are the headers."""
        self.assertEqual(message.lines, list(lines))
        self.assertEqual(len(message.names), len(lines))

    def test_set(self) -> None:
        """A header is replaced where it was; the others stay as they came."""
        message = self.message()
        message.set("route", "<sip:n;lr>")
        message.set("x-new", "1")
        message.set("subject", "t")
        self.assertLines(message, b"v: SIP/2.0/UDP a", b"Route: <sip:n;lr>", b"Subject: t",
                         b"Content-Length: 0", b"X-New: 1")  # fmt: skip

    def test_add_and_remove(self) -> None:
        """Headers go to the end or the front, and out."""
        message = self.message()
        message.add("record-route", "<sip:r;lr>")
        message.prepend("via", "SIP/2.0/UDP b")
        message.remove("route")
        message.remove("nothing")
        self.assertLines(message, b"Via: SIP/2.0/UDP b", b"v: SIP/2.0/UDP a", b"subject:  s",
                         b"Content-Length: 0", b"Record-Route: <sip:r;lr>")  # fmt: skip
        self.assertEqual(message.via.host, "b")

    def test_pop_first(self) -> None:
        """The topmost value of a list goes, wherever it stands."""
        message = self.message()
        for rest in (["<sip:y;lr>", "<sip:z;lr>"], ["<sip:z;lr>"], []):
            message.pop_first("route")
            self.assertEqual(message.listed("route"), rest)
        message.pop_first("via")
        self.assertLines(message, b"subject:  s", b"Content-Length: 0")

    def test_pop_first_comma(self) -> None:
        """A comma inside quotes or brackets separates nothing."""
        message = request('Route: "a, b" <sip:c,d@h;lr>', "Route: <sip:e;lr>")
        message.pop_first("route")
        self.assertLines(message, b"Route: <sip:e;lr>")

    def test_replace_list(self) -> None:
        """A list is replaced where its first line was."""
        message = self.message()
        message.replace_list("route", ["<sip:1>", "<sip:2>"])
        self.assertLines(message, b"v: SIP/2.0/UDP a", b"Route: <sip:1>", b"Route: <sip:2>",
                         b"subject:  s", b"Content-Length: 0")  # fmt: skip
        message.replace_list("route", [])
        message.replace_list("path", ["<sip:3>"])
        self.assertLines(message, b"v: SIP/2.0/UDP a", b"subject:  s", b"Content-Length: 0",
                         b"Path: <sip:3>")  # fmt: skip

    def test_set_via(self) -> None:
        """Only the topmost Via is written anew."""
        message = request("Via: SIP/2.0/UDP a, SIP/2.0/UDP b;x", "v:SIP/2.0/UDP c")
        message.set_via(Via("UDP", "a", 5060, {"received": "192.0.2.1", "rport": None}))
        self.assertLines(
            message,
            b"Via: SIP/2.0/UDP a:5060;received=192.0.2.1;rport, SIP/2.0/UDP b;x",
            b"v:SIP/2.0/UDP c",
        )
        self.assertEqual(message.via.port, 5060)

    def test_copy(self) -> None:
        """A copy changes alone."""
        message = self.message()
        response = reply(message, 200)
        for original in (message, response):
            other = original.copy()
            before = original.to_bytes()
            self.assertEqual(other.to_bytes(), before)
            other.remove("via")
            other.set("x-y", "z")
            self.assertEqual(original.to_bytes(), before)

    def test_spelling(self) -> None:
        """New headers are spelled as the RFCs spell them."""
        for name, line in (
            ("call-id", b"Call-ID: x"), ("cseq", b"CSeq: x"), ("www-authenticate",
             b"WWW-Authenticate: x"), ("max-forwards", b"Max-Forwards: x"), ("via", b"Via: x"),
        ):  # fmt: skip
            self.assertEqual(header_line(name, "x"), line)

    def test_octets(self) -> None:
        """Octets that are no UTF-8 survive being read and written."""
        message = request(b"Subject: a\xff\xfe")
        message.set("subject", message.get("subject") or "")
        self.assertEqual(message.lines, [b"Subject: a\xff\xfe"])

    def test_content_length(self) -> None:
        """Content-Length is added where it is missing."""
        message = request(body=b"xyz")
        self.assertEqual(
            message.to_bytes(), b"OPTIONS sip:a@h SIP/2.0\r\nContent-Length: 3\r\n\r\nxyz"
        )


class ReplyTests(SynchronousTestCase):
    """Responses to a request: RFC 3261 section 8.2.6."""

    def test_headers(self) -> None:
        """Via, From, To, Call-ID and CSeq are taken as they are, nothing else is."""
        lines = ["v:SIP/2.0/UDP a", "Subject: s", "t: <sip:t@h>", "From: sip:f@h;tag=1",
                 "Via: SIP/2.0/UDP b", "i:c", "CSeq:  1 OPTIONS", "Timestamp: 5",
                 "Content-Type: text/plain", "Content-Length: 1"]  # fmt: skip
        response = reply(request(*lines, body=b"x"), 180, to_tag="ours")
        self.assertEqual(
            response.to_bytes().split(b"\r\n"),
            [b"SIP/2.0 180 Ringing", b"v:SIP/2.0/UDP a", b"t: <sip:t@h>;tag=ours",
             b"From: sip:f@h;tag=1", b"Via: SIP/2.0/UDP b", b"i:c", b"CSeq:  1 OPTIONS",
             b"Content-Length: 0", b"", b""],
        )  # fmt: skip

    def test_tag(self) -> None:
        """To gets a tag unless it has one."""
        for to, tagged in (
            ("<sip:t@h>", "<sip:t@h>;tag=ours"),
            ("sip:t@h;x=y", "sip:t@h;x=y;tag=ours"),
            ("<sip:t@h>;tag=theirs", "<sip:t@h>;tag=theirs"),
            ("<sip:t@h>;TAG=theirs", "<sip:t@h>;TAG=theirs"),
            ("<sip:t@h;tag=no>", "<sip:t@h;tag=no>;tag=ours"),
            ('"tag=x" <sip:t@h> ', '"tag=x" <sip:t@h>;tag=ours'),
            ("<sip:t@h>\r\n ;x=y", "<sip:t@h>\r\n ;x=y;tag=ours"),
        ):
            response = reply(request(f"To: {to}"), 200, to_tag="ours")
            self.assertEqual(response.lines[0], f"To: {tagged}".encode())
            self.assertIn(response.to.tag, {"ours", "theirs"})
        self.assertEqual(reply(request("To: <sip:t@h>"), 100).lines[0], b"To: <sip:t@h>")

    def test_malformed(self) -> None:
        """A request can be answered although its To is malformed or missing."""
        for lines in (["To: <<sip:x>;tag=1"], ["To:"], ["To: x;tag=1;tag=2"], []):
            response = reply(request(*lines), 400, "Malformed To", to_tag="ours")
            self.assertEqual((response.status, response.reason), (400, "Malformed To"))

    def test_reason(self) -> None:
        """A status without its own words gets the registered ones."""
        for status, reason, phrase in (
            (404, "", "Not Found"),
            (404, "x", "x"),
            (499, "", "Unknown"),
        ):
            self.assertEqual(reply(request(), status, reason).reason, phrase)

    @settings(derandomize=True, deadline=None)
    @given(strategies.messages(), st.integers(101, 699))
    def test_readable(self, data: bytes, status: int) -> None:
        """What is answered can be read, and belongs to the request."""
        message = parse_datagram(data)
        if isinstance(message, Request):
            response = reply(message, status, to_tag="ours")
            again = parse_datagram(response.to_bytes())
            assert isinstance(again, Response)
            self.assertEqual((again.status, again.defects), (status, ()))
            self.assertEqual(again.call_id, message.call_id)
            self.assertEqual(again.cseq, message.cseq)
            self.assertEqual(again.via.branch, message.via.branch)
            self.assertEqual(again.to.tag, message.to.tag or "ours")
