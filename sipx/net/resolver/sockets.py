"""Ways to name servers on the reactor: a UDP socket for each question, TCP for long answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import (
    ClientFactory,
    DatagramProtocol,
    Protocol,
    connectionDone,
)
from twisted.python.failure import Failure

from sipx.net.resolver.query import Server

CONNECT_PATIENCE: Final = 2.0  # seconds for a connection to a name server
_HEADER: Final = 2  # octets that say how long a message on a stream is (RFC 1035 section 4.2.2)

Heard = Callable[[bytes], None]
Lost = Callable[[], None]


class Datagrams(DatagramProtocol):
    """One socket to one name server: the kernel draws its port and lets nobody else in."""

    noisy = False
    transport: Any

    def __init__(self, server: Server, heard: Heard, lost: Lost) -> None:
        self._server = server
        self._heard = heard
        self._lost = lost
        self.closed = False

    def connect(self) -> None:
        """Hear this server alone.

        Raises:
            OSError: there is no way to it.
        """
        self.transport.connect(*self._server)

    def send(self, data: bytes) -> None:
        """Send a query; what the kernel refuses counts as lost on the way."""
        try:
            self.transport.write(data)
        except OSError:
            return

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if not self.closed:
            self._heard(datagram)

    def connectionRefused(self) -> None:
        if not self.closed:
            self.close()
            self._lost()

    def stopProtocol(self) -> None:
        # The epoll reactor drops a socket whose server's host says that nobody is there.
        if not self.closed:
            self.closed = True
            self._lost()

    def close(self) -> None:
        """Hear nothing more."""
        if not self.closed:
            self.closed = True
            self.transport.stopListening()


class _Nowhere:
    """A way that could not be opened; who asks waits for the next name server."""

    def send(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass


class Stream(Protocol):
    """One connection to one name server."""

    transport: Any

    def __init__(self, way: StreamWay) -> None:
        self._way = way
        self._buffer = b""

    def connectionMade(self) -> None:
        self._way.made(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _HEADER:
            end = _HEADER + int.from_bytes(self._buffer[:_HEADER], "big")
            if len(self._buffer) < end:
                return
            message, self._buffer = self._buffer[_HEADER:end], self._buffer[end:]
            self._way.heard(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._way.lost()


class StreamWay(ClientFactory):
    """Makes a connection and sends what it was given when it stands."""

    noisy = False

    def __init__(self, heard: Heard, lost: Lost) -> None:
        self._heard = heard
        self._lost = lost
        self._queue: list[bytes] = []
        self._transport: Any = None
        self.connector: Any = None
        self.closed = False

    def buildProtocol(self, addr: Any) -> Stream:
        return Stream(self)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.lost()

    def made(self, transport: Any) -> None:
        """The connection stands."""
        self._transport = transport
        queue, self._queue = self._queue, []
        for data in queue:
            self.send(data)

    def send(self, data: bytes) -> None:
        """Send a query."""
        if self._transport is None:
            self._queue.append(data)
        else:
            self._transport.write(len(data).to_bytes(_HEADER, "big") + data)

    def heard(self, message: bytes) -> None:
        """A whole message came."""
        if not self.closed:
            self._heard(message)

    def lost(self) -> None:
        """It is gone, or never was."""
        if not self.closed:
            self.closed = True
            self._lost()

    def close(self) -> None:
        """Close it."""
        if not self.closed:
            self.closed = True
            self.connector.disconnect()


class ReactorNetwork:
    """Opens ways to name servers."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def datagrams(self, server: Server, heard: Heard, lost: Lost) -> Datagrams | _Nowhere:
        """Open a socket of its own to one server."""
        way = Datagrams(server, heard, lost)
        try:
            self._reactor.listenUDP(0, way, "::" if ":" in server[0] else "")
        except (CannotListenError, OSError):  # no port is left, or no IPv6 on this machine
            return _Nowhere()
        try:
            way.connect()
        except OSError:
            way.close()
            return _Nowhere()
        return way

    def stream(self, server: Server, heard: Heard, lost: Lost) -> StreamWay:
        """Open a connection to one server."""
        way = StreamWay(heard, lost)
        way.connector = self._reactor.connectTCP(*server, way, CONNECT_PATIENCE)
        return way
