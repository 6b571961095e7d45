"""RTCP packets, RFC 3550 section 6: reports, source descriptions, BYE.

Reading follows the validity checks of A.2; reduced-size packets (RFC 5506) are taken too. Types
and description items that we do not know are skipped, as section 6.1 asks.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MOST_BLOCKS: Final = 31
"""Report blocks or sources of one packet: a five bit count."""
MOST_PACKETS: Final = 64
"""Packets of a compound that are read; the rest is dropped."""
LONGEST_TEXT: Final = 255
"""Octets of a description item or of a reason to leave: an eight bit length."""

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203
CNAME: Final = 1

NTP_EPOCH: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""

_HEADER: Final = struct.Struct("!BBH")
_SENDER: Final = struct.Struct("!IQIII")
_BLOCK: Final = struct.Struct("!IIIIII")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What one side received of the other (6.4.1).

    Attributes:
        ssrc: the source that is reported on.
        fraction: lost since the last report, in 1/256 of those expected.
        lost: lost in all, -0x800000 to 0x7FFFFF.
        highest: extended highest sequence number received.
        jitter: interarrival jitter, in units of the clock rate.
        last_sender_report: middle 32 bits of its NTP timestamp; 0 for none.
        delay: since that was received, in 1/65536 s.
    """

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last_sender_report: int
    delay: int


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """What a sender says of itself.

    Attributes:
        ntp: wall time in 1/2**32 s since 1900.
        timestamp: the same moment on the RTP clock.
        packets: sent since the stream began.
        octets: of payload.
    """

    ntp: int
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Report:
    """A sender report, or a receiver report where ``sender`` is None (6.4.1, 6.4.2)."""

    ssrc: int
    sender: SenderInfo | None = None
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """SDES (6.5): the canonical name of each source that gave one."""

    names: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Goodbye:
    """BYE (6.6): these sources send no more."""

    ssrcs: tuple[int, ...]
    reason: str = ""


Control = Report | Description | Goodbye


def ntp_of(utc: float) -> int:
    """Wall time in seconds since the epoch, as a 64 bit NTP timestamp."""
    return round((utc + NTP_EPOCH) * 4294967296) & 0xFFFFFFFFFFFFFFFF


def middle(ntp: int) -> int:
    """The middle 32 bits of an NTP timestamp, in 1/65536 s."""
    return (ntp >> 16) & 0xFFFFFFFF


def round_trip(block: ReportBlock, arrival_ntp: int) -> float | None:
    """Round trip time in seconds (6.4.1), or None: no sender report of ours reached the peer.

    Args:
        block: what the peer says of our stream.
        arrival_ntp: when its report came, on the clock of our own sender reports.
    """
    if not block.last_sender_report:
        return None
    units = (middle(arrival_ntp) - block.last_sender_report - block.delay) & 0xFFFFFFFF
    if units >= 0x80000000:  # clocks round: a hair below nothing
        return 0.0
    return units / 65536


def build(*parts: Control) -> bytes:
    """Write a compound packet; a report first, as section 6.1 asks.

    Raises:
        ValueError: no report in front, or more blocks than a packet holds.
    """
    if not parts or not isinstance(parts[0], Report):
        raise ValueError("a compound RTCP packet begins with a report")
    return b"".join(map(_build_one, parts))


