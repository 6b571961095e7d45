"""Does it travel in circles?  Max-Forwards, loops, breadth: RFC 3261 16.3, RFC 5393."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.core.errors import RemoteError
from sipx.core.message import header_line
from sipx.proxy.passage import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipx.core.message import Request
    from sipx.proxy.passage import Passage

DEFAULT_MAX_FORWARDS: Final = 70  # RFC 3261 section 16.6 step 3
LARGEST_MAX_FORWARDS: Final = 255
MOST_SPIRALS: Final = 5  # visits of one request to this node, each by another way
DEFAULT_MAX_BREADTH: Final = 60  # RFC 5393 section 5.3.3
LARGEST_MAX_BREADTH: Final = 1000


class MaxForwards:
    """Counts hops down; a request without a count gets one (16.3 step 3, 16.6 step 3)."""

    def check(self, passage: Passage) -> Rejection | None:
        request = passage.request
        names = request.names
        if "max-breadth" in names:
            breadth = request.number("max-breadth", "Max-Breadth", LARGEST_MAX_BREADTH)
            passage.breadth = breadth or 0
        else:
            passage.breadth = DEFAULT_MAX_BREADTH
        if "max-forwards" not in names:
            request.add("max-forwards", str(DEFAULT_MAX_FORWARDS))
            return None
        place = names.index("max-forwards")
        less = _ONE_LESS.get(request.lines[place])
        if less is None:
            left = request.number("max-forwards", "Max-Forwards", LARGEST_MAX_FORWARDS)
            if not left:
                return Rejection(483, "Too Many Hops")
            less = _line(left - 1)
        request.lines[place] = less
        return None


def _line(left: int) -> bytes:
    return header_line("max-forwards", str(left))


# As most write it, to what it becomes.
_ONE_LESS: Final = {_line(left): _line(left - 1) for left in range(1, LARGEST_MAX_FORWARDS + 1)}


class Loops:
    """Finds requests that were here before and would take the same way again (RFC 5393 4.2)."""

    def __init__(self, is_own: Callable[[str, int | None], bool]) -> None:
        """Take the question whether a sent-by (host, port) is this node's."""
        self._is_own = is_own

    def check(self, passage: Passage) -> Rejection | None:
        request = passage.request
        names = request.names
        straight = False
        if names.count("via") == 1:
            via = request.via
            straight = not self._is_own(via.host, via.port) and b"," not in _first_via(request)
        if straight and request.method == "REGISTER" and "route" not in names:
            return None  # it ends here, so nobody will look for its digest
        passage.loop = loop = _digest(request)
        if straight:
            return None
        try:
            vias = request.vias()
        except RemoteError as error:
            return Rejection(error.status, error.reason)
        own = [via.branch.rpartition(".")[2] for via in vias if self._is_own(via.host, via.port)]
        if loop in own:
            return Rejection(482, "Loop Detected")
        if len(own) > MOST_SPIRALS:
            return Rejection(482, "It Has Been Here Too Often")
        passage.spirals = len(own)
        return None


def _first_via(request: Request) -> bytes:
    return request.lines[request.names.index("via")]


# Python's own keyed hash: our branches come back to this process or not at all.
_HASH_MASK: Final = 0xFFFFFFFFFFFF


def _digest(request: Request) -> str:
    """What decides the way of a request: the same digest means the same way."""
    text = request.uri_text
    if "route" in request.names:
        text += "|" + "|".join(request.every("route"))
    return f"{hash(text) & _HASH_MASK:x}"
