"""The transaction layer: messages in and out, matched to transactions (RFC 3261 section 17).

Drives the machines of ``sipx.core.transactions``; holds no socket and no clock.  Flows hand
it what they received, the ticker hands it ``now``, the outbox sends what it made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger
from zope.interface import classImplements

from sipx.core.errors import RemoteError
from sipx.core.message import Message, Request, Response, header_line, reply, trying
from sipx.core.parser import LARGEST_MESSAGE, VERSION_DEFECT, parse_datagram
from sipx.core.transaction import Action, Input, State
from sipx.core.via import MAGIC_COOKIE, Via
from sipx.core.wheel import Wheel
from sipx.net.answers import Answers
from sipx.net.interfaces import ISignaling
from sipx.net.transactions import (
    RELEASED,
    ClientTransaction,
    InviteClientTransaction,
    InviteServerTransaction,
    NonInviteClientTransaction,
    NonInviteServerTransaction,
    ServerTransaction,
)

if TYPE_CHECKING:
    from sipx.core.identifiers import Identifiers
    from sipx.interfaces import IFlow, ITransport
    from sipx.net.interfaces import IClientUser, IServerUser, ITransactionUser
    from sipx.net.outbox import Outbox
    from sipx.net.trace import WireTrace

__all__ = ["ClientTransaction", "Counters", "ServerTransaction", "TransactionLayer"]

_log = Logger()

MOST_TRANSACTIONS: Final = 400_000  # above it new requests get 503; 1 KiB each, about

_RESPOND: Final = (
    Input.RESPOND_FINAL,
    Input.RESPOND_PROVISIONAL,
    Input.RESPOND_SUCCESS,
    Input.RESPOND_FINAL,
    Input.RESPOND_FINAL,
    Input.RESPOND_FINAL,
    Input.RESPOND_FINAL,
)
_RECEIVE: Final = (
    Input.FINAL,
    Input.PROVISIONAL,
    Input.SUCCESS,
    Input.FINAL,
    Input.FINAL,
    Input.FINAL,
    Input.FINAL,
)
_SEND: Final = Action.SEND
_CONTENT_LENGTH_0: Final = b"Content-Length: 0"


class Counters:
    """What the layer dropped, and why."""

    __slots__ = ("malformed", "not_sip", "orphan_responses")

    def __init__(self) -> None:
        self.malformed = 0  # SIP that could not even be answered
        self.not_sip = 0
        self.orphan_responses = 0


class TransactionLayer:
    """All transactions of a node.

    Attributes:
        user: who takes new requests.
        outbox: what the current turn sends.
        counters: what was dropped.
        answers: given at once, and given again.
        full: new requests must be refused for want of room; looked at each tick.
        back: finds a flow by the sent-by of a Via; None when nobody can.
    """

    def __init__(
        self, outbox: Outbox, trace: WireTrace, identifiers: Identifiers, utc: Callable[[], float]
    ) -> None:
        self.user: ITransactionUser
        self.outbox = outbox
        outbox.on_withheld = self._withheld
        self.counters = Counters()
        self.full = False
        self.back: Callable[[str, str, int | None, Callable[[Any], None]], None] | None = None
        self._put = outbox.put
        self._trace = trace
        self._record = trace.record
        self._identifiers = identifiers
        self._utc = utc
        self._transports: dict[str, ITransport] = {}
        self._servers: dict[str, ServerTransaction] = {}
        self._clients: dict[str, ClientTransaction] = {}
        self.answers = Answers()
        self._on_connection: dict[IFlow, dict[str, ClientTransaction]] = {}
        self._wheel: Wheel[Any] = Wheel()
        self._unanswered = 0  # server transactions without a final response
        self._drained: list[Callable[[], None]] = []

    # -- what the node asks ----------------------------------------------------------

    @property
    def transactions(self) -> int:
        """How many transactions there are."""
        return len(self._servers) + len(self._clients) + len(self.answers)

    @property
    def timers(self) -> int:
        """How many transactions wait for a time."""
        return len(self._wheel)

    def add_transport(self, transport: ITransport) -> None:
        """Make a transport known."""
        self._transports[transport.name] = transport

    def transport(self, name: str) -> ITransport | None:
        """Find a transport by its name."""
        return self._transports.get(name)

    def transports(self) -> Sequence[ITransport]:
        """All transports."""
        return list(self._transports.values())

    def drained(self, call: Callable[[], None]) -> None:
        """Call back, once, when no server transaction awaits its final response."""
        if self._unanswered:
            self._drained.append(call)
        else:
            call()

    def unanswered(self) -> Sequence[ServerTransaction]:
        """All server transactions that await their final response."""
        return [
            transaction
            for transaction in self._servers.values()
            if transaction.state < State.ACCEPTED
        ]

    def tick(self, now: float) -> None:
        """Fire the timers that are due, and send what they made."""
        for transaction in self._wheel.advance(now):
            self._expired(transaction, now)
        self.answers.tick(now)
        self.full = self.transactions >= MOST_TRANSACTIONS
        self.outbox.flush()

    # -- what flows hand in ----------------------------------------------------------

    def datagram(self, data: bytes, flow: IFlow, now: float) -> None:
        """Take what one datagram held; nothing that it holds raises."""
        if len(data) < 12:  # a CRLF or NUL keep-alive
            if data.strip(b"\r\n\0 "):
                self.counters.not_sip += 1
            return
        try:
            message = parse_datagram(data)
        except RemoteError:
            self.counters.not_sip += 1
            return
        if len(data) >= LARGEST_MESSAGE:
            message.defects += ("Message Too Large",)
        self.message(message, data, flow, now)

    def message(self, message: Message, data: Any, flow: IFlow, now: float) -> None:
        """Take a message.

        Args:
            message: parsed; now the layer's.
            data: its bytes, or the message itself on a local flow, for the trace.
            flow: what it came over.
            now: monotonic seconds.
        """
        call_id = _call_id(message)
        if flow.transport != "local":  # there it was recorded when it was sent
            self._record(True, flow, data, call_id, self._utc())
        try:
            if type(message) is Request:
                self._request(message, flow, now)
            else:
                self._response(message, now)  # type: ignore[arg-type]  # there are only two
        except RemoteError:
            self.counters.malformed += 1
        except Exception:  # or the reactor would close the socket that it came from
            _log.failure("A message could not be processed: {message!r}", message=message)

    def _request(self, request: Request, flow: IFlow, now: float) -> None:
        try:
            via = request.via
        except RemoteError as error:
            self.counters.malformed += 1
            self._refuse_via(request, flow, error)
            return
        params = via.params
        if via.host != flow.id.host or "rport" in params or "received" in params:
            # RFC 3261 section 18.2.1, RFC 3581 section 4; what the peer wrote there is not believed
            params["received"] = flow.id.host
            if "rport" in params:
                params["rport"] = str(flow.id.port)
            request.set_via(via)
        method = request.method
        if method == "ACK" or method == "CANCEL":
            key = _server_key(request, via, "INVITE")
        else:
            key = _server_key(request, via, method)
        request.transaction_key = key
        transaction = self._servers.get(key)
        if transaction is None:
            answered = self.answers.get(key)
            if answered is None:
                self.user.request(request, flow, now)
            else:
                self._emit(*answered)
            return
        if method == "CANCEL":
            if transaction.belongs(request):
                self._cancel_received(transaction, request, flow, now)
            else:  # whoever saw the Via can write it; the rest must be the INVITE's (9.1)
                self.user.request(request, flow, now)
            return
        before = transaction.state
        if method == "ACK":
            actions = transaction.feed(Input.ACK, now)
            if Action.DELIVER in actions:  # for a 2xx, with the branch of its INVITE
                self.user.request(request, flow, now)
                return
        else:
            actions = transaction.feed(Input.REQUEST, now)
        self._perform_server(transaction, before, actions, now)

    def _refuse_via(self, request: Request, flow: IFlow, error: RemoteError) -> None:
        """Say what is wrong with a Via where the request came from (RFC 4475 3.1.2.1, 3.1.2.16).

        Without any Via nobody could know what is answered.
        """
        if request.method == "ACK" or "via" not in request.names or flow.transport == "local":
            return
        status, reason = error.status, error.reason
        if VERSION_DEFECT in request.defects:
            status, reason = 505, VERSION_DEFECT
        response = reply(request, status, reason, self._identifiers.tag())
        self._emit(flow, self._wire(response, flow), _call_id(request))

    def _cancel_received(
        self, transaction: ServerTransaction, cancel: Request, flow: IFlow, now: float
    ) -> None:
        """Answer CANCEL for a known INVITE; no transaction is kept for it (9.2, idempotent)."""
        response = reply(cancel, 200, "OK", transaction.to_tag)
        self.reply(cancel, flow, response)
        if transaction.state is State.TRYING or transaction.state is State.PROCEEDING:
            transaction.user.canceled(transaction, cancel, now)

    def _response(self, response: Response, now: float) -> None:
        if response.defects:
            self.counters.malformed += 1
            return
        branch = response.via.branch
        if response.cseq[1] == "CANCEL":
            branch += "|CANCEL"
        transaction = self._clients.get(branch)
        if transaction is None:
            self.counters.orphan_responses += 1
            return
        if transaction.method != response.cseq[1]:
            self.counters.malformed += 1
            return
        status = response.status
        actions = transaction.feed(_RECEIVE[status // 100], now)
        self._wheel.put(transaction, transaction.deadline)
        if status >= 200 and transaction.request is not RELEASED:
            if status >= 300 and transaction.method == "INVITE":
                self._make_ack(transaction, response)
            transaction.request = RELEASED
            transaction.wire = b""
        for action in actions:
            if action is Action.DELIVER:
                response.pop_first("via")
                transaction.user.response(transaction, response, now)
            elif action is Action.SEND_ACK:
                self._emit(transaction.flow, transaction.ack, transaction.call_id)
            elif action is Action.END:
                self._forget_client(transaction)

    # -- server transactions ---------------------------------------------------------

    def accept(
        self, request: Request, flow: IFlow, user: IServerUser, now: float
    ) -> ServerTransaction:
        """Make the server transaction of a request (17.2)."""
        transaction: ServerTransaction
        if request.method == "INVITE":
            transaction = InviteServerTransaction(flow.reliable, now)
        else:
            transaction = NonInviteServerTransaction(flow.reliable, now)
        transaction.key = key = request.transaction_key
        transaction.request = request
        transaction.call_id = _call_id(request)
        transaction.origin = request.from_.tag, request.cseq[0]
        transaction.flow = self._reply_flow(request, flow)
        if flow.reliable:
            via = request.via
            port = via.port or (5061 if flow.transport == "tls" else 5060)
            transaction.back = via.params.get("received") or via.host, port
            transaction.sent_by = via.host, via.port
        transaction.user = user
        transaction.to_tag = self._identifiers.tag()
        transaction.received = now
        transaction.wire = None
        self._servers[key] = transaction
        self._unanswered += 1
        transaction.feed(Input.START, now)
        self._wheel.put(transaction, transaction.deadline)
        return transaction

    def new_tag(self) -> str:
        """Make a To tag."""
        return self._identifiers.tag()

    def answer(self, request: Request, flow: IFlow, response: Response) -> None:
        """Give the final response to a request that is not an INVITE, at once.

        The same as ``accept`` and ``respond``, without a machine: such a transaction goes from
        Trying to Completed and sends its response again when asked, until Timer J (17.2.2),
        which lasts between one and two times 64*T1 here.
        """
        target = self._reply_flow(request, flow)
        answered = target, self._wire(response, target), _call_id(request)
        if not flow.reliable:
            self.answers.keep(request.transaction_key, answered)
        self._emit(*answered)

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        """Send a response in a transaction; the transaction may refuse it silently."""
        status = response.status
        before = transaction.state
        actions = transaction.feed(_RESPOND[status // 100], now)
        if not actions:
            return
        self._wheel.put(transaction, transaction.deadline)
        if before < State.ACCEPTED and status >= 200:
            self._answered()
        transaction.wire = self._wire(response, transaction.flow)
        if status >= 200:
            transaction.request = RELEASED
        self._send_response(transaction)
        if transaction.state is State.TERMINATED:
            self._servers.pop(transaction.key, None)

    def _withheld(self, messages: list[Any]) -> None:
        """What was to be acknowledged could not be written: the request counts as not seen.

        Its retransmission is processed anew, and refused while the journal fails. An INVITE
        stays: its branches are on their way.
        """
        unsent = {id(message) for message in messages}
        self.answers.drop(unsent)
        for key, transaction in list(self._servers.items()):
            if id(transaction.wire) in unsent and isinstance(
                transaction, NonInviteServerTransaction
            ):
                self._wheel.put(transaction, math.inf)
                del self._servers[key]

    def give_up(self, transaction: ServerTransaction, now: float) -> None:
        """End a non-INVITE transaction without an answer: it would come too late (RFC 4320)."""
        if isinstance(transaction, NonInviteServerTransaction):
            before = transaction.state
            actions = transaction.feed(Input.ABANDON, now)
            self._perform_server(transaction, before, actions, now)

    def reply(self, request: Request, flow: IFlow, response: Response) -> None:
        """Answer a request without a transaction."""
        target = self._reply_flow(request, flow)
        self._emit(target, self._wire(response, target), _call_id(request))

    def _send_response(self, transaction: ServerTransaction) -> None:
        flow = transaction.flow
        if flow.alive:
            self._emit(flow, transaction.wire, transaction.call_id)
        else:
            self._send_elsewhere(transaction, flow)

    def _send_elsewhere(self, transaction: ServerTransaction, flow: IFlow) -> None:
        """The connection is gone: send over another one to where it came from (18.2.2).

        When that cannot be had either, the host in the Via is looked for (RFC 3263 section 5).
        """
        transport = self._transports.get(flow.transport)
        if transport is None or flow.transport == "local":
            return
        wire = transaction.wire

        back = self.back

        def opened(found: Any) -> None:
            nonlocal back
            if isinstance(found, Exception):
                if back is not None:
                    ask, back = back, None
                    ask(flow.transport, *transaction.sent_by, opened)
                return  # at the end the client tries again or gives up by its own timer
            transaction.flow = found
            self._emit(found, wire, transaction.call_id)
            self.outbox.flush()

        transport.reach(*transaction.back, opened)

    def _reply_flow(self, request: Request, flow: IFlow) -> IFlow:
        """Where the responses to a request go (18.2.2)."""
        if flow.reliable:
            return flow
        via = request.via
        if "rport" in via.params:
            return flow
        port = via.port or 5060
        return flow if port == flow.id.port else flow.at(port)

    def _perform_server(
        self,
        transaction: ServerTransaction,
        before: State,
        actions: tuple[Action, ...],
        now: float,
    ) -> None:
        self._wheel.put(transaction, transaction.deadline)
        for action in actions:
            if action is _SEND:
                self._send_response(transaction)
            elif action is Action.SEND_TRYING:
                response = trying(transaction.request, now - transaction.received)
                transaction.wire = self._wire(response, transaction.flow)
                self._send_response(transaction)
            elif action is Action.TIMED_OUT or action is Action.UNREACHABLE:
                transaction.user.unanswered(transaction, now)
            elif action is Action.END:
                if before < State.ACCEPTED:  # no final response was ever sent
                    self._answered()
                self._servers.pop(transaction.key, None)

    def _answered(self) -> None:
        self._unanswered -= 1
        if not self._unanswered and self._drained:
            calls, self._drained = self._drained, []
            for call in calls:
                call()

    # -- client transactions ---------------------------------------------------------

    def send(
        self,
        request: Request,
        flow: IFlow,
        user: IClientUser,
        now: float,
        loop: str = "",
        note: Any = None,
    ) -> ClientTransaction:
        """Send a request in a client transaction (17.1).

        Args:
            request: without our Via, which is put on it; now the layer's.
            flow: what to send it over.
            user: who waits for the responses.
            now: monotonic seconds.
            loop: what the branch carries to recognize loops by (16.6 step 8).
            note: the user's own, kept with the transaction.
        """
        transaction: ClientTransaction
        if request.method == "INVITE":
            transaction = InviteClientTransaction(flow.reliable, now)
        else:
            transaction = NonInviteClientTransaction(flow.reliable, now)
        transaction.key = branch = self._identifiers.branch(loop)
        request.prepend("via", flow.sent_by + branch)
        self._start_client(transaction, request, flow, user, now, note)
        return transaction

    def _start_client(
        self,
        transaction: ClientTransaction,
        request: Request,
        flow: IFlow,
        user: IClientUser,
        now: float,
        note: Any,
    ) -> None:
        transaction.request = request
        transaction.method = request.method
        transaction.call_id = _call_id(request)
        transaction.flow = flow
        transaction.user = user
        transaction.ack = None
        transaction.note = note
        transaction.wire = self._wire(request, flow)
        self._clients[transaction.key] = transaction
        if flow.reliable:
            self._on_connection.setdefault(flow, {})[transaction.key] = transaction
        transaction.feed(Input.START, now)
        self._wheel.put(transaction, transaction.deadline)
        self._emit(flow, transaction.wire, transaction.call_id)

    def send_stateless(self, request: Request, flow: IFlow, loop: str = "") -> None:
        """Send a request without a transaction: an ACK for a 2xx."""
        request.prepend("via", flow.sent_by + self._identifiers.branch(loop))
        self._emit(flow, self._wire(request, flow), _call_id(request))

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """Send CANCEL for an INVITE that got a provisional response (9.1)."""
        if transaction.key not in self._clients:
            return
        transaction.feed(Input.CANCEL, now)
        self._wheel.put(transaction, transaction.deadline)
        cancel = _derived(transaction.request, "CANCEL")
        child = NonInviteClientTransaction(transaction.flow.reliable, now)
        child.key = transaction.key + "|CANCEL"
        self._start_client(child, cancel, transaction.flow, _NOBODY, now, None)

    def lost(self, flow: IFlow, now: float) -> None:
        """A connection is gone: tell those who wait for responses on it.

        Server transactions find another way when they have something to send.
        """
        for client in list(self._on_connection.get(flow, {}).values()):
            self._perform_client(client, client.feed(Input.TRANSPORT_ERROR, now), now)
        self.outbox.flush()

    def unreachable(self, transaction: ClientTransaction, now: float) -> None:
        """A request could not be sent."""
        self._perform_client(transaction, transaction.feed(Input.TRANSPORT_ERROR, now), now)

    def _make_ack(self, transaction: ClientTransaction, response: Response) -> None:
        """Make the ACK of a final response other than 2xx (17.1.1.3)."""
        ack = _derived(transaction.request, "ACK")
        ack.set("to", response.get("to") or "")
        transaction.ack = self._wire(ack, transaction.flow)

    def _perform_client(
        self, transaction: ClientTransaction, actions: tuple[Action, ...], now: float
    ) -> None:
        self._wheel.put(transaction, transaction.deadline)
        for action in actions:
            if action is _SEND:
                self._emit(transaction.flow, transaction.wire, transaction.call_id)
            elif action is Action.TIMED_OUT:
                transaction.user.failed(transaction, 408, now)
            elif action is Action.UNREACHABLE:
                transaction.user.failed(transaction, 503, now)
            elif action is Action.END:
                self._forget_client(transaction)

    def _forget_client(self, transaction: ClientTransaction) -> None:
        self._clients.pop(transaction.key, None)
        if transaction.flow.reliable:
            others = self._on_connection.get(transaction.flow)
            if others is not None:
                others.pop(transaction.key, None)
                if not others:
                    del self._on_connection[transaction.flow]

    # -- both ------------------------------------------------------------------------

    def _expired(self, transaction: Any, now: float) -> None:
        before = transaction.state
        actions = transaction.expired(now)
        if isinstance(transaction, (InviteClientTransaction, NonInviteClientTransaction)):
            self._perform_client(transaction, actions, now)
        else:
            self._perform_server(transaction, before, actions, now)

    def _wire(self, message: Request | Response, flow: IFlow) -> Any:
        """What goes over a flow: bytes, or the message itself when it stays in the process."""
        return message.copy() if flow.transport == "local" else message.to_bytes()

    def _emit(self, flow: IFlow, wire: Any, call_id: str) -> None:
        self._record(False, flow, wire, call_id, self._utc())
        if flow.transport == "local":
            wire = wire.copy()  # each end owns what it has
        self._put(flow, wire)


classImplements(TransactionLayer, ISignaling)


class _Nobody:
    """The user of transactions whose outcome does not matter: CANCEL."""

    def response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        pass

    def failed(self, transaction: ClientTransaction, status: int, now: float) -> None:
        pass


_NOBODY: Final[Any] = _Nobody()


def _call_id(message: Message) -> str:
    """The Call-ID for the trace, empty when malformed."""
    try:
        return message.call_id
    except RemoteError:
        return ""


def _server_key(request: Request, via: Via, method: str) -> str:
    """What a server transaction is found by (17.2.3)."""
    branch = via.params.get("branch") or ""
    if branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:  # RFC 4475 section 3.2.1
        return f"{branch}|{via.host.lower()}:{via.port}|{method}"
    # A client of RFC 2543: the To tag is left out, since its ACK has the one we gave.
    try:
        tag, number = request.from_.tag, request.cseq[0]
        return f"{request.uri_text}|{tag}|{request.call_id}|{number}|{via}|{method}"
    except RemoteError:
        return ""  # it will not be accepted; who says so can answer


def _derived(request: Request, method: str) -> Request:
    """Make the ACK or CANCEL that belongs to a request we sent (9.1, 17.1.1.3)."""
    names: list[str] = []
    lines: list[bytes] = []
    via_taken = False
    for name, line in zip(request.names, request.lines, strict=True):
        if name == "via":
            if via_taken:
                continue
            via_taken = True
        elif name not in _DERIVED:
            continue
        names.append(name)
        lines.append(line)
    names += ["cseq", "content-length"]
    lines += [header_line("cseq", f"{request.cseq[0]} {method}"), _CONTENT_LENGTH_0]
    return Request(method, request.uri_text, names, lines)


_DERIVED: Final = frozenset({"from", "to", "call-id", "route", "max-forwards", "reason"})
