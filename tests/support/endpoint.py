"""The transactions of a simulated user agent: matching of its own, the machines of sipx.core.

Apart from the node's transaction layer, so that one does not excuse the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sipx.core.errors import RemoteError
from sipx.core.message import Request, Response
from sipx.core.parser import parse_datagram
from sipx.core.transaction import Action, Input, State, Transaction
from sipx.core.transactions import InviteClient, InviteServer, NonInviteClient, NonInviteServer
from tests.support.builders import parsed, response
from tests.support.vnet import Address, Network, Timer


class Sent:
    """A request that was sent, and who waits for what comes of it."""

    def __init__(
        self,
        request: Request,
        to: Address,
        machine: Transaction,
        heard: Callable[[Response], None],
        failed: Callable[[], None],
    ) -> None:
        self.request = request
        self.to = to
        self.machine = machine
        self.heard = heard
        self.failed = failed
        self.data = request.to_bytes()
        self.ack = b""
        self.timer: Timer | None = None


class Received:
    """A request that was received."""

    def __init__(self, request: Request, source: Address, machine: Transaction | None) -> None:
        self.request = request
        self.source = source
        self.machine = machine
        self.data = b""
        self.status = 0
        self.timer: Timer | None = None


class Endpoint:
    """A user agent's address with all its transactions.

    Attributes:
        known_as: its address as it knows it itself, which behind a NAT is another.
        received: methods of new requests, in order; retransmissions are none.
        stray: messages that belonged to nothing.
        deaf: nothing arrives.
    """

    def __init__(self, network: Network, address: Address) -> None:
        self.network = network
        self.clock = network.clock
        self.address = address
        self.known_as = address
        self.received: list[str] = []
        self.stray: list[Any] = []
        self.deaf = False
        self._sent: dict[tuple[str, str], Sent] = {}
        self._received: dict[tuple[str, str, str], Received] = {}
        self._count = 0
        self.user: Callable[[Received], None] = lambda received: None
        self.canceled: Callable[[Received], None] = lambda received: None
        network.attach(address, self._arrived)

    @property
    def transactions(self) -> int:
        """How many there are."""
        return len(self._sent) + len(self._received)

    def number(self) -> int:
        """Give a number that was not given before."""
        self._count += 1
        return self._count

    # -- client ------------------------------------------------------------------------

    def send(
        self,
        request: Request,
        to: Address,
        heard: Callable[[Response], None],
        failed: Callable[[], None],
        branch: str = "",
    ) -> Sent:
        """Send a request in a transaction.

        Args:
            request: without our Via.
            to: next hop.
            heard: takes the responses that are not retransmissions; each 2xx to INVITE.
            failed: is told when there will be no final response.
            branch: of a request that shares it: CANCEL.
        """
        branch = branch or self._via(request)
        kind = InviteClient if request.method == "INVITE" else NonInviteClient
        machine = kind(False, self.clock.now)
        sent = Sent(request, to, machine, heard, failed)
        self._sent[branch, request.method] = sent
        self._perform_sent(sent, machine.feed(Input.START, self.clock.now), None)
        return sent

    def abandon(self, sent: Sent) -> None:
        """Wait no longer for the responses to a request: its dialog has ended."""
        if sent.machine.state in {State.CALLING, State.PROCEEDING}:
            self._perform_sent(sent, (Action.END,), None)
            if sent.timer is not None:
                sent.timer.cancel()

    def send_stateless(self, request: Request, to: Address) -> bytes:
        """Send an ACK; gives its bytes, to be sent again."""
        self._via(request)
        data = request.to_bytes()
        self.network.send(data, self.address, to)
        return data

    def again(self, data: bytes, to: Address) -> None:
        """Send bytes again."""
        self.network.send(data, self.address, to)

    def cancel(self, sent: Sent) -> None:
        """Cancel an INVITE."""
        if sent.machine.state is not State.PROCEEDING:
            return
        self._perform_sent(sent, sent.machine.feed(Input.CANCEL, self.clock.now), None)
        cancel = _derived(sent.request, "CANCEL", sent.request.get("to") or "")
        self.send(cancel, sent.to, _ignore, _nothing, sent.request.via.branch)

    def _via(self, request: Request) -> str:
        host, port = self.address
        branch = f"z9hG4bK-{host.replace('.', '-')}-{port}-{self.number()}"
        host, port = self.known_as
        request.prepend("via", f"SIP/2.0/UDP {host}:{port};rport;branch={branch}")
        return branch

    def _perform_sent(
        self, sent: Sent, actions: tuple[Action, ...], message: Response | None
    ) -> None:
        for action in actions:
            if action is Action.SEND:
                self.network.send(sent.data, self.address, sent.to)
            elif action is Action.SEND_ACK:
                assert message is not None
                if not sent.ack:
                    ack = _derived(sent.request, "ACK", message.get("to") or "")
                    sent.ack = ack.to_bytes()
                self.network.send(sent.ack, self.address, sent.to)
            elif action is Action.DELIVER:
                assert message is not None
                sent.heard(message)
            elif action is Action.TIMED_OUT or action is Action.UNREACHABLE:
                sent.failed()
            elif action is Action.END:
                del self._sent[sent.request.via.branch, sent.request.method]
        self._rearm(sent, lambda: self._sent_expired(sent))

    def _sent_expired(self, sent: Sent) -> None:
        self._perform_sent(sent, sent.machine.expired(self.clock.now), None)

    # -- server ------------------------------------------------------------------------

    def respond(self, received: Received, answer: Response) -> None:
        """Send a response; the transaction may refuse it."""
        status = answer.status
        if received.machine is None:
            return
        event = (
            Input.RESPOND_PROVISIONAL
            if status < 200
            else Input.RESPOND_SUCCESS
            if status < 300
            else Input.RESPOND_FINAL
        )
        actions = received.machine.feed(event, self.clock.now)
        if actions:
            received.data = answer.to_bytes()
            received.status = status
        self._perform_received(received, actions)

    def _perform_received(self, received: Received, actions: tuple[Action, ...]) -> None:
        for action in actions:
            if action is Action.SEND_TRYING:
                received.data = response(received.request, 100, "Trying").to_bytes()
                self._answer(received)
            elif action is Action.SEND:
                self._answer(received)
            elif action is Action.END:
                del self._received[_key(received.request)]
        self._rearm(received, lambda: self._received_expired(received))

    def _received_expired(self, received: Received) -> None:
        assert received.machine is not None
        self._perform_received(received, received.machine.expired(self.clock.now))

    def _answer(self, received: Received) -> None:
        via = received.request.via
        port = received.source[1] if "rport" in via.params else via.port or 5060
        self.network.send(received.data, self.address, (received.source[0], port))

    # -- both --------------------------------------------------------------------------

    def _rearm(self, what: Sent | Received, expired: Callable[[], None]) -> None:
        assert what.machine is not None
        if what.timer is not None:
            what.timer.cancel()
            what.timer = None
        if what.machine.deadline < math.inf:
            what.timer = self.clock.at(what.machine.deadline, expired)

    def _arrived(self, data: bytes, source: Address) -> None:
        if self.deaf:
            return
        message = parse_datagram(data)
        assert not message.defects, (message.defects, data)
        if isinstance(message, Response):
            self._response(message)
        else:
            assert isinstance(message, Request)
            self._request(message, source)

    def _response(self, message: Response) -> None:
        sent = self._sent.get((message.via.branch, message.cseq[1]))
        if sent is None:
            self.stray.append(message)
            return
        assert len(message.vias()) == 1, "a response that is not for us"
        event = (
            Input.PROVISIONAL
            if message.status < 200
            else Input.SUCCESS
            if message.status < 300
            else Input.FINAL
        )
        self._perform_sent(sent, sent.machine.feed(event, self.clock.now), message)

    def _request(self, request: Request, source: Address) -> None:
        key = _key(request)
        known = self._received.get(key)
        if request.method == "CANCEL":
            self._cancel(request, source, known)
            return
        if request.method == "ACK":
            # A 2xx ends the INVITE: its ACK has a branch of its own (13.2.2.4).
            if known is not None and known.status >= 300:
                assert known.machine is not None
                self._perform_received(known, known.machine.feed(Input.ACK, self.clock.now))
            else:
                self.received.append("ACK")
                self.user(Received(request, source, None))
            return
        if known is not None:
            assert known.machine is not None
            self._perform_received(known, known.machine.feed(Input.REQUEST, self.clock.now))
            return
        kind = InviteServer if request.method == "INVITE" else NonInviteServer
        machine = kind(False, self.clock.now)
        received = self._received[key] = Received(request, source, machine)
        machine.feed(Input.START, self.clock.now)
        self._rearm(received, lambda: self._received_expired(received))
        self.received.append(request.method)
        self.user(received)

    def _cancel(self, request: Request, source: Address, known: Received | None) -> None:
        cancel = Received(request, source, None)
        status = 200 if known is not None else 481
        cancel.data = response(request, status, to_tag="cancel").to_bytes()
        self._answer(cancel)
        if known is not None and known.status < 200:
            self.received.append("CANCEL")
            self.canceled(known)


def _key(request: Request) -> tuple[str, str, str]:
    via = request.via
    method = "INVITE" if request.method in {"ACK", "CANCEL"} else request.method
    return via.branch, via.sent_by, method


def _derived(request: Request, method: str, to: str) -> Request:
    """Make the CANCEL of an INVITE, or the ACK for its final response other than 2xx."""
    lines = [
        f"{method} {request.uri_text} SIP/2.0",
        f"Via: {request.get('via')}",
        *(f"Route: {route}" for route in request.every("route")),
        f"From: {request.get('from')}",
        f"To: {to}",
        f"Call-ID: {request.call_id}",
        f"CSeq: {request.cseq[0]} {method}",
        "Max-Forwards: 70",
        "Content-Length: 0",
        "",
        "",
    ]
    made = parsed("\r\n".join(lines).encode("utf-8", "surrogateescape"))
    assert isinstance(made, Request)
    return made


def _ignore(message: Response) -> None:
    pass


def _nothing() -> None:
    pass


def next_hop(uri_host: str, port: int | None, network: Network) -> Address:
    """Find the address of a URI's host."""
    host = network.names.get(uri_host, uri_host)
    if not host.replace(".", "").isdigit():
        raise RemoteError(503, f"no such host: {host}")
    return host, port or 5060
