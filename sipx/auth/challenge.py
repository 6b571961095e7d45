"""The challenges that a node sends: which algorithms, in which order."""

from __future__ import annotations

from typing import Final

from sipx.core.digest import MD5, SHA256, Algorithm, Challenge
from sipx.node.options import words

OFFERABLE: Final = {"md5": MD5, "sha-256": SHA256}
"""What may be offered, as ``--digest`` names it.

The order in which they are offered matters to phones in the field: many, and SIPp, read the
first challenge only, and older ones know MD5 alone.
"""

parse_algorithms = words(*OFFERABLE)
"""Read the value of ``--digest``: the names in the order given."""


class ChallengeWriter:
    """Writes the challenges of one realm; all but nonce and stale is prepared."""

    def __init__(self, realm: str, algorithms: tuple[Algorithm, ...]) -> None:
        self._around: list[tuple[str, str]] = []
        for algorithm in algorithms:
            before, _, after = str(Challenge(realm, "\0", algorithm.name)).rpartition("\0")
            self._around.append((before, after))

    def write(self, nonce: str, stale: bool) -> list[str]:
        """Give one header value per algorithm.

        Args:
            nonce: hexadecimal, the same in all of them.
            stale: True when only the nonce of the last answer was at fault.
        """
        if stale:
            return [f"{before}{nonce}{after}, stale=true" for before, after in self._around]
        return [f"{before}{nonce}{after}" for before, after in self._around]
