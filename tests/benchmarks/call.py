"""What a call with digest and a registration cost inside the node, step by step.

usage: python -m tests.benchmarks.call [--calls N] [--rounds N] [--profile [SORT]]

Real transaction layer, proxy chain, authenticator, registrar, wire trace, call records and
journal; its ``write(2)`` goes to /dev/null, and peers are addresses: no sockets.  Messages are
made, and credentials computed, outside of what is measured.  Time passes as at RATE calls a
second, so that the tables have the size they have under load.

Prints microseconds of CPU for each message that arrives, what it causes included, the best of
several rounds; ``timers`` is what the ticks cost meanwhile, for each call.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import os
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sipx.core.message import Message
from sipx.core.parser import parse_datagram
from sipx.node.health import Health
from sipx.node.journal import Journal
from sipx.node.process import GC_THRESHOLDS
from tests.proxy.house import DOMAIN, House, Peer, credentials, message

USERS = 1000
RATE = 500  # calls a second
SDP = (
    "v=0\r\no=user1 53655765 2353687637 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\n"
    "t=0 0\r\nm=audio 6000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
)
COPIED = ("via", "record-route", "from", "to", "call-id", "cseq")


class Meter:
    """Microseconds by step, and a profile of the same stretches."""

    def __init__(self, house: House, profile: cProfile.Profile | None) -> None:
        self.spent: dict[str, float] = {}
        self._house = house
        self._profile = profile

    def measure(self, step: str, work: Callable[[], None]) -> None:
        """Do something and note what it took."""
        if self._profile is not None:
            self._profile.enable()
        started = time.process_time()
        work()
        spent = time.process_time() - started
        if self._profile is not None:
            self._profile.disable()
        self.spent[step] = self.spent.get(step, 0.0) + spent

    def feed(self, step: str, data: bytes, peer: Peer) -> list[tuple[Peer, bytes]]:
        """Let a message arrive; returns what the node sent."""
        house = self._house
        flow = house.wire.to(peer)
        layer, now = house.layer, house.now

        def work() -> None:
            layer.datagram(data, flow, now)
            layer.outbox.flush()

        self.measure(step, work)
        return house.take()


def address(user: int) -> Peer:
    """Where a user's phone is."""
    return f"10.0.{user // 250}.{user % 250 + 1}", 5060


def register(meter: Meter, user: int, cseq: int) -> None:
    """A REGISTER, its 401, and again with credentials."""
    peer = address(user)
    name, uri = str(user), f"sip:{DOMAIN}"

    def request(number: int, *lines: str) -> bytes:
        return message(
            f"REGISTER {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {peer[0]}:5060;branch=z9hG4bKr{user}.{cseq}.{number};rport",
            "Max-Forwards: 70",
            f"From: <sip:{name}@{DOMAIN}>;tag=r{user}",
            f"To: <sip:{name}@{DOMAIN}>",
            f"Call-ID: register-{user}@{peer[0]}",
            f"CSeq: {2 * cseq + number} REGISTER",
            f"Contact: <sip:{name}@{peer[0]}:5060>",
            *lines,
            "Expires: 3600",
        )

    ((_, sent),) = meter.feed("REGISTER, 401", request(0), peer)
    proof = credentials(parse_datagram(sent), name, "REGISTER", uri)
    ((_, sent),) = meter.feed("REGISTER with credentials, 200", request(1, proof), peer)
    assert sent.startswith(b"SIP/2.0 200"), sent


def response(request: Message, status: str, peer: Peer, body: str = "") -> bytes:
    """What a phone answers."""
    lines = [
        line.decode()
        for name, line in zip(request.names, request.lines, strict=True)
        if name in COPIED
    ]
    lines = [
        f"{line};tag=callee" if line.startswith("To:") and "tag=" not in line else line
        for line in lines
    ]
    lines.append(f"Contact: <sip:phone@{peer[0]}:5060>")
    if body:
        lines.append("Content-Type: application/sdp")
    return message(f"SIP/2.0 {status}", *lines, body=body)


