"""Tests of sipx.net.tcp: connections in memory."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from sipx.core.flowid import FlowId
from sipx.core.framing import HEAD_PATIENCE
from sipx.core.message import Message, reply
from sipx.core.parser import parse_datagram
from sipx.net import stream as module
from sipx.net.stream import IDLE_PATIENCE, MOST_UNSENT, StreamFlow, StreamProtocol
from sipx.net.tcp import TcpTransport
from tests.net.station import HOST, PEER, Station, request


class Socket(StringTransport):
    """A connection that can be cut, with the calls of a TCP transport."""

    aborted = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing is delayed here."""

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()

    def unregisterProducer(self) -> None:
        if self.producer is not None:
            super().unregisterProducer()


class Exchange:
    """A TCP transport, its layer, and connections to it."""

    def __init__(self) -> None:
        self.station = Station()
        self.reactor: Any = MemoryReactorClock()
        self.tcp = TcpTransport(self.reactor, self.station.layer, lambda: self.station.now)
        self.tcp.listens(HOST, 5060)
        self.station.layer.add_transport(self.tcp)

    def accept(self, peer: tuple[str, int] = PEER) -> tuple[Any, Socket]:
        """A connection from a peer."""
        protocol = self.tcp.factory().buildProtocol(IPv4Address("TCP", *peer))
        assert isinstance(protocol, StreamProtocol)
        return protocol, self.connect(protocol, peer)

    def connect(self, protocol: StreamProtocol, peer: tuple[str, int]) -> Socket:
        socket = Socket(IPv4Address("TCP", HOST, 5060), IPv4Address("TCP", *peer))
        protocol.makeConnection(socket)
        return socket

    def outgoing(self, place: int = -1) -> tuple[Any, ...]:
        """An attempt: host, port, factory, timeout, source."""
        attempt: tuple[Any, ...] = self.reactor.tcpClients[place]
        return attempt

    def turn(self) -> None:
        self.reactor.advance(0)


def read(socket: Socket) -> Message:
    """What was written to a connection, as a message."""
    data = socket.value()
    socket.clear()
    return parse_datagram(data)


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.exchange = Exchange()
        self.station = self.exchange.station
        self.tcp = self.exchange.tcp


