"""Requests that end here: handed to their request server, answered in a server transaction.

What follows an INVITE goes to servers that take calls (ICallServer): that it was given up, and the
ACK of its 2xx, which is a request of its own (RFC 3261 section 13.2.2.4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from zope.interface import classImplements

from sipx.core.errors import RemoteError
from sipx.core.message import reply
from sipx.interfaces import ICallServer
from sipx.net.interfaces import IServerUser
from sipx.ua.incoming import IncomingRequest

if TYPE_CHECKING:
    from sipx.core.message import Request, Response
    from sipx.interfaces import IFlow, IRequestServer
    from sipx.net.interfaces import ISignaling
    from sipx.net.layer import ServerTransaction
    from sipx.proxy.servers import Servers

_log = Logger()


class Serving:
    """Hands requests to the servers of this node."""

    def __init__(self, signaling: ISignaling, servers: Servers, stateless_tag: str) -> None:
        self._signaling = signaling
        self._servers = servers
        self._tag = stateless_tag

    def local(self, request: Request, flow: Any, now: float) -> None:
        """Take a request that came over the local transport.

        A CANCEL that comes here matches nothing: its INVITE has been answered.
        """
        server = self._servers.named(flow.server)
        if request.method == "ACK":
            if server is not None:
                self.acknowledge(server, request, now)
        elif request.method == "CANCEL" or server is None:
            status = 481 if request.method == "CANCEL" else 480
            self._signaling.reply(request, flow, reply(request, status, "", self._tag))
        else:
            self.serve(server, request, flow, "", "", now)

    def serve(
        self,
        server: IRequestServer,
        request: Request,
        flow: IFlow,
        user: str,
        instrument: str,
        now: float,
    ) -> None:
        """Let a server answer a request; one that fails answers 500."""
        answering = Answering(self._signaling, server, request, flow, user, instrument, now)
        incoming = answering.incoming
        try:
            server.handle(incoming)
        except RemoteError as error:
            incoming.reject(error.status, error.reason, now)
        except Exception:
            _log.failure(
                "{server} failed to answer {request!r}", server=server.name, request=request
            )
            incoming.reject(500, "Server Internal Error", now)
        answering.wait(now)

    def acknowledge(self, server: IRequestServer, request: Request, now: float) -> None:
        """Tell a server that takes calls of an ACK."""
        if not ICallServer.providedBy(server):
            return
        try:
            server.acknowledged(request, now)
        except Exception:
            _log.failure("{server} failed at {request!r}", server=server.name, request=request)


class Answering:
    """How a request server answers: what is answered at once needs no transaction machine.

    Attributes:
        incoming: what the server sees.
    """

    __slots__ = ("_answered", "_server", "_signaling", "_transaction", "incoming")

    def __init__(
        self,
        signaling: ISignaling,
        server: IRequestServer,
        request: Request,
        flow: IFlow,
        user: str,
        instrument: str,
        now: float,
    ) -> None:
        self._signaling = signaling
        self._server = server
        self._answered = False
        self._transaction: ServerTransaction | None = None
        self.incoming = IncomingRequest(
            request, flow, user, instrument, signaling.new_tag(), now, self.respond
        )

    def respond(self, response: Response, now: float) -> None:
        """Send a response; after a final one only the transaction knows what may follow."""
        if self._answered:
            return
        transaction = self._transaction
        if transaction is None:
            request = self.incoming.request
            if response.status >= 200 and request.method != "INVITE":
                self._answered = True
                self._signaling.answer(request, self.incoming.flow, response)
                return
            transaction = self._accept(now)
        self._signaling.respond(transaction, response, now)

    def wait(self, now: float) -> None:
        """The server has seen the request: if it answers later, there is a transaction."""
        if not self._answered and self._transaction is None:
            self._accept(now)

    def _accept(self, now: float) -> ServerTransaction:
        incoming = self.incoming
        transaction = self._signaling.accept(incoming.request, incoming.flow, self, now)
        transaction.to_tag = incoming.to_tag
        self._transaction = transaction
        return transaction

    def abandon(self, status: int, reason: str, now: float) -> None:
        """Answer for a server that has not; what it says later is not sent."""
        self.respond(self.incoming.reply(status, reason), now)
        if self.incoming.request.method == "INVITE":
            self._tell(now)

    # -- IServerUser -------------------------------------------------------------------

    def canceled(self, transaction: ServerTransaction, cancel: Request, now: float) -> None:
        """Answer the INVITE (9.2), so that no server can keep its caller."""
        self.abandon(487, "", now)

    def unanswered(self, transaction: ServerTransaction, now: float) -> None:
        """The answer was lost; the peer asks again."""

    def _tell(self, now: float) -> None:
        server = self._server
        if not ICallServer.providedBy(server):
            return
        try:
            server.canceled(self.incoming, now)
        except Exception:
            _log.failure(
                "{server} failed at the end of {request!r}",
                server=server.name,
                request=self.incoming.request,
            )


classImplements(Answering, IServerUser)
