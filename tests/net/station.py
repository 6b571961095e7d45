"""A transaction layer between two lists: who it tells what, and what it sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from zope.interface import implementer

from sipx.core.flowid import FlowId
from sipx.core.identifiers import Identifiers
from sipx.core.message import Message, Request, Response, reply
from sipx.core.parser import parse_datagram
from sipx.interfaces import IFlow, ITransport
from sipx.net.interfaces import IClientUser, IServerUser, ITransactionUser
from sipx.net.layer import ClientTransaction, ServerTransaction, TransactionLayer
from sipx.net.outbox import Outbox
from sipx.net.trace import WireTrace
from tests.proxy.house import ListJournal, Peer

HOST = "192.0.2.1"
PEER = ("192.0.2.7", 5060)


@implementer(IFlow)
class ListFlow:
    """A flow that keeps what is sent; a stream's when it is reliable."""

    def __init__(self, station: Station, peer: Peer, reliable: bool) -> None:
        self.reliable = reliable
        self.transport = "tcp" if reliable else "udp"
        self.alive = True
        self.address = (HOST, 5060)
        self.sent_by = f"SIP/2.0/{self.transport.upper()} {HOST}:5060;branch="
        self.id = FlowId(self.transport, HOST, 5060, *peer)
        self._station = station

    def at(self, port: int) -> ListFlow:
        if self.reliable:
            return self
        return ListFlow(self._station, (self.id.host, port), False)

    def send(self, message: Any) -> None:
        self._station.wire.append((self.id.transport, self.id.port, message))


@implementer(ITransport)
class ListTransport:
    """A transport whose flows are made when somebody says so.

    Attributes:
        asked: (host, port, callback) of each ``reach``.
    """

    reliable = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[tuple[str, int, Callable[[Any], None]]] = []

    def addresses(self) -> Sequence[Peer]:
        return [(HOST, 5060)]

    def flow(self, flow_id: FlowId) -> None:
        return None

    def reach(self, host: str, port: int, done: Callable[[Any], None], name: str = "") -> None:
        self.asked.append((host, port, done))


@implementer(ITransactionUser, IServerUser, IClientUser)
class Listener:
    """Notes what the layer tells, in order."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self.told: list[str] = []
        self.requests: list[tuple[Request, Any]] = []
        self.responses: list[Response] = []
        self.served: list[ServerTransaction] = []
        self.accepted: dict[str, Request] = {}

    def request(self, request: Request, flow: Any, now: float) -> None:
        self.told.append(f"request {request.method}")
        self.requests.append((request, flow))
        if self._station.accepting and request.method not in {"ACK", "CANCEL"}:
            transaction = self._station.layer.accept(request, flow, self, now)
            self.served.append(transaction)
            self.accepted[transaction.key] = request

    def canceled(self, transaction: ServerTransaction, cancel: Request, now: float) -> None:
        self.told.append("canceled")

    def unanswered(self, transaction: ServerTransaction, now: float) -> None:
        self.told.append("unanswered")

    def response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self.told.append(f"response {response.status}")
        self.responses.append(response)

    def failed(self, transaction: ClientTransaction, status: int, now: float) -> None:
        self.told.append(f"failed {status}")


class Station:
    """The layer, a journal, and a listener who is every user.

    Attributes:
        wire: (transport, port of the peer, message) of what was sent.
        ways: transport and port of what was taken from there last.
        latest: the messages themselves.
        accepting: whether new requests get a server transaction at once.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.accepting = True
        self.wire: list[tuple[str, int, Any]] = []
        self.ways: list[tuple[str, int]] = []
        self.latest: list[Message] = []
        self.journal = ListJournal()
        self.outbox = Outbox(self.journal)
        self.trace = WireTrace()
        self.layer = TransactionLayer(
            self.outbox, self.trace, Identifiers(b"random00"), lambda: 1_800_000_000.0
        )
        self.user = Listener(self)
        self.layer.user = self.user

    def flow(self, reliable: bool = False, peer: Peer = PEER) -> ListFlow:
        return ListFlow(self, peer, reliable)

    def receive(self, data: bytes, flow: ListFlow | None = None) -> list[str]:
        """Let a message arrive; what the users were told."""
        self.user.told.clear()
        flow = flow or self.flow()
        if flow.reliable:
            self.layer.message(parse_datagram(data), data, flow, self.now)
        else:
            self.layer.datagram(data, flow, self.now)
        self.layer.outbox.flush()
        return self.user.told[:]

    def respond(self, status: int, transaction: ServerTransaction | None = None) -> list[str]:
        """Answer the latest request; what is sent."""
        served = transaction or self.user.served[-1]
        request = self.user.accepted[served.key]
        answer = reply(request, status, "", served.to_tag if status > 100 else "")
        self.layer.respond(served, answer, self.now)
        self.layer.outbox.flush()
        return self.sent()

    def send(self, data: bytes, flow: ListFlow | None = None) -> ClientTransaction:
        """Send a request in a client transaction."""
        request = parse_datagram(data)
        assert isinstance(request, Request)
        request.pop_first("via")
        client = self.layer.send(request, flow or self.flow(), self.user, self.now)
        self.layer.outbox.flush()
        return client

    def sent(self) -> list[str]:
        """First words of what was sent since the last time: ``INVITE``, ``180``."""
        return [summary(message) for message in self.messages()]

    def messages(self) -> list[Message]:
        """What was sent since the last time."""
        wire, self.wire = self.wire, []
        self.ways = [entry[:2] for entry in wire]
        self.latest = [
            parse_datagram(data) if isinstance(data, bytes) else data for _, _, data in wire
        ]
        return self.latest

    def advance(self, seconds: float) -> list[str]:
        """Let time pass in ticks; what the users were told."""
        self.user.told.clear()
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.layer.tick(self.now)
        return self.user.told[:]


def summary(message: Message) -> str:
    """The method of a request, the status of a response with its method when it is CANCEL."""
    if isinstance(message, Request):
        return message.method
    assert isinstance(message, Response)
    return f"{message.status}" + (" CANCEL" if message.cseq[1] == "CANCEL" else "")


def request(
    method: str,
    branch: str | None = "z9hG4bKone",
    *lines: str,
    via: str = f"{PEER[0]}:{PEER[1]}",
    cseq: str = "",
    to_tag: str = "",
    transport: str = "UDP",
    call_id: str = "call@x",
) -> bytes:
    """A request of the peer."""
    mark = "" if branch is None else f";branch={branch}"
    text = [
        f"{method} sip:200@example.com SIP/2.0",
        f"Via: SIP/2.0/{transport} {via}{mark}",
        "Max-Forwards: 70",
        "From: <sip:201@example.com>;tag=from",
        f"To: <sip:200@example.com>{to_tag and ';tag=' + to_tag}",
        f"Call-ID: {call_id}",
        f"CSeq: 1 {cseq or method}",
        *lines,
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(text).encode()


def answer(sent: Message, status: int, cseq: str = "", tag: str = "to") -> bytes:
    """The peer's response to a request that was sent."""
    assert isinstance(sent, Request)
    response = reply(sent, status, "", tag if status > 100 else "")
    if cseq:
        response.set("cseq", f"{sent.cseq[0]} {cseq}")
    return response.to_bytes()
