"""Tags, branches and Call-IDs: unique, cheap, and not to be guessed (RFC 3261 section 19.3)."""

from __future__ import annotations

from sipx.core.via import MAGIC_COOKIE


class Identifiers:
    """Makes identifiers of a random prefix and a counter.

    The prefix has 64 random bits and is the node's secret until it is seen; a counter
    behind it costs a tenth of fresh randomness. What must not be guessed by somebody who has
    seen others (nonces, keys) is not made here.
    """

    __slots__ = ("_count", "_prefix")

    def __init__(self, random: bytes) -> None:
        """Take 8 random bytes, new at each start."""
        self._prefix = random.hex()
        self._count = 0

    def tag(self) -> str:
        """A tag."""
        self._count += 1
        return f"{self._prefix}{self._count:x}"

    def branch(self, loop: str = "") -> str:
        """A branch; what it carries to recognize loops by stands after its dot."""
        self._count += 1
        return f"{MAGIC_COOKIE}{self._prefix}{self._count:x}.{loop}"
