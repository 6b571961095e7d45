"""Which row is in which room, and at which rate a room is mixed.

A room is wide band while all that are in it can be; when the first comes that cannot, or the last
such goes, all of its rows change over. The rows of a narrow room are mixed at 8 kHz, those of a
wide one at 16 kHz: ``wide`` says in which array a row's frames belong.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from media.core.codecs.codec import Samples
from media.core.mixer import NOWHERE, Mixer

NARROW_RATE: Final = 8000
WIDE_RATE: Final = 16_000


class NoRoom(Exception):
    """All rooms of the node are taken."""


class Rooms:
    """All rooms of a node.

    Attributes:
        narrow: mixes the rows of narrow band rooms.
        wideband: mixes those of wide band rooms.
        wide: per row, whether its room is wide band.
    """

    def __init__(self, capacity: int, rooms: int) -> None:
        """Make empty rooms.

        Args:
            capacity: rows.
            rooms: that may be open at one time.
        """
        self.narrow = Mixer(capacity, rooms, NARROW_RATE // 50)
        self.wideband = Mixer(capacity, rooms, WIDE_RATE // 50)
        self.wide = np.zeros(capacity, np.bool_)
        self._capable = np.zeros(capacity, np.bool_)
        self._members: dict[int, set[int]] = {}
        self._free = list(range(rooms - 1, -1, -1))

    def open(self) -> int:
        """Open a room and give its number.

        Raises:
            NoRoom: as many are open as there can be.
        """
        if not self._free:
            raise NoRoom(f"all {len(self._members)} rooms of this node are open")
        room = self._free.pop()
        self._members[room] = set()
        return room

    def close(self, room: int) -> None:
        """Take all out of a room and give its number back."""
        for row in list(self._members[room]):
            self.leave(row)
        del self._members[room]
        self._free.append(room)

    def members(self, room: int) -> frozenset[int]:
        """The rows in a room."""
        return frozenset(self._members[room])

    def mixer(self, row: int) -> Mixer:
        """Where a row's mute, gains and gate are set at present."""
        return self.wideband if self.wide[row] else self.narrow

    def room_of(self, row: int) -> int | None:
        """The room in which a row is, or None."""
        room = int(self.mixer(row).room[row])
        return None if room == NOWHERE else room

    def speaker(self, room: int) -> int | None:
        """The row that speaks in a room, or None."""
        for mixer in (self.narrow, self.wideband):
            row = int(mixer.speaker[room])
            if row != NOWHERE:
                return row
        return None

    def join(self, row: int, room: int, wideband: bool) -> None:
        """Put a row into a room; it leaves the one where it was.

        Args:
            row: of the stream.
            room: an open one.
            wideband: whether the stream can carry 16 kHz.
        """
        members = self._members[room]
        self.leave(row)
        self._capable[row] = wideband
        members.add(row)
        self.narrow.place(row, room)
        self.wide[row] = False
        self._agree(members)

    def leave(self, row: int) -> None:
        """Take a row out of its room, if it is in one."""
        room = self.room_of(row)
        if room is None:
            return
        self.mixer(row).remove(row)
        self.wide[row] = False
        members = self._members[room]
        members.discard(row)
        self._agree(members)

    def _agree(self, members: set[int]) -> None:
        """Bring all rows of a room to the rate that all of them can."""
        wide = all(self._capable[row] for row in members)
        for row in members:
            if bool(self.wide[row]) != wide:
                source, target = self.narrow, self.wideband
                if not wide:
                    source, target = target, source
                source.move(row, target)
                self.wide[row] = wide

    def tick(self, narrow: Samples, wide: Samples) -> None:
        """Mix one frame of all rooms, in place.

        Args:
            narrow: frames of all rows at 8 kHz, (capacity, 160).
            wide: of all rows at 16 kHz, (capacity, 320). Each row is read and written in the one
                that ``wide`` names.
        """
        self.narrow.tick(narrow, narrow)
        self.wideband.tick(wide, wide)
