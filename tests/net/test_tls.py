"""Tests of sipx.net.tls: handshakes over real connections on the loopback address."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from sipx.core.parser import parse_datagram
from sipx.net import stream
from sipx.net.credentials import Credentials
from sipx.net.stream import HANDSHAKE_PATIENCE
from sipx.net.tls import TlsProtocol, TlsTransport, WrongPeer
from sipx.node.certificate import keep_certificate
from sipx.node.identity import make_identity
from tests.net.station import Station, request
from tests.net.test_tcp import Socket
from tests.support.certificates import Authority, write

HOST = "127.0.0.1"
reactor: Any = installed


@implementer(IHandshakeListener)
class Phone(Protocol):
    """A TLS client.

    Attributes:
        ready: fires with the names in the server's certificate after the handshake.
        lost: fires with the reason.
        data: what it was sent.
    """

    def __init__(self) -> None:
        self.ready: Deferred[list[str]] = Deferred()
        self.lost: Deferred[Any] = Deferred()
        self.data = b""

    def handshakeCompleted(self) -> None:  # noqa: N802
        transport: Any = self.transport
        certificate = transport.getHandle().get_peer_certificate().to_cryptography()
        names = certificate.subject.rfc4514_string()
        self.ready.callback(names)

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(reason.value)


@implementer(IOpenSSLClientConnectionCreator)
class Client:
    """How a phone connects: the name it asks for, its certificate, the latest version it knows."""

    def __init__(self, name: str = "", pair: Any = None, version: int | None = None) -> None:
        self._name = name
        self._context = SSL.Context(SSL.TLS_METHOD)
        if version is not None:
            self._context.set_max_proto_version(version)
            self._context.set_cipher_list(b"ALL:@SECLEVEL=0")
        if pair is not None:
            self._context.use_certificate_file(str(pair[0]))
            self._context.use_privatekey_file(str(pair[1]))

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:  # noqa: N803
        connection = SSL.Connection(self._context, None)
        if self._name:
            connection.set_tlsext_host_name(self._name.encode())
        return connection


async def until(met: Callable[[], Any]) -> None:
    """Wait until something is so; the test's own time limit ends it."""
    while not met():
        await deferLater(reactor, 0.001)


class Side:
    """One node's TLS, with a layer."""

    def __init__(
        self, files: list[tuple[Path, Path]], trust: str = "system", clients: str = "no"
    ) -> None:
        self.station = Station()
        self.credentials = Credentials(files, trust, clients, time.time)
        self.tls = TlsTransport(
            reactor, self.station.layer, lambda: self.station.now, self.credentials
        )
        self.station.layer.add_transport(self.tls)


