"""Nonces that any node of a cluster can check, and the counts they were used with.

A nonce is hexadecimal text: eight digits of issue time, four that its issuer drew when it was
started, twelve random ones, and 32 of an HMAC-SHA256 over all these under a key made of the
cluster's key and the realm.  Nothing is stored when one is issued.

Time is the **stamp**: each node takes the wall clock once, at its start, and adds the monotonic
seconds since (``stamp = utc_at_start + monotonic - monotonic_at_start``).  So stepping the wall
clock under a running node changes nothing.  Nodes whose clocks agreed within
`CLOCK_TOLERANCE` when they started take each other's nonces; beyond that a nonce of the other
node is expired, which costs a client that changes nodes one more challenge.

When a nonce has been used *rightly*, the highest count it came with (nc) is kept until the nonce
expires, so that the same answer is not taken twice.  Wrong answers leave no trace here, so a
stranger cannot fill the table or spoil somebody's count.  Two things are let pass knowingly: a
node has not seen the counts of other nodes, nor its own from before a restart, and accepts such
a nonce with any count, once.

The table is bounded.  It is kept by issuer and second of issue; when it is full, the second
that came into it first is closed: its counts go, and all its nonces, used or not, are expired
from then on.  An evicted nonce is therefore dead, not fresh again: overload shortens the life
of nonces (4000 authentications a second, each with a nonce of its own: to 25 s) and never
opens a replay.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from enum import Enum, auto
from math import ceil
from typing import Final

from sipx.core.mac import Mac

LIFE: Final = 300
"""Seconds a nonce may be used; sipXecs' figure."""

CLOCK_TOLERANCE: Final = 60
"""Seconds by which the clocks of two nodes may differ."""

MOST_COUNTED: Final = 100_000
"""Nonces whose counts are kept: about 13 MB."""

_TIME: Final = 8
_SECOND: Final = _TIME + 4  # a second of one issuer
_BODY: Final = _SECOND + 12
_MAC: Final = 32
_RANDOM: Final = (_BODY - _SECOND) // 2  # octets
_POOL: Final = 512 * _RANDOM  # random octets fetched at once: a system call costs more than a nonce


class Verdict(Enum):
    """What a nonce is worth."""

    VALID = auto()
    EXPIRED = auto()
    FORGED = auto()


class Nonces:
    """Issues and checks the nonces of one realm."""

    def __init__(
        self,
        key: bytes,
        realm: str,
        most: int = MOST_COUNTED,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Take what nonces are made with.

        Args:
            key: the same on all nodes that shall take each other's nonces.
            realm: of the challenges.
            most: nonces whose counts are kept.
            random: gives as many random octets as asked for.
        """
        derived = Mac(key).digest(realm.encode("utf-8", "surrogateescape"))
        self._digest = Mac(derived).digest
        self._most = most
        self._random = random
        self._pool = ""
        self._position = 0
        self._issuer = random((_SECOND - _TIME) // 2).hex()
        self._counts: dict[str, dict[str, int]] = {}  # by issuer's second, then by nonce
        self._counted = 0
        self._closed: set[str] = set()  # issuers' seconds that were evicted
        self.evicted = 0

    def issue(self, stamp: float) -> str:
        """Make a nonce.

        Args:
            stamp: seconds, as the module says.
        """
        position = self._position
        if position == len(self._pool):
            self._pool = self._random(_POOL).hex()
            position = 0
        self._position = end = position + 2 * _RANDOM
        body = f"{int(stamp):08x}{self._issuer}{self._pool[position:end]}"
        return body + self._mac(body)

    def check(self, nonce: str, stamp: float) -> Verdict:
        """Say whether a nonce is one of ours and may still be used, whatever its count."""
        if len(nonce) != _BODY + _MAC or not nonce.isascii():
            return Verdict.FORGED
        second = nonce[:_SECOND]
        # One that was used rightly has been checked before.
        known = self._counts.get(second)
        if (known is None or nonce not in known) and not hmac.compare_digest(
            self._mac(nonce[:_BODY]), nonce[_BODY:]
        ):
            return Verdict.FORGED
        if second in self._closed:
            return Verdict.EXPIRED
        age = stamp - int(nonce[:_TIME], 16)
        return Verdict.VALID if -CLOCK_TOLERANCE <= age <= LIFE else Verdict.EXPIRED

    def use(self, nonce: str, count: int, stamp: float) -> bool:
        """Note that a nonce was used.

        Args:
            nonce: one that `check` found valid and that came with a right response.
            count: the nc it came with.
            stamp: seconds, as the module says.

        Returns:
            False when it was used before with this count or a higher one, or the table is
            full of its second: the client needs a fresh nonce.
        """
        second = nonce[:_SECOND]
        counts = self._counts.get(second)
        if counts is None:
            self._expire(stamp)
            counts = self._counts[second] = {}
        highest = counts.get(nonce)
        if highest is None:
            if self._counted >= self._most:
                self._evict()
                if second in self._closed:
                    return False
            self._counted += 1
        elif count <= highest:
            return False
        counts[nonce] = count
        return True

    def counted(self, stamp: float) -> int:
        """Count the nonces whose counts are kept."""
        self._expire(stamp)
        return self._counted

    def _mac(self, body: str) -> str:
        return self._digest(body.encode("ascii")).hex()[:_MAC]

    def _expire(self, stamp: float) -> None:
        oldest = f"{ceil(stamp - LIFE):08x}"  # texts of one length sort as their numbers do
        for second in [second for second in self._counts if second < oldest]:
            self._counted -= len(self._counts.pop(second))
        self._closed = {second for second in self._closed if second >= oldest}

    def _evict(self) -> None:
        """Close the second that came into the table first, which need not be the oldest.

        The oldest would be wrong beside a node whose clock is ahead: its nonces would fill
        the table and ours would be closed as soon as they are issued.
        """
        first = next(iter(self._counts))
        dropped = len(self._counts.pop(first))
        self._counted -= dropped
        self.evicted += dropped
        self._closed.add(first)
