"""SIP over streams: what the connections of TCP, TLS and WebSocket have in common.

Framing, connection reuse, keep-alive and limits (RFC 3261 section 18, RFC 5626 section 3.5.1). A
transport adds how a connection is made, and when it is ready: at once, or after a handshake.
"""

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

MOST_CONNECTIONS: Final = 20_000  # of one transport
MOST_FROM_ONE_HOST: Final = 4_000  # many phones may sit behind one NAT
MOST_CONNECTING: Final = 1_000
MOST_WAITING: Final = 1_000  # requests for one connection that is being made
MOST_HANDSHAKING: Final = 1_000  # connections from outside that are not ready yet
HANDSHAKE_PATIENCE: Final = 10.0  # seconds from a connection to the end of its handshake
CONNECT_PATIENCE: Final = 5.0  # seconds for a connection to be made
IDLE_PATIENCE: Final = 8_000.0  # seconds without a byte; above the longest registration
CLOSE_PATIENCE: Final = 5.0  # seconds a peer gets to read the rest
MOST_UNSENT: Final = 1024 * 1024  # bytes a peer may leave unread before it is cut off

Peer = tuple[str, int, str]  # host, port, and the name that the peer has proved; empty for none


class StreamFlow:
    """A connection as the layer sees it."""

    __slots__ = ("_connection", "address", "alive", "id", "sent_by", "transport")

    reliable = True

    def __init__(self, connection: StreamProtocol, address: tuple[str, int], name: FlowId) -> None:
        self._connection = connection
        self.transport = name.transport
        self.address = address
        self.sent_by = f"SIP/2.0/{name.transport.upper()} {address[0]}:{address[1]};branch="
        self.id = name
        self.alive = True

    def send(self, message: Any) -> None:
        """Send bytes; on a connection that is gone they are lost."""
        self._connection.send(message)

    def at(self, port: int) -> StreamFlow:
        """A connection has one port."""
        return self


classImplements(StreamFlow, IFlow)


class StreamProtocol(Protocol):
    """One connection, whoever opened it.

    Attributes:
        flow: of a connection that is ready.
        ready: messages may come and go.
        peer: whom it was opened to; None when it came from outside.
        made: monotonic seconds at which the connection stood.
        heard: monotonic seconds of the latest bytes.
    """

    transport: Any
    flow: StreamFlow

    def __init__(self, streams: StreamTransport, peer: Peer | None = None) -> None:
        self._streams = streams
        self._framer = StreamFramer()
        self._paused = False
        self._unsent = 0
        self._closing = math.inf  # when it was asked to close
        self.peer = peer
        self.ready = False
        self.made = self.heard = 0.0

    def connectionMade(self) -> None:
        self.made = self.heard = self._streams.monotonic()
        self.transport.setTcpNoDelay(True)
        self._streams.entered(self)
        self._made()

    def _made(self) -> None:
        """The connection stands; without a handshake it is ready."""
        self._begin()

    def _begin(self) -> None:
        """Messages may come and go from now on."""
        self.ready = True
        streams = self._streams
        local, peer = self.transport.getHost(), self.transport.getPeer()
        name = FlowId(streams.name, local.host, local.port, peer.host, peer.port)
        self.flow = StreamFlow(self, streams.listening(local.host), name)
        self.transport.registerProducer(self, True)
        streams.connected(self)

    def dataReceived(self, data: bytes) -> None:
        now = self.heard = self._streams.monotonic()
        for item in self._framer.feed(data, now):
            self._take(item, now)
        self._streams.turn()

    def _take(self, item: Item, now: float) -> None:
        if isinstance(item, tuple):
            message, raw = item
            self._streams.layer.message(message, raw, self.flow, now)
        elif item is Event.PING:
            self.send(b"\r\n")
        elif isinstance(item, Broken):
            self._broken(item)

    def _broken(self, broken: Broken) -> None:
        """Answer what can be answered, then close."""
        self._streams.broken += 1
        request = broken.message
        if broken.status and isinstance(request, Request) and request.method != "ACK":
            try:
                request.via  # noqa: B018  raises when nobody can be answered
                response = reply(request, broken.status, broken.reason, "0")
                self._streams.layer.reply(request, self.flow, response)
                self._streams.layer.outbox.flush()
            except RemoteError:
                pass
        self.close(self.heard)

    def close(self, now: float) -> None:
        """Close once what waits for the peer is sent; nothing more is sent from now on."""
        self._closing = now
        if self.ready:
            self.flow.alive = False
            self.transport.unregisterProducer()  # a paused one would keep the connection open
        self.transport.loseConnection()

    def sweep(self, now: float) -> None:
        """Close when it does not become ready, a message does not end, or for long silence."""
        if not self.ready:
            if now - self.made > HANDSHAKE_PATIENCE:
                self._streams.broken += 1
                self.transport.abortConnection()
        elif self._framer.deadline <= now and self._framer.expired(now):
            self._streams.broken += 1
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
                self._streams.cut_off += 1
                self.transport.abortConnection()
                return
        self.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.ready:
            self.flow.alive = False
        self._streams.disconnected(self, reason.value)

    # -- IPushProducer: the transport tells when the peer reads too slowly -------------

    def pauseProducing(self) -> None:
        self._paused = True
        self._unsent = 0

    def resumeProducing(self) -> None:
        self._paused = False

    def stopProducing(self) -> None:
        self._paused = True


classImplements(StreamProtocol, IPushProducer)


