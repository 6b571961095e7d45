"""Session descriptions: read, asked and written. RFC 8866 (4566), 3264, 3551, 3605, 4568, 5761.

Lines that nobody knows are kept where they stand, so what was read is written as it came (with
CRLF). Values are parsed when asked for.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from sipx.core.errors import RemoteError

LARGEST: Final = 16_384
"""Octets of a description; browsers come to 8 KiB."""
MOST_LINES: Final = 512
MOST_MEDIA: Final = 16
MOST_FORMATS: Final = 64
CONTENT_TYPE: Final = "application/sdp"

Line = tuple[str, str]

_media = re.compile(r"(\S+) (\d{1,5})(?:/(\d{1,5}))? (\S+) (\S.*)").fullmatch
_origin = re.compile(r"(\S+) (\d{1,40}) (\d{1,40}) IN (IP4|IP6) (\S+)").fullmatch
_connection = re.compile(r"IN (IP4|IP6) ([^\s/]+)(?:/\d+)*").fullmatch
_rtpmap = re.compile(r"(\d{1,3})\s+([^/\s]+)/(\d{1,6})(?:/(\d{1,2}))?\s*").fullmatch
_rtcp = re.compile(r"(\d{1,5})(?: IN (?:IP4|IP6) (\S+))?").fullmatch
_crypto = re.compile(r"(\d{1,9})\s+(\S+)\s+inline:([A-Za-z0-9+/=]+)(\S*)((?:\s+\S+)*)").fullmatch
_lifetime = re.compile(r"\|(?:2\^)?\d+").fullmatch


class Direction(enum.Enum):
    """Which way media flows, seen by whom the description is of (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether that side sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Whether that side receives."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @staticmethod
    def of(sends: bool, receives: bool) -> Direction:
        """The direction with these two answers."""
        if sends:
            return Direction.SENDRECV if receives else Direction.SENDONLY
        return Direction.RECVONLY if receives else Direction.INACTIVE


class RtpMap(NamedTuple):
    """What a payload number stands for."""

    name: str
    clock_rate: int
    channels: int


class Crypto(NamedTuple):
    """A crypto attribute that can be used: SDES (RFC 4568).

    Attributes:
        tag: of the line.
        suite: its name.
        key: master key and salt, one after the other.
    """

    tag: int
    suite: str
    key: bytes


STATIC: Final = {
    0: RtpMap("PCMU", 8000, 1),
    3: RtpMap("GSM", 8000, 1),
    4: RtpMap("G723", 8000, 1),
    8: RtpMap("PCMA", 8000, 1),
    9: RtpMap("G722", 8000, 1),
    13: RtpMap("CN", 8000, 1),
    15: RtpMap("G728", 8000, 1),
    18: RtpMap("G729", 8000, 1),
}
"""Payload numbers that need no rtpmap (RFC 3551 table 4), as far as telephones use them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made a description, and which version it is."""

    user: str
    session_id: int
    version: int
    address: str

    def __str__(self) -> str:
        return f"{self.user} {self.session_id} {self.version} IN {family(self.address)}"


@dataclass(frozen=True, slots=True)
class Media:
    """One media line and what belongs to it.

    Attributes:
        kind: ``audio``, ``video``, ``image`` ...
        port: 0 for a stream that is refused or over.
        protocol: as written, like ``RTP/AVP``.
        formats: payload numbers, or what the protocol has.
        lines: the others of this part, in order.
        ports: how many in a row.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    lines: tuple[Line, ...] = ()
    ports: int = 1

    def attributes(self, name: str) -> list[str]:
        """All values of an attribute; an empty text for one without value."""
        return _attributes(self.lines, name)

    def attribute(self, name: str) -> str | None:
        """The first value of an attribute, or None."""
        found = _attributes(self.lines, name)
        return found[0] if found else None

    def rtpmaps(self) -> dict[int, RtpMap]:
        """What each payload number in ``formats`` stands for; unknown ones are left out.

        Raises:
            RemoteError: 400; an rtpmap that cannot be read.
        """
        found = {}
        for value in self.attributes("rtpmap"):
            match = _rtpmap(value)
            if match is None:
                raise RemoteError(400, f"SDP: malformed a=rtpmap:{value[:40]}")
            number, name, rate, channels = match.groups()
            found[int(number)] = RtpMap(name, int(rate), int(channels or 1))
        numbers = [int(text) for text in self.formats if text.isdigit() and int(text) < 128]
        return {
            number: found.get(number) or STATIC[number]
            for number in numbers
            if number in found or number in STATIC
        }

    def parameters(self) -> dict[str, str]:
        """``a=fmtp`` by payload number."""
        pairs = (value.partition(" ") for value in self.attributes("fmtp"))
        return {number: text.strip() for number, _, text in pairs}

    def number(self, name: str) -> int | None:
        """An attribute that is a number of milliseconds, like ptime; None if there is none.

        Fractions are cut off; what is no number is as good as nothing, for it is only advice.
        """
        text = (self.attribute(name) or "").strip().partition(".")[0]
        return int(text) if text.isdigit() and len(text) < 6 else None

    def cryptos(self) -> list[Crypto]:
        """The crypto lines that can be used, most preferred first.

        Those with an MKI, session parameters or several keys are left out: what they demand and we
        do not do must not be accepted (RFC 4568 section 5.1).
        """
        found = []
        for value in self.attributes("crypto"):
            match = _crypto(value.strip())
            if match is None:
                continue
            tag, suite, key, rest, parameters = match.groups()
            if parameters or (rest and not _lifetime(rest)):
                continue
            try:
                octets = base64.b64decode(key, validate=True)
            except (binascii.Error, ValueError):
                continue
            found.append(Crypto(int(tag), suite, octets))
        return found


@dataclass(frozen=True, slots=True)
class Description:
    """A whole description.

    Attributes:
        origin: who made it.
        name: of the session, usually ``-``.
        lines: those before the first media line, without v, o and s.
        media: in order; the order ties an answer to its offer.
    """

    origin: Origin
    name: str
    lines: tuple[Line, ...]
    media: tuple[Media, ...]

    def address(self, media: Media) -> str:
        """Where a stream is to be sent.

        Raises:
            RemoteError: 400; there is no connection line, or one that cannot be read.
        """
        for kind, value in (*media.lines, *self.lines):
            if kind == "c":
                match = _connection(value.strip())
                if match is None:
                    raise RemoteError(400, f"SDP: malformed c={value[:40]}")
                return match.group(2)
        raise RemoteError(400, "SDP: no c= line for the media")

    def rtcp(self, media: Media) -> tuple[str, int]:
        """Where its reports are to be sent: ``a=rtcp`` (RFC 3605), else the port after it.

        Raises:
            RemoteError: 400; as of ``address``.
        """
        host = self.address(media)
        match = _rtcp((media.attribute("rtcp") or "").strip())
        if match is None or not 0 < int(match.group(1)) < 65_536:
            return host, min(media.port + 1, 65_535)
        return match.group(2) or host, int(match.group(1))

    def direction(self, media: Media) -> Direction:
        """Which way a stream flows; sendrecv where nothing is said."""
        for lines in (media.lines, self.lines):
            for kind, value in lines:
                if kind == "a" and value in Direction._value2member_map_:
                    return Direction(value)
        return Direction.SENDRECV

    def to_bytes(self) -> bytes:
        """Write it."""
        out = ["v=0", f"o={self.origin}", f"s={self.name}"]
        out += [f"{kind}={value}" for kind, value in self.lines]
        for media in self.media:
            ports = f"{media.port}/{media.ports}" if media.ports != 1 else str(media.port)
            out.append(f"m={media.kind} {ports} {media.protocol} {' '.join(media.formats)}")
            out += [f"{kind}={value}" for kind, value in media.lines]
        return ("\r\n".join(out) + "\r\n").encode("utf-8", "surrogateescape")


def family(host: str) -> str:
    """An address with its family in front, as o= and c= have it."""
    return f"IP6 {host}" if ":" in host else f"IP4 {host}"


def _attributes(lines: tuple[Line, ...], name: str) -> list[str]:
    start = name + ":"
    found = []
    for kind, value in lines:
        if kind == "a":
            if value.startswith(start):
                found.append(value[len(start) :])
            elif value == name:
                found.append("")
    return found


def parse(data: bytes) -> Description:
    """Read a description.

    Raises:
        RemoteError: 400, with the line; 413 for one that is too large.
    """
    if len(data) > LARGEST:
        raise RemoteError(413, f"SDP of more than {LARGEST} octets")
    rows = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    while rows and not rows[-1].strip():
        rows.pop()
    if len(rows) > MOST_LINES:
        raise RemoteError(413, f"SDP of more than {MOST_LINES} lines")
    if not rows or rows[0].rstrip() != "v=0":
        raise RemoteError(400, "SDP: line 1 is not v=0")
    origin: Origin | None = None
    name: str | None = None
    lines: list[Line] = []
    heads: list[tuple[Media, list[Line]]] = []
    for count, row in enumerate(rows[1:], 2):
        if len(row) < 2 or row[1] != "=" or not row[0].isalpha() or "\r" in row:
            raise RemoteError(400, f"SDP: malformed line {count}")
        kind, value = row[0], row[2:]
        if kind == "m":
            heads.append((_parse_media(value, count), []))
            if len(heads) > MOST_MEDIA:
                raise RemoteError(413, f"SDP with more than {MOST_MEDIA} media lines")
        elif heads:
            heads[-1][1].append((kind, value))
        elif kind == "o" and origin is None:
            origin = _parse_origin(value, count)
        elif kind == "s" and name is None:
            name = value
        else:
            lines.append((kind, value))
    if origin is None or name is None:
        raise RemoteError(400, f"SDP: no {'o' if origin is None else 's'}= line")
    media = tuple(
        Media(head.kind, head.port, head.protocol, head.formats, tuple(rest), head.ports)
        for head, rest in heads
    )
    return Description(origin, name, tuple(lines), media)


def _parse_media(value: str, count: int) -> Media:
    match = _media(value.rstrip())
    if match is None or int(match.group(2)) > 65_535:
        raise RemoteError(400, f"SDP: malformed m= in line {count}")
    kind, port, ports, protocol, formats = match.groups()
    numbers = tuple(formats.split())
    if len(numbers) > MOST_FORMATS:
        raise RemoteError(413, f"SDP: more than {MOST_FORMATS} formats in line {count}")
    return Media(kind, int(port), protocol, numbers, (), int(ports or 1))


def _parse_origin(value: str, count: int) -> Origin:
    match = _origin(value.rstrip())
    if match is None:
        raise RemoteError(400, f"SDP: malformed o= in line {count}")
    user, session_id, version, _, address = match.groups()
    return Origin(user, int(session_id), int(version), address)
