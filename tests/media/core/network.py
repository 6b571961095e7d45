"""A network that delays, loses, doubles and reorders packets, by a seed; and a peer that sends."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from media.core.rtp import Packet

FRAME = 0.02


@dataclass
class Network:
    """Faults in force.

    Attributes:
        loss: share of packets that never come.
        jitter: seconds; each packet is late by 0 to this, evenly.
        doubled: share of packets that come twice.
        seed: of the faults.
    """

    loss: float = 0.0
    jitter: float = 0.0
    doubled: float = 0.0
    delay: float = 0.03
    seed: int = 1

    def carry(self, packets: list[tuple[float, Packet]]) -> list[tuple[float, Packet]]:
        """When which packet arrives, in order of arrival."""
        draw = random.Random(self.seed)
        arrived = []
        for sent, packet in packets:
            copies = 1 + (draw.random() < self.doubled)
            for _ in range(copies):
                late = draw.random() * self.jitter
                if draw.random() >= self.loss:
                    arrived.append((sent + self.delay + late, packet))
        return sorted(arrived, key=lambda entry: entry[0])


def speech(
    count: int,
    ptime: int = 20,
    sequence: int = 65_500,
    timestamp: int = 4_294_960_000,
    ssrc: int = 7,
    start: float = 100.0,
) -> list[tuple[float, Packet]]:
    """What a phone sends: G.711 whose octets count up, so that each frame can be told.

    Sequence and timestamp begin shortly before their wraps.
    """
    packets = []
    size = ptime * 8
    for number in range(count):
        payload = bytes((number * size + at) // 160 % 251 for at in range(size))
        packets.append(
            (
                start + number * ptime / 1000,
                Packet(
                    number == 0,
                    0,
                    (sequence + number) & 0xFFFF,
                    (timestamp + number * size) & 0xFFFFFFFF,
                    ssrc,
                    payload,
                ),
            )
        )
    return packets


def ticks(start: float, seconds: float) -> Iterator[float]:
    """The moments of a 20 ms clock."""
    for number in range(round(seconds / FRAME)):
        yield start + number * FRAME