class _Incoming(Factory):
    """Takes connections in, up to the limits."""

    noisy = False

    def __init__(self, streams: StreamTransport) -> None:
        self._streams = streams

    def buildProtocol(self, addr: IAddress | None) -> StreamProtocol | None:
        return self._streams.admit(addr.host)  # type: ignore[union-attr]  # TCP's have one

    def logPrefix(self) -> str:
        return f"SIP over {self._streams.name.upper()}"


class _Outgoing(ClientFactory):
    """Makes one connection and tells all who wait for it."""

    noisy = False

    def __init__(self, streams: StreamTransport, peer: Peer) -> None:
        self._streams = streams
        self._peer = peer

    def buildProtocol(self, addr: IAddress | None) -> StreamProtocol:
        return self._streams.protocol(self._streams, self._peer)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self._streams.failed(self._peer, reason.value)


class StreamTransport:
    """All connections of one transport.

    Attributes:
        name: lower case, as in URIs and flows.
        protocol: makes a connection's protocol.
        layer: takes the messages.
        monotonic: gives ``now``.
        broken: connections closed because they could not be read on, or never became ready.
        cut_off: connections closed because the peer did not read.
        refused: connections not taken, and requests for one, for want of room.
    """

    name = ""
    reliable = True
    protocol: Callable[[Any, Peer | None], StreamProtocol] = StreamProtocol

    def __init__(
        self, reactor: Any, layer: TransactionLayer, monotonic: Callable[[], float]
    ) -> None:
        self.layer = layer
        self.monotonic = monotonic
        self.broken = self.cut_off = self.refused = 0
        self._reactor = reactor
        self._addresses: list[tuple[str, int]] = []
        self._open: set[StreamProtocol] = set()
        self._flows: dict[FlowId, StreamProtocol] = {}
        self._peers: dict[Peer, StreamProtocol] = {}
        self._hosts: dict[str, int] = {}
        self._waiting: dict[Peer, list[Callable[[Any], None]]] = {}
        self._turn: Any = None

    def __len__(self) -> int:
        return len(self._open)

    @property
    def handshaking(self) -> int:
        """How many connections are not ready yet."""
        return len(self._open) - len(self._flows)

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

    def flow(self, flow_id: FlowId) -> StreamFlow | None:
        """The living connection of that name."""
        found = self._flows.get(flow_id)
        return None if found is None else found.flow

    def reach(self, host: str, port: int, done: Callable[[Any], None], name: str = "") -> None:
        """Find or open a connection to an address."""
        peer = (host, port, self._proof(name))
        found = self._standing(peer)
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
        if len(self._waiting) >= MOST_CONNECTING or len(self._open) >= MOST_CONNECTIONS:
            self.refused += 1
            done(ConnectError(string="too many connections"))
            return
        self._waiting[peer] = [done]
        source = source_address(host)
        bind = (source, 0) if any(source == address[0] for address in self._addresses) else None
        self._connect(peer, bind)

    def _proof(self, name: str) -> str:
        """The name that a peer must prove; here none must."""
        return ""

    def _standing(self, peer: Peer) -> StreamProtocol | None:
        """A connection that leads to a peer already."""
        return self._peers.get(peer)

    def _connect(self, peer: Peer, bind: tuple[str, int] | None) -> None:
        """Begin to open a connection."""
        factory = self._outgoing(peer)
        self._reactor.connectTCP(peer[0], peer[1], factory, CONNECT_PATIENCE, bind)

    def _outgoing(self, peer: Peer) -> Any:
        """What makes the protocol of a connection to a peer."""
        return _Outgoing(self, peer)

    # -- what connections tell ---------------------------------------------------------

    def admit(self, host: str) -> StreamProtocol | None:
        """Take a connection in, unless there are too many."""
        if (
            len(self._open) >= MOST_CONNECTIONS
            or self._hosts.get(host, 0) >= MOST_FROM_ONE_HOST
            or self.handshaking >= MOST_HANDSHAKING
        ):
            self.refused += 1
            return None
        return self.protocol(self, None)

    def entered(self, protocol: StreamProtocol) -> None:
        """A connection stands; it may have a handshake before it."""
        self._open.add(protocol)
        host = protocol.transport.getPeer().host
        self._hosts[host] = self._hosts.get(host, 0) + 1

    def connected(self, protocol: StreamProtocol) -> None:
        """A connection is ready."""
        name = protocol.flow.id
        self._flows[name] = protocol
        peer = protocol.peer or (name.host, name.port, "")
        self._peers[peer] = protocol
        for done in self._waiting.pop(peer, ()):
            done(protocol.flow)
        self.turn()

    def disconnected(self, protocol: StreamProtocol, error: BaseException | None) -> None:
        """A connection is gone, perhaps before it was ready."""
        self._open.discard(protocol)
        host = protocol.transport.getPeer().host
        left = self._hosts.get(host, 1) - 1
        if left:
            self._hosts[host] = left
        else:
            self._hosts.pop(host, None)
        if not protocol.ready:
            if protocol.peer is not None:
                self.failed(protocol.peer, error)
            return
        name = protocol.flow.id
        self._flows.pop(name, None)
        peer = protocol.peer or (name.host, name.port, "")
        if self._peers.get(peer) is protocol:
            del self._peers[peer]
        self.layer.lost(protocol.flow, self.monotonic())

    def failed(self, peer: Peer, error: BaseException | None) -> None:
        """A connection could not be made."""
        for done in self._waiting.pop(peer, ()):
            done(error if isinstance(error, Exception) else ConnectError())
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
        for protocol in list(self._open):
            protocol.sweep(now)

    def close(self) -> None:
        """Close all connections."""
        now = self.monotonic()
        for protocol in list(self._open):
            protocol.close(now)


classImplements(StreamTransport, ITransport)
