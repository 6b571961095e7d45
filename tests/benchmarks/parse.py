"""What reading and writing messages costs: ``python -m tests.benchmarks.parse``.

Prints microseconds of CPU for each message, the best of several runs: the head split, the
values a proxy asks for, the bytes written again; and TCP framing of the same messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sipx.core.framing import StreamFramer
from sipx.core.message import Message, Request
from sipx.core.parser import parse_datagram

REPEATS = 7
MESSAGES = 20_000
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
INVITE = (
    b"INVITE sip:201@192.0.2.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776asdhds%d;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:200@192.0.2.1>;tag=1928301774%d\r\n"
    b"To: <sip:201@192.0.2.1>\r\n"
    b"Call-ID: a84b4c76e66710%d@192.0.2.7\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:200@192.0.2.7:5060>\r\n"
    b"User-Agent: PolycomVVX-VVX_410-UA/5.9.0\r\n"
    b"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, MESSAGE, SUBSCRIBE, NOTIFY, PRACK\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: " + str(len(SDP)).encode() + b"\r\n\r\n" + SDP
)
RESPONSE = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb2a%d.5b3d1e\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776asdhds;rport=5060;received=192.0.2.7\r\n"
    b"Record-Route: <sip:192.0.2.1:5060;lr;sx=1AZ3zWeSqyTjYb0yVh3m1w0dW0wVwq7gk6mYyXc1>\r\n"
    b"From: <sip:200@192.0.2.1>;tag=1928301774%d\r\n"
    b"To: <sip:201@192.0.2.1>;tag=314159\r\n"
    b"Call-ID: a84b4c76e66710%d@192.0.2.7\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:201@192.0.2.8:5060>\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: " + str(len(SDP)).encode() + b"\r\n\r\n" + SDP
)


def best(work: Callable[[], object], count: int = MESSAGES) -> float:
    """Microseconds of CPU for one of ``count`` units, the best of REPEATS runs."""
    times = []
    for _ in range(REPEATS):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times) / count * 1e6


def values(message: Message) -> None:
    """Ask for what a proxy asks for."""
    message.via  # noqa: B018
    message.from_.tag  # noqa: B018
    message.to.tag  # noqa: B018
    message.call_id  # noqa: B018
    message.cseq  # noqa: B018
    if isinstance(message, Request):
        message.uri  # noqa: B018


def main() -> None:
    """Measure and print."""
    for name, text in (("INVITE", INVITE), ("200", RESPONSE)):
        wire = [text % (number, number, number) for number in range(MESSAGES)]
        messages = [parse_datagram(data) for data in wire]

        def parse(wire: list[bytes] = wire) -> None:
            for data in wire:
                parse_datagram(data)

        def read(wire: list[bytes] = wire) -> None:
            for data in wire:
                values(parse_datagram(data))

        def copy(messages: list[Message] = messages) -> None:
            for message in messages:
                message.copy()  # type: ignore[attr-defined]  # both kinds have it

        def write(messages: list[Message] = messages) -> None:
            for message in messages:
                message.to_bytes()

        stream = b"".join(wire)
        pieces = [stream[at : at + 1460] for at in range(0, len(stream), 1460)]

        def frame(pieces: list[bytes] = pieces) -> None:
            framer = StreamFramer()
            for piece in pieces:
                framer.feed(piece, 0.0)

        for step, work in (
            ("parse", parse),
            ("parse, and the values that a proxy reads", read),
            ("copy", copy),
            ("serialize", write),
            ("out of a TCP stream", frame),
        ):
            print(f"{best(work):7.2f} us  {name:6} {step}")


if __name__ == "__main__":
    main()
