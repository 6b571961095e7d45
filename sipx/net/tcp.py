"""SIP over TCP: framing, connection reuse, keep-alive (RFC 3261 section 18, RFC 5626 3.5.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from zope.interface import classImplements

from sipx.core.errors import RemoteError
from sipx.core.flowid import FlowId
from sipx.core.framing import Broken, Event, Item, StreamFramer
from sipx.core.message import Request, reply
from sipx.interfaces import IFlow, ITransport
from sipx.net.udp import source_address

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress
    from twisted.python.failure import Failure

    from sipx.net.layer import TransactionLayer

MOST_CONNECTIONS: Final = 20_000
MOST_FROM_ONE_HOST: Final = 4_000  # many phones may sit behind one NAT
MOST_CONNECTING: Final = 1_000
MOST_WAITING: Final = 1_000  # requests for one connection that is being made
CONNECT_PATIENCE: Final = 5.0  # seconds for a connection to be made
IDLE_PATIENCE: Final = 8_000.0  # seconds without a byte; above the longest registration
CLOSE_PATIENCE: Final = 5.0  # seconds a peer gets to read the rest
MOST_UNSENT: Final = 1024 * 1024  # bytes a peer may leave unread before it is cut off


class TcpFlow:
    """A connection as the layer sees it."""

    __slots__ = ("_connection", "address", "alive", "id", "sent_by")

    transport = "tcp"
    reliable = True

    def __init__(self, connection: SipProtocol, address: tuple[str, int], name: FlowId) -> None:
        self._connection = connection
        self.address = address
        self.sent_by = f"SIP/2.0/TCP {address[0]}:{address[1]};branch="
        self.id = name
        self.alive = True

    def send(self, message: Any) -> None:
        """Send bytes; on a connection that is gone they are lost."""
        self._connection.send(message)

    def at(self, port: int) -> TcpFlow:
        """A connection has one port."""
        return self


classImplements(TcpFlow, IFlow)


class SipProtocol(Protocol):
    """One connection, whoever opened it."""

    transport: Any
    flow: TcpFlow

    def __init__(self, tcp: TcpTransport) -> None:
        self._tcp = tcp
        self._framer = StreamFramer()
        self._paused = False
        self._unsent = 0
        self._closing = math.inf  # when it was asked to close
        self.heard = 0.0

    def connectionMade(self) -> None:
        self.heard = self._tcp.monotonic()
        local, peer = self.transport.getHost(), self.transport.getPeer()
        self.flow = TcpFlow(
            self,
            self._tcp.listening(local.host),
            FlowId("tcp", local.host, local.port, peer.host, peer.port),
        )
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._tcp.connected(self)

    def dataReceived(self, data: bytes) -> None:
        now = self.heard = self._tcp.monotonic()
        for item in self._framer.feed(data, now):
            self._take(item, now)
        self._tcp.turn()

    def _take(self, item: Item, now: float) -> None:
        if isinstance(item, tuple):
            message, raw = item
            self._tcp.layer.message(message, raw, self.flow, now)
        elif item is Event.PING:
            self.send(b"\r\n")
        elif isinstance(item, Broken):
            self._broken(item)

    def _broken(self, broken: Broken) -> None:
        """Answer what can be answered, then close."""
        self._tcp.broken += 1
        request = broken.message
        if broken.status and isinstance(request, Request) and request.method != "ACK":
            try:
                request.via  # noqa: B018  raises when nobody can be answered
                response = reply(request, broken.status, broken.reason, "0")
                self._tcp.layer.reply(request, self.flow, response)
                self._tcp.layer.outbox.flush()
            except RemoteError:
                pass
        self.close(self.heard)

    def close(self, now: float) -> None:
        """Close once what waits for the peer is sent; nothing more is sent from now on."""
        self._closing = now
        self.flow.alive = False
        self.transport.unregisterProducer()  # a paused one would keep the connection open
        self.transport.loseConnection()

    def sweep(self, now: float) -> None:
        """Close when a message does not end, or nothing was heard for long."""
        if self._framer.deadline <= now and self._framer.expired(now):
            self._tcp.broken += 1
            self.transport.abortConnection()
        elif now - self._closing > CLOSE_PATIENCE:
            self.transport.abortConnection()
        elif now - self.heard > IDLE_PATIENCE and self.flow.alive:
            self.close(now)

    def send(self, data: bytes) -> None:
        """Write bytes; a peer that reads nothing is cut off."""
        if self._paused:
            self._unsent += len(data)
            if self._unsent > MOST_UNSENT:
                self._tcp.cut_off += 1
                self.transport.abortConnection()
                return
        self.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.flow.alive = False
        self._tcp.disconnected(self)

    # -- IPushProducer: the transport tells when the peer reads too slowly -------------

    def pauseProducing(self) -> None:
        self._paused = True
        self._unsent = 0

    def resumeProducing(self) -> None:
        self._paused = False

    def stopProducing(self) -> None:
        self._paused = True


classImplements(SipProtocol, IPushProducer)


class _Incoming(Factory):
    """Takes connections in, up to the limits."""

    noisy = False

    def __init__(self, tcp: TcpTransport) -> None:
        self._tcp = tcp

    def buildProtocol(self, addr: IAddress | None) -> SipProtocol | None:
        return self._tcp.admit(addr.host)  # type: ignore[union-attr]  # TCP's have one

    def logPrefix(self) -> str:
        return "SIP over TCP"


class _Outgoing(ClientFactory):
    """Makes one connection and tells all who wait for it."""

    noisy = False

    def __init__(self, tcp: TcpTransport, peer: tuple[str, int]) -> None:
        self._tcp = tcp
        self._peer = peer

    def buildProtocol(self, addr: IAddress | None) -> SipProtocol:
        return SipProtocol(self._tcp)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self._tcp.failed(self._peer, reason.value)


class TcpTransport:
    """All TCP connections of the node.

    Attributes:
        layer: takes the messages.
        monotonic: gives ``now``.
        broken: connections closed because they could not be read on.
        cut_off: connections closed because the peer did not read.
        refused: connections not taken, and requests for one, for want of room.
    """

    name = "tcp"
    reliable = True

    def __init__(
        self, reactor: Any, layer: TransactionLayer, monotonic: Callable[[], float]
    ) -> None:
        self.layer = layer
        self.monotonic = monotonic
        self.broken = self.cut_off = self.refused = 0
        self._reactor = reactor
        self._addresses: list[tuple[str, int]] = []
        self._flows: dict[FlowId, SipProtocol] = {}
        self._peers: dict[tuple[str, int], SipProtocol] = {}
        self._hosts: dict[str, int] = {}
        self._waiting: dict[tuple[str, int], list[Callable[[Any], None]]] = {}
        self._turn: Any = None

    def __len__(self) -> int:
        return len(self._flows)

    def factory(self) -> Factory:
        """What listening ports are made with."""
        return _Incoming(self)

    def listens(self, host: str, port: int) -> None:
        """Note an address that is being listened on."""
        self._addresses.append((host, port))

    def addresses(self) -> Sequence[tuple[str, int]]:
        """Where it listens."""
        return self._addresses

    def listening(self, host: str) -> tuple[str, int]:
        """The address to give to peers that reach us at a host."""
        for address in self._addresses:
            if address[0] == host:
                return address
        return self._addresses[0] if self._addresses else (host, 5060)

    # -- ITransport ------------------------------------------------------------------

    def flow(self, flow_id: FlowId) -> TcpFlow | None:
        """The living connection of that name."""
        found = self._flows.get(flow_id)
        return None if found is None else found.flow

    def reach(self, host: str, port: int, done: Callable[[Any], None]) -> None:
        """Find or open a connection to an address."""
        peer = (host, port)
        found = self._peers.get(peer)
        if found is not None and found.flow.alive:
            done(found.flow)
            return
        waiting = self._waiting.get(peer)
        if waiting is not None:
            if len(waiting) >= MOST_WAITING:
                self.refused += 1
                done(ConnectError(string="too many requests wait for this connection"))
                return
            waiting.append(done)
            return
        if len(self._waiting) >= MOST_CONNECTING or len(self._flows) >= MOST_CONNECTIONS:
            self.refused += 1
            done(ConnectError(string="too many connections"))
            return
        self._waiting[peer] = [done]
        source = source_address(host)
        bind = (source, 0) if any(source == address[0] for address in self._addresses) else None
        self._reactor.connectTCP(host, port, _Outgoing(self, peer), CONNECT_PATIENCE, bind)

    # -- what connections tell ---------------------------------------------------------

    def admit(self, host: str) -> SipProtocol | None:
        """Take a connection in, unless there are too many."""
        if len(self._flows) >= MOST_CONNECTIONS or self._hosts.get(host, 0) >= MOST_FROM_ONE_HOST:
            self.refused += 1
            return None
        return SipProtocol(self)

    def connected(self, protocol: SipProtocol) -> None:
        """A connection stands."""
        name = protocol.flow.id
        self._flows[name] = protocol
        self._peers[(name.host, name.port)] = protocol
        self._hosts[name.host] = self._hosts.get(name.host, 0) + 1
        for done in self._waiting.pop((name.host, name.port), ()):
            done(protocol.flow)
        self.turn()

    def disconnected(self, protocol: SipProtocol) -> None:
        """A connection is gone."""
        name = protocol.flow.id
        self._flows.pop(name, None)
        if self._peers.get((name.host, name.port)) is protocol:
            del self._peers[(name.host, name.port)]
        left = self._hosts.get(name.host, 1) - 1
        if left:
            self._hosts[name.host] = left
        else:
            self._hosts.pop(name.host, None)
        self.layer.lost(protocol.flow, self.monotonic())

    def failed(self, peer: tuple[str, int], error: BaseException | None) -> None:
        """A connection could not be made."""
        for done in self._waiting.pop(peer, ()):
            done(error or ConnectError())
        self.turn()

    def turn(self) -> None:
        """Flush the outbox once in this turn of the reactor, after all connections were read."""
        if self._turn is None and len(self.layer.outbox):
            self._turn = self._reactor.callLater(0, self._flush)

    def _flush(self) -> None:
        self._turn = None
        self.layer.outbox.flush()

    def sweep(self, now: float) -> None:
        """Look for connections that are idle or stuck; called each second."""
        for protocol in list(self._flows.values()):
            protocol.sweep(now)

    def close(self) -> None:
        """Close all connections."""
        now = self.monotonic()
        for protocol in list(self._flows.values()):
            protocol.close(now)


classImplements(TcpTransport, ITransport)