def call(meter: Meter, number: int) -> None:
    """A call from one user to another."""
    caller, callee = number * 2 % USERS, (number * 2 + 1) % USERS
    here, there = address(caller), address(callee)
    name, uri = str(caller), f"sip:{callee}@{DOMAIN}"

    def request(
        method: str, target: str, cseq: int, branch: int, *lines: str, body: str = ""
    ) -> bytes:
        via = f"Via: SIP/2.0/UDP {here[0]}:5060;branch=z9hG4bK{number}.{branch};rport"
        return message(
            f"{method} {target} SIP/2.0",
            via,
            "Max-Forwards: 70",
            f"From: <sip:{name}@{DOMAIN}>;tag=c{number}",
            *lines,
            f"Call-ID: {number}-call@{here[0]}",
            f"CSeq: {cseq} {method}",
            body=body,
        )

    to = f"To: <{uri}>"
    contact = f"Contact: <sip:{name}@{here[0]}:5060>"
    sdp = "Content-Type: application/sdp"
    ((_, sent),) = meter.feed(
        "INVITE, 407", request("INVITE", uri, 1, 1, to, contact, sdp, body=SDP), here
    )
    challenge = parse_datagram(sent)
    meter.feed("ACK of 407", request("ACK", uri, 1, 1, f"To: {challenge.get('to')}"), here)
    proof = credentials(challenge, name, "INVITE", uri)
    ((_, sent),) = meter.feed(
        "INVITE with credentials, to the callee",
        request("INVITE", uri, 2, 2, to, contact, proof, sdp, body=SDP),
        here,
    )
    invite = parse_datagram(sent)
    assert sent.startswith(b"INVITE sip:"), sent
    meter.feed("180", response(invite, "180 Ringing", there), there)
    ((_, sent),) = meter.feed("200", response(invite, "200 OK", there, SDP), there)
    answered = parse_datagram(sent)
    routes = [f"Route: {value}" for value in reversed(answered.listed("record-route"))]
    target = f"sip:phone@{there[0]}:5060"
    inside = (f"To: {answered.get('to')}", *routes)
    ((_, sent),) = meter.feed("ACK of 200", request("ACK", target, 2, 3, *inside), here)
    assert sent.startswith(b"ACK sip:"), sent
    ((_, sent),) = meter.feed("BYE", request("BYE", target, 3, 4, *inside), here)
    bye = parse_datagram(sent)
    ((_, sent),) = meter.feed("200 of BYE", response(bye, "200 OK", there), there)
    assert sent.startswith(b"SIP/2.0 200"), sent


def rounds(
    house: House, calls: int, repeats: int, profile: cProfile.Profile | None
) -> Iterator[dict[str, float]]:
    """Play rounds of calls and registrations; gives microseconds by step for each."""
    number = 0
    for round_number in range(repeats):
        meter = Meter(house, profile)
        gc.collect()
        ticked = house.now
        for _ in range(calls):
            call(meter, number)
            register(meter, number % USERS, number // USERS + 1)
            number += 1
            house.now += 1 / RATE
            if house.now - ticked >= 0.1:
                ticked = house.now
                meter.measure("timers", lambda: house.repeats.tick(house.now))
        if round_number or repeats == 1:  # the first one fills the tables
            yield {step: spent / calls * 1e6 for step, spent in meter.spent.items()}


def table(best: dict[str, float]) -> None:
    """Print it."""
    registering = {step: cost for step, cost in best.items() if step.startswith("REGISTER")}
    timers = best.get("timers", 0.0)
    calling = {
        step: cost for step, cost in best.items() if step not in registering and step != "timers"
    }
    for title, steps in (("call with digest", calling), ("registration", registering)):
        for step, cost in steps.items():
            print(f"{cost:9.1f} us  {step}")
        print(f"{sum(steps.values()):9.1f} us  {title}, all messages\n")
    print(f"{timers:9.1f} us  timers, for each call and registration")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a call and a registration cost.")
    parser.add_argument("--calls", type=int, default=4000, help="in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", nargs="?", const="tottime", help="by tottime or cumulative")
    options = parser.parse_args()
    profile = cProfile.Profile() if options.profile else None
    with tempfile.TemporaryDirectory() as folder:
        null = os.open(os.devnull, os.O_WRONLY)
        journal = Journal(
            Path(folder) / "journal",
            Health(),
            write=lambda _, data: os.write(null, data),
            segment_octets=2**60,
        )
        house = House([str(user) for user in range(USERS)], journal)
        filling = Meter(house, None)
        for user in range(USERS):
            register(filling, user, 0)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        best: dict[str, float] = {}
        for spent in rounds(house, options.calls, options.rounds, profile):
            for step, cost in spent.items():
                best[step] = min(cost, best.get(step, cost))
        table(best)
        print(f"\n{house.layer.transactions} transactions, {house.layer.timers} with a timer")
        os.close(null)
    if profile is not None:
        pstats.Stats(profile).sort_stats(options.profile).print_stats(45)


if __name__ == "__main__":
    main()