class MessageTests(Case):
    """Messages and keep-alives on a connection."""

    def test_interfaces(self) -> None:
        """A connection is a push producer: it is told when the peer reads too slowly."""
        protocol, _ = self.exchange.accept()
        self.assertTrue(verifyObject(IPushProducer, protocol))

    def test_request(self) -> None:
        """A request is handed to the layer, and its answer goes back at the end of the turn."""
        protocol, socket = self.exchange.accept()
        protocol.dataReceived(request("OPTIONS", transport="TCP"))
        served = self.station.user.served[0]
        self.assertIs(served.flow, protocol.flow)
        self.assertEqual(socket.value(), b"")
        self.station.respond(200)
        self.assertTrue(socket.value().startswith(b"SIP/2.0 200"))

    def test_turn(self) -> None:
        """What a message causes is sent in the reactor's next call, once for all connections."""
        layer = self.station.layer
        self.station.accepting = False
        protocol, socket = self.exchange.accept()
        for number in range(3):
            protocol.dataReceived(request("CANCEL", f"z9hG4bK{number}", transport="TCP"))
            message, flow = self.station.user.requests[-1]
            layer.reply(message, flow, reply(message, 481))
            self.tcp.turn()
        self.assertEqual(self.station.journal.commits, 0)
        self.exchange.turn()
        self.assertEqual(self.station.journal.commits, 1)
        self.assertEqual(socket.value().count(b"SIP/2.0 481"), 3)

    def test_ping(self) -> None:
        """A double CRLF is answered with one, at once; a single one is not (RFC 5626)."""
        protocol, socket = self.exchange.accept()
        protocol.dataReceived(b"\r\n\r\n")
        self.assertEqual(socket.value(), b"\r\n")
        protocol.dataReceived(b"\r\n")
        protocol.dataReceived(request("OPTIONS", transport="TCP"))
        protocol.dataReceived(b"\r\n")
        self.assertEqual(socket.value(), b"\r\n")

    def test_malformed(self) -> None:
        """What makes the stream unreadable is answered 400 with the reason, then it is closed."""
        for length, status, reason in (
            ("Content-Length: -1", 400, "Content-Length is not a number"),
            ("X: y", 400, "Missing Content-Length header"),
            ("Content-Length: 70000", 513, "Message Too Large"),
        ):
            protocol, socket = self.exchange.accept()
            data = request("INVITE", transport="TCP").replace(b"Content-Length: 0", length.encode())
            protocol.dataReceived(data)
            response: Any = read(socket)
            self.assertEqual((response.status, response.reason), (status, reason))
            self.assertTrue(socket.disconnecting)
            self.assertFalse(protocol.flow.alive)
        self.assertEqual(self.tcp.broken, 3)
        self.assertEqual(self.station.user.requests, [])

    def test_nobody_to_answer(self) -> None:
        """Garbage, an ACK, a response, a request without Via: closed in silence."""
        for data in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            request("ACK").replace(b"Content-Length: 0", b"Content-Length: x"),
            b"SIP/2.0 200 OK\r\n\r\n",
            request("OPTIONS").replace(b"Via", b"X-Via").replace(b"Length: 0", b"Length: x"),
        ):
            protocol, socket = self.exchange.accept()
            protocol.dataReceived(data)
            self.assertEqual(socket.value(), b"")
            self.assertTrue(socket.disconnecting)

    def test_closing_while_the_peer_does_not_read(self) -> None:
        """A connection that is closed while paused is let go: it is no producer any more."""
        protocol, socket = self.exchange.accept()
        protocol.pauseProducing()
        protocol.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(socket.disconnecting)
        self.assertIsNone(socket.producer)

    def test_endless_head(self) -> None:
        """A message that does not end in time is cut off."""
        protocol, socket = self.exchange.accept()
        protocol.dataReceived(b"OPTIONS sip:x SIP/2.0\r\n")
        self.tcp.sweep(self.station.now + HEAD_PATIENCE - 0.1)
        self.assertFalse(socket.disconnecting)
        self.tcp.sweep(self.station.now + HEAD_PATIENCE)
        self.assertTrue(socket.aborted)
        self.assertEqual(self.tcp.broken, 1)

    def test_idle(self) -> None:
        """A connection on which nothing was heard for long is closed; a ping keeps it."""
        protocol, socket = self.exchange.accept()
        self.station.now += IDLE_PATIENCE - 1
        protocol.dataReceived(b"\r\n\r\n")
        self.station.now += 2
        self.tcp.sweep(self.station.now)
        self.assertFalse(socket.disconnecting)
        self.tcp.sweep(self.station.now + IDLE_PATIENCE)
        self.assertTrue(socket.disconnecting)

    def test_closing_takes_too_long(self) -> None:
        """A peer that takes nothing is cut off when closing has not helped."""
        _, socket = self.exchange.accept()
        later = self.station.now + IDLE_PATIENCE + 1
        self.tcp.sweep(later)
        self.assertEqual((socket.disconnecting, socket.aborted), (True, False))
        self.tcp.sweep(later + HEAD_PATIENCE)
        self.assertTrue(socket.aborted)

    def test_slow_reader(self) -> None:
        """A peer that reads nothing is cut off when too much waits for it."""
        protocol, socket = self.exchange.accept()
        protocol.send(b"x" * (2 * MOST_UNSENT))  # nobody said that it is slow
        self.assertFalse(socket.aborted)
        protocol.pauseProducing()
        protocol.send(b"x" * MOST_UNSENT)
        self.assertFalse(socket.aborted)
        protocol.resumeProducing()
        protocol.pauseProducing()
        protocol.send(b"x" * MOST_UNSENT)
        self.assertFalse(socket.aborted)
        protocol.send(b"x")
        self.assertTrue(socket.aborted)
        self.assertEqual(self.tcp.cut_off, 1)


