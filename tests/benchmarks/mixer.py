"""What the media core costs a participant and tick: ``python -m tests.benchmarks.mixer``.

Prints microseconds of CPU per participant for a tick of 20 ms, the best of several runs, and how
much of a core that makes: everything that the core does between a datagram and a datagram, step by
step and together, for rooms of 10 and one room of 200. No sockets: ``media.net`` adds those.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from media.core.codecs import Samples, find
from media.core.codecs.g711 import ULAW
from media.core.inband import InbandDetector
from media.core.jitter import JitterBuffer
from media.core.mixer import Mixer
from media.core.plc import Concealment
from media.core.reception import Reception
from media.core.resample import RowResampler
from media.core.rtp import Packet, Sender, build, parse

REPEATS = 5
TICKS = 50
TICK_MICROSECONDS = 20_000
SHAPES = ((500, 10), (200, 200), (40, 10))
"""Participants, and how many of them are in a room."""
MISSING = 0.01
"""Share of the frames that are concealed."""


def best(work: Callable[[], object], count: int) -> float:
    """Microseconds of CPU for one of ``count`` units, the best of REPEATS runs."""
    times = []
    for _ in range(REPEATS):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times) / count * 1e6


class Node:
    """The streams of a node that only mixes, between datagrams and datagrams."""

    def __init__(self, participants: int, in_a_room: int) -> None:
        self.participants = participants
        self.draw = np.random.default_rng(1)
        self.octets = self.draw.integers(0, 256, (participants, 160)).astype(np.uint8)
        self.frames = ULAW.decode_rows(self.octets)
        self.present = self.draw.random(participants) >= MISSING
        self.senders = [Sender(row, 0, 0) for row in range(participants)]
        self.receptions = [Reception(8000) for _ in range(participants)]
        self.buffers = [JitterBuffer(8000, 160) for _ in range(participants)]
        self.concealment = Concealment(participants, 8000)
        self.mixer = Mixer(participants, participants // in_a_room, 160)
        for row in range(participants):
            self.mixer.place(row, row // in_a_room)
        payload = self.octets[0].tobytes()
        self.datagrams = [
            [
                build(Packet(False, 0, tick & 0xFFFF, tick * 160, row, payload))
                for row in range(participants)
            ]
            for tick in range(TICKS * REPEATS * 2 + 2)
        ]
        self.tick = 0

    def receive(self) -> list[bytes]:
        """Read, judge and buffer a datagram of each stream; take a payload of each."""
        now = self.tick * 0.02
        payloads = []
        silence = bytes(160)
        for data, reception, buffer in zip(
            self.datagrams[self.tick], self.receptions, self.buffers, strict=True
        ):
            packet = parse(data)
            assert packet
            reception.received(packet, now)
            buffer.push(packet.timestamp, packet.payload, now)
            payloads.append(buffer.pull(now) or silence)
        self.tick += 1
        return payloads

    def decode(self, payloads: list[bytes]) -> None:
        """All payloads to samples at once."""
        joined = np.frombuffer(b"".join(payloads), np.uint8).reshape(-1, 160)
        self.frames = ULAW.decode_rows(joined)

    def conceal(self) -> None:
        """Fill the gaps of all rows."""
        self.concealment.tick(self.frames, self.present)

    def mix(self) -> None:
        """All rooms at once."""
        self.mixer.tick(self.frames, self.frames)

    def encode(self) -> list[bytes]:
        """All samples to payloads at once, and to datagrams."""
        octets = ULAW.encode_rows(self.frames).tobytes()
        return [
            sender.audio(0, octets[row * 160 : row * 160 + 160], 160)
            for row, sender in enumerate(self.senders)
        ]

    def all(self) -> None:
        """A whole tick."""
        self.decode(self.receive())
        self.conceal()
        self.mix()
        self.encode()


def repeat(work: Callable[[], object]) -> Callable[[], None]:
    """The work of TICKS ticks."""

    def ticks() -> None:
        for _ in range(TICKS):
            work()

    return ticks


def rooms() -> None:
    """Rooms of G.711 participants."""
    for participants, in_a_room in SHAPES:
        node = Node(participants, in_a_room)
        print(f"{participants} participants in rooms of {in_a_room}")
        count = participants * TICKS
        payloads = node.receive()
        for name, work in (
            ("read, judge, buffer", node.receive),
            ("decode", lambda node=node, payloads=payloads: node.decode(payloads)),
            ("conceal 1 %", node.conceal),
            ("mix", node.mix),
            ("encode, write", node.encode),
            ("everything", node.all),
        ):
            microseconds = best(repeat(work), count)
            share = microseconds * participants / TICK_MICROSECONDS
            print(f"  {microseconds:6.2f} us a participant, {share:6.1%} of a core  {name}")


def streams() -> None:
    """What is done for one stream at a time, or for those that need it."""
    sound = np.random.default_rng(1).normal(0, 3000, 16_000).astype(np.int16)
    print("one stream")
    for name, clock_rate in (("G722", 8000), ("opus", 48_000)):
        codec = find(name, clock_rate)
        if codec is None:
            print(f"       not installed: {name}")
            continue
        encoder, decoder = codec.encoder(), codec.decoder()
        frame = sound[: codec.samples]
        payload = encoder.encode(frame)
        for what, work in (
            ("encode", lambda e=encoder, f=frame: e.encode(f)),
            ("decode", lambda d=decoder, p=payload: d.decode(p)),
        ):
            print(f"  {best(repeat(work), TICKS):6.2f} us  {name} {what}")
    detector = InbandDetector()
    print(f"  {best(repeat(lambda: detector.feed(sound[:160])), TICKS):6.2f} us  DTMF in sound")
    rows = np.arange(100)
    for source, target in ((8000, 16_000), (16_000, 8000)):
        resampler = RowResampler(100, source, target)
        frames = np.broadcast_to(sound[: source // 50], (100, source // 50))

        def convert(resampler: RowResampler = resampler, frames: Samples = frames) -> None:
            resampler.tick(frames, rows)

        cost = best(repeat(convert), TICKS * 100)
        print(f"  {cost:6.2f} us  {source} to {target} Hz, of 100 rows")


def main() -> None:
    """Measure and print."""
    rooms()
    streams()


if __name__ == "__main__":
    main()
