"""Every class of defect and oddity that the torture messages know, in messages of our own.

RFC 4475 names the classes, section by section, RFC 5118 those of IPv6. No file is needed.
"""

from __future__ import annotations

from sipx.core.message import Request
from sipx.core.parser import parse_datagram
from tests.rfc.torture import (
    FORWARDED,
    PHONE,
    SENDER,
    SILENT,
    Case,
    TortureCase,
    cut,
    status,
    values,
)

GOOD = (
    b"INVITE sip:user@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 198.51.100.7:41000;branch=z9hG4bKgood\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:caller@example.net>;tag=1\r\n"
    b"To: <sip:user@example.com>\r\n"
    b"Call-ID: good\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Contact: <sip:caller@198.51.100.7:41000>\r\n"
    b"Subject: words\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"body"
)
REGISTER = (
    b"REGISTER sip:example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 198.51.100.7:41000;branch=z9hG4bKgood\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:user@example.com>;tag=1\r\n"
    b"To: <sip:user@example.com>\r\n"
    b"Call-ID: good\r\n"
    b"CSeq: 7 REGISTER\r\n"
    b"Contact: <sip:user@198.51.100.7:41000>\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)
Row = tuple[str, str, bytes, bytes, int]


class DefectCase(TortureCase):
    """A good message with one thing changed."""

    def check(self, good: bytes, *rows: Row, sender: str = "") -> None:
        """Each row: section, name, what is put in the place of what, and what it deserves."""
        self.assert_treated(
            Case("good", "", FORWARDED if good is GOOD else 200, sender=sender), good
        )
        wrong = []
        for section, name, old, new, treatment in rows:
            data = good.replace(old, new, 1)
            self.assertNotEqual(data, good, name)
            try:
                self.assert_treated(Case(name, section, treatment, sender=sender), data)
            except AssertionError as error:
                wrong.append(f"{name}: {error}")
        self.assertEqual(wrong, [])


class RequestTests(DefectCase):
    """INVITE of a stranger to a phone."""

    def test_odd_and_valid(self) -> None:
        """What looks odd and is right goes on, unharmed."""
        self.check(
            GOOD,
            ("3.1.1.1", "folds", b"Subject: words", b"Subject\t :\r\n many\r\n\twords ", FORWARDED),
            (
                "3.1.1.1",
                "spaces in Via",
                b"SIP/2.0/UDP 198",
                b"SIP / 2.0\r\n / UDP   198",
                FORWARDED,
            ),
            ("3.1.1.1", "spaces at parameters", b">;tag=1", b"> ;\r\n tag  = 1", FORWARDED),
            ("3.1.1.1", "leading zeros", b"70", b"0070", FORWARDED),
            ("3.1.1.1", "leading zeros of CSeq", b"CSeq: 7", b"CSeq: 0007\r\n ", FORWARDED),
            ("3.1.1.1", "unknown header", b"Subject: words", b"Odd: ;;,,;;,;", FORWARDED),
            ("3.1.1.1", "empty header", b"Subject: words", b"s :", FORWARDED),
            ("3.1.1.1", "odd names", b"From:", b"fRoM   :", FORWARDED),
            ("3.1.1.1", "quotes in quotes", b"From: <", b'From: "a \\\\\\"" <', FORWARDED),
            ("3.1.1.2", "NUL in quotes", b"From: <", b'From: "a\\\0b" <', FORWARDED),
            ("3.1.1.2", "UTF-8", b"From: <", 'From: "Жанна" <'.encode(), FORWARDED),
            ("3.1.1.2", "no UTF-8", b"Subject: words", b"Subject: \xff\xfe", FORWARDED),
            (
                "3.1.1.2",
                "odd Call-ID",
                b": good\r",
                b": a%ZK-!.*_+'@b`~)(><:\\/\"][?}{\r",
                FORWARDED,
            ),
            ("3.1.1.2", "odd tag", b"tag=1", b"tag=_t~1'+`*%!-.", FORWARDED),
            ("3.1.1.3", "escapes", b"sip:user@", b"sip:%75se%72@", FORWARDED),
            ("3.1.1.3", "escaped parameter", b"7:41000>", b"7:41000;%6C%72;n=%41>", FORWARDED),
            ("3.1.1.6", "no space", b"From: <", b"From: caller<", FORWARDED),
            ("3.1.1.7", "long values", b"tag=1", b"tag=" + b"1" * 1500, FORWARDED),
            (
                "3.1.1.7",
                "many Vias",
                b"Max-F",
                b"V : SIP/2.0/TCP a.example\r\n" * 35 + b"Max-F",
                FORWARDED,
            ),
            (
                "3.1.1.8",
                "a second message",
                b"body",
                b"body\r\nBYE sip:user@example.com SIP/2.0",
                FORWARDED,
            ),
            (
                "3.1.1.10",
                "transports",
                b"Max-F",
                b"v: SIP/2.0/SCTP a, SIP/2.0/ODD b\r\nMax-F",
                FORWARDED,
            ),
            ("3.1.1.11", "binary body", b"body", b"\0\xff\r\n", FORWARDED),
            ("3.1.2.12", "a date of no zone", b"Subject: words", b"Date: 1 Jan EST", FORWARDED),
            ("3.3.6", "unknown body", b"Subject: words", b"Content-Type: a/unknown", FORWARDED),
            ("3.3.15", "no SDP wanted", b"Subject: words", b"Accept: text/odd", FORWARDED),
            ("3.4.1", "RFC 2543", b";branch=z9hG4bKgood\r\nMax-Forwards: 70", b"", FORWARDED),
            ("3.4.1", "no tag", b";tag=1", b"", FORWARDED),
            ("3.4.1", "no length", b"Content-Length: 4\r\n", b"", FORWARDED),
        )

    def test_malformed(self) -> None:
        """What is wrong is answered with a status that says so, and rings nowhere."""
        self.check(
            GOOD,
            ("3.1.2.1", "separators in Via", b";branch", b";;,;,,;branch", 400),
            ("3.1.2.1", "no host in Via", b"198.51.100.7:41000;b", b";b", 400),
            (
                "3.1.2.1",
                "a Via that ends",
                b"SIP/2.0/UDP 198.51.100.7:41000;branch=z9hG4bKgood",
                b"",
                400,
            ),
            ("3.1.2.1", "a bad port in Via", b":41000;b", b":65536;b", 400),
            ("3.1.2.2", "length too large", b"Content-Length: 4", b"Content-Length: 9999", 400),
            ("3.1.2.3", "negative length", b"Content-Length: 4", b"Content-Length: -4", 400),
            ("3.1.2.4", "CSeq", b"CSeq: 7", b"CSeq: 36893488147419103232", 400),
            ("3.1.2.4", "CSeq of 2^31", b"CSeq: 7", b"CSeq: 2147483648", 400),
            ("3.1.2.4", "Max-Forwards", b"70", b"300", 400),
            ("3.1.2.6", "no closing quote", b"From: <", b'From: "caller <', 400),
            (
                "3.1.2.7",
                "brackets",
                b"sip:user@example.com SIP",
                b"<sip:user@example.com> SIP",
                400,
            ),
            ("3.1.2.8", "space in the URI", b"com SIP", b"com; lr SIP", 400),
            ("3.1.2.9", "two spaces", b"INVITE sip", b"INVITE  sip", 400),
            ("3.1.2.10", "space at the end", b"SIP/2.0\r\nVia", b"SIP/2.0  \r\nVia", 400),
            (
                "3.1.2.14",
                "space in brackets",
                b"From: <sip:caller@example.net>",
                b"From: < sip:c@example.net >",
                400,
            ),
            ("3.1.2.15", "a comma in a name", b"From: <", b"From: Bell, Alexander <", 400),
            ("3.1.2.16", "version", b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia", 505),
            (
                "3.1.2.16",
                "version in both",
                b"SIP/2.0\r\nVia: SIP/2.0",
                b"SIP/7.0\r\nVia: SIP/7.0",
                505,
            ),
            ("3.1.2.17", "CSeq method", b"7 INVITE", b"7 OPTIONS", 400),
            ("3.1.2.18", "CSeq method, and a new method", b"INVITE sip", b"NEWMETHOD sip", 400),
            ("3.3.1", "no From", b"From: ", b"X-From: ", 400),
            ("3.3.1", "no To", b"To: ", b"X-To: ", 400),
            ("3.3.1", "no Call-ID", b"Call-ID: ", b"X-Call-ID: ", 400),
            ("3.3.1", "no CSeq", b"CSeq: ", b"X-CSeq: ", 400),
            ("3.3.2", "unknown scheme", b"sip:user@example.com SIP", b"odd:opaque SIP", 416),
            (
                "3.3.3",
                "unknown scheme with dot",
                b"sip:user@example.com SIP",
                b"soap.beep://a:1 SIP",
                416,
            ),
            ("3.3.5", "unknown extensions", b"Subject: words", b"Proxy-Require: noSuch", 420),
            ("3.3.8", "two From", b"Subject: words", b"f: <sip:other@example.net>;tag=2", 400),
            ("3.3.8", "two To", b"Subject: words", b"t: <sip:other@example.net>", 400),
            ("3.3.8", "two Call-IDs", b"Subject: words", b"i: other", 400),
            ("3.3.8", "two CSeqs", b"Subject: words", b"CSeq: 8 INVITE", 400),
            ("3.3.8", "two Max-Forwards", b"Subject: words", b"Max-Forwards: 5", 400),
            ("3.3.9", "two lengths", b"Subject: words", b"Content-Length: 3", 400),
            ("3.3.11", "no hops left", b"70", b"0", 483),
            ("4.2", "IPv6 without brackets", b"example.com SIP", b"2001:db8::10 SIP", 400),
        )

    def test_dropped(self) -> None:
        """What cannot be answered, or must not be, is dropped."""
        no_via = b"Via: SIP/2.0/UDP 198.51.100.7:41000;branch=z9hG4bKgood\r\n"
        self.check(
            GOOD,
            ("3.3.1", "no Via", no_via, b"", SILENT),
            ("", "no method", b"INVITE sip", b"IN(VITE sip", SILENT),
            (
                "3.1.2.1",
                "an ACK with a bad Via",
                GOOD[: GOOD.index(b"\r\nMax")],
                b"ACK sip:user@example.com SIP/2.0\r\nVia: ;;",
                SILENT,
            ),
        )

    def test_headers_in_uri(self) -> None:
        """Headers in a Request-URI neither go on in it nor become headers (3.1.2.11)."""
        data = GOOD.replace(b".com SIP", b".com?Route=%3Csip:evil.example%3E SIP", 1)
        sent = dict(self.assert_treated(Case("headers", "3.1.2.11", FORWARDED), data))
        self.assertNotIn(b"?", cut(sent[PHONE])[0])
        self.assertEqual(values(sent[PHONE], "route"), [])

    def test_unsupported(self) -> None:
        """420 names what is not supported as it was written, and nothing else (3.3.5)."""
        data = GOOD.replace(b"Subject: words", b"Require: noPhone\r\nProxy-Require: noOne, norTwo")
        ((_, answer),) = self.assert_treated(Case("extensions", "3.3.5", 420), data)
        self.assertEqual(values(answer, "unsupported"), ["noOne, norTwo"])

    def test_bare_cookie(self) -> None:
        """A branch that is only the magic cookie tells nothing apart (3.2.1)."""
        node = self.make_node(Case("cookie", "3.2.1", FORWARDED))
        bare = GOOD.replace(b"z9hG4bKgood", b"z9hG4bK").replace(b"INVITE", b"OPTIONS")
        onward: set[str] = set()
        for call_id, different in ((b"one", 1), (b"two", 2), (b"one", 2)):
            sent = self.send(node, bare.replace(b": good", b": " + call_id))
            onward |= {parse_datagram(data).via.branch for to, data in sent if to == PHONE}
            self.assertEqual(len(onward), different)
        self.clock.advance(400)
        self.assertEqual(node.layer.transactions, 0)

    def test_reason(self) -> None:
        """A malformed Via is answered where the request came from, with its own Via."""
        data = GOOD.replace(b";branch", b";;,;,,;branch", 1)
        ((to, answer),) = self.assert_treated(Case("Via", "3.1.2.1", 400), data)
        self.assertEqual(to, SENDER)
        self.assertEqual(cut(answer)[0], b"SIP/2.0 400 Malformed Via")
        self.assertIn(cut(data)[1][0], cut(answer)[1])


class RegisterTests(DefectCase):
    """REGISTER of a user of ours."""

    def test_register(self) -> None:
        """Odd ones are taken, bad ones are not."""
        self.check(
            REGISTER,
            (
                "3.1.1.1",
                "parameters",
                b"41000>\r",
                b"41000> ; newparam =\r\n a ;\r\n q = 0.33\r",
                200,
            ),
            ("3.1.1.5", "an escaped name", b"Contact:", b"C%6Fntact:", 200),
            ("3.1.2.4", "Expires", b"Contact:", b"Expires: 1" + b"0" * 50 + b"\r\nContact:", 400),
            ("3.1.2.4", "q", b"41000>", b"41000>;q=1.5", 400),
            (
                "3.1.2.13",
                "headers without brackets",
                b"<sip:user@198.51.100.7:41000>",
                b"sip:user@198.51.100.7:41000?Route=%3Csip:a%3E",
                400,
            ),
            ("3.3.4", "To of another scheme", b"To: <sip:user@example.com>", b"To: isbn:123", 404),
            (
                "3.3.4",
                "Contact of another scheme",
                b"sip:user@198.51.100.7:41000",
                b"name:John",
                403,
            ),
            (
                "3.3.7",
                "unknown credentials",
                b"Contact:",
                b"Authorization: Odd a=b\r\nContact:",
                200,
            ),
            sender="user",
        )

    def test_other_method(self) -> None:
        """A method is compared as it is written: an escaped REGISTER is none (3.1.1.5)."""
        data = REGISTER.replace(b"REGISTER", b"RE%47ISTER")
        self.assert_treated(Case("escaped", "3.1.1.5", 405, sender="user"), data)

    def contacts(self, line: bytes) -> list[str]:
        """The contacts that a registration with this line lists, but for the phone's."""
        data = REGISTER.replace(b"Contact: <sip:user@198.51.100.7:41000>", line)
        ((_, answer),) = self.assert_treated(Case("contact", "", 200, sender="user"), data)
        found = parse_datagram(answer).listed("contact")
        return sorted(value.partition(";expires")[0] for value in found if "10.0.9.9" not in value)

    def test_escaped_nul(self) -> None:
        """NUL is a character like another: it ends nothing (3.1.1.4)."""
        found = self.contacts(b"Contact: <sip:%00@198.51.100.7>\r\nm: <sip:%00%00@198.51.100.7>")
        self.assertEqual(found, ["<sip:%00%00@198.51.100.7>", "<sip:%00@198.51.100.7>"])

    def test_whose_parameter(self) -> None:
        """Without brackets a parameter is the header's, with them the URI's (3.3.12, 3.3.13)."""
        self.assertEqual(self.contacts(b"m: sip:a@198.51.100.7;odd"), ["<sip:a@198.51.100.7>"])
        self.assertEqual(
            self.contacts(b"m: <sip:a@198.51.100.7;odd>"), ["<sip:a@198.51.100.7;odd>"]
        )

    def test_headers_in_contact(self) -> None:
        """Headers in a Contact are dropped, which is our policy (3.3.14)."""
        found = self.contacts(b"m: <sip:a@198.51.100.7?Route=%3Csip:evil.example%3E>")
        self.assertEqual(found, ["<sip:a@198.51.100.7>"])


class ResponseTests(TortureCase):
    """What phones answer; a response is never answered."""

    def answer(self, answer: bytes) -> list[tuple[int, bytes]]:
        """Let the phone answer an INVITE; gives what the caller gets: status and bytes.

        Args:
            answer: with ``VIA`` in the place of the Vias.
        """
        node = self.make_node(Case("answer", "", FORWARDED))
        sent = dict(self.send(node, GOOD))
        vias = b"\r\n".join(line for line in cut(sent[PHONE])[1] if line[:4] == b"Via:")
        seen = len(self.network.sent)
        self.network.send(answer.replace(b"VIA", vias, 1), PHONE, node.address)
        self.clock.advance(0.1)
        found = [
            (status(datagram.data), datagram.data)
            for datagram in list(self.network.sent)[seen:]
            if datagram.source == node.address and datagram.destination == SENDER
        ]
        self.clock.advance(400)
        self.assertEqual(node.layer.transactions, 0)
        return found

    def response(self, start: bytes, cseq: bytes = b"7 INVITE", more: bytes = b"") -> bytes:
        """A response of the phone."""
        return (
            start + b"\r\nVIA\r\nFrom: <sip:caller@example.net>;tag=1\r\n"
            b"To: <sip:user@example.com>;tag=2\r\nCall-ID: good\r\nCSeq: "
            + cseq
            + b"\r\n"
            + more
            + b"Content-Length: 0\r\n\r\n"
        )

    def test_reasons(self) -> None:
        """Any reason goes on as it is: none, UTF-8, bytes that are no text (3.1.1.12, 13)."""
        for reason in (b"", b"= 2**3 ", "не стоит".encode(), b"\xff\xfe", b"a  b"):
            ((code, data),) = self.answer(self.response(b"SIP/2.0 183 " + reason))
            self.assertEqual(code, 183)
            self.assertEqual(cut(data)[0], b"SIP/2.0 183 " + reason)

    def test_discarded(self) -> None:
        """What is malformed is as if it had never come (3.1.2.5, 3.1.2.19)."""
        for data in (
            self.response(b"SIP/2.0 4294967301 Ringing"),
            self.response(b"SIP/2.0 099 Ringing"),
            self.response(b"SIP/2.0 180"),
            self.response(b"SIP/2.0 180 Ringing", b"9292394834772304023312 INVITE"),
            self.response(b"SIP/2.0 180 Ringing", b"7 OPTIONS"),
            self.response(b"SIP/2.0 180 Ringing").replace(b"Length: 0", b"Length: -1"),
        ):
            self.assertEqual(self.answer(data), [], data)

    def test_odd_headers(self) -> None:
        """Odd values of headers that are none of our business go on (3.1.2.5)."""
        more = b'Retry-After: 949302838503028349304023988\r\nWarning: 1812 overture "Odd"\r\n'
        ((_, data),) = self.answer(self.response(b"SIP/2.0 486 Busy", more=more))
        for line in more.strip().split(b"\r\n"):
            self.assertIn(line, cut(data)[1])

    def test_broadcast(self) -> None:
        """A response goes where our request came from, whatever its further Vias say (3.3.10)."""
        node = self.make_node(Case("broadcast", "3.3.10", SILENT))
        stray = self.response(b"SIP/2.0 200 OK").replace(
            b"VIA",
            b"Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\n"
            b"Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK2",
        )
        self.assertEqual(self.send(node, stray), [])


class Ipv6Tests(DefectCase):
    """RFC 5118: IPv6 in messages, over whatever they come."""

    def test_references(self) -> None:
        """Addresses of IPv6 are read and pass where they stand."""
        self.check(
            GOOD,
            ("4.5", "received", b";branch", b";received=2001:db8::9:255;branch", FORWARDED),
            ("4.5", "received", b";branch", b";received=[2001:db8::9:255];branch", FORWARDED),
            ("4.6", "SDP", b"body", b"c=IN", FORWARDED),
            (
                "4.7",
                "Vias",
                b"Max-F",
                b"Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z\r\nMax-F",
                FORWARDED,
            ),
            ("4.7", "top Via", b"UDP 198.51.100.7:41000", b"UDP [2001:db8::9:1]:41000", FORWARDED),
            (
                "4.9",
                "Contact",
                b"caller@198.51.100.7:41000",
                b"caller@[::ffff:192.0.2.2]",
                FORWARDED,
            ),
            (
                "4.10",
                "three colons",
                b"caller@198.51.100.7:41000",
                b"c@[2001:db8:::192.0.2.1]",
                FORWARDED,
            ),
        )

    def test_port(self) -> None:
        """A port stands behind the bracket; what is inside is the address (4.3, 4.4)."""
        for text, host, port in (
            (b"[2001:db8::10:5070]", "[2001:db8::10:5070]", None),
            (b"[2001:db8::10]:5070", "[2001:db8::10]", 5070),
        ):
            message = parse_datagram(GOOD.replace(b"user@example.com SIP", text + b" SIP"))
            assert isinstance(message, Request)
            self.assertEqual((message.uri.host, message.uri.port), (host, port))