def _build_one(part: Control) -> bytes:
    match part:
        case Report(ssrc, sender, blocks):
            if sender is None:
                body = ssrc.to_bytes(4)
                kind = RECEIVER_REPORT
            else:
                kind = SENDER_REPORT
                body = _SENDER.pack(
                    ssrc,
                    sender.ntp,
                    sender.timestamp & 0xFFFFFFFF,
                    sender.packets & 0xFFFFFFFF,
                    sender.octets & 0xFFFFFFFF,
                )
            return _packet(kind, len(blocks), body + b"".join(map(_build_block, blocks)))
        case Description(names):
            chunks = [_build_chunk(ssrc, name) for ssrc, name in names]
            return _packet(SOURCE_DESCRIPTION, len(chunks), b"".join(chunks))
        case Goodbye(ssrcs, reason):
            body = b"".join(ssrc.to_bytes(4) for ssrc in ssrcs)
            if reason:
                text = _cut(reason)
                body += bytes((len(text),)) + text
                body += bytes(-len(body) % 4)
            return _packet(GOODBYE, len(ssrcs), body)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    if count > MOST_BLOCKS:
        raise ValueError(f"one RTCP packet has at most {MOST_BLOCKS} blocks, not {count}")
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def _build_block(block: ReportBlock) -> bytes:
    return _BLOCK.pack(
        block.ssrc,
        block.fraction << 24 | block.lost & 0xFFFFFF,
        block.highest & 0xFFFFFFFF,
        block.jitter & 0xFFFFFFFF,
        block.last_sender_report,
        block.delay & 0xFFFFFFFF,
    )


def _build_chunk(ssrc: int, name: str) -> bytes:
    text = _cut(name)
    body = ssrc.to_bytes(4) + bytes((CNAME, len(text))) + text
    return body + bytes(4 - len(body) % 4)  # one zero octet at least ends the items


def _cut(text: str) -> bytes:
    """UTF-8 of at most LONGEST_TEXT octets, cut between characters."""
    return text.encode()[:LONGEST_TEXT].decode(errors="ignore").encode()


def parse(data: bytes) -> list[Control] | None:
    """Read a compound packet; ``None`` for what is none, which the caller counts and drops."""
    found: list[Control] = []
    at, size = 0, len(data)
    if not size or size % 4:
        return None
    for _ in range(MOST_PACKETS):
        if at + 4 > size:
            break
        first, kind, words = _HEADER.unpack_from(data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or not 192 <= kind <= 223 or end > size:
            return None
        body = data[at + 4 : end]
        if first & 0x20:  # padding may only be in the last one (6.4.1)
            if end != size or not body or not 0 < body[-1] <= len(body):
                return None
            body = body[: len(body) - body[-1]]
        try:
            part = _parse_one(kind, first & 0x1F, body)
        except (struct.error, IndexError, ValueError):
            return None
        if part is not None:
            found.append(part)
        at = end
    return found


def _parse_one(kind: int, count: int, body: bytes) -> Control | None:
    if kind == SENDER_REPORT:
        ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
        sender = SenderInfo(ntp, timestamp, packets, octets)
        return Report(ssrc, sender, _parse_blocks(body, _SENDER.size, count))
    if kind == RECEIVER_REPORT:
        (ssrc,) = struct.unpack_from("!I", body)
        return Report(ssrc, None, _parse_blocks(body, 4, count))
    if kind == SOURCE_DESCRIPTION:
        return _parse_description(body, count)
    if kind == GOODBYE:
        ssrcs = struct.unpack_from(f"!{count}I", body)
        reason = ""
        at = 4 * count
        if at < len(body):
            reason = body[at + 1 : at + 1 + body[at]].decode(errors="replace")
        return Goodbye(ssrcs, reason)
    return None


def _parse_blocks(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for number in range(count):
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(body, at + 24 * number)
        lost = loss & 0xFFFFFF
        if lost >= 0x800000:
            lost -= 0x1000000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last, delay))
    return tuple(blocks)


def _parse_description(body: bytes, count: int) -> Description:
    names: list[tuple[int, str]] = []
    at = 0
    for _ in range(count):
        (ssrc,) = struct.unpack_from("!I", body, at)
        at += 4
        while body[at]:
            item, length = body[at], body[at + 1]
            text = body[at + 2 : at + 2 + length]
            if len(text) < length:
                raise ValueError("an item that ends beyond its packet")
            if item == CNAME:
                names.append((ssrc, text.decode(errors="replace")))
            at += 2 + length
        at += 4 - at % 4
    return Description(tuple(names))


def sources_of(parts: Sequence[Control]) -> set[int]:
    """The SSRCs that a compound packet speaks for."""
    found: set[int] = set()
    for part in parts:
        match part:
            case Report(ssrc):
                found.add(ssrc)
            case Goodbye(ssrcs):
                found.update(ssrcs)
    return found
