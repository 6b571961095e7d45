"""Digits as named events (RFC 4733) and in SIP INFO.

Knows nothing of sockets or clocks: a tick is 20 ms, ``now`` monotonic seconds.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from typing import Final, NamedTuple

from media.core.rtp import timestamp_difference
from sipx.core.errors import RemoteError

DIGITS: Final = "0123456789*#ABCD"
"""Events 0 to 15 (RFC 4733 section 3.2)."""
VOLUME: Final = 10
"""What we send: -10 dBm0."""
LAST_COPIES: Final = 3
"""Times that the end of an event is sent (section 2.5.1.4)."""
LONGEST_DURATION: Final = 0xFFFF
"""Units of one segment; a longer event goes on in the next (section 2.5.1.3)."""
MOST_WAITING: Final = 64
"""Digits that wait to be sent."""
DIGIT_SECONDS: Final = 0.1
GAP_SECONDS: Final = 0.06
"""What we send: digits and gaps of these, above the 40 ms that receivers need."""
SILENCE: Final = 0.15
"""Seconds without a packet that end an event whose end was lost: three intervals of 50 ms."""
LONGEST_SIGNAL: Final = 10.0
"""Seconds that an INFO may claim."""

_EVENT: Final = struct.Struct("!BBH")


class Key(NamedTuple):
    """Something happened to a key.

    Attributes:
        digit: one of DIGITS.
        pressed: True when it went down, False when it came up.
        seconds: how long it was down; 0 when it went down.
    """

    digit: str
    pressed: bool
    seconds: float


class EventReceiver:
    """The named events of one stream: each key is told once, whatever packets are lost or doubled.

    Attributes:
        malformed: payloads that are no events.
        ignored: events that are no digits (flash, tones).
    """

    __slots__ = (
        "_before",
        "_clock",
        "_digit",
        "_duration",
        "_ended",
        "_heard",
        "_start",
        "ignored",
        "malformed",
    )

    def __init__(self, clock_rate: int) -> None:
        """Begin without a key; ``clock_rate`` is that of the events in SDP."""
        self._clock = clock_rate
        self._digit = ""
        self._start: int | None = None
        self._before = 0  # units in segments that are over
        self._duration = 0  # units in this one
        self._ended = True
        self._heard = 0.0
        self.malformed = 0
        self.ignored = 0

    def received(self, timestamp: int, payload: bytes, now: float) -> list[Key]:
        """Take a packet; return what it tells, oldest first."""
        if len(payload) < 4:
            self.malformed += 1
            return []
        event, flags, duration = _EVENT.unpack_from(payload)
        if event >= len(DIGITS):
            self.ignored += 1
            return []
        digit = DIGITS[event]
        found: list[Key] = []
        if self._start is None:
            found.append(self._begin(digit, timestamp))
        elif timestamp != self._start:
            step = timestamp_difference(timestamp, self._start)
            if step < 0:
                return []  # overtaken by the event after it
            if not self._ended and digit == self._digit and step == LONGEST_DURATION:
                self._before += step  # the next segment of the same event
                self._start, self._duration = timestamp, 0
            else:
                found += self._end()
                found.append(self._begin(digit, timestamp))
        elif self._ended:
            return []  # a copy of the end
        self._heard = now
        self._duration = max(self._duration, duration)
        if flags & 0x80:
            found += self._end()
        return found

    def _begin(self, digit: str, timestamp: int) -> Key:
        self._digit, self._start = digit, timestamp
        self._before = self._duration = 0
        self._ended = False
        return Key(digit, True, 0.0)

    def _end(self) -> list[Key]:
        if self._ended:
            return []
        self._ended = True
        return [Key(self._digit, False, (self._before + self._duration) / self._clock)]

    def expire(self, now: float) -> list[Key]:
        """End a key of which nothing was heard for SILENCE; call it once a tick, or less often."""
        if self._ended or now - self._heard < SILENCE:
            return []
        return self._end()

    def restart(self) -> None:
        """The source is another one: its timestamps have nothing to do with those before."""
        self._start = None
        self._ended = True


class EventPacket(NamedTuple):
    """A packet to send with the timestamp of the event.

    Attributes:
        payload: four octets.
        behind: units by which its timestamp is behind that of sound sent in this tick.
        marker: it is the first of its event.
    """

    payload: bytes
    behind: int
    marker: bool


class EventSender:
    """Sends digits as named events, one packet a tick: while it does, no sound is sent.

    The first packet has the marker, each has the duration so far, the end is sent LAST_COPIES
    times in ticks of their own, then comes a gap.
    """

    __slots__ = ("_copies", "_event", "_gap", "_gap_ticks", "_last", "_tick", "_ticks", "_waiting")

    def __init__(self, clock_rate: int) -> None:
        """Prepare; ``clock_rate`` is that of the events in SDP."""
        self._tick = clock_rate // 50
        self._ticks = round(DIGIT_SECONDS * 50)
        self._gap_ticks = round(GAP_SECONDS * 50)
        self._waiting: deque[int] = deque()
        self._event: int | None = None
        self._last = 0  # ticks that the event lasts so far
        self._copies = 0
        self._gap = 0

    def send(self, digits: str) -> None:
        """Put digits behind those that wait.

        Raises:
            ValueError: something that is no digit, or more than MOST_WAITING wait.
        """
        events = [DIGITS.find(digit.upper()) for digit in digits]
        if -1 in events:
            raise ValueError(f"no digits: {digits!r}")
        if len(self._waiting) + len(events) > MOST_WAITING:
            raise ValueError(f"more than {MOST_WAITING} digits wait to be sent")
        self._waiting.extend(events)

    @property
    def busy(self) -> bool:
        """Whether digits wait or are being sent."""
        return self._event is not None or bool(self._waiting) or self._gap > 0

    def tick(self) -> EventPacket | None:
        """What to send in this tick instead of sound; None for sound as ever."""
        if self._event is None:
            if self._gap:
                self._gap -= 1
                return None
            if not self._waiting:
                return None
            self._event = self._waiting.popleft()
            self._last = self._copies = 0
        first = self._last == 0
        ended = self._last >= self._ticks - 1
        if not ended or not self._copies:
            self._last += 1
        if ended:
            self._copies += 1
        duration = min(self._last * self._tick, LONGEST_DURATION)
        payload = _EVENT.pack(self._event, (0x80 if ended else 0) | VOLUME, duration)
        behind = (self._last - 1 + max(self._copies - 1, 0)) * self._tick
        if self._copies == LAST_COPIES:
            self._event = None
            self._gap = self._gap_ticks
        return EventPacket(payload, behind, first)


_SIGNAL = re.compile(r"\s*signal\s*=\s*(\S+)\s*", re.IGNORECASE).fullmatch
_DURATION = re.compile(r"\s*duration\s*=\s*(\d{1,6})\s*", re.IGNORECASE).fullmatch
_NUMBERED: Final = {str(event): digit for event, digit in enumerate(DIGITS)}


def parse_info(content_type: str, body: bytes) -> Key:
    """Read the digit in an INFO request: ``application/dtmf-relay`` or ``application/dtmf``.

    Neither has a standard; this is what phones send. Numbers 10 to 15 are taken for the events of
    that number.

    Returns:
        A key that came up, with the seconds that it was down.

    Raises:
        RemoteError: 415 for another body, 400 for one without a digit.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("application/dtmf-relay", "application/dtmf"):
        raise RemoteError(415, "INFO with digits has application/dtmf-relay or application/dtmf")
    lines = body[:256].decode("ascii", "replace").splitlines()
    signal, seconds = "", DIGIT_SECONDS
    if kind == "application/dtmf":
        signal = lines[0].strip() if lines else ""
    for line in lines:
        if found := _SIGNAL(line):
            signal = found.group(1)
        elif found := _DURATION(line):
            seconds = min(int(found.group(1)) / 1000, LONGEST_SIGNAL)
    digit = _NUMBERED.get(signal, signal.upper())
    if len(digit) != 1 or digit not in DIGITS:
        raise RemoteError(400, "No digit in the INFO: expected Signal=0 to 9, *, # or A to D")
    return Key(digit, False, seconds)


INFO_TYPES: Final = ("application/dtmf-relay", "application/dtmf")
"""For the Accept header of a 415."""
