"""Is there room for it, and does the node still take calls?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.proxy.passage import Rejection

if TYPE_CHECKING:
    from sipx.net.interfaces import ISignaling
    from sipx.proxy.passage import Passage

RETRY_AFTER: Final = "60"  # seconds, as sipXecs' congestion policy
_STATELESS: Final = frozenset({"ACK", "CANCEL"})
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
        method = passage.request.method
        # A To tag proves nothing: whether what is let in here belongs to a dialog, ``Reserved``
        # asks when the state in its Route was opened.
        if self._signaling.full and method not in _IN_CALL and not passage.in_dialog:
            return _refusal("Too Many Transactions")
        if self.draining and method == "INVITE" and not passage.in_dialog:
            return _refusal("The Server Is Stopping")
        return None


class Reserved:
    """Refuses, while the node is full, what says to be in a dialog and cannot show it.

    Stands behind ``routeset``, which opens the dialog's state.
    """

    def __init__(self, signaling: ISignaling) -> None:
        self._signaling = signaling

    def check(self, passage: Passage) -> Rejection | None:
        if not self._signaling.full or passage.state is not None:
            return None
        if passage.request.method in _STATELESS:
            return None
        return _refusal("Too Many Transactions")


def _refusal(reason: str) -> Rejection:
    return Rejection(503, reason, [("retry-after", RETRY_AFTER)])
