"""Rooms of all sizes mixed at once: everybody hears the sum of the others.

A row is a stream; all rows of all rooms go through a handful of array operations per tick, so the
cost is per participant and hardly depends on how they are spread over rooms. Everything is in
whole numbers and so can be checked bit by bit.

A row's voice (what it contributes) is its frame times its talk gain, clipped to 16 bits; silence
where it is muted, or gated: quieter than its gate for HANGOVER ticks. What it hears is the sum of
the voices of its room minus its own, clipped, times its listen gain, clipped; silence where it is
deaf. So a muted row hears the whole room, which is what a recording or a level meter needs, and a
deaf one can play an announcement into it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.core.codecs.codec import Samples

UNITY: Final = 256
"""A gain of one: gains are whole numbers of 1/256."""
LOUDEST: Final = 4 * UNITY
"""The largest gain, 12 dB."""
HANGOVER: Final = 15
"""Ticks that a voice stays open after it was last above its gate: the ends of words."""
SMOOTHING: Final = 8
"""A level moves an eighth of the way to what a tick measured."""
LEAD: Final = 2
"""How many times as loud somebody else must be to become the active speaker."""
FAINTEST: Final = 100
"""Mean magnitude below which nobody is an active speaker."""
NOWHERE: Final = -1

_LOW: Final = -32768
_HIGH: Final = 32767


class Mixer:
    """The rooms that work at one sample rate.

    Attributes:
        room: of each row, NOWHERE for none; read it, ``place`` and ``remove`` change it.
        level: smoothed mean magnitude of each row's sound before its gate, 0 to 32768.
        speaker: the row that speaks in each room, NOWHERE for none.
    """

    def __init__(self, capacity: int, rooms: int, samples: int) -> None:
        """Make an empty mixer.

        Args:
            capacity: rows.
            rooms: that there can be, numbered from 0.
            samples: of a frame.
        """
        self._samples = samples
        self.room = np.full(capacity, NOWHERE, np.int32)
        self._talk = np.full(capacity, UNITY, np.int32)
        self._listen = np.full(capacity, UNITY, np.int32)
        self._gate = np.zeros(capacity, np.int32)
        self._open = np.zeros(capacity, np.int32)
        self._muted = np.zeros(capacity, np.bool_)
        self._deaf = np.zeros(capacity, np.bool_)
        self.level = np.zeros(capacity, np.int32)
        self.speaker = np.full(rooms, NOWHERE, np.int32)
        self._stale = True
        self._rows = np.zeros(0, np.intp)
        self._starts = np.zeros(0, np.intp)
        self._group = np.zeros(0, np.intp)
        self._rooms = np.zeros(0, np.int32)
        self._plain = True

    def place(self, row: int, room: int) -> None:
        """Put a row into a room; it leaves the one where it was. Its settings begin anew."""
        if self.room[row] != NOWHERE:
            self.remove(row)
        if not 0 <= room < len(self.speaker):
            raise ValueError(f"rooms are 0 to {len(self.speaker) - 1}, not {room}")
        self.room[row] = room
        self._talk[row] = self._listen[row] = UNITY
        self._gate[row] = self._open[row] = self.level[row] = 0
        self._muted[row] = self._deaf[row] = False
        self._stale = True

    def remove(self, row: int) -> None:
        """Take a row out of its room."""
        room = self.room[row]
        if room != NOWHERE and self.speaker[room] == row:
            self.speaker[room] = NOWHERE
        self.room[row] = NOWHERE
        self._stale = True

    def move(self, row: int, other: Mixer) -> None:
        """Carry a row with its settings to the mixer of another rate, into the same room."""
        room = int(self.room[row])
        other.place(row, room)
        for name in ("_talk", "_listen", "_gate", "_open", "_muted", "_deaf", "level"):
            getattr(other, name)[row] = getattr(self, name)[row]
        self.remove(row)

    def mute(self, row: int, muted: bool) -> None:
        """Let nobody hear a row, or hear it again."""
        self._muted[row] = muted
        self._stale = True

    def deafen(self, row: int, deaf: bool) -> None:
        """Let a row hear nothing, or hear again."""
        self._deaf[row] = deaf
        self._stale = True

    def talk_gain(self, row: int, gain: int) -> None:
        """How loud others hear a row, in 1/UNITY; from 0 to LOUDEST."""
        self._talk[row] = min(max(gain, 0), LOUDEST)
        self._stale = True

    def listen_gain(self, row: int, gain: int) -> None:
        """How loud a row hears others, in 1/UNITY; from 0 to LOUDEST."""
        self._listen[row] = min(max(gain, 0), LOUDEST)
        self._stale = True

    def gate(self, row: int, threshold: int) -> None:
        """Let a row be heard only above a level, as mean magnitude of a frame; 0 for always."""
        self._gate[row] = max(threshold, 0)
        self._stale = True

    def _arrange(self) -> None:
        """Sort the rows by room, once after each change and not per tick."""
        rows = np.flatnonzero(self.room != NOWHERE)
        order = np.argsort(self.room[rows], kind="stable")
        self._rows = rows[order]
        rooms = self.room[self._rows]
        self._rooms, self._starts, self._group = np.unique(
            rooms, return_index=True, return_inverse=True
        )
        rows = self._rows
        self._plain = bool(
            (self._talk[rows] == UNITY).all()
            and (self._listen[rows] == UNITY).all()
            and not self._muted[rows].any()
            and not self._deaf[rows].any()
            and not self._gate[rows].any()
        )
        self._stale = False

    def tick(self, frames: Samples, out: Samples | None = None) -> Samples:
        """Mix one frame of all rooms.

        Args:
            frames: of all rows, (capacity, samples). Rows that are in no room are not read.
            out: where to write; a new array if left out. May be ``frames``.

        Returns:
            What each row hears; rows in no room are left as they are.
        """
        if self._stale:
            self._arrange()
        if out is None:
            out = np.zeros_like(frames)
        rows = self._rows
        if not rows.size:
            return out
        voices = frames[rows].astype(np.int32)
        self._measure(voices)
        if not self._plain:
            self._shape(voices)
        sums = np.add.reduceat(voices, self._starts, axis=0)
        heard = sums[self._group]
        heard -= voices
        np.clip(heard, _LOW, _HIGH, out=heard)
        if not self._plain:
            listen = self._listen[rows]
            if (listen != UNITY).any():
                heard *= listen[:, None]
                heard >>= 8
                np.clip(heard, _LOW, _HIGH, out=heard)
            heard[self._deaf[rows]] = 0
        out[rows] = heard
        return out

    def _shape(self, voices: NDArray[np.int32]) -> None:
        """Turn frames into voices: gain, gate and mute."""
        rows = self._rows
        talk = self._talk[rows]
        if (talk != UNITY).any():
            voices *= talk[:, None]
            voices >>= 8
            np.clip(voices, _LOW, _HIGH, out=voices)
        voices[self._muted[rows] | (self._open[rows] == 0)] = 0

    def _measure(self, voices: NDArray[np.int32]) -> None:
        """Levels, gates, and who speaks."""
        rows = self._rows
        loud = np.abs(voices).sum(axis=1, dtype=np.int32) // self._samples
        level = self.level[rows]
        level += (loud - level) // SMOOTHING
        self.level[rows] = level
        gate = self._gate[rows]
        self._open[rows] = np.where(
            loud >= gate, HANGOVER, np.maximum(self._open[rows] - 1, 0)
        ).astype(np.int32)
        audible = np.where(self._muted[rows] | (self._open[rows] == 0), 0, level)
        # Level above, row below: the largest says both who and how loud, the lowest row of equals.
        keys = audible.astype(np.int64) << 32 | (0x7FFFFFFF - rows)
        best = np.maximum.reduceat(keys, self._starts)
        loudest = (best >> 32).astype(np.int32)
        candidate = (0x7FFFFFFF - (best & 0x7FFFFFFF)).astype(np.int32)
        before = self.speaker[self._rooms]
        held = np.where(before == NOWHERE, 0, self.level[before])
        held = np.where((before != NOWHERE) & ~self._muted[before], held, 0)
        changes = (loudest >= FAINTEST) & (loudest >= held * LEAD)
        self.speaker[self._rooms] = np.where(changes, candidate, before)
