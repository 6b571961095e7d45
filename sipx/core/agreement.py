"""The values of offer and answer: what we can do, what was agreed, why an offer is refused."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from sipx.core.errors import RemoteError
from sipx.core.sdp import Direction, RtpMap


class Security(enum.Enum):
    """Whether media is encrypted."""

    OFF = enum.auto()
    """Never."""
    ALLOWED = enum.auto()
    """When the peer offers it; our own first offer is plain."""
    REQUIRED = enum.auto()
    """Always."""


class NotAcceptable(RemoteError):
    """An offer that we cannot take: 488, with a Warning that names what we take.

    Attributes:
        code: of the Warning (RFC 3261 section 20.43).
        text: of the Warning.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(488, "Not Acceptable Here")
        self.code = code
        self.text = text

    def warning(self, agent: str) -> str:
        """The value of the Warning header; ``agent`` is our host, with a port if need be."""
        return f'{self.code} {agent} "{self.text}"'


@dataclass(frozen=True, slots=True)
class Format:
    """A codec, as SDP names it.

    Attributes:
        name: like ``PCMU``.
        clock_rate: of its timestamps.
        channels: as in its rtpmap.
        payload_type: the static number, or None.
        fmtp: our parameters; empty for none.
    """

    name: str
    clock_rate: int
    channels: int = 1
    payload_type: int | None = None
    fmtp: str = ""

    def fits(self, found: RtpMap) -> bool:
        """Whether an rtpmap of the peer means this codec."""
        return (found.name.lower(), found.clock_rate, found.channels) == (
            self.name.lower(),
            self.clock_rate,
            self.channels,
        )

    def __str__(self) -> str:
        return f"{self.name}/{self.clock_rate}"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What we can do.

    Attributes:
        formats: codecs, best first.
        events: whether telephone events are taken and sent.
        security: whether media is encrypted.
        ptime: milliseconds that we like to receive in a packet.
    """

    formats: tuple[Format, ...]
    events: bool = True
    security: Security = Security.ALLOWED
    ptime: int = 20

    def __str__(self) -> str:
        protocols = {
            Security.OFF: "RTP/AVP",
            Security.ALLOWED: "RTP/AVP or RTP/SAVP",
            Security.REQUIRED: "RTP/SAVP",
        }
        names = ", ".join(str(one) for one in self.formats)
        return f"audio over {protocols[self.security]} with one of {names}"


@dataclass(frozen=True, slots=True)
class Keys:
    """The SRTP keys of both directions: master key and salt, one after the other."""

    suite: str
    sending: bytes
    receiving: bytes


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides said.

    Attributes:
        host: where we send.
        port: where we send.
        rtcp: where we send reports.
        rtcp_mux: whether reports share the port.
        format: the codec that we send.
        payload_type: its number in what we send.
        receiving: what may come, by its number.
        events: the number of telephone events that we send, or None.
        receiving_events: the number under which they come, or None.
        events_rate: their clock rate.
        ptime: milliseconds in a packet that we send.
        fmtp: the peer's parameters of the codec.
        direction: ours.
        held: whether the peer put us on hold.
        keys: of SRTP, or None for plain RTP.
    """

    host: str
    port: int
    rtcp: tuple[str, int]
    rtcp_mux: bool
    format: Format
    payload_type: int
    receiving: dict[int, Format]
    events: int | None
    receiving_events: int | None
    events_rate: int
    ptime: int
    fmtp: str
    direction: Direction
    held: bool
    keys: Keys | None
