"""Tests of sipx.net.udp: real sockets on loopback."""

from __future__ import annotations

import errno
import socket
from typing import Any, cast
from unittest.mock import patch

from twisted.internet.interfaces import IReadDescriptor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipx.core.flowid import FlowId
from sipx.net import udp as module
from sipx.net.udp import BURST, UdpPort, UdpTransport, cannot_listen, source_address
from sipx.node.errors import StartError
from tests.net.station import Station

LOOPBACK = "127.0.0.1"


class Ear:
    """A layer that keeps what it gets, and a reactor that keeps who reads."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, Any, float]] = []
        self.outbox = self
        self.flushes = 0
        self.readers: list[Any] = []

    def datagram(self, data: bytes, flow: Any, now: float) -> None:
        self.got.append((data, flow, now))

    def flush(self) -> None:
        self.flushes += 1

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.ear = Ear()
        self.port = UdpPort(LOOPBACK, 0, lambda: 7.0)
        self.port.start(cast(Any, self.ear), self.ear)
        self.addCleanup(self.port.stop)
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.peer.close)
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.peer.bind((LOOPBACK, 0))
        self.peer.settimeout(5)


class PortTests(Case):
    """One socket."""

    def test_interface(self) -> None:
        """The reactor can read it."""
        self.assertTrue(verifyObject(IReadDescriptor, self.port))
        self.assertEqual(self.ear.readers, [self.port])

    def test_receive(self) -> None:
        """What arrives is handed to the layer with the flow back and the time."""
        self.peer.sendto(b"hello", self.port.address)
        self.port.doRead()
        ((data, flow, now),) = self.ear.got
        self.assertEqual((data, now, self.ear.flushes), (b"hello", 7.0, 1))
        flow.send(b"back")
        self.assertEqual(self.peer.recvfrom(100), (b"back", self.port.address))

    def test_large(self) -> None:
        """60 KB arrive and leave whole."""
        data = bytes(range(256)) * 234
        self.peer.sendto(data, self.port.address)
        self.port.doRead()
        self.assertEqual(self.ear.got[0][0], data)
        self.ear.got[0][1].send(data)
        self.assertEqual(self.peer.recv(65535), data)

    def test_burst(self) -> None:
        """500 datagrams sent without a pause all arrive, in order, a burst a read."""
        for number in range(500):
            self.peer.sendto(b"%d" % number, self.port.address)
        reads = 0
        while len(self.ear.got) < 500 and reads < 50:
            before = len(self.ear.got)
            self.port.doRead()
            self.assertLessEqual(len(self.ear.got) - before, BURST)
            reads += 1
        self.assertEqual([data for data, *_ in self.ear.got], [b"%d" % n for n in range(500)])

    def test_nothing_there(self) -> None:
        """A read in vain does nothing; an ICMP error of something sent before neither."""
        self.port.doRead()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            closed.bind((LOOPBACK, 0))
            nobody = closed.getsockname()
        self.port.flow(nobody).send(b"x")
        self.port.doRead()
        self.assertEqual(self.ear.got, [])

    def test_refused(self) -> None:
        """A datagram that the kernel does not take is counted."""
        self.port.flow(self.peer.getsockname()).send(b"x" * 65536)
        self.port.flow(("255.255.255.255", 5060)).send(b"x")
        self.assertEqual(self.port.unsent, 2)

    def test_stopped(self) -> None:
        """A socket that is closed reads and sends nothing, and does not raise."""
        port = UdpPort(LOOPBACK, 0, lambda: 7.0)
        port.start(cast(Any, self.ear), self.ear)
        port.stop()
        self.assertNotIn(port, self.ear.readers)
        port.doRead()
        port.flow((LOOPBACK, 5060)).send(b"x")
        self.assertEqual(port.unsent, 1)

    def test_layer_survives(self) -> None:
        """With the real layer nothing that arrives takes the socket away."""
        station = Station()
        port = UdpPort(LOOPBACK, 0, lambda: 7.0)
        self.addCleanup(port.stop)
        port.start(station.layer, self.ear)
        for data in (b"", b"\0", b"\xff" * 3000, b"INVITE x SIP/2.0\r\n\r\n"):
            self.peer.sendto(data, port.address)
        port.doRead()
        self.assertEqual(station.user.requests, [])

    def test_flows(self) -> None:
        """A peer has one flow, whose name says both ends; there is a limit to those kept."""
        flow = self.port.flow(("192.0.2.7", 5060))
        self.assertIs(self.port.flow(("192.0.2.7", 5060)), flow)
        self.assertEqual(flow.id, FlowId("udp", *self.port.address, "192.0.2.7", 5060))
        self.assertEqual(flow.at(5070).id.port, 5070)
        with patch.object(module, "MOST_FLOWS", 2):
            self.port.flow(("192.0.2.8", 5060))
            self.port.flow(("192.0.2.9", 5060))
        self.assertLessEqual(len(self.port._flows), 2)


class TransportTests(Case):
    """All sockets."""

    def setUp(self) -> None:
        super().setUp()
        self.other = UdpPort("127.0.0.2", 0, lambda: 7.0)
        self.addCleanup(self.other.stop)
        self.transport = UdpTransport([self.other, self.port])

    def test_socket_by_route(self) -> None:
        """A datagram leaves from the socket whose address the kernel would choose."""
        self.assertIs(self.transport.towards(LOOPBACK), self.port)
        self.assertIs(UdpTransport([self.other]).towards(LOOPBACK), self.other)

    def test_no_route(self) -> None:
        """Without a route it is the first one."""
        with patch.object(module, "source_address", lambda host: ""):
            self.assertIs(self.transport.towards("203.0.113.1"), self.other)

    def test_by_name(self) -> None:
        """A flow is found again by its name, as long as its socket is ours."""
        flow = self.port.flow(("192.0.2.7", 5060))
        self.assertIs(self.transport.flow(flow.id), flow)
        self.assertIsNone(self.transport.flow(flow.id._replace(local_port=1)))

    def test_source_address(self) -> None:
        """The kernel is asked without sending anything; what it refuses is an empty answer."""
        self.assertEqual(source_address("127.0.0.1"), "127.0.0.1")
        self.assertEqual(source_address("255.255.255.255"), "")

    def test_port_in_use(self) -> None:
        """An address that cannot be had is one sentence."""
        error = self.assertRaises(StartError, UdpPort, *self.port.address, lambda: 7.0)
        self.assertIn(f"UDP port {self.port.address[1]} on {LOOPBACK} is in use", str(error))
        error = self.assertRaises(StartError, UdpPort, "192.0.2.55", 5060, lambda: 7.0)
        self.assertIn("192.0.2.55 is no address of this machine", str(error))

    def test_sentences(self) -> None:
        """Other reasons are said too."""
        for number, words in (
            (errno.EACCES, "choose a port above 1023"),
            (errno.ENOBUFS, "Cannot listen on TCP 192.0.2.1:80: none."),
        ):
            self.assertIn(words, cannot_listen("TCP", "192.0.2.1", 80, OSError(number, "none")))
