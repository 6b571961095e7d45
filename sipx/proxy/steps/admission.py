"""Is there room for it, and does the node still take calls?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.proxy.passage import Rejection

if TYPE_CHECKING:
    from sipx.net.interfaces import ISignaling
    from sipx.proxy.passage import Passage

RETRY_AFTER: Final = "60"  # seconds, as sipXecs' congestion policy
_IN_CALL: Final = frozenset({"ACK", "BYE", "CANCEL"})


class Admission:
    """Refuses new requests while the node is full, and new calls while it stops.

    What belongs to a call that stands is never refused (sipXecs' congestion rule).

    Attributes:
        draining: the node is stopping.
    """

    def __init__(self, signaling: ISignaling) -> None:
        self._signaling = signaling
        self.draining = False

    def check(self, passage: Passage) -> Rejection | None:
        if not self.draining and not self._signaling.full:
            return None
        if passage.in_dialog or passage.request.method in _IN_CALL:
            return None
        if self.draining and passage.request.method != "INVITE":
            return None
        reason = "The Server Is Stopping" if self.draining else "Too Many Transactions"
        return Rejection(503, reason, [("retry-after", RETRY_AFTER)])
