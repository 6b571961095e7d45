"""The contract of transports and flows, kept by UDP, TCP and local.

Each is asked the same questions, with sockets of loopback where it has some.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IReactorTime
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from sipx.core.flowid import FlowId
from sipx.core.message import Request
from sipx.core.parser import parse_datagram
from sipx.core.uri import parse_uri
from sipx.core.via import parse_via
from sipx.interfaces import IFlow, ITransport
from sipx.net.local import LocalTransport
from sipx.net.tcp import TcpTransport
from sipx.net.udp import UdpPort, UdpTransport
from tests.net.station import Station, request
from tests.net.test_tcp import Socket

LOOPBACK = "127.0.0.1"


class TransportContract:
    """What every transport keeps.

    A test case says how to make one, and what came out at the other end.
    """

    transport: Any
    station: Station
    assertEqual: Any
    assertTrue: Any
    assertIs: Any
    assertIsNone: Any
    assertIn: Any

    def peer(self) -> tuple[str, int]:
        """Whom to reach."""
        raise NotImplementedError

    def arrived(self) -> Request:
        """What the peer got."""
        raise NotImplementedError

    def reach(self) -> Any:
        """Reach the peer."""
        found: list[Any] = []
        self.transport.reach(*self.peer(), found.append)
        self.connect()
        (flow,) = found
        return flow

    def connect(self) -> None:
        """Let a connection be made."""

    def test_interfaces(self) -> None:
        """Transport and flow are what others are told they are."""
        self.assertTrue(verifyObject(ITransport, self.transport))
        flow = self.reach()
        self.assertTrue(verifyObject(IFlow, flow))
        self.assertEqual(flow.transport, self.transport.name)
        self.assertIs(flow.reliable, self.transport.reliable)
        self.assertTrue(flow.alive)

    def test_again(self) -> None:
        """Who asks again gets the same flow."""
        self.assertIs(self.reach(), self.reach())

    def test_name(self) -> None:
        """A flow's name can be written and read."""
        flow = self.reach()
        self.assertEqual(FlowId.parse(str(flow.id)), flow.id)
        self.assertEqual(flow.id.transport, self.transport.name)

    def test_via(self) -> None:
        """``sent_by`` and a branch make a Via, ``address`` a URI."""
        flow = self.reach()
        via = parse_via(f"{flow.sent_by}z9hG4bK1")
        self.assertEqual((via.transport, via.branch), (self.transport.name.upper(), "z9hG4bK1"))
        self.assertEqual((via.host, via.port), flow.address)
        host, port = flow.address
        self.assertEqual(parse_uri(f"sip:{host}:{port};lr").port, port)

    def test_other_port(self) -> None:
        """The flow to another port is one of the same transport."""
        flow = self.reach().at(5099)
        self.assertTrue(verifyObject(IFlow, flow))
        self.assertEqual(flow.transport, self.transport.name)

    def test_send(self) -> None:
        """A message that is sent through the layer arrives."""
        message = parse_datagram(request("MESSAGE"))
        assert isinstance(message, Request)
        self.station.layer.send(message, self.reach(), self.station.user, self.station.now)
        self.station.layer.outbox.flush()
        arrived = self.arrived()
        self.assertEqual((arrived.method, arrived.call_id), ("MESSAGE", "call@x"))
        self.assertEqual(len(arrived.vias()), 2)

    def test_unknown_flow(self) -> None:
        """A name that is no flow's is found to be None."""
        self.assertIsNone(self.transport.flow(FlowId("udp", "192.0.2.99", 1, "192.0.2.98", 2)))


class UdpContractTests(TransportContract, SynchronousTestCase):
    """UDP keeps it."""

    def setUp(self) -> None:
        self.station = Station()
        self.remote = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.remote.close)
        self.remote.bind((LOOPBACK, 0))
        self.remote.settimeout(5)
        port = UdpPort(LOOPBACK, 0, lambda: self.station.now)
        self.addCleanup(port.stop)
        self.transport = UdpTransport([port])

    def peer(self) -> tuple[str, int]:
        found: tuple[str, int] = self.remote.getsockname()
        return found

    def arrived(self) -> Request:
        message = parse_datagram(self.remote.recv(65535))
        assert isinstance(message, Request)
        return message

    def test_found_again(self) -> None:
        """A flow is found by its name."""
        flow = self.reach()
        self.assertIs(self.transport.flow(flow.id), flow)

    def test_addresses(self) -> None:
        """It says where it listens."""
        self.assertEqual(self.transport.addresses(), [self.reach().address])


class TcpContractTests(TransportContract, SynchronousTestCase):
    """TCP keeps it."""

    def setUp(self) -> None:
        self.station = Station()
        self.reactor: Any = MemoryReactorClock()
        self.assertTrue(IReactorTime.providedBy(self.reactor))
        self.transport = TcpTransport(self.reactor, self.station.layer, lambda: self.station.now)
        self.transport.listens(LOOPBACK, 5060)
        self.sockets: list[Socket] = []

    def peer(self) -> tuple[str, int]:
        return "192.0.2.7", 5070

    def connect(self) -> None:
        clients = self.reactor.tcpClients
        while clients:
            host, port, factory, *_ = clients.pop()
            address = IPv4Address("TCP", host, port)
            protocol = factory.buildProtocol(address)
            self.sockets.append(Socket(IPv4Address("TCP", LOOPBACK, 40000), address))
            protocol.makeConnection(self.sockets[-1])

    def arrived(self) -> Request:
        message = parse_datagram(self.sockets[-1].value())
        assert isinstance(message, Request)
        return message

    def test_found_again(self) -> None:
        """A flow is found by its name."""
        flow = self.reach()
        self.assertIs(self.transport.flow(flow.id), flow)

    def test_addresses(self) -> None:
        """It says where it listens."""
        self.assertEqual(self.transport.addresses(), [(LOOPBACK, 5060)])


class LocalContractTests(TransportContract, TestCase):
    """The local transport keeps it."""

    def setUp(self) -> None:
        self.station = Station()
        self.transport = LocalTransport(self.station.layer, lambda: self.station.now)

    def peer(self) -> tuple[str, int]:
        return "voicemail", 1

    def arrived(self) -> Request:
        ((message, flow),) = self.station.user.requests
        self.assertEqual(flow.server, "voicemail")
        return message

    def test_addresses(self) -> None:
        """It listens nowhere."""
        self.assertEqual(self.transport.addresses(), ())

    def test_own_copies(self) -> None:
        """What one end does to a message the other end does not see."""
        message = parse_datagram(request("MESSAGE"))
        assert isinstance(message, Request)
        client = self.station.layer.send(message, self.reach(), self.station.user, self.station.now)
        self.station.layer.outbox.flush()
        arrived = self.arrived()
        arrived.set("subject", "changed")
        self.assertIsNone(client.request.get("subject"))

    def test_there_and_back(self) -> None:
        """A request goes to the server's end, and its answer comes back to ours."""
        station = self.station
        message = parse_datagram(request("MESSAGE"))
        assert isinstance(message, Request)
        station.layer.send(message, self.reach(), station.user, station.now)
        station.layer.outbox.flush()
        station.respond(200)
        self.assertEqual(station.user.told, ["request MESSAGE", "response 200"])
        traced = station.trace.messages(message.call_id)
        self.assertEqual(  # each of them once
            [(one["source"], one["destination"]) for one in traced],
            [("localhost:1", "localhost:2"), ("localhost:2", "localhost:1")],
        )
        station.advance(1)
        self.assertEqual((station.layer.transactions, station.layer.timers), (0, 0))