class LimitTests(Case):
    """How many connections there may be."""

    def test_per_host(self) -> None:
        """One host may have so many, and again when one of them is gone."""
        with patch.object(module, "MOST_FROM_ONE_HOST", 2):
            first, _ = self.exchange.accept(("192.0.2.7", 1))
            self.exchange.accept(("192.0.2.7", 2))
            self.assertIsNone(self.tcp.admit("192.0.2.7"))
            self.assertIsNotNone(self.tcp.admit("192.0.2.8"))
            first.connectionLost(Failure(ConnectError()))
            self.assertIsNotNone(self.tcp.admit("192.0.2.7"))
        self.assertEqual(self.tcp.refused, 1)

    def test_in_all(self) -> None:
        """All together may have so many, outgoing ones too."""
        with patch.object(module, "MOST_CONNECTIONS", 1):
            self.exchange.accept()
            self.assertIsNone(self.tcp.admit("192.0.2.8"))
            found: list[Any] = []
            self.tcp.reach("192.0.2.9", 5060, found.append)
            self.assertIsInstance(found[0], ConnectError)
        self.assertEqual(self.tcp.refused, 2)

    def test_connecting(self) -> None:
        """So many attempts may run at a time."""
        found: list[Any] = []
        with patch.object(module, "MOST_CONNECTING", 1):
            self.tcp.reach("192.0.2.9", 5060, found.append)
            self.tcp.reach("192.0.2.9", 5061, found.append)
        self.assertEqual(len(found), 1)
        self.assertIsInstance(found[0], ConnectError)

    def test_nothing_is_left(self) -> None:
        """Connections that are gone leave nothing behind."""
        for port in range(3):
            protocol, _ = self.exchange.accept(("192.0.2.7", port + 1))
            self.assertTrue(protocol.flow.alive)
            protocol.connectionLost(Failure(ConnectError()))
            self.assertFalse(protocol.flow.alive)
        self.assertEqual(len(self.tcp), 0)
        self.assertEqual((self.tcp._hosts, self.tcp._peers), ({}, {}))


