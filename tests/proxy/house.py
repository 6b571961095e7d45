"""A node in memory: real layer, proxy chain, authenticator, registrar and call records.

Peers are addresses; what the node sends them is kept in a list, and nothing touches a socket.
The clock is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from sipx.auth.component import auth
from sipx.auth.snapshot import Account, AccountSnapshot
from sipx.cdr.component import cdr
from sipx.core.binding import Binding
from sipx.core.digest import MD5, SHA256, Challenge, answer, compute_ha1, parse_challenge
from sipx.core.flowid import FlowId
from sipx.core.message import Message, Request, Response
from sipx.core.parser import parse_datagram
from sipx.interfaces import (
    IBindingStore,
    ICallRecordStore,
    IConfiguration,
    IFlow,
    IJournal,
    ILocation,
    IRequestServer,
    ITransport,
)
from sipx.net.component import signaling
from sipx.net.hops import Hops
from sipx.net.interfaces import IHops, IResolver, ISignaling
from sipx.net.layer import TransactionLayer
from sipx.net.resolver.wire import Answer
from sipx.node.context import NodeContext
from sipx.node.health import Health
from sipx.node.identity import make_identity
from sipx.node.keys import KeyRing
from sipx.node.repeats import Repeats
from sipx.proxy import options as options_server
from sipx.proxy.component import make_proxy
from sipx.registrar.component import registrar
from sipx.routing.snapshot import RoutingSnapshot

HOST = "192.0.2.1"
DOMAIN = "example.com"
UTC = 1_800_000_000.0
OPTIONS: Mapping[str, Any] = {
    "digest": ("md5", "sha-256"),
    "allow-anonymous": True,
    "ring-time": 0,
    "timer-c": 180,
    "min-expires": 30,
    "max-expires": 7200,
    "max-call-hours": 24,
}
Peer = tuple[str, int]


@implementer(IFlow)
class WireFlow:
    """The way to one peer; what is sent is kept by the transport."""

    transport = "udp"
    reliable = False
    alive = True

    def __init__(self, wire: Wire, peer: Peer) -> None:
        self._wire = wire
        self.address = (HOST, 5060)
        self.sent_by = f"SIP/2.0/UDP {HOST}:5060;branch="
        self.id = FlowId("udp", HOST, 5060, *peer)
        self._peer = peer

    def at(self, port: int) -> WireFlow:
        return self._wire.to((self._peer[0], port))

    def send(self, message: Any) -> None:
        self._wire.sent.append((self._peer, message))


@implementer(ITransport)
class Wire:
    """A UDP transport without sockets.

    Attributes:
        sent: (peer, bytes), in order.
    """

    name = "udp"
    reliable = False

    def __init__(self) -> None:
        self.sent: list[tuple[Peer, Any]] = []
        self._flows: dict[Peer, WireFlow] = {}
        self._socket = _Socket(self)

    def to(self, peer: Peer) -> WireFlow:
        """The flow to a peer."""
        found = self._flows.get(peer)
        if found is None:
            found = self._flows[peer] = WireFlow(self, peer)
        return found

    def addresses(self) -> Sequence[Peer]:
        return [(HOST, 5060)]

    def flow(self, flow_id: FlowId) -> WireFlow:
        return self.to((flow_id.host, flow_id.port))

    def towards(self, host: str) -> Any:
        """The socket that reaches a host: it gives flows by address."""
        return self._socket

    def reach(self, host: str, port: int, done: Callable[[Any], None], name: str = "") -> None:
        done(self.to((host, port)))


class _Socket:
    def __init__(self, wire: Wire) -> None:
        self.flow = wire.to


@implementer(IJournal)
class ListJournal:
    """Keeps its records; ``failing`` is the test's to set."""

    def __init__(self) -> None:
        self.failing = False
        self.records: list[Sequence[Any]] = []
        self.commits = 0

    def append(self, record: Sequence[Any]) -> None:
        self.records.append(record)

    def commit(self) -> bool:
        self.commits += 1
        return not self.failing


@implementer(IConfiguration)
@dataclass
class Users:
    """A configuration of users and aliases."""

    routing: RoutingSnapshot
    accounts: AccountSnapshot = field(default_factory=AccountSnapshot)

    def changed(self, listener: Callable[[], None]) -> None:
        """Nothing changes here."""


@implementer(ICallRecordStore, IBindingStore)
class _Empty:
    def load(self) -> Sequence[Mapping[str, Any]]:
        return ()

    def unfinished(self) -> Sequence[Any]:
        return ()

    def find(self, *_: object) -> Any:
        raise NotImplementedError


def users(names: Sequence[str], realm: str, aliases: Mapping[str, str] | None = None) -> Users:
    """Make accounts whose password is ``pw`` and the name."""
    accounts = {
        name: Account(
            name,
            compute_ha1(MD5, name, realm, "pw" + name),
            compute_ha1(SHA256, name, realm, "pw" + name),
            b"",
        )
        for name in names
    }
    routing = RoutingSnapshot(1, {name: name for name in names} | dict(aliases or {}))
    return Users(routing, AccountSnapshot(1, accounts))


