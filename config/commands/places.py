"""The order of things whose order has a meaning: a place is a number, and only grows.

To move one thing is to change one number: it gets one between those of its neighbors.  When two
neighbors have become too close for that, all are numbered anew.
"""

from __future__ import annotations

from typing import Final

from config.storage import entities
from config.storage.entities import Stored
from config.storage.interfaces import Transaction

STEP: Final = 1024.0  # between neighbors: room for ten moves to the same spot
CLOSEST: Final = 1.0


async def place(
    tx: Transaction, kind: str, name: str, position: int | None
) -> tuple[float, list[tuple[Stored, Stored]]]:
    """Find a place for a thing.

    Args:
        tx: the transaction.
        kind: of the thing.
        name: of the thing, which counts as not being there yet.
        position: from 1; beyond the end, or None, is the end.

    Returns:
        Its place, and the others that had to be numbered anew, as they were and as they are.
    """
    others = [one for one in await entities.of_kind(tx, kind) if one.entity.name != name]
    at = len(others) if position is None else max(0, min(position - 1, len(others)))
    if at == len(others):
        return (others[-1].place + STEP if others else STEP), []
    low = others[at - 1].place if at else others[0].place - 2 * STEP
    high = others[at].place
    if high - low >= 2 * CLOSEST:
        return (low + high) / 2, []
    moved = []
    for number, one in enumerate(others):
        anew = STEP * (number + 1 + (number >= at))
        if one.place != anew:
            after = one._replace(place=anew)
            await entities.put(tx, after)
            moved.append((one, after))
    return STEP * (at + 1), moved
