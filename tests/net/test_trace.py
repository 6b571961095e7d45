"""The wire trace: what it keeps, for how long, and how it shows it."""

from __future__ import annotations

from typing import cast

from twisted.trial.unittest import SynchronousTestCase as TestCase
from zope.interface.verify import verifyObject

from sipx.core.flowid import FlowId
from sipx.core.parser import parse_datagram
from sipx.interfaces import IFlow, IWireTrace
from sipx.net.trace import (
    LARGEST_KEPT,
    LONGEST_CALL_ID,
    LONGEST_SUMMARY,
    MOST_BYTES_SHOWN,
    MOST_SHOWN,
    WireTrace,
)

INVITE = (
    b"INVITE sip:201@192.0.2.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"
    b"From: <sip:200@192.0.2.1>;tag=a\r\n"
    b"To: <sip:201@192.0.2.1>\r\n"
    b"Call-ID: one@192.0.2.7\r\n"
    b"CSeq: 1 INVITE\r\n"
    b'Authorization: Digest username="200", response="abcdef"\r\n'
    b"Content-Length: 0\r\n\r\n"
)
TRYING = b"SIP/2.0 100 Trying\r\nCall-ID: one@192.0.2.7\r\nCSeq: 1 INVITE\r\n\r\n"


class _Flow:
    def __init__(self, transport: str = "udp", host: str = "192.0.2.7") -> None:
        self.id = FlowId(transport, "192.0.2.1", 5060, host, 5062)


FLOW = cast(IFlow, _Flow())


