"""What is received of one peer: which source is real, loss, jitter. RFC 3550 6.4.1, A.1, A.3, A.8.

Knows nothing of sockets or clocks: arrival times are arguments, in monotonic seconds.
"""

from __future__ import annotations

import enum
from typing import Final

from media.core.rtcp import ReportBlock
from media.core.rtp import Packet, Recent, sequence_difference

MAX_DROPOUT: Final = 3000
"""A jump of the sequence ahead that is still the same stream (A.1)."""
MAX_MISORDER: Final = 100
"""A step of the sequence back that is still the same stream (A.1)."""
MIN_SEQUENTIAL: Final = 2
"""Packets in sequence that make a source valid (A.1)."""

_WRAP: Final = 1 << 16


class Verdict(enum.Enum):
    """What a packet is."""

    ACCEPTED = enum.auto()
    """Of the source that we hear: play it."""
    NEW_SOURCE = enum.auto()
    """The first one of a source that is valid now: begin afresh, then play it."""
    PROBATION = enum.auto()
    """Of a source that is not valid yet: drop it."""
    DUPLICATE = enum.auto()
    """Came already: drop it."""
    BAD_SEQUENCE = enum.auto()
    """Far from where the sequence is: drop it, unless the next one follows it."""


class Source:
    """Counts what one synchronization source sends.

    Attributes:
        ssrc: of the source.
        packets: accepted so far.
        octets: of their payloads.
        jitter: interarrival jitter, in units of the clock rate.
        largest_jitter: the largest that it was.
        duplicates: packets that came twice.
        misordered: packets that came after a later one.
    """

    __slots__ = (
        "_bad",
        "_base",
        "_cycles",
        "_expected_before",
        "_gone",
        "_highest",
        "_probation",
        "_received_before",
        "_recent",
        "_transit",
        "clock_rate",
        "duplicates",
        "jitter",
        "largest_jitter",
        "misordered",
        "octets",
        "packets",
        "ssrc",
    )

    def __init__(self, packet: Packet, clock_rate: int) -> None:
        """Put a new source on probation; ``packet`` is the first and is not counted yet."""
        self.ssrc = packet.ssrc
        self.clock_rate = clock_rate
        self._probation = MIN_SEQUENTIAL
        self.packets = 0
        self._gone = (0, 0)
        self._restart(packet.sequence)
        self._highest = (packet.sequence - 1) % _WRAP

    def _restart(self, sequence: int) -> None:
        if self.packets:
            self._gone = (self._gone[0] + self.expected, self._gone[1] + self.packets)
        self._base = self._highest = sequence
        self._bad: int | None = None
        self._cycles = 0
        self._expected_before = 0
        self._received_before = 0
        self._recent = Recent()
        self._transit: float | None = None
        self.packets = 0
        self.octets = 0
        self.jitter = 0.0
        self.largest_jitter = 0.0
        self.duplicates = 0
        self.misordered = 0

    @property
    def valid(self) -> bool:
        """Whether enough packets in sequence were seen."""
        return not self._probation

    def received(self, packet: Packet, arrival: float) -> Verdict:
        """Count a packet of this source (A.1).

        Args:
            packet: one that has our SSRC.
            arrival: monotonic seconds, the kernel's if there are such.
        """
        sequence = packet.sequence
        if self._probation:
            if sequence != (self._highest + 1) % _WRAP:
                self._probation = MIN_SEQUENTIAL  # not in sequence: it begins again with this one
            self._highest = sequence
            self._probation -= 1
            if self._probation:
                return Verdict.PROBATION
            self._restart(sequence)
            self._count(packet, arrival)
            return Verdict.NEW_SOURCE
        step = sequence_difference(sequence, self._highest)
        if step > 0:
            if step >= MAX_DROPOUT:
                return self._far(packet, arrival)
            if sequence < self._highest:
                self._cycles += _WRAP
            self._highest = sequence
        elif step < -MAX_MISORDER:
            return self._far(packet, arrival)
        if self._recent.again(sequence):
            self.duplicates += 1
            return Verdict.DUPLICATE
        if step < 0:
            self.misordered += 1
        self._count(packet, arrival, remembered=True)
        return Verdict.ACCEPTED

    def _far(self, packet: Packet, arrival: float) -> Verdict:
        """Two in sequence, far away: the sender started again without a new SSRC (A.1)."""
        if packet.sequence == self._bad:
            self._restart(packet.sequence)
            self._count(packet, arrival)
            return Verdict.NEW_SOURCE
        self._bad = (packet.sequence + 1) % _WRAP
        return Verdict.BAD_SEQUENCE

    def _count(self, packet: Packet, arrival: float, remembered: bool = False) -> None:
        if not remembered:
            self._recent.again(packet.sequence)
        self.packets += 1
        self.octets += len(packet.payload)
        # A.8, in floating point; both clocks count modulo 2**32 units.
        transit = arrival * self.clock_rate - packet.timestamp
        before, self._transit = self._transit, transit
        if before is not None:
            step = (transit - before + 0x80000000) % 0x100000000 - 0x80000000
            self.jitter += (abs(step) - self.jitter) / 16
            if self.jitter > self.largest_jitter:
                self.largest_jitter = self.jitter

    @property
    def extended_highest(self) -> int:
        """The highest sequence number, with the count of its wraps above 16 bits."""
        return self._cycles + self._highest

    @property
    def expected(self) -> int:
        """Packets that the sequence says were sent."""
        return self.extended_highest - self._base + 1 if self.packets else 0

    @property
    def lost(self) -> int:
        """Packets that were sent and did not come."""
        return max(0, self.expected - self.packets)

    @property
    def totals(self) -> tuple[int, int]:
        """Packets sent and received, counted over restarts of the sender."""
        return self._gone[0] + self.expected, self._gone[1] + self.packets

    def report(self, last_sender_report: int, delay: int) -> ReportBlock:
        """Make the block about this source, and begin the next interval (6.4.1, A.3).

        Args:
            last_sender_report: middle 32 bits of its NTP timestamp; 0 if there was none.
            delay: since that came, in 1/65536 s.
        """
        expected = self.expected
        interval = expected - self._expected_before
        lost = interval - (self.packets - self._received_before)
        self._expected_before = expected
        self._received_before = self.packets
        fraction = 0 if interval <= 0 or lost <= 0 else (lost << 8) // interval
        return ReportBlock(
            self.ssrc,
            min(fraction, 255),
            min(self.lost, 0x7FFFFF),
            self.extended_highest & 0xFFFFFFFF,
            int(self.jitter) & 0xFFFFFFFF,
            last_sender_report,
            delay,
        )