class ReachTests(Case):
    """Connections that the node opens."""

    def reach(self, peer: tuple[str, int] = PEER) -> list[Any]:
        found: list[Any] = []
        self.tcp.reach(*peer, found.append)
        return found

    def open(self) -> tuple[Any, Socket]:
        host, port, factory, *_ = self.exchange.outgoing()
        protocol = factory.buildProtocol(IPv4Address("TCP", host, port))
        return protocol, self.exchange.connect(protocol, (host, port))

    def test_new(self) -> None:
        """A connection is made, with a time limit; who asked gets its flow."""
        found = self.reach()
        self.assertEqual(found, [])
        host, port, _, patience, _ = self.exchange.outgoing()
        self.assertEqual((host, port, patience), (*PEER, module.CONNECT_PATIENCE))
        protocol, _ = self.open()
        self.assertEqual(found, [protocol.flow])
        self.assertEqual(protocol.flow.address, (HOST, 5060))

    def test_shared(self) -> None:
        """Who asks while one is being made waits for the same."""
        first, second = self.reach(), self.reach()
        self.assertEqual(len(self.exchange.reactor.tcpClients), 1)
        protocol, _ = self.open()
        self.assertEqual((first, second), ([protocol.flow], [protocol.flow]))

    def test_waiting_is_bounded(self) -> None:
        """So many requests wait for one connection; the next is told at once and counted."""
        self.patch(module, "MOST_WAITING", 2)
        waiting = [self.reach(), self.reach()]
        self.assertIsInstance(self.reach()[0], ConnectError)
        self.assertEqual(self.tcp.refused, 1)
        protocol, _ = self.open()
        self.assertEqual(waiting, [[protocol.flow], [protocol.flow]])

    def test_reused(self) -> None:
        """One that stands is used again, whoever opened it (18)."""
        protocol, _ = self.exchange.accept(PEER)
        self.assertEqual(self.reach(), [protocol.flow])
        self.assertEqual(self.exchange.reactor.tcpClients, [])
        self.assertIs(self.tcp.flow(protocol.flow.id), protocol.flow)

    def test_not_while_closing(self) -> None:
        """One that is being closed is not."""
        protocol, _ = self.exchange.accept(PEER)
        protocol.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(self.reach(), [])
        self.assertEqual(len(self.exchange.reactor.tcpClients), 1)

    def test_failed(self) -> None:
        """When it cannot be made, all who wait are told, and the next one tries again."""
        first, second = self.reach(), self.reach()
        self.exchange.outgoing()[2].clientConnectionFailed(None, Failure(ConnectError()))
        for found in (first, second):
            self.assertIsInstance(found[0], ConnectError)
        self.reach()
        self.assertEqual(len(self.exchange.reactor.tcpClients), 2)

    def test_gone(self) -> None:
        """A connection that is gone is no longer found."""
        protocol, _ = self.exchange.accept(PEER)
        name = protocol.flow.id
        protocol.connectionLost(Failure(ConnectError()))
        self.assertIsNone(self.tcp.flow(name))
        self.reach()
        self.assertEqual(len(self.exchange.reactor.tcpClients), 1)

    def test_name(self) -> None:
        """A flow is named by both ends; a port above all is one of a connection."""
        protocol, _ = self.exchange.accept(PEER)
        flow = protocol.flow
        assert isinstance(flow, StreamFlow)
        self.assertEqual(flow.id, FlowId("tcp", HOST, 5060, *PEER))
        self.assertIs(flow.at(9), flow)

    def test_lost_requests(self) -> None:
        """What waits for an answer on a connection that is lost fails."""
        protocol, _ = self.exchange.accept()
        self.station.send(request("OPTIONS"), protocol.flow)
        protocol.connectionLost(Failure(ConnectError()))
        self.assertEqual(self.station.user.told, ["failed 503"])

    def test_close(self) -> None:
        """When the node stops, all connections are closed."""
        sockets = [self.exchange.accept(("192.0.2.7", port))[1] for port in (1, 2)]
        self.tcp.close()
        self.assertTrue(all(socket.disconnecting for socket in sockets))

    def test_addresses(self) -> None:
        """Peers are told the address that they reached us at, with the port we listen on."""
        self.tcp.listens("198.51.100.1", 5070)
        self.assertEqual(self.tcp.listening("198.51.100.1"), ("198.51.100.1", 5070))
        self.assertEqual(self.tcp.listening("203.0.113.1"), (HOST, 5060))


class Reader(Protocol):
    """A peer that reads when it is told to.

    Attributes:
        read: how many bytes it has got.
        lost: fires when the connection is gone.
    """

    def __init__(self) -> None:
        self.read = 0
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.read += len(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


class LoopbackTests(TestCase):
    """Real connections."""

    timeout = 20

    async def test_closing_after_a_pause(self) -> None:
        """A peer that begins to read late gets everything, and is closed then."""
        from twisted.internet import reactor as installed

        reactor: Any = installed
        station = Station()
        tcp = TcpTransport(reactor, station.layer, lambda: station.now)
        port = reactor.listenTCP(0, tcp.factory(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        peer = Reader()
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        await connectProtocol(endpoint, peer)
        transport: Any = peer.transport
        transport.pauseProducing()
        while not len(tcp):
            await deferLater(reactor, 0)
        (protocol,) = tcp._flows.values()
        size = 8 * 1024 * 1024
        protocol.send(b"x" * size)
        self.assertTrue(protocol._paused)
        transport.write(b"GET / HTTP/1.1\r\n\r\n")
        while not tcp.broken:
            await deferLater(reactor, 0)
        transport.resumeProducing()
        await peer.lost
        self.assertEqual(peer.read, size)
        while len(tcp):
            await deferLater(reactor, 0)
