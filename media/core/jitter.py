"""The adaptive jitter buffer: packets in, one payload of 20 ms per tick out.

Knows nothing of clocks: arrival times and the tick's ``now`` are arguments, monotonic seconds.

How it decides. Each packet's *lateness* is how much later it came than the fastest of the last
seconds would have. A histogram of lateness with slow forgetting gives the delay that lets QUANTILE
of the packets be in time. The delay at which frames are really played is known at each tick; where
it is off by more than a frame, one frame is left out or one is concealed: at once if that is badly
needed, else while it is quiet.

Payloads of constant rate codecs are cut and joined to frames of 20 ms, whatever the ptime. A
frame of which a part is missing counts as missing. Payloads of other codecs (Opus) stay whole: the
caller gives their length in ``units``, and they are handed out at their first frame, CONTINUED at
the others.
"""

from __future__ import annotations

import itertools
from typing import Final

from media.core.rtp import timestamp_difference

FRAME_SECONDS: Final = 0.02
MOST_FRAMES: Final = 50
"""Frames that wait, one second: beyond it the oldest go."""
SMALLEST_DELAY: Final = 0.02
LARGEST_DELAY: Final = 0.4
"""Seconds; what comes later than this is lost, whatever the histogram says."""
FIRST_DELAY: Final = 0.04
"""Seconds that the first packet waits, before anything was measured."""
QUANTILE: Final = 0.97
"""Share of the packets that shall be in time."""
FORGETTING: Final = 1.004
"""Weight of a packet over that of the one before: half is forgotten after 170 packets."""
BIN_SECONDS: Final = 0.005
CONTINUED: Final = b""
"""Stands for a frame whose sound came with the payload before it."""
_BINS: Final = round(LARGEST_DELAY / BIN_SECONDS) + 1
_HEAVIEST: Final = 1e9
TARGET_PERIOD: Final = 10
"""Packets between two looks at the histogram."""
FASTEST_PERIOD: Final = 2.0
"""Seconds; the fastest packet is looked for in one to two of these, so clock drift is followed."""
URGENT: Final = 3
"""Frames that the delay may be off before it is mended in the middle of speech."""
IDLE_FRAMES: Final = 10
"""Frames in a row that are missing before the buffer waits for a new beginning."""