class Reception:
    """What comes from the other side of a call: one source at a time.

    A packet with another SSRC puts that one on probation beside the present source, so neither
    a stray packet nor a forged one ends what is heard; two in sequence do (8.2).

    Attributes:
        source: the one that is heard, or None before any is valid.
        sources: how many were valid, one after the other.
    """

    __slots__ = ("_candidate", "_gone", "clock_rate", "source", "sources")

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.source: Source | None = None
        self.sources = 0
        self._candidate: Source | None = None
        self._gone = (0, 0)

    def received(self, packet: Packet, arrival: float) -> Verdict:
        """Count a packet and say what to do with it; ``arrival`` in monotonic seconds."""
        source = self.source
        if source is not None and packet.ssrc == source.ssrc:
            return source.received(packet, arrival)
        candidate = self._candidate
        if candidate is None or candidate.ssrc != packet.ssrc:
            candidate = self._candidate = Source(packet, self.clock_rate)
        verdict = candidate.received(packet, arrival)
        if verdict is Verdict.NEW_SOURCE:
            if source is not None:
                self._gone = self.totals
            self.source, self._candidate = candidate, None
            self.sources += 1
        return verdict

    @property
    def totals(self) -> tuple[int, int]:
        """Packets sent and received, over all sources."""
        expected, packets = self._gone
        if self.source is not None:
            more_expected, more_packets = self.source.totals
            return expected + more_expected, packets + more_packets
        return expected, packets

    @property
    def lost_share(self) -> float:
        """Lost packets over all sources, 0 to 1 of those sent."""
        expected, packets = self.totals
        return max(0.0, 1 - packets / expected) if expected else 0.0

    @property
    def jitter_seconds(self) -> float:
        """Interarrival jitter of the present source, in seconds."""
        return self.source.jitter / self.clock_rate if self.source else 0.0
