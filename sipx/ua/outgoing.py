"""Requests that the node itself sends: out of a dialog's hands, into a client transaction.

RFC 3261 section 8.1.  INVITE is a call's business; this is for NOTIFY and whatever else has one
final response and nothing after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from zope.interface import classImplements

from sipx.core.errors import RemoteError
from sipx.core.nameaddr import parse_nameaddr
from sipx.net.interfaces import IClientUser

if TYPE_CHECKING:
    from sipx.core.flowid import FlowId
    from sipx.core.message import Request, Response
    from sipx.net.interfaces import IHops, ISignaling
    from sipx.net.layer import ClientTransaction

Done = Callable[[int, "Response | None", float], None]

_HEAD: Final = 1000  # bytes that lines and Via have, about


class Outgoing:
    """Sends requests and tells what came of them."""

    def __init__(self, signaling: ISignaling, hops: IHops, monotonic: Callable[[], float]) -> None:
        self._signaling = signaling
        self._hops = hops
        self._monotonic = monotonic

    def send(self, request: Request, flow: FlowId | None, done: Done) -> None:
        """Send a request.

        Args:
            request: complete but for its Via; now the transaction's.
            flow: what the peer came over; used while it lives, unless a Route leads elsewhere.
            done: called once with the final status, the response (None when there was none: 408
                no answer in time, 503 no way there) and monotonic seconds.
        """
        try:
            if request.has("route"):
                uri = parse_nameaddr(request.every("route")[0], "Route").uri
            else:
                uri = request.uri
        except RemoteError:
            done(503, None, self._monotonic())
            return

        def found(way: Any) -> None:
            now = self._monotonic()
            if isinstance(way, Exception):
                done(503, None, now)
                return
            self._signaling.send(request, way, self, now, note=done)
            self._signaling.outbox.flush()

        self._hops.reach(uri, flow, len(request.body) + _HEAD, found)

    # -- IClientUser -------------------------------------------------------------------

    def response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Tell of a final response."""
        if response.status >= 200:
            transaction.note(response.status, response, now)

    def failed(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """Tell that there will be none."""
        transaction.note(status, None, now)


classImplements(Outgoing, IClientUser)