class JitterBuffer:
    """The packets of one source, in order and in time.

    Attributes:
        target: seconds of delay aimed at.
        late: frames that came after their time.
        duplicates: frames that were there already.
        missing: frames that were due and not there, for concealment.
        skipped: frames left out to lower the delay.
        stretched: concealed frames put in to raise it.
        overflowed: frames dropped because MOST_FRAMES waited.
        restarts: new beginnings, the first included.
    """

    __slots__ = (
        "_base",
        "_base_arrival",
        "_clock",
        "_fastest",
        "_fastest_until",
        "_frame_octets",
        "_frame_units",
        "_frames",
        "_gap",
        "_held",
        "_histogram",
        "_next",
        "_packets",
        "_parts",
        "_playing",
        "_total",
        "_weight",
        "duplicates",
        "late",
        "missing",
        "overflowed",
        "restarts",
        "skipped",
        "stretched",
        "target",
    )

    def __init__(self, clock_rate: int, frame_octets: int | None) -> None:
        """Make an empty buffer.

        Args:
            clock_rate: of the timestamps, per second.
            frame_octets: of a payload of 20 ms, or None for codecs that cannot be cut.
        """
        self._clock = clock_rate
        self._frame_units = round(clock_rate * FRAME_SECONDS)
        self._frame_octets = frame_octets
        self.late = 0
        self.duplicates = 0
        self.missing = 0
        self.skipped = 0
        self.stretched = 0
        self.overflowed = 0
        self.restarts = 0
        self._histogram = [0.0] * _BINS
        self._total = 0.0
        self._weight = 1.0
        self._packets = 0
        self.target = FIRST_DELAY
        self._begin()

    def _begin(self) -> None:
        """Wait for a first packet; what was learned of the network stays."""
        self._frames: dict[int, bytes] = {}
        self._parts: dict[int, dict[int, bytes]] = {}
        self._base: int | None = None
        self._base_arrival = 0.0
        self._fastest = (0.0, 0.0)
        self._fastest_until = 0.0
        self._next = 0
        self._gap = 0
        self._held = 0
        self._playing = False

    def restart(self) -> None:
        """Forget what waits: the source is another one, or the sender began again."""
        self._begin()

    def __len__(self) -> int:
        """Frames that wait."""
        return len(self._frames)

    def push(self, timestamp: int, payload: bytes, arrival: float, units: int = 0) -> None:
        """Take a packet of the present source.

        Args:
            timestamp: of the packet.
            payload: as it came.
            arrival: monotonic seconds.
            units: that it lasts, where octets do not tell it.
        """
        if not payload:
            return
        base = self._base
        if base is None:
            base = self._first(timestamp, arrival)
        offset = timestamp_difference(timestamp, base)
        frame = self._frame_units
        index = offset // frame
        if not self._next - MOST_FRAMES <= index <= self._next + 2 * MOST_FRAMES:
            self._begin()  # the sender's clock jumped: nothing before it can be compared
            self._first(timestamp, arrival)
            offset = index = 0
        self._measure(arrival - self._base_arrival - offset / self._clock, arrival)
        octets = self._frame_octets
        if octets is None:
            if self._store(index, payload):
                for further in range(1, min(units // frame, MOST_FRAMES)):
                    self._store(index + further, CONTINUED)
        elif len(payload) == octets and not offset % frame:
            self._store(index, payload)
        else:
            self._cut(offset, payload, octets)
        if len(self._frames) > MOST_FRAMES:
            oldest = min(self._frames)
            del self._frames[oldest]
            self.overflowed += 1
            self._next = max(self._next, oldest + 1)

    def _first(self, timestamp: int, arrival: float) -> int:
        self._base = timestamp
        self._base_arrival = arrival
        self._fastest = (0.0, 0.0)
        self._fastest_until = arrival + FASTEST_PERIOD
        self.restarts += 1
        return timestamp

    def _store(self, index: int, payload: bytes) -> bool:
        if index < self._next:
            if self._playing:
                self.late += 1
                return False
            self._next = index  # overtaken by what came first: nothing was played yet
        elif index in self._frames:
            self.duplicates += 1
            return False
        self._frames[index] = payload
        return True

    def _cut(self, offset: int, payload: bytes, octets: int) -> None:
        """Spread a payload over the frames that it covers; a frame is stored when it is whole."""
        at = offset * octets // self._frame_units
        end = at + len(payload)
        while at < end:
            index, start = divmod(at, octets)
            length = min(octets - start, end - at)
            piece = payload[len(payload) - (end - at) :][:length]
            at += length
            if length == octets:
                self._store(index, piece)
                continue
            if index < self._next or index in self._frames:
                self._store(index, piece)
                continue
            parts = self._parts.setdefault(index, {})
            parts[start] = piece
            if sum(map(len, parts.values())) >= octets:
                del self._parts[index]
                self._store(index, b"".join(parts[key] for key in sorted(parts))[:octets])
        if len(self._parts) > MOST_FRAMES:
            del self._parts[min(self._parts)]

    def _measure(self, transit: float, arrival: float) -> None:
        """Learn from a packet's transit time, in seconds relative to the first one's."""
        before, current = self._fastest
        if arrival >= self._fastest_until:
            before, current = current, transit
            self._fastest_until = arrival + FASTEST_PERIOD
        elif transit < current:
            current = transit
        self._fastest = (before, current)
        lateness = transit - min(before, current)
        late_by = min(int(lateness / BIN_SECONDS + 0.5), _BINS - 1) if lateness > 0 else 0
        self._weight *= FORGETTING
        self._histogram[late_by] += self._weight
        self._total += self._weight
        self._packets += 1
        if self._packets % TARGET_PERIOD == 0:
            self._aim()

    def _aim(self) -> None:
        enough = self._total * QUANTILE
        sums = itertools.accumulate(self._histogram)
        bins = next((bins for bins, weight in enumerate(sums) if weight >= enough), _BINS)
        # A frame is asked for once a tick, so one that is just in time may wait for a tick.
        wanted = bins * BIN_SECONDS + FRAME_SECONDS
        self.target = min(max(wanted, SMALLEST_DELAY), LARGEST_DELAY)
        if self._weight > _HEAVIEST:
            self._histogram = [weight / self._weight for weight in self._histogram]
            self._total = sum(self._histogram)
            self._weight = 1.0

    def delay(self, now: float) -> float:
        """Seconds by which the next frame is held back against the fastest packet."""
        due = self._next * FRAME_SECONDS + self._base_arrival + min(self._fastest)
        return now - due

    def pull(self, now: float, quiet: bool = False) -> bytes | None:
        """Give the payload of this tick.

        Args:
            now: monotonic seconds.
            quiet: what was played last was silence, so nobody hears a frame more or less.

        Returns:
            The payload, CONTINUED, or None: conceal it, or while not ``playing`` be silent.
        """
        if self._base is None:
            return None
        if not self._playing:
            if not self._frames or self.delay(now) < self.target:
                return None
            self._playing = True
        off = (self.delay(now) - self.target) / FRAME_SECONDS
        if off > 1.5 and (quiet or off > URGENT):
            if len(self._frames) > 1:
                self._frames.pop(self._next, None)
                self._forget_parts()
                self._next += 1
                self.skipped += 1
        elif off < -1.5 and (quiet or off < -URGENT):
            self.stretched += 1
            return None
        if self._held and self._frames:
            # What was waited for is lost: go on behind the frames that stood in for it.
            self._next += min(self._held, min(self._frames) - self._next)
            self._held = 0
        payload = self._frames.pop(self._next, None)
        if payload is not None:
            self._next += 1
            self._gap = 0
            return payload
        self.missing += 1
        self._gap += 1
        if self._frames:
            self._forget_parts()
            self._next += 1
        elif self._gap < IDLE_FRAMES:
            self._held += 1  # late or lost, nobody knows yet: if it comes, it is played
        else:
            self._begin()
        return None

    def _forget_parts(self) -> None:
        self._parts.pop(self._next, None)

    @property
    def playing(self) -> bool:
        """Whether a stream is being played: what ``pull`` has not is then to be concealed."""
        return self._playing
