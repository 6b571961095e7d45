"""Bytes to messages: what is well formed stays as it is, what is not is named or refused."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core import parser
from sipx.core.errors import RemoteError
from sipx.core.message import Message, Request, Response, reply
from sipx.core.parser import (
    MOST_HEADERS,
    VERSION_DEFECT,
    NotSip,
    content_length,
    parse_datagram,
    parse_head,
)
from tests.core import strategies

START = b"OPTIONS sip:a@h SIP/2.0\r\n"

NOT_SIP = (
    b"", b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0", b"jaK", b"GET / HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n", b"OPTIONS\r\n\r\n", b"OPTIONS sip:a@h\r\n\r\n",
    b"OPTIONS sip:a@h SIP\r\n\r\n", b"OPTIONS sip:a@h SIP/2\r\n\r\n", b"OPTIONS  SIP/2.0\r\n\r\n",
    b"OPTIONS SIP/2.0\r\n\r\n", b" OPTIONS sip:a@h SIP/2.0\r\n\r\n",
    b"OPT(IONS sip:a@h SIP/2.0\r\n\r\n",
    b"OPTI\xffNS sip:a@h SIP/2.0\r\n\r\n", b"OPTIONS sip:a@h SIP/2.0x\r\n\r\n",
    b"SIP/2.0 99 x\r\n\r\n", b"SIP/2.0 099 x\r\n\r\n", b"SIP/2.0 700 x\r\n\r\n",
    b"SIP/2.0 2000 x\r\n\r\n", b"SIP/2.0 20 x\r\n\r\n", b"SIP/3.0 200 OK\r\n\r\n",
    b"SIP/2.0 \xb2\xb2\xb2 x\r\n\r\n", b"Via: SIP/2.0/UDP h\r\n\r\n",
)  # fmt: skip

# Headers, and what the message is said to have wrong.
DEFECTS = (
    (b"", ()),
    (b"Via\r\n", ("A header line has no name and colon",)),
    (b"Content-Length\r\n", ("A header line has no name and colon",)),
    (b": x\r\n", ("A header line has no name and colon",)),
    (b"Sub ject: x\r\n", ("A header line has no name and colon",)),
    (b"Sub\xfcject: x\r\n", ("A header line has no name and colon",)),
    (b" Subject: x\r\n", ("A header line has no name and colon",)),
    (b"Subject: x\ny: z\r\n", ("A CR without LF, or an LF without CR, in the headers",)),
    (b"Subject: x\ry: z\r\n", ("A CR without LF, or an LF without CR, in the headers",)),
    (b"Subject: x\r\r\n", ("A CR without LF, or an LF without CR, in the headers",)),
    (b"Subject: a\0b\r\n", ("A NUL in the headers",)),
    (b"Subject: \\\0\r\n", ("A NUL in the headers",)),
    (b's: "\\\0\r\n', ("A NUL in the headers",)),
    (b'To: "a\0" <sip:a@b>\r\n', ("A NUL in the headers",)),
    (b'To: "a\\\\\0" <sip:a@b>\r\n', ("A NUL in the headers",)),
    (b'To: "NUL:\\\0 \\"" <sip:a@b>\r\n', ()),  # RFC 4475 section 3.1.1.2
    (b"s:\r\n" * MOST_HEADERS, ()),
    (b"s:\r\n" * (MOST_HEADERS + 1), ("More than 512 headers",)),
)

# Values of Content-Length before a body of four octets, what is left of the body, what is wrong.
LENGTHS = (
    ((), b"body", ""),
    ((b"4",), b"body", ""),
    ((b" 004 ",), b"body", ""),
    ((b"\r\n 4",), b"body", ""),
    ((b"3",), b"bod", ""),
    ((b"0",), b"", ""),
    ((b"5",), b"body", "Content-Length is larger than the datagram"),
    ((b"-1",), b"body", "Content-Length is not a number"),
    ((b"+4",), b"body", "Content-Length is not a number"),
    ((b"4.0",), b"body", "Content-Length is not a number"),
    ((b"four",), b"body", "Content-Length is not a number"),
    ((b"",), b"body", "Content-Length is not a number"),
    ((b"4, 4",), b"body", "Content-Length is not a number"),
    ((b"\xd9\xa4",), b"body", "Content-Length is not a number"),
    ((b"\xb2",), b"body", "Content-Length is not a number"),
    ((b"9" * 10,), b"body", "Content-Length is too large"),
    ((b"9" * 9999,), b"body", "Content-Length is too large"),
    ((b"3", b"3"), b"bod", ""),
    ((b"x", b"x"), b"body", "Content-Length is not a number"),
    ((b"4", b"3"), b"body", "Content-Length repeated with different values"),
    ((b"4", b"04"), b"body", "Content-Length repeated with different values"),
    ((b"4", b""), b"body", "Content-Length repeated with different values"),
)


def parse(data: bytes) -> Message | None:
    """Read a datagram; None for what is not SIP."""
    try:
        return parse_datagram(data)
    except NotSip:
        return None


class StartLineTests(SynchronousTestCase):
    def test_request(self) -> None:
        """Method and Request-URI are as written; methods are case-sensitive."""
        for line, method, uri in (
            (b"INVITE sip:a@h SIP/2.0", "INVITE", "sip:a@h"),
            (b"invite sip:a@h sip/2.0", "invite", "sip:a@h"),
            (b"x-!%*_+`'~. tel:1 SIP/2.0", "x-!%*_+`'~.", "tel:1"),
            (b"OPTIONS * SIP/2.0", "OPTIONS", "*"),
            (b"OPTIONS sip:\xff@h SIP/2.0", "OPTIONS", "sip:\udcff@h"),
        ):
            message = parse_datagram(line + b"\r\n\r\n")
            assert isinstance(message, Request)
            self.assertEqual((message.method, message.uri_text), (method, uri))
            self.assertEqual(message.defects, ())

    def test_response(self) -> None:
        """Status and phrase are as written; the phrase may be empty."""
        for line, status, reason in (
            (b"SIP/2.0 200 OK", 200, "OK"),
            (b"sip/2.0 699 ", 699, ""),
            (b"SIP/2.0 100 \xc3\xbc \xff", 100, "\u00fc \udcff"),
            (b"SIP/2.0 404 Not  Found ", 404, "Not  Found "),
        ):
            message = parse_datagram(line + b"\r\n\r\n")
            assert isinstance(message, Response)
            self.assertEqual((message.status, message.reason), (status, reason))

    def test_white_space(self) -> None:
        """White space where none may be is named, so that it can be answered with 400."""
        for line in (
            b"OPTIONS  sip:a@h SIP/2.0", b"OPTIONS sip:a@h  SIP/2.0", b"OPTIONS sip:a@h SIP/2.0 ",
            b"OPTIONS\tsip:a@h\tSIP/2.0", b"OPTIONS sip:a; lr@h SIP/2.0",
            b"OPTIONS <sip:a b> SIP/2.0",
        ):  # fmt: skip
            message = parse_datagram(line + b"\r\nCall-ID: a\r\n\r\n")
            assert isinstance(message, Request)
            self.assertEqual(
                message.defects, ("The Request-Line has white space where none may be",), line
            )
            self.assertEqual((message.method, message.call_id), ("OPTIONS", "a"))

    def test_version(self) -> None:
        """Another version is named, so that it can be answered with 505."""
        for version in (b"SIP/3.0", b"sip/1.0", b"SIP/2.1", b"SIP/10.20"):
            message = parse_datagram(b"OPTIONS sip:a@h " + version + b"\r\n\r\n")
            self.assertEqual(message.defects, (VERSION_DEFECT,))

    def test_not_sip(self) -> None:
        """What has no start line of SIP is not SIP."""
        for data in NOT_SIP:
            self.assertRaises(NotSip, parse_datagram, data)
            self.assertRaises(NotSip, parse_head, data.partition(b"\r\n\r\n")[0])

    def test_line_ends_before(self) -> None:
        """Line ends before a message are none of it (7.5)."""
        for before in (b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"):
            message = parse_datagram(before + START + b"l: 1\r\n\r\nx")
            self.assertEqual((message.defects, message.body), ((), b"x"))

    def test_cost(self) -> None:
        """No datagram takes long to read, or to refuse."""
        for data in (
            b"OPTIONS x" + b" " * 60000 + b"y\r\n\r\n",
            b"OPTIONS" + b" x" * 30000 + b"\r\n\r\n",
            b"OPTIONS x" + b" SIP/2.0" * 8000 + b"y\r\n\r\n",
            START + b"s: x" + b"\r\n " * 20000 + b"\r\n\r\n",
            START + b"a:\r\n" * 15000 + b"\r\n",
            START + b"".join(b"x%d:\r\n" % number for number in range(8000)) + b"\r\n",
            START + b"\r\n" * 30000,
            START + b's: \0"' + b'\\"' * 30000 + b"\r\n\r\n",
            START + b"l: 1\r\n" * 10000 + b"\r\n",
        ):
            started = time.process_time()
            parse(data)
            self.assertLess(time.process_time() - started, 0.2, data[:20])


class HeadTests(SynchronousTestCase):
    def test_defects(self) -> None:
        """What is wrong with a head is named, and the rest can be read all the same."""
        for headers, defects in DEFECTS:
            message = parse_datagram(START + headers + b"\r\n")
            self.assertEqual(message.defects, defects, headers[:40])
            self.assertEqual(len(message.names), len(message.lines))

    def test_rest_of_the_head(self) -> None:
        """Headers beside one that is none are there."""
        message = parse_datagram(START + b"Call-ID: a\r\nrubbish\r\nCSeq: 1\r\n OPTIONS\r\n\r\n")
        self.assertEqual((message.call_id, message.cseq), ("a", (1, "OPTIONS")))

    def test_no_end(self) -> None:
        """A head that does not end is a defect."""
        for data in (START, START[:-2], START + b"Call-ID: a", START + b"Call-ID: a\r\n"):
            message = parse_datagram(data)
            self.assertIn("No empty line after the headers", message.defects)

    def test_bounded_names(self) -> None:
        """Spellings of names that peers choose are remembered up to a limit."""
        for number in range(parser._KNOWN_SPELLINGS + 100):
            parse_datagram(START + b"x-%d: y\r\n\r\n" % number)
        self.assertLessEqual(len(parser._names), parser._KNOWN_SPELLINGS)
        message = parse_datagram(START + b"x-never-seen: y\r\n\r\n")
        self.assertEqual(message.get("x-never-seen"), "y")

    def test_no_header_by_a_known_name(self) -> None:
        """A line is no header because its whole text is the name of one."""
        for name in (b"Via", b"v", b"Content-Length", b"l", b"To"):
            message = parse_datagram(START + name + b"\r\n\r\n")
            self.assertEqual(message.names, [])


class ContentLengthTests(SynchronousTestCase):
    """RFC 3261 sections 18.3 and 20.14."""

    def test_datagram(self) -> None:
        """A shorter length cuts the rest off; anything wrong is named and cuts nothing."""
        for values, body, defect in LENGTHS:
            headers = b"".join(b"Content-Length: %b\r\n" % value for value in values)
            message = parse_datagram(START + headers + b"\r\nbody")
            self.assertEqual(message.body, body, values)
            self.assertEqual(message.defects, (defect,) if defect else (), values)

    def test_head(self) -> None:
        """For streams the length alone is read."""
        for values, _, defect in LENGTHS:
            lines = [START.strip(), *(b"l:" + value for value in values)]
            length, found = content_length(parse_head(b"\r\n".join(lines)))
            if defect.startswith("Content-Length is larger"):
                self.assertEqual((length, found), (5, ""))
            else:
                self.assertEqual(found, defect)
                self.assertEqual(length is None, bool(defect) or not values)


class PropertyTests(SynchronousTestCase):
    @settings(derandomize=True, deadline=None)
    @given(strategies.messages())
    def test_unchanged(self, data: bytes) -> None:
        """A well-formed message has no defect and is written as it came."""
        message = parse_datagram(data)
        self.assertEqual(message.defects, ())
        self.assertEqual(message.to_bytes(), data)
        self.assertEqual(message.copy().to_bytes(), data)  # type: ignore[attr-defined]  # a message

    @settings(derandomize=True, deadline=None)
    @given(strategies.header_lines())
    def test_values(self, headers: list[tuple[str, str, bytes]]) -> None:
        """Every value is read as it was meant, in whatever spelling."""
        data = b"\r\n".join([START.strip(), *(line for _, _, line in headers), b"", b""])
        message = parse_datagram(data)
        self.assertEqual(message.names, [name for name, _, _ in headers])
        for name, value, line in headers:
            if b"\r\n" in line:
                found = [" ".join(text.split()) for text in message.every(name)]
                self.assertIn(" ".join(value.split()), found)
            else:
                self.assertIn(value.strip(), message.every(name))

    @settings(derandomize=True, deadline=None)
    @given(strategies.messages(), st.data())
    def test_untouched(self, data: bytes, draw: st.DataObject) -> None:
        """Who changes one header leaves all others as they came."""
        message = parse_datagram(data)
        lines = list(zip(message.names, message.lines, strict=True))
        name = draw.draw(st.sampled_from(message.names))
        message.set(name, "changed")
        after = list(zip(message.names, message.lines, strict=True))
        self.assertEqual(
            [line for found, line in after if found != name],
            [line for found, line in lines if found != name],
        )
        self.assertEqual(message.every(name), ["changed"])

    @settings(derandomize=True, deadline=None, max_examples=200)
    @given(st.one_of(strategies.mutations(), st.binary(max_size=200)))
    def test_hostile(self, data: bytes) -> None:
        """Nothing raises but a RemoteError, when reading, asking, answering or writing."""
        message = parse(data)
        if message is None:
            return
        for name in ("via", "from_", "to", "call_id", "cseq", "uri"):
            try:
                value = getattr(message, name, None)
                if name in {"from_", "to"} and value is not None:
                    self.assertIsInstance(value.params, dict)
                    self.assertIsInstance(value.uri.key(), str)
            except RemoteError as error:
                self.assertIn(error.status, {400, 414})
        for name in set(message.names):
            message.listed(name)
            try:
                message.addresses(name, name)
                message.number(name, name, 9)
            except RemoteError as error:
                self.assertEqual(error.status, 400)
        self.assertIsInstance(parse(message.to_bytes()), type(message))
        if isinstance(message, Request):
            answer = parse(reply(message, 400, "x", "ours").to_bytes())
            self.assertIsInstance(answer, Response)
