"""What the wire trace and the call records cost: ``python -m tests.benchmarks.trace_and_records``.

Prints microseconds of CPU, the best of several runs; for the records without the journal's
encoding, with few and with many calls active.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from sipx.cdr.calls import Calls
from sipx.core.flowid import FlowId
from sipx.core.message import Request, Response
from sipx.core.parser import parse_datagram
from sipx.interfaces import IFlow
from sipx.net.trace import MOST_MESSAGES, WireTrace

REPEATS = 5
MESSAGES = 100_000
CALLS = 20_000
INVITE = (
    b"INVITE sip:201@192.0.2.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776asdhds;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:200@192.0.2.1>;tag=1928301774\r\n"
    b"To: <sip:201@192.0.2.1>\r\n"
    b"Call-ID: a84b4c76e66710@192.0.2.7\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b'Authorization: Digest username="200", realm="sipx", nonce="84a4cc6f3082121f32b42a2187831a",'
    b' uri="sip:201@192.0.2.1", response="7587245234b3434cc3412213e5f113a5", algorithm=MD5,'
    b' qop=auth, nc=00000001, cnonce="0a4f113b"\r\n'
    b"Contact: <sip:200@192.0.2.7:5060>\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 129\r\n"
    b"\r\n"
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class _Flow:
    def __init__(self) -> None:
        self.id = FlowId("udp", "192.0.2.1", 5060, "192.0.2.7", 5060)


def best(work: Callable[[], object], count: int) -> float:
    """Microseconds of CPU for one of ``count`` units, the best of REPEATS runs."""
    times = []
    for _ in range(REPEATS):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times) / count * 1e6


def trace() -> None:
    """Print what recording and looking cost with a full ring."""
    ring = WireTrace()
    flow = cast(IFlow, _Flow())
    names = [f"{number}@192.0.2.7" for number in range(MOST_MESSAGES // 13)]
    for number in range(MOST_MESSAGES):
        ring.record(True, flow, INVITE, names[number % len(names)], 0.0)

    def record() -> None:
        put = ring.record
        for _ in range(MESSAGES):
            put(True, flow, INVITE, "a84b4c76e66710@192.0.2.7", 0.0)

    def loop() -> None:
        for _ in range(MESSAGES):
            pass

    cost = best(record, MESSAGES) - best(loop, MESSAGES)
    print(f"trace: record a message, ring full     {cost:9.2f} us")
    for number in range(MOST_MESSAGES):
        ring.record(True, flow, INVITE, names[number % len(names)], 0.0)
    for label, look in (
        ("list the latest 100 calls     ", lambda: ring.calls(100)),
        ("find a call that is not there ", lambda: ring.messages("")),
        ("show a call of 13 messages    ", lambda: ring.messages(names[5])),
    ):
        print(f"trace: {label}  {best(look, 1):9.0f} us")


def _drop(_: object) -> None:
    pass


def records(active: int) -> None:
    """Print what a call costs while others are active."""
    now = 1000.0
    calls = Calls(_drop, time.time, now)
    request = parse_datagram(INVITE)
    assert isinstance(request, Request)
    tag = request.from_.tag or ""
    response = Response(200, "OK", request.names, request.lines)
    for number in range(active):
        request._call_id = f"{number}@elsewhere"
        begun = calls.call_started(request, "200", "201", "201", 1, now + number % 60)
        assert begun is not None
        calls.call_answered(begun, "201", response, now + number % 60)
    names = [f"{number}@192.0.2.7" for number in range(CALLS)]

    def prepare() -> None:
        for name in names:
            request._call_id = name

    def call() -> None:
        for name in names:
            request._call_id = name
            begun = calls.call_started(request, "200", "201", "201", 1, now)
            assert begun is not None
            calls.call_answered(begun, "201", response, now)
            calls.call_ended(name, (response.to.tag, tag), "", now, now)

    cost = best(call, CALLS) - best(prepare, CALLS)
    print(f"records: a call, {active:6} others active  {cost:9.2f} us")
    second = iter(range(REPEATS))
    cost = best(lambda: calls.tick(now + next(second)), 1)
    print(f"records: a tick, {active:6} others active  {cost:9.2f} us")


if __name__ == "__main__":
    trace()
    for others in (0, 1000, 60_000):
        records(others)
