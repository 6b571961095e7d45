"""RTP packets, RFC 3550 section 5, and what shares a port with them (RFC 7983).

Knows nothing of sockets or clocks. Reading costs one ``unpack`` and a tuple: it runs fifty times
a second for each stream.
"""

from __future__ import annotations

import enum
import struct
from collections import deque
from typing import Final, NamedTuple

LARGEST_PACKET: Final = 1356
"""Octets of a packet that we take or send: what fits a 1500 octet frame with SRTP's trailer."""

MOST_QUEUED: Final = 120
"""Milliseconds that wait for a packet to be filled: the longest ptime that we send."""

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!HH")
HEADER_OCTETS: Final = _HEADER.size


class Packet(NamedTuple):
    """One RTP packet, without what mixers and extensions add.

    Attributes:
        marker: the M bit; on audio, the first packet after silence.
        payload_type: 0 to 127.
        sequence: 0 to 65535.
        timestamp: 32 bits, in units of the payload's clock rate.
        ssrc: synchronization source, 32 bits.
        payload: without padding.
    """

    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


class Kind(enum.Enum):
    """What arrived on a media port."""

    RTP = enum.auto()
    RTCP = enum.auto()
    STUN = enum.auto()
    DTLS = enum.auto()
    UNKNOWN = enum.auto()


def kind_of(data: bytes) -> Kind:
    """Tell apart what shares a port, RFC 7983 section 7 and RFC 5761 section 4."""
    if len(data) < 2:
        return Kind.UNKNOWN
    first = data[0]
    if 128 <= first <= 191:
        return Kind.RTCP if 192 <= data[1] <= 223 else Kind.RTP
    if first <= 3:
        return Kind.STUN
    if 20 <= first <= 63:
        return Kind.DTLS
    return Kind.UNKNOWN


def parse(data: bytes) -> Packet | None:
    """Read a packet; ``None`` for what is no RTP, which the caller counts and drops.

    CSRCs and header extensions are skipped, padding is removed (section 5.1, A.1).
    """
    size = len(data)
    if size < HEADER_OCTETS or size > LARGEST_PACKET:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first == 0x80:
        payload = data[HEADER_OCTETS:]
    else:
        if first >> 6 != 2:
            return None
        start = HEADER_OCTETS + 4 * (first & 0x0F)
        if first & 0x10:
            if start + 4 > size:
                return None
            start += 4 + 4 * _EXTENSION.unpack_from(data, start)[1]
        end = size
        if first & 0x20:
            padding = data[-1]
            if not padding:
                return None
            end -= padding
        if start > end:
            return None
        payload = data[start:end]
    return Packet(second > 127, second & 0x7F, sequence, timestamp, ssrc, payload)


def build(packet: Packet) -> bytes:
    """Write a packet without padding, extension and CSRCs."""
    marker, payload_type, sequence, timestamp, ssrc, payload = packet
    second = payload_type | 0x80 if marker else payload_type
    return _HEADER.pack(0x80, second, sequence, timestamp, ssrc) + payload


def sequence_difference(later: int, earlier: int) -> int:
    """How far one sequence number is ahead of another, -32768 to 32767, across wraps."""
    return ((later - earlier + 0x8000) & 0xFFFF) - 0x8000


def timestamp_difference(later: int, earlier: int) -> int:
    """How far one timestamp is ahead of another, in units, across wraps."""
    return ((later - earlier + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class Sender:
    """The stream that we send: numbers its packets and counts them for sender reports.

    Attributes:
        ssrc: of this stream.
        packets: sent so far.
        octets: of payload sent so far.
        timestamp: of the next packet, in units of the clock rate.
    """

    __slots__ = ("_marker", "octets", "packets", "sequence", "ssrc", "timestamp")

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        """Begin a stream; all three are random (section 5.1), so the caller draws them."""
        self.ssrc = ssrc
        self.sequence = sequence & 0xFFFF
        self.timestamp = timestamp & 0xFFFFFFFF
        self.packets = 0
        self.octets = 0
        self._marker = True

    def audio(self, payload_type: int, payload: bytes, units: int) -> bytes:
        """Write the next packet of sound.

        Args:
            payload_type: as agreed.
            payload: what the codec made.
            units: of the clock rate that the payload lasts.
        """
        marker, self._marker = self._marker, False
        data = self.event(payload_type, payload, self.timestamp, marker)
        self.timestamp = (self.timestamp + units) & 0xFFFFFFFF
        return data

    def event(self, payload_type: int, payload: bytes, timestamp: int, marker: bool) -> bytes:
        """Write the next packet with a timestamp of its own: a named event (RFC 4733)."""
        sequence = self.sequence
        self.sequence = (sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        second = payload_type | 0x80 if marker else payload_type
        return _HEADER.pack(0x80, second, sequence, timestamp, self.ssrc) + payload

    def pause(self, units: int) -> None:
        """Let time pass without a packet: the next one opens a talk spurt (marker bit)."""
        self.timestamp = (self.timestamp + units) & 0xFFFFFFFF
        self._marker = True


class Packetizer:
    """Cuts and joins the payloads of 20 ms that the engine makes into those of a ptime.

    Only for codecs whose octets can be cut anywhere (G.711, G.722, L16 on whole samples).
    """

    __slots__ = ("_octets", "_waiting", "units")

    def __init__(self, octets_per_ms: int, units_per_ms: int, ptime: int) -> None:
        """Prepare for packets of ``ptime`` milliseconds, at most MOST_QUEUED."""
        if not 0 < ptime <= MOST_QUEUED:
            raise ValueError(f"ptime is 1 to {MOST_QUEUED} ms, not {ptime}")
        self._octets = octets_per_ms * ptime
        self._waiting = b""
        self.units = units_per_ms * ptime
        """Units of the clock rate that each packet lasts."""

    def feed(self, payload: bytes) -> list[bytes]:
        """Take what a tick made; return the payloads that are full now, oldest first."""
        size = self._octets
        if len(payload) == size and not self._waiting:
            return [payload]
        data = self._waiting + payload
        whole = len(data) - len(data) % size
        self._waiting = data[whole:]
        return [data[at : at + size] for at in range(0, whole, size)]

    def clear(self) -> None:
        """Forget what waits: sending pauses here."""
        self._waiting = b""


class Recent:
    """The last few sequence numbers of one source: which packet came already?

    SRTP has a replay list of its own; this one is for plain RTP, where a network that sends a
    packet twice must not count it twice.
    """

    __slots__ = ("_order", "_seen")

    SIZE: Final = 128

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._seen: set[int] = set()

    def again(self, sequence: int) -> bool:
        """Whether this number was seen among the last SIZE; remembers it."""
        seen = self._seen
        if sequence in seen:
            return True
        seen.add(sequence)
        order = self._order
        order.append(sequence)
        if len(order) > self.SIZE:
            seen.discard(order.popleft())
        return False