class WireTraceTests(TestCase):
    """A ring of a few messages."""

    def setUp(self) -> None:
        self.trace = WireTrace(most=4, most_bytes=20_000)

    def record(self, call_id: str, utc: float = 0.0, data: bytes = INVITE) -> None:
        self.trace.record(True, FLOW, data, call_id, utc)

    def kept(self) -> list[str]:
        return [str(call["call_id"]) for call in self.trace.calls(100)]

    def test_interface(self) -> None:
        """It provides IWireTrace."""
        self.assertTrue(verifyObject(IWireTrace, self.trace))

    def test_empty(self) -> None:
        """Nothing recorded, nothing shown."""
        self.assertEqual(list(self.trace.calls(10)), [])
        self.assertEqual(list(self.trace.messages("one@192.0.2.7")), [])

    def test_messages_in_order(self) -> None:
        """A call's messages come in order, with the way that each took."""
        self.trace.record(True, FLOW, INVITE, "one", 1000.5)
        self.record("other")
        self.trace.record(False, FLOW, TRYING, "one", 1000.75)
        first, second = self.trace.messages("one")
        self.assertEqual(
            [first[key] for key in ("time", "source", "destination", "transport", "summary")],
            [1000.5, "192.0.2.7:5062", "192.0.2.1:5060", "udp", "INVITE sip:201@192.0.2.1 SIP/2.0"],
        )
        self.assertEqual(
            [second[key] for key in ("time", "source", "destination", "transport", "summary")],
            [1000.75, "192.0.2.1:5060", "192.0.2.7:5062", "udp", "SIP/2.0 100 Trying"],
        )

    def test_redacted(self) -> None:
        """Credentials are not shown, neither in the text nor in the summary."""
        data = INVITE.replace(b"sip:201@", b"sip:201:pass@", 1)
        self.record("one", data=data)
        (message,) = self.trace.messages("one")
        self.assertNotIn("abcdef", message["text"])
        self.assertIn('username="200"', message["text"])
        self.assertEqual(message["summary"], "INVITE sip:201:***@192.0.2.1 SIP/2.0")

    def test_summary_is_short(self) -> None:
        """A long start line is shortened in the summary and whole in the text."""
        uri = b"sip:" + b"a" * 300 + b"@b"
        self.record("one", data=INVITE.replace(b"sip:201@192.0.2.1", uri, 1))
        (message,) = self.trace.messages("one")
        self.assertEqual(len(message["summary"]), LONGEST_SUMMARY)
        self.assertTrue(message["summary"].endswith("…"))
        self.assertIn(uri.decode(), message["text"])

    def test_calls_newest_first(self) -> None:
        """Calls are listed by their latest message, each with its first method and a count."""
        self.record("one", 1.0)
        self.record("two", 2.0, INVITE.replace(b"INVITE", b"OPTIONS"))
        self.record("one", 3.0, TRYING)
        self.assertEqual(
            list(self.trace.calls(10)),
            [
                {"call_id": "one", "method": "INVITE", "messages": 2, "time": 3.0},
                {"call_id": "two", "method": "OPTIONS", "messages": 1, "time": 2.0},
            ],
        )
        self.assertEqual([call["call_id"] for call in self.trace.calls(1)], ["one"])
        self.assertEqual(list(self.trace.calls(0)), [])

    def test_method_of_a_response(self) -> None:
        """Where the request is gone the method is that of the CSeq, if there is one."""
        for data, method in (
            (TRYING, "INVITE"),
            (b"SIP/2.0 100 Trying\ncseq : \r\n 7  BYE\r\n", "BYE"),
            (b"SIP/2.0 100 Trying\r\n\r\n", ""),
            (b"SIP/2.0 100 Trying\r\nCSeq: 1 \x1b[2J\r\n", ""),
            (b"\x1b[2J sip:a@b SIP/2.0\r\n", ""),
            (b"", ""),
        ):
            trace = WireTrace()
            trace.record(True, FLOW, data, "one", 0.0)
            self.assertEqual([call["method"] for call in trace.calls(1)], [method])

    def test_most_messages(self) -> None:
        """The oldest goes when there are too many."""
        for call_id in ("one", "two", "three", "four", "five", "six"):
            self.record(call_id)
        self.assertEqual(self.kept(), ["six", "five", "four", "three"])
        self.assertEqual(len(self.trace), 4)
        self.assertEqual(self.trace.held, 4 * len(INVITE))

    def test_most_bytes(self) -> None:
        """The oldest go when they hold too much together."""
        for call_id in ("one", "two", "three", "four"):
            self.record(call_id, data=b"x" * 7990 + b"\r\n")
        self.assertEqual(self.kept(), ["four", "three"])
        self.assertEqual(self.trace.held, 2 * 7992)

    def test_bound_smaller_than_a_message(self) -> None:
        """A message larger than the whole ring leaves it empty."""
        trace = WireTrace(most_bytes=10)
        trace.record(True, FLOW, INVITE, "one", 0.0)
        self.assertEqual((len(trace), trace.held), (0, 0))

    def test_large_message_cut(self) -> None:
        """A large message is cut at the end of a line, and says so."""
        data = INVITE + b"line\r\n" * 5000
        self.record("one", data=data)
        (message,) = self.trace.messages("one")
        kept, _, mark = message["text"].rpartition("\r\n")
        self.assertLessEqual(len(kept), LARGEST_KEPT)
        self.assertTrue(kept.endswith("\r\nline"))
        left = len(data) - self.trace.held + len(mark)
        self.assertEqual(mark, f"[{left} more bytes were not kept]")

    def test_nothing_leaks_at_the_cut(self) -> None:
        """A secret across the cut does not lose what marks it as one."""
        start = INVITE[: INVITE.index(b"Content-Length")]
        filler = b"x" * (LARGEST_KEPT - len(start) - 30)
        self.record(
            "one",
            data=start + b"S: " + filler + b"\r\nFrom: <sip:bob:topsecret@example.com>\r\n\r\n",
        )
        self.assertNotIn("topse", self.trace.messages("one")[0]["text"])

    def test_large_line(self) -> None:
        """Of a message whose first line is too long nothing is kept but that it was there."""
        self.record("one", data=b"x" * 9000)
        self.assertEqual(
            [message["text"] for message in self.trace.messages("one")],
            ["[9000 more bytes were not kept]"],
        )

    def test_long_call_id(self) -> None:
        """A Call-ID of 10 000 characters is found again, and is not kept whole."""
        call_id = "c" * 10_000
        self.record(call_id, data=INVITE + call_id.encode())
        self.assertEqual(len(self.trace.messages(call_id)), 1)
        self.assertEqual(self.kept(), ["c" * LONGEST_CALL_ID])

    def test_message_object(self) -> None:
        """What a local flow hands over is kept as it was, whatever its owner does later."""
        message = parse_datagram(INVITE)
        flow = cast(IFlow, _Flow("local", "voicemail"))
        self.trace.record(False, flow, message, "one", 0.0)
        message.set("cseq", "2 INVITE")
        (shown,) = self.trace.messages("one")
        self.assertIn("CSeq: 1 INVITE", shown["text"])
        self.assertEqual((shown["transport"], shown["destination"]), ("local", "voicemail:5062"))

    def test_most_shown(self) -> None:
        """Of a call with very many messages the latest are shown."""
        trace = WireTrace()
        for number in range(MOST_SHOWN + 10):
            trace.record(True, FLOW, INVITE, "one", float(number))
        times = [message["time"] for message in trace.messages("one")]
        self.assertEqual(times, [float(number) for number in range(10, MOST_SHOWN + 10)])

    def test_most_bytes_shown(self) -> None:
        """Of a call with large messages as many are shown as take no long time."""
        trace = WireTrace()
        data = b"x" * 4094 + b"\r\n"
        for number in range(100):
            trace.record(True, FLOW, data, "one", float(number))
        times = [message["time"] for message in trace.messages("one")]
        count = MOST_BYTES_SHOWN // len(data)
        self.assertEqual(times, [float(number) for number in range(100 - count, 100)])
