"""The ``local`` transport: requests for feature servers of this node, without a socket.

The same transaction layer and the same messages; each side gets a copy of its own.  A flow
has two ends, and what one end sends the layer receives on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import classImplements

from sipx.core.flowid import FlowId
from sipx.interfaces import IFlow, ITransport

if TYPE_CHECKING:
    from sipx.net.layer import TransactionLayer


class LocalFlow:
    """One end of the way between the proxy and a server.

    Attributes:
        server: the server's name.
        other: the end that receives what this one sends.
    """

    __slots__ = ("_transport", "address", "id", "other", "sent_by", "server")

    transport = "local"
    reliable = True
    alive = True

    def __init__(self, transport: LocalTransport, server: str, port: int) -> None:
        self._transport = transport
        self.server = server
        self.address = ("localhost", port)
        self.sent_by = f"SIP/2.0/LOCAL localhost:{port};branch="
        self.id = FlowId("local", "localhost", port, "localhost", 3 - port)
        self.other: LocalFlow = self

    def send(self, message: Any) -> None:
        """Hand a message over; the receiver owns it from now on."""
        self._transport.deliver(message, self.other)

    def at(self, port: int) -> LocalFlow:
        """There is nothing but this flow."""
        return self


classImplements(LocalFlow, IFlow)


class LocalTransport:
    """All feature servers of this node that requests can be sent to."""

    name = "local"
    reliable = True

    def __init__(self, layer: TransactionLayer, monotonic: Callable[[], float]) -> None:
        self._layer = layer
        self._monotonic = monotonic
        self._servers: dict[str, LocalFlow] = {}

    def open(self, server: str) -> LocalFlow:
        """The proxy's end of the way to a server; made when first asked for."""
        found = self._servers.get(server)
        if found is None:
            found = self._servers[server] = LocalFlow(self, server, 1)
            found.other = LocalFlow(self, server, 2)
            found.other.other = found
        return found

    def deliver(self, message: Any, end: LocalFlow) -> None:
        """Let the layer receive a message at an end."""
        self._layer.message(message, message, end, self._monotonic())

    # -- ITransport ------------------------------------------------------------------

    def addresses(self) -> Sequence[tuple[str, int]]:
        """It listens nowhere."""
        return ()

    def flow(self, flow_id: FlowId) -> LocalFlow | None:
        """Servers are found by name, not by flow."""
        return None

    def reach(self, host: str, port: int, done: Callable[[Any], None], name: str = "") -> None:
        """Open the way to the server of that name."""
        done(self.open(host))


classImplements(LocalTransport, ITransport)
