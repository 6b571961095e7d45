"""Requests that were answered at once, and what they get when they come again.

Stands for the Completed state of a non-INVITE server transaction (RFC 3261 section 17.2.2)
without a machine and without a timer: answers lie in two generations, of which the older one
goes when a turn is over.  So each is kept between one and two turns of 64*T1; sooner gone only
when strangers send so much that the octets would not have room.
"""

from __future__ import annotations

import math
from collections.abc import Container
from typing import TYPE_CHECKING, Any, Final

from sipx.core.timers import DEFAULT

if TYPE_CHECKING:
    from sipx.interfaces import IFlow

FORGOTTEN_A_TICK: Final = 2_000  # old answers freed at one time: half a millisecond of work
# Octets of answers with their keys and Call-IDs, both generations: 5000 REGISTER a second are
# kept as long as they should be; memory is about twice that for usual ones.
MOST_OCTETS: Final = 192 * 1024 * 1024

Answered = tuple["IFlow", Any, str]  # where to, what, the Call-ID


class Answers:
    """Answers by transaction key.

    Attributes:
        hurried: generations that went before their time for want of room.
    """

    __slots__ = (
        "_forgotten",
        "_former",
        "_former_octets",
        "_latest",
        "_octets",
        "_turns",
        "hurried",
    )

    def __init__(self) -> None:
        self._latest: dict[str, Answered] = {}
        self._former: dict[str, Answered] = {}
        self._forgotten: dict[str, Answered] = {}
        self._octets = 0  # of the latest generation
        self._former_octets = 0
        self._turns = -math.inf  # when the former ones go, and the latest take their place
        self.hurried = 0

    def __len__(self) -> int:
        return len(self._latest) + len(self._former) + len(self._forgotten)

    @property
    def octets(self) -> int:
        """Octets of both generations."""
        return self._octets + self._former_octets

    def get(self, key: str) -> Answered | None:
        """Find what a request was answered."""
        return self._latest.get(key) or self._former.get(key)

    def keep(self, key: str, answered: Answered) -> None:
        """Keep an answer for the case that its request comes again.

        Args:
            key: of the transaction.
            answered: with the octets that were sent.
        """
        _, wire, call_id = answered
        self._latest[key] = answered
        self._octets += len(wire) + len(key) + len(call_id)
        if self._octets > MOST_OCTETS // 2:
            self.hurried += 1
            self._turn()

    def drop(self, messages: Container[int]) -> None:
        """Forget the answers that were not sent, given by the ``id`` of what they hold."""
        for answers in (self._latest, self._former):
            for key in [key for key, answered in answers.items() if id(answered[1]) in messages]:
                del answers[key]

    def tick(self, now: float) -> None:
        """Let a generation go when it is time, and free some of what is forgotten."""
        if now >= self._turns:
            self._turns = now + DEFAULT.timer_j
            self._turn()
        forgotten = self._forgotten
        for _ in range(min(len(forgotten), FORGOTTEN_A_TICK)):
            forgotten.popitem()

    def _turn(self) -> None:
        self._forgotten.update(self._former)
        self._former, self._latest = self._latest, {}
        self._former_octets, self._octets = self._octets, 0
