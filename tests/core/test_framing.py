"""Tests of sipx.core.framing: messages out of a byte stream, cut anywhere."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.framing import HEAD_PATIENCE, LONGEST_HEAD, Broken, Event, Item, StreamFramer
from sipx.core.message import Request
from sipx.core.parser import LARGEST_MESSAGE


def head(*lines: str) -> bytes:
    return "\r\n".join(["MESSAGE sip:200@x SIP/2.0", *lines, "", ""]).encode()


def whole(body: bytes = b"", name: str = "Content-Length") -> bytes:
    return head("Via: SIP/2.0/TCP x;branch=z9hG4bK1", f"{name}: {len(body)}") + body


PIPELINE = (
    whole(b"one\r\n\r\ntwo")
    + b"\r\n\r\n"
    + whole(b"", "l")
    + whole(b"\r\n\r\n" * 3)
    + b"\r\n"
    + whole(b"last", "content-length")
)
BODIES = [b"one\r\n\r\ntwo", b"", b"\r\n\r\n" * 3, b"last"]


def broken(items: list[Item]) -> Broken:
    """The only item, which is a Broken."""
    (item,) = items
    assert isinstance(item, Broken)
    return item


def bodies(items: list[Item]) -> list[bytes]:
    return [item[0].body for item in items if isinstance(item, tuple)]


def raws(items: list[Item]) -> list[bytes]:
    return [item[1] for item in items if isinstance(item, tuple)]


class SplitTests(SynchronousTestCase):
    """Where the stream is cut does not matter."""

    def test_every_position(self) -> None:
        """Several pipelined messages cut in two anywhere are the same messages."""
        for place in range(len(PIPELINE) + 1):
            framer = StreamFramer()
            items = framer.feed(PIPELINE[:place], 0.0) + framer.feed(PIPELINE[place:], 0.0)
            self.assertEqual(bodies(items), BODIES, place)
            self.assertFalse([item for item in items if isinstance(item, Broken)], place)
            self.assertEqual(items.count(Event.PING), 1, place)

    def test_byte_by_byte(self) -> None:
        """So they are one byte at a time; their bytes are theirs."""
        framer = StreamFramer()
        items = [item for octet in PIPELINE for item in framer.feed(bytes((octet,)), 0.0)]
        self.assertEqual(bodies(items), BODIES)
        self.assertEqual(raws(items)[0], whole(b"one\r\n\r\ntwo"))
        self.assertEqual(framer.deadline, math.inf)

    @settings(derandomize=True, deadline=None)
    @given(
        st.lists(st.one_of(st.binary(max_size=40), st.none()), max_size=6),
        st.lists(st.integers(0, 2000), max_size=12),
    )
    def test_anywhere(self, parts: list[bytes | None], cuts: list[int]) -> None:
        """Any messages and keep-alives, cut anywhere, are the same messages."""
        stream = b"".join(b"\r\n\r\n" if part is None else whole(part) for part in parts)
        framer = StreamFramer()
        items: list[Item] = []
        start = 0
        for cut in sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)}):
            items += framer.feed(stream[start:cut], 0.0)
            start = cut
        self.assertEqual(bodies(items), [part for part in parts if part is not None])
        self.assertEqual(items.count(Event.PING), parts.count(None))
        self.assertEqual(framer.deadline, math.inf)


class KeepAliveTests(SynchronousTestCase):
    """CRLF (RFC 5626 section 3.5.1)."""

    def test_ping(self) -> None:
        """A double CRLF is a ping, each one of several."""
        self.assertEqual(StreamFramer().feed(b"\r\n\r\n", 0.0), [Event.PING])
        self.assertEqual(StreamFramer().feed(b"\r\n\r\n" * 3, 0.0), [Event.PING] * 3)

    def test_pong(self) -> None:
        """A single CRLF is a pong."""
        self.assertEqual(StreamFramer().feed(b"\r\n", 0.0), [Event.PONG])

    def test_split_ping(self) -> None:
        """A ping is one however it arrives."""
        for place in range(1, 4):
            framer = StreamFramer()
            items = framer.feed(b"\r\n\r\n"[:place], 0.0)
            items += framer.feed(b"\r\n\r\n"[place:], 0.0)
            self.assertEqual(items.count(Event.PING), 1, place)

    def test_before_a_message(self) -> None:
        """Line ends before a message are skipped (RFC 3261 section 7.5)."""
        items = StreamFramer().feed(b"\r\n" + whole(b"x"), 0.0)
        self.assertEqual(bodies(items), [b"x"])


class LengthTests(SynchronousTestCase):
    """Content-Length over a stream (18.3)."""

    def test_bad(self) -> None:
        """Missing, negative, no number, too large, contradictory: 400, and the end."""
        for lines, reason in (
            ((), "Missing Content-Length header"),
            (("Content-Length: -1",), "Content-Length is not a number"),
            (("Content-Length: 1.0",), "Content-Length is not a number"),
            (("Content-Length: ",), "Content-Length is not a number"),
            (("Content-Length: \u0663",), "Content-Length is not a number"),
            (("Content-Length: 9999999999",), "Content-Length is too large"),
            (("Content-Length: 5", "l: 6"), "Content-Length repeated with different values"),
        ):
            framer = StreamFramer()
            item = broken(framer.feed(head(*lines), 0.0))
            self.assertEqual((item.status, item.reason), (400, reason))
            assert isinstance(item.message, Request)
            self.assertIn(reason, item.message.defects)
            self.assertEqual(framer.feed(whole(), 0.0), [])

    def test_repeated(self) -> None:
        """Repeated with the same value it is what it says."""
        items = StreamFramer().feed(head("Content-Length: 2", "l:  2") + b"ab", 0.0)
        self.assertEqual(bodies(items), [b"ab"])

    def test_too_large(self) -> None:
        """A message above 64 KiB deserves 513 before it has arrived; one below passes."""
        empty = len(whole())
        item = broken(StreamFramer().feed(head(f"Content-Length: {LARGEST_MESSAGE}"), 0.0))
        self.assertEqual(item.status, 513)
        self.assertIsInstance(item.message, Request)
        body = b"x" * (LARGEST_MESSAGE - empty - 4)
        self.assertEqual(bodies(StreamFramer().feed(whole(body), 0.0)), [body])


class GarbageTests(SynchronousTestCase):
    """What is no SIP, and what does not end."""

    def test_no_sip(self) -> None:
        """What is no SIP breaks the stream without an answer."""
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0\r\n\r\n", b"x\r\n\r\n"):
            item = broken(StreamFramer().feed(data, 0.0))
            self.assertEqual((item.status, item.message), (0, None))

    def test_messages_before_it(self) -> None:
        """Messages before garbage count."""
        items = StreamFramer().feed(whole(b"a") + b"GET / HTTP/1.1\r\n\r\n" + whole(b"b"), 0.0)
        self.assertEqual(bodies(items), [b"a"])
        self.assertIsInstance(items[-1], Broken)

    def test_endless_head(self) -> None:
        """A head that does not end breaks the stream after 64 KiB, in one piece or many."""
        framer = StreamFramer()
        self.assertEqual(framer.feed(b"A" * LONGEST_HEAD, 0.0), [])
        self.assertEqual(broken(framer.feed(b"A", 0.0)).status, 0)
        framer = StreamFramer()
        long = head("X: " + "y" * LONGEST_HEAD, "Content-Length: 0")
        self.assertEqual(broken(framer.feed(long, 0.0)).status, 0)

    def test_patience(self) -> None:
        """A message must end 10 s after it began, whatever trickles in."""
        framer = StreamFramer()
        self.assertEqual(framer.deadline, math.inf)
        data = whole(b"12345")
        for second in range(10):
            framer.feed(data[second : second + 1], float(second))
        self.assertEqual(framer.deadline, HEAD_PATIENCE)
        self.assertIsNone(framer.expired(9.9))
        item = framer.expired(10.0)
        assert item is not None
        self.assertEqual(item.status, 0)
        self.assertEqual(framer.feed(data, 11.0), [])

    def test_patience_with_the_body(self) -> None:
        """So must a body."""
        framer = StreamFramer()
        framer.feed(whole(b"12345")[:-1], 5.0)
        self.assertIsNotNone(framer.expired(15.0))

    def test_patience_starts_again(self) -> None:
        """The next message has its own time; between messages there is no hurry."""
        framer = StreamFramer()
        framer.feed(whole(b"12345")[:-1], 0.0)
        framer.feed(b"5" + whole()[:9], 9.0)
        self.assertEqual(framer.deadline, 19.0)
        framer.feed(whole()[9:], 18.0)
        self.assertEqual(framer.deadline, math.inf)
        self.assertIsNone(framer.expired(1e9))

    @settings(derandomize=True, deadline=None)
    @given(st.lists(st.binary(max_size=200), max_size=8))
    def test_any_bytes(self, chunks: list[bytes]) -> None:
        """Whatever comes, it raises nothing."""
        framer = StreamFramer()
        for chunk in chunks:
            framer.feed(chunk, 0.0)
