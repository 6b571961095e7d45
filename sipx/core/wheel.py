"""A timer wheel for everything that waits in a node.

An item is in one slot at most and carries its own deadline. Moving a deadline later costs
nothing: the slot is found too early, and the item is put on then. Moving it earlier, or
ending it, leaves a stale entry behind that no longer names the item's slot and is skipped.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """What hangs in a wheel.

    Attributes:
        deadline: monotonic seconds, ``math.inf`` when it waits for nothing any more.
        wheel_slot: the wheel's own; -1 from the beginning.
    """

    deadline: float
    wheel_slot: int


_NEVER = math.inf

Item = TypeVar("Item", bound=Waiting)


class Wheel(Generic[Item]):
    """Items by deadline, in slots of one resolution.

    An item never falls due before its deadline and, if ``advance`` is called in time, at
    most one resolution after it. The far future costs nothing: slots exist when used.
    ``len()`` counts the items in it; an item whose deadline became infinite
    without a ``put`` is counted until its slot is reached.
    """

    __slots__ = ("_live", "_order", "_rate", "_resolution", "_slots")

    def __init__(self, resolution: float = 0.1) -> None:
        """Make an empty wheel.

        Args:
            resolution: seconds that a slot lasts.
        """
        self._resolution = resolution
        self._rate = 1 / resolution
        self._slots: dict[int, list[Item]] = {}
        self._order: list[int] = []  # a heap of the keys of _slots
        self._live = 0

    def __len__(self) -> int:
        return self._live

    @property
    def next_due(self) -> float:
        """When ``advance`` has something to look at; ``math.inf`` when it is empty."""
        return self._order[0] * self._resolution if self._order else _NEVER

    def put(self, item: Item, deadline: float) -> None:
        """Let an item wait, or note that its deadline has changed.

        Args:
            item: what waits.
            deadline: its ``deadline``; ``math.inf`` takes it out.
        """
        current = item.wheel_slot
        if deadline == _NEVER:
            if current >= 0:
                item.wheel_slot = -1
                self._live -= 1
            return
        slot = int(deadline * self._rate) + 1
        if current < 0:
            self._live += 1
        elif current <= slot:
            return
        item.wheel_slot = slot
        try:
            self._slots[slot].append(item)
        except KeyError:
            self._slots[slot] = [item]
            heappush(self._order, slot)

    def advance(self, now: float) -> list[Item]:
        """Take out what is due.

        Args:
            now: monotonic seconds.

        Returns:
            The items whose deadline has passed, no longer in the wheel.
        """
        due: list[Item] = []
        later: list[Item] = []
        order = self._order
        while order and order[0] * self._resolution <= now:
            slot = heappop(order)
            for item in self._slots.pop(slot):
                if item.wheel_slot != slot:
                    continue
                item.wheel_slot = -1
                self._live -= 1
                if item.deadline <= now:
                    due.append(item)
                else:
                    later.append(item)
        for item in later:
            self.put(item, item.deadline)
        return due