class TlsCase(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = Authority()
        self.trust = self.folder / "authority.pem"
        self.trust.write_bytes(self.authority.pem)

    def pair(self, name: str, *names: str) -> tuple[Path, Path]:
        return write(self.folder, name, self.authority.issue(*(names or (name,)), common=name))

    def serve(self, *files: tuple[Path, Path], **more: Any) -> Side:
        """A node that listens."""
        side = Side(list(files) or [self.pair("pbx.test")], **more)
        port = reactor.listenTCP(0, side.tls.factory(), interface=HOST)
        side.tls.listens(HOST, port.getHost().port)

        async def close() -> None:
            side.tls.close()
            await port.stopListening()
            side.station.now += 1000
            side.tls.sweep(side.station.now)
            await until(lambda: not len(side.tls))

        self.addCleanup(lambda: Deferred.fromCoroutine(close()))
        return side

    async def connect(self, side: Side, client: Client | None = None) -> Phone:
        """A phone that connects; its handshake may still go on."""
        phone = Phone()
        factory = TLSMemoryBIOFactory(client or Client(), True, Factory.forProtocol(lambda: phone))
        endpoint = TCP4ClientEndpoint(reactor, *side.tls.addresses()[0])
        await endpoint.connect(factory)
        return phone

    def hang_up(self, phone: Phone) -> None:
        transport: Any = phone.transport
        transport.loseConnection()

    async def ask(self, phone: Phone, branch: str = "z9hG4bKone") -> Any:
        """Send OPTIONS; what the phone is answered."""
        transport: Any = phone.transport
        phone.data = b""
        transport.write(request("OPTIONS", branch, transport="TLS"))
        await until(lambda: self.served and self.station.user.served[-1].key.startswith(branch))
        self.station.respond(200)
        await until(lambda: phone.data)
        return parse_datagram(phone.data)

    station: Station

    @property
    def served(self) -> Any:
        return self.station.user.served


class ServerTests(TlsCase):
    """Phones that connect."""

    async def test_request(self) -> None:
        """A request comes over TLS, its flow says so, and its answer goes back."""
        side = self.serve()
        self.station = side.station
        phone = await self.connect(side)
        await phone.ready
        response = await self.ask(phone)
        self.assertEqual(response.status, 200)
        flow = self.served[0].flow
        self.assertEqual((flow.transport, flow.id.transport), ("tls", "tls"))
        port = side.tls.addresses()[0][1]
        self.assertEqual(flow.sent_by, f"SIP/2.0/TLS {HOST}:{port};branch=")
        self.assertIs(side.tls.flow(flow.id), flow)
        self.hang_up(phone)
        await phone.lost

    async def test_names(self) -> None:
        """The certificate is that of the name asked for (SNI), else the first one."""
        side = self.serve(self.pair("one.test"), self.pair("two.test"))
        for name, expected in (("two.test", "CN=two.test"), ("TWO.test", "CN=two.test"),
                               ("one.test", "CN=one.test"), ("x.test", "CN=one.test"),
                               ("", "CN=one.test")):  # fmt: skip
            phone = await self.connect(side, Client(name))
            self.assertEqual(await phone.ready, expected)
            self.hang_up(phone)
            await phone.lost

    async def test_reload(self) -> None:
        """New connections get the new certificate, and one that stands goes on."""
        files = self.pair("old", "pbx.test")
        side = self.serve(files)
        self.station = side.station
        before = await self.connect(side)
        self.assertEqual(await before.ready, "CN=old")
        new = self.authority.issue("pbx.test", common="new")
        write(self.folder, "old", new)
        self.assertTrue(side.credentials.reload())
        after = await self.connect(side)
        self.assertEqual(await after.ready, "CN=new")
        self.assertEqual((await self.ask(before, "z9hG4bKbefore")).status, 200)
        self.assertEqual((await self.ask(after, "z9hG4bKafter")).status, 200)
        for phone in (before, after):
            self.hang_up(phone)
            await phone.lost

    async def test_version(self) -> None:
        """Whoever knows no TLS 1.2 is not let in."""
        side = self.serve()
        phone = await self.connect(side, Client(version=SSL.TLS1_1_VERSION))
        self.assertIsInstance(await phone.lost, SSL.Error)
        await until(lambda: not len(side.tls))
        self.assertEqual(side.tls.failed_handshakes, 1)
        old = await self.connect(side, Client(version=SSL.TLS1_2_VERSION))
        await old.ready
        self.hang_up(old)
        await old.lost

    async def test_client_certificates(self) -> None:
        """Required, one of a trusted authority is let in and known by name, others are not."""
        side = self.serve(trust=str(self.trust), clients="required")
        self.station = side.station
        stranger = write(self.folder, "stranger", Authority("Stranger").issue("phone.test"))
        for pair in (None, stranger):
            phone = await self.connect(side, Client(pair=pair))
            await phone.lost
        self.assertEqual(side.tls.failed_handshakes, 2)
        phone = await self.connect(side, Client(pair=self.pair("phone.test")))
        await phone.ready
        self.assertEqual((await self.ask(phone)).status, 200)
        (protocol,) = side.tls._flows.values()
        assert isinstance(protocol, TlsProtocol)
        self.assertEqual(protocol.names, {"phone.test"})
        self.hang_up(phone)
        await phone.lost

    async def test_no_tls(self) -> None:
        """Who speaks no TLS never gets as far as SIP."""
        side = self.serve()
        phone = Phone()
        await connectProtocol(TCP4ClientEndpoint(reactor, *side.tls.addresses()[0]), phone)
        transport: Any = phone.transport
        transport.write(request("OPTIONS", transport="TLS"))
        await phone.lost
        self.assertEqual(side.station.user.requests, [])

    async def test_silence(self) -> None:
        """Who does not finish the handshake in time is cut off."""
        side = self.serve()
        phone = Phone()
        await connectProtocol(TCP4ClientEndpoint(reactor, *side.tls.addresses()[0]), phone)
        await until(lambda: side.tls.handshaking)
        side.tls.sweep(side.station.now + HANDSHAKE_PATIENCE)
        self.assertEqual(side.tls.handshaking, 1)
        side.tls.sweep(side.station.now + HANDSHAKE_PATIENCE + 0.1)
        await phone.lost
        await until(lambda: not len(side.tls))
        self.assertEqual((side.tls.broken, side.tls.failed_handshakes), (1, 1))


class ClientTests(TlsCase):
    """Connections that the node opens."""

    async def reach(self, side: Side, server: Side, name: str) -> Any:
        found: list[Any] = []
        side.tls.reach(*server.tls.addresses()[0], found.append, name)
        await until(lambda: found)
        return found[0]

    def caller(self, **more: Any) -> Side:
        side = Side([self.pair("caller.test")], **{"trust": str(self.trust), **more})

        async def close() -> None:
            side.tls.close()
            side.tls.sweep(side.station.now + 1000)
            await until(lambda: not len(side.tls))

        self.addCleanup(lambda: Deferred.fromCoroutine(close()))
        return side

    async def test_proved(self) -> None:
        """Who proves the name that was asked for is reached, once for all that ask for it."""
        server = self.serve(self.pair("pbx.test", "sip:pbx.test", HOST))
        side = self.caller()
        flow = await self.reach(side, server, "PBX.test")
        self.assertEqual(flow.transport, "tls")
        self.assertIs(await self.reach(side, server, "pbx.test"), flow)
        flow.send(b"\r\n\r\n")

    async def test_not_proved(self) -> None:
        """Nobody else is: not another name, nor an unknown authority, nor only an address."""
        server = self.serve(self.pair("pbx.test"))
        side = self.caller()
        flow = await self.reach(side, server, "pbx.test")
        for name in ("other.test", "", HOST):
            self.assertIsInstance(await self.reach(side, server, name), WrongPeer)
        self.assertIs(await self.reach(side, server, "pbx.test"), flow)
        stranger = self.caller(trust="system")
        self.assertIsInstance(await self.reach(stranger, server, "pbx.test"), SSL.Error)
        await until(lambda: not len(stranger.tls))
        self.assertEqual((stranger.tls._waiting, stranger.tls._hosts), ({}, {}))

    async def test_self_signed(self) -> None:
        """A certificate that a node made for itself is good for who was given it, and no other."""
        identity = make_identity("realm", "pbx.test", [HOST], 5060)
        keep_certificate(self.folder, identity, time.time())
        certificate = self.folder / "certificate.pem"
        server = self.serve((certificate, self.folder / "private.key"))
        knowing = self.caller(trust=str(certificate))
        self.assertTrue((await self.reach(knowing, server, "pbx.test")).alive)
        self.assertIsInstance(await self.reach(self.caller(), server, "pbx.test"), SSL.Error)

    async def test_anybody(self) -> None:
        """With --tls-trust any, whoever answers is believed."""
        server = self.serve(write(self.folder, "x", Authority("Stranger").issue("x.test")))
        side = self.caller(trust="any")
        flow = await self.reach(side, server, "pbx.test")
        self.assertTrue(flow.alive)

    async def test_client_certificate(self) -> None:
        """The node shows its own certificate to who asks for one."""
        server = self.serve(self.pair("pbx.test"), trust=str(self.trust), clients="required")
        side = self.caller()
        flow = await self.reach(side, server, "pbx.test")
        flow.send(request("OPTIONS", transport="TLS"))
        await until(lambda: server.station.user.served)
        (protocol,) = server.tls._flows.values()
        assert isinstance(protocol, TlsProtocol)
        self.assertEqual(protocol.names, {"caller.test"})


class LimitTests(SynchronousTestCase):
    """How many handshakes there may be."""

    def test_handshaking(self) -> None:
        """So many connections may be before the end of their handshake."""
        folder = Path(self.mktemp())
        folder.mkdir()
        files = write(folder, "a", Authority().issue("pbx.test"))
        station = Station()
        credentials = Credentials([files], "system", "no", time.time)
        clock: Any = MemoryReactorClock()
        tls = TlsTransport(clock, station.layer, lambda: station.now, credentials)
        tls.listens(HOST, 5061)
        self.patch(stream, "MOST_HANDSHAKING", 2)
        protocols: list[Any] = []
        for _ in range(2):
            protocol = tls.admit(HOST)
            assert protocol is not None
            protocol.makeConnection(Socket())
            protocols.append(protocol)
        self.assertIsNone(tls.admit(HOST))
        self.assertEqual(tls.refused, 1)
        protocols[0].connectionLost(Failure(ConnectionError()))
        self.assertIsNotNone(tls.admit(HOST))
