"""When to send RTCP, what to say, and what the peer's reports tell. RFC 3550 section 6.

A session here is one call: two members, one stream each way. Knows nothing of clocks or
sockets: ``now`` is monotonic seconds, ``utc`` wall time, and ``deadline`` says when to call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from media.core import rtcp
from media.core.quality import mean_opinion_score
from media.core.reception import Reception
from media.core.rtp import Sender

SHORTEST_INTERVAL: Final = 5.0
"""Seconds; Tmin of section 6.2."""
CONTROL_SHARE: Final = 0.05
"""Of the session's bandwidth goes to RTCP (6.2)."""
SENDERS_SHARE: Final = 0.25
"""Of that goes to senders, where they are few (6.2)."""
COMPENSATION: Final = 1.21828
"""e - 3/2: makes up for what the random factor adds (6.3.1)."""
OVERHEAD: Final = 28
"""Octets of UDP and IPv4 headers, which count as RTCP's own (6.2)."""
_FIRST_SIZE: Final = 100.0


def interval(
    members: int,
    senders: int,
    bandwidth: float,
    we_sent: bool,
    average_size: float,
    first: bool,
    random: float,
) -> float:
    """Seconds until the next report, by the rule of 6.3.1 and A.7.

    Args:
        members: of the session, ourselves included.
        senders: of them.
        bandwidth: of RTCP, in octets per second.
        we_sent: whether we are a sender.
        average_size: of RTCP packets, in octets with headers.
        first: nothing was sent yet: the shortest interval is halved.
        random: 0 to 1, drawn by the caller.
    """
    shortest = SHORTEST_INTERVAL / 2 if first else SHORTEST_INTERVAL
    count = members
    if senders <= members * SENDERS_SHARE:
        if we_sent:
            bandwidth *= SENDERS_SHARE
            count = senders
        else:
            bandwidth *= 1 - SENDERS_SHARE
            count -= senders
    time = max(average_size * count / bandwidth, shortest)
    return time * (random + 0.5) / COMPENSATION


class ControlSession:
    """The RTCP of one call.

    Attributes:
        round_trip: seconds, or None before the peer reported on us.
        remote_lost_share: of our packets that the peer lost since its report before, 0 to 1.
        remote_lost: our packets that the peer lost in all.
        remote_jitter: that the peer measured, in seconds.
        peer_name: its CNAME, empty before it gave one.
        gone: whether the peer said BYE.
        malformed: RTCP packets that could not be read.
    """

    __slots__ = (
        "_average",
        "_deadline",
        "_last_report",
        "_name",
        "_random",
        "_reception",
        "_report_arrival",
        "_sender",
        "_sent",
        "_sent_before",
        "_share",
        "gone",
        "malformed",
        "peer_name",
        "remote_jitter",
        "remote_lost",
        "remote_lost_share",
        "round_trip",
    )

    def __init__(
        self,
        sender: Sender,
        reception: Reception,
        name: str,
        random: Callable[[], float],
        now: float,
        bandwidth: float = 8000.0,
    ) -> None:
        """Begin.

        Args:
            sender: what we send; its counts go into reports.
            reception: what we receive.
            name: our CNAME: the same in all sessions of a call, and no address (RFC 7022).
            random: draws 0 to 1.
            now: monotonic seconds.
            bandwidth: of the media, in octets per second.
        """
        self._sender = sender
        self._reception = reception
        self._name = name
        self._random = random
        self._share = bandwidth * CONTROL_SHARE
        self._average = _FIRST_SIZE
        self._sent = False
        self._sent_before = 0
        self._last_report = 0
        self._report_arrival = 0.0
        self.round_trip: float | None = None
        self.remote_lost_share = 0.0
        self.remote_lost = 0
        self.remote_jitter = 0.0
        self.peer_name = ""
        self.gone = False
        self.malformed = 0
        self._deadline = now + self._interval()

    def deadline(self) -> float:
        """When the next report is due, in monotonic seconds."""
        return self._deadline

    def _interval(self) -> float:
        we_sent = self._sender.packets > self._sent_before
        senders = int(we_sent) + int(self._reception.source is not None)
        return interval(
            2, senders, self._share, we_sent, self._average, not self._sent, self._random()
        )

    def report(self, now: float, utc: float) -> bytes:
        """Make the compound packet that is due, and set the next deadline."""
        data = rtcp.build(self._report(now, utc), self._description())
        self._sent = True
        self._measure(len(data))
        self._deadline = now + self._interval()
        self._sent_before = self._sender.packets
        return data

    def goodbye(self, now: float, utc: float, reason: str = "") -> bytes:
        """Make the last packet of the session (6.6)."""
        leaving = rtcp.Goodbye((self._sender.ssrc,), reason)
        return rtcp.build(self._report(now, utc), self._description(), leaving)

    def _description(self) -> rtcp.Description:
        return rtcp.Description(((self._sender.ssrc, self._name),))

    def _report(self, now: float, utc: float) -> rtcp.Report:
        sender = self._sender
        info = None
        if sender.packets > self._sent_before:
            info = rtcp.SenderInfo(
                rtcp.ntp_of(utc), sender.timestamp, sender.packets, sender.octets
            )
        blocks: tuple[rtcp.ReportBlock, ...] = ()
        source = self._reception.source
        if source is not None:
            delay = 0
            if self._last_report:
                delay = min(round((now - self._report_arrival) * 65536), 0xFFFFFFFF)
            blocks = (source.report(self._last_report, delay),)
        return rtcp.Report(sender.ssrc, info, blocks)

    def received(self, data: bytes, now: float, utc: float) -> None:
        """Take what the peer sent; what cannot be read is counted and dropped."""
        parts = rtcp.parse(data)
        if parts is None:
            self.malformed += 1
            return
        self._measure(len(data))
        for part in parts:
            match part:
                case rtcp.Report(ssrc, sender, blocks):
                    if sender is not None and self._is_source(ssrc):
                        self._last_report = rtcp.middle(sender.ntp)
                        self._report_arrival = now
                    for block in blocks:
                        if block.ssrc == self._sender.ssrc:
                            self._told(block, utc)
                case rtcp.Description(names):
                    for ssrc, name in names:
                        if self._is_source(ssrc):
                            self.peer_name = name
                case rtcp.Goodbye(ssrcs):
                    if any(map(self._is_source, ssrcs)):
                        self.gone = True

    def _is_source(self, ssrc: int) -> bool:
        source = self._reception.source
        return source is not None and source.ssrc == ssrc

    def _told(self, block: rtcp.ReportBlock, utc: float) -> None:
        trip = rtcp.round_trip(block, rtcp.ntp_of(utc))
        if trip is not None:
            self.round_trip = trip
        self.remote_lost_share = block.fraction / 256
        self.remote_lost = block.lost
        self.remote_jitter = block.jitter / self._reception.clock_rate

    def _measure(self, size: int) -> None:
        self._average += (size + OVERHEAD - self._average) / 16

    def mean_opinion(self, codec: str, buffered: float) -> float:
        """Estimate how what we hear is judged, 1 to 4.5.

        Args:
            codec: its name in SDP.
            buffered: seconds that the jitter buffer holds back.
        """
        one_way = (self.round_trip or 0.0) / 2 + buffered
        return mean_opinion_score(codec, self._reception.lost_share, one_way)