@implementer(IResolver)
class Names:
    """A DNS that knows no name."""

    def ask(self, question: Any, done: Callable[[Answer], None]) -> None:
        done(Answer((), 60.0))


class House:
    """The node.

    Attributes:
        now: monotonic seconds; ``advance`` moves it.
        layer: the transaction layer.
        wire: what is sent.
        journal: what is acknowledged.
    """

    realm = "sipx-test"

    def __init__(
        self,
        names: Sequence[str] = ("200", "201", "202"),
        journal: Any = None,
        servers: Sequence[Any] = (),
        **options: Any,
    ) -> None:
        self.now = 1000.0
        self.journal: Any = ListJournal() if journal is None else journal
        self.repeats = Repeats()
        self.clock = Clock()
        self.context = context = NodeContext(
            self.clock,
            Path("/nonexistent"),
            {**OPTIONS, **{name.replace("_", "-"): value for name, value in options.items()}},
            make_identity(self.realm, DOMAIN, [HOST], 5060),
            KeyRing(b"k" * 32),
            self.journal,
            Health(),
            self.repeats,
            lambda: self.now,
            lambda: UTC + self.now,
        )
        self.wire = Wire()
        self.users = users(names, self.realm, {"reception": names[0]} if names else {})
        context.provide(IConfiguration, self.users)
        for interface in (ICallRecordStore, IBindingStore):
            context.provide(interface, _Empty())
        signaling(context)
        self.layer: TransactionLayer = context.get(ISignaling)
        self.layer.add_transport(self.wire)
        auth(context)
        registrar(context)
        cdr(context)
        options_server.component(context)
        for server in servers:
            context.provide(IRequestServer, server)
        self.hops = Hops(self.layer, Names(), lambda: self.now)
        context.provide(IHops, self.hops)
        self.proxy, self.chain = make_proxy(context)
        self.layer.user = self.proxy
        context.repeat(0.1, self.proxy.tick)
        self.location: ILocation = context.get(ILocation)

    def receive(self, data: bytes, peer: Peer) -> None:
        """Let a datagram arrive, and a turn of the reactor end."""
        self.layer.datagram(data, self.wire.to(peer), self.now)
        self.layer.outbox.flush()

    def take(self) -> list[tuple[Peer, Any]]:
        """What was sent since the last time."""
        sent, self.wire.sent = self.wire.sent, []
        return sent

    def ask(self, data: bytes, peer: Peer) -> list[tuple[Peer, Message]]:
        """Let a datagram arrive; what is sent then, parsed."""
        self.take()
        self.receive(data, peer)
        return [(to, parse_datagram(sent)) for to, sent in self.take()]

    def advance(self, seconds: float) -> None:
        """Let time pass in ticks of a tenth of a second."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.clock.advance(0.1)
            self.repeats.tick(self.now)


def credentials(challenge: Message, name: str, method: str, uri: str, count: int = 1) -> str:
    """The header line that answers a 401 or 407."""
    header = "www-authenticate" if challenge.has("www-authenticate") else "proxy-authenticate"
    asked = parse_challenge(challenge.get(header) or "")
    assert isinstance(asked, Challenge)
    value = answer(asked, name, "pw" + name, method, uri, "c0ffee", count)
    spelling = "Authorization" if header[0] == "w" else "Proxy-Authorization"
    return f"{spelling}: {value}"


def message(*lines: str, body: str = "") -> bytes:
    """A message of its lines."""
    length = len(body.encode("utf-8", "surrogateescape"))
    text = "\r\n".join([*lines, f"Content-Length: {length}", "", body])
    return text.encode("utf-8", "surrogateescape")


def parsed(data: bytes) -> Any:
    """A Request or a Response."""
    found = parse_datagram(data)
    assert isinstance(found, Request | Response)
    return found


def binding(
    name: str,
    peer: Peer,
    q: float = 1.0,
    path: tuple[str, ...] = (),
    flow: FlowId | None = None,
    expires: float = 1e9,
    scheme: str = "sip",
) -> Binding:
    """A phone of a user at an address."""
    contact = f"{scheme}:{name}@{peer[0]}:{peer[1]}"
    return Binding(name, contact, q, expires, "reg", 1, path, flow, "", "", "", UTC)


def bind(house: House, name: str, peer: Peer, **more: Any) -> Binding:
    """Register a phone."""
    made = binding(name, peer, **more)
    location: Any = house.location
    location.change(name, (), [made])
    return made


def ask(
    method: str,
    uri: str,
    *lines: str,
    sender: str = "sip:mallory@elsewhere.example",
    branch: str = "one",
    via: str = "198.51.100.9:5060",
    to_tag: str = "",
    call_id: str = "call",
    cseq: int = 1,
    forwards: str = "Max-Forwards: 70",
) -> bytes:
    """A request, by default of a stranger."""
    return message(
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {via};branch=z9hG4bK{branch}",
        *([forwards] if forwards else []),
        f"From: <{sender}>;tag=from",
        f"To: <{uri}>{to_tag and ';tag=' + to_tag}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:me@198.51.100.9:5060>",
        *lines,
    )
