"""What the transaction layer offers to those above it, and what it asks of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sipx.core.flowid import FlowId
    from sipx.core.locating import Question
    from sipx.core.message import Request, Response
    from sipx.core.uri import Uri
    from sipx.interfaces import IFlow, ITransport
    from sipx.net.layer import ClientTransaction, ServerTransaction
    from sipx.net.outbox import Outbox
    from sipx.net.resolver.wire import Answer


class ITransactionUser(Interface):
    """Who takes the requests that belong to no transaction: the proxy."""

    def request(request: Request, flow: IFlow, now: float) -> None:
        """Take a new request; also an ACK or a CANCEL that matches nothing.

        Its Via has been stamped (RFC 3581).  It may have defects.
        """


class IServerUser(Interface):
    """Who answers a server transaction."""

    def canceled(transaction: ServerTransaction, cancel: Request, now: float) -> None:
        """A CANCEL for it came; the layer has answered the CANCEL."""

    def unanswered(transaction: ServerTransaction, now: float) -> None:
        """Nobody acknowledged the final response, or it could not be sent."""


class IClientUser(Interface):
    """Who waits for the responses of a client transaction."""

    def response(transaction: ClientTransaction, response: Response, now: float) -> None:
        """A response came; its topmost Via, ours, has been taken off."""

    def failed(transaction: ClientTransaction, status: int, now: float) -> None:
        """There will be no final response: 408 in time, or 503, the peer is not reachable."""


class ISignaling(Interface):
    """The transaction layer of a node."""

    user: ITransactionUser = Attribute("Who takes new requests; set once, before the start.")
    outbox: Outbox = Attribute("What the current turn sends.")
    transactions: int = Attribute("How many there are.")
    full: bool = Attribute("Whether new requests must be refused for want of room.")
    back: Any = Attribute(
        "IHops.back, or None: where a response goes when its connection is gone for good."
    )

    def add_transport(transport: ITransport) -> None:
        """Make a transport known."""

    def transport(name: str) -> ITransport | None:
        """Find a transport by its name."""

    def transports() -> Sequence[ITransport]:
        """All transports that there are now."""

    def accept(request: Request, flow: IFlow, user: IServerUser, now: float) -> ServerTransaction:
        """Make the server transaction of a request (17.2)."""

    def respond(transaction: ServerTransaction, response: Response, now: float) -> None:
        """Send a response in a transaction; the transaction may refuse it silently."""

    def new_tag() -> str:
        """Make a To tag."""

    def answer(request: Request, flow: IFlow, response: Response) -> None:
        """Give the final response to a request that is not an INVITE, without ``accept``."""

    def reply(request: Request, flow: IFlow, response: Response) -> None:
        """Answer a request without a transaction."""

    def send(
        request: Request,
        flow: IFlow,
        user: IClientUser,
        now: float,
        loop: str = "",
        note: Any = None,
    ) -> ClientTransaction:
        """Send a request in a client transaction (17.1); our Via is put on it."""

    def send_stateless(request: Request, flow: IFlow, loop: str = "") -> None:
        """Send a request without a transaction: an ACK for a 2xx."""

    def give_up(transaction: ServerTransaction, now: float) -> None:
        """End a non-INVITE transaction without an answer: it would come too late (RFC 4320)."""

    def cancel(transaction: ClientTransaction, now: float) -> None:
        """Send CANCEL for an INVITE that got a provisional response (9.1)."""

    def unanswered() -> Sequence[ServerTransaction]:
        """All server transactions that await their final response."""

    def drained(call: Callable[[], None]) -> None:
        """Call back, once, when no server transaction awaits its final response any more."""


class IResolver(Interface):
    """What the DNS says, from memory as far as possible."""

    def ask(question: Question, done: Callable[[Answer], None]) -> None:
        """Ask; ``done`` is called once, at once when the answer is known.

        However the name servers behave, that takes seconds at most; an answer with ``failed``
        says that none of them had one.
        """


class IHops(Interface):
    """Finds the flows that requests leave by (RFC 3261 section 8.1.2, RFC 3263)."""

    def find(uri: Uri, flow_id: FlowId | None, size: int) -> IFlow | None:
        """Find a flow at once; None when it takes ``reach``."""

    def reach(uri: Uri, flow_id: FlowId | None, size: int, done: Callable[[Any], None]) -> None:
        """Find or open the best flow: ``done`` gets an IFlow or an Exception."""

    def ways(uri: Uri, size: int, done: Callable[[Any], None]) -> None:
        """Find all next hops: ``done`` gets sipx.net.ways.Ways or an Exception."""

    def back(transport: str, host: str, port: int | None, done: Callable[[Any], None]) -> None:
        """Find a flow for a response by the sent-by of its Via: an IFlow or an Exception."""
