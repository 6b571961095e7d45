"""The components of this room: the transaction layer, and the transports UDP and TCP."""

from __future__ import annotations

import os
import resource
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.application.service import IService, Service
from twisted.internet.error import CannotListenError

from sipx.core.identifiers import Identifiers
from sipx.interfaces import ITransport, IWireTrace
from sipx.net.answers import MOST_OCTETS
from sipx.net.hops import MOST_WAITING, Hops
from sipx.net.interfaces import IHops, ISignaling
from sipx.net.layer import MOST_TRANSACTIONS, TransactionLayer
from sipx.net.local import LocalTransport
from sipx.net.outbox import Outbox
from sipx.net.resolver.cache import MOST_ANSWERS
from sipx.net.resolver.client import MOST_QUERIES, Resolver
from sipx.net.resolver.sockets import ReactorNetwork
from sipx.net.resolver.system import Hosts, Servers
from sipx.net.stream import MOST_CONNECTIONS
from sipx.net.tcp import TcpTransport
from sipx.net.trace import MOST_BYTES, MOST_MESSAGES, WireTrace
from sipx.net.udp import UdpPort, UdpTransport, cannot_listen
from sipx.net.ways import MOST_AVOIDED
from sipx.node.errors import StartError

if TYPE_CHECKING:
    from sipx.interfaces import INodeContext

ROUTE_LIFE = 10.0  # seconds for which the kernel's choice of a source address is believed
TICK = 0.1  # seconds; the resolution of the timer wheel
FILES_CHANGE = 10.0  # seconds between looks at /etc/hosts and /etc/resolv.conf
OTHER_FILES = 1500  # open beside TCP connections: those being made, the API's, sockets, the disk's


def listening(addresses: Sequence[tuple[str, int]]) -> str:
    """Say where a transport listens."""
    return "listening: " + ", ".join(f"{host}:{port}" for host, port in addresses)


def signaling(context: INodeContext) -> IService:
    """Build the transaction layer, the wire trace and the ``local`` transport."""
    trace = WireTrace()
    outbox = Outbox(context.journal)
    layer = TransactionLayer(outbox, trace, Identifiers(os.urandom(8)), context.utc)
    layer.add_transport(LocalTransport(layer, context.monotonic))
    context.provide(ISignaling, layer)
    context.provide(IWireTrace, trace)
    context.repeat(TICK, layer.tick)
    gauge = context.health.gauge
    gauge("transactions", lambda: layer.transactions, MOST_TRANSACTIONS)
    gauge("answer_octets", lambda: layer.answers.octets, MOST_OCTETS)
    gauge("answers_hurried", lambda: layer.answers.hurried)
    gauge("trace_messages", lambda: len(trace), MOST_MESSAGES)
    gauge("trace_bytes", lambda: trace.held, MOST_BYTES)
    gauge("messages_not_sip", lambda: layer.counters.not_sip)
    gauge("messages_malformed", lambda: layer.counters.malformed)
    gauge("responses_orphaned", lambda: layer.counters.orphan_responses)
    gauge("messages_withheld", lambda: outbox.withheld)
    return Service()


class _UdpService(Service):
    """Binds the UDP sockets when the node starts, before it answers anything."""

    def __init__(self, context: INodeContext) -> None:
        self._context = context
        identity = context.identity
        self._ports = [
            UdpPort(host, identity.sip_port, context.monotonic) for host in identity.listen
        ]
        self._layer: TransactionLayer = context.get(ISignaling)
        transport = UdpTransport(self._ports)
        self._layer.add_transport(transport)
        context.provide(ITransport, transport)
        context.repeat(ROUTE_LIFE, transport.forget_routes)
        context.health.gauge("udp_unsent", lambda: sum(port.unsent for port in self._ports))

    def startService(self) -> None:
        super().startService()
        for port in self._ports:
            port.start(self._layer, self._context.reactor)
        text = listening([port.address for port in self._ports])
        self._context.health.set("udp", True, text)

    def stopService(self) -> None:
        super().stopService()
        for port in self._ports:
            port.stop()


def udp(context: INodeContext) -> IService:
    """Build SIP over UDP: one socket per address."""
    return _UdpService(context)


class _TcpService(Service):
    """Listens on TCP while the node runs."""

    def __init__(self, context: INodeContext) -> None:
        self._context = context
        layer: TransactionLayer = context.get(ISignaling)
        self._transport = TcpTransport(context.reactor, layer, context.monotonic)
        self._listening: list[Any] = []
        layer.add_transport(self._transport)
        context.provide(ITransport, self._transport)
        context.repeat(1.0, self._transport.sweep)
        gauge = context.health.gauge
        gauge("tcp_connections", lambda: len(self._transport), MOST_CONNECTIONS)
        gauge("tcp_refused", lambda: self._transport.refused)
        gauge("tcp_broken", lambda: self._transport.broken)
        gauge("tcp_cut_off", lambda: self._transport.cut_off)

    def startService(self) -> None:
        super().startService()
        identity = self._context.identity
        for host in identity.listen:
            try:
                port = self._context.reactor.listenTCP(
                    identity.sip_port, self._transport.factory(), 1024, host
                )
            except CannotListenError as error:
                raise StartError(
                    cannot_listen("TCP", host, identity.sip_port, error.socketError)
                ) from error
            self._listening.append(port)
            self._transport.listens(host, port.getHost().port)
        text = listening(self._transport.addresses())
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files < MOST_CONNECTIONS + OTHER_FILES:
            text += (
                f"; only {files} open files are allowed, and each connection is one:"
                " raise LimitNOFILE or `ulimit -Hn` for more phones"
            )
        self._context.health.set("tcp", True, text)

    def stopService(self) -> None:
        super().stopService()
        for port in self._listening:
            port.stopListening()
        self._transport.close()


def tcp(context: INodeContext) -> IService:
    """Build SIP over TCP."""
    return _TcpService(context)


class _DnsService(Service):
    """Asks the DNS while the node runs, and says how it does."""

    def __init__(self, context: INodeContext) -> None:
        self._health = context.health
        self._resolver = resolver = Resolver(
            Servers(context.options["dns"]),
            Hosts(),
            ReactorNetwork(context.reactor),
            context.monotonic,
            lambda: secrets.randbits(16),
        )
        self._said = ""
        layer: TransactionLayer = context.get(ISignaling)
        hops = Hops(layer, resolver, context.monotonic)
        layer.back = hops.back
        context.provide(IHops, hops)
        context.repeat(TICK, resolver.tick)
        context.repeat(FILES_CHANGE, self._look)
        gauge = context.health.gauge
        gauge("dns_answers", lambda: len(resolver.cache), MOST_ANSWERS)
        gauge("dns_queries", lambda: resolver.queries, MOST_QUERIES)
        gauge("dns_waiting", lambda: hops.waiting, MOST_WAITING)
        gauge("dns_stale", lambda: resolver.stale)
        gauge("next_hops_avoided", lambda: len(hops.avoided), MOST_AVOIDED)
        self._avoided = hops.avoided

    def startService(self) -> None:
        super().startService()
        self._say()

    def stopService(self) -> None:
        super().stopService()
        self._resolver.close()

    def _look(self, now: float) -> None:
        self._resolver.refresh()
        self._avoided.sweep(now)
        self._say()

    def _say(self) -> None:
        servers = self._resolver.describe()
        good = self._resolver.answering
        text = f"name servers: {servers}"
        if not good:
            text = (
                f"no name server answers ({servers}): what they said before serves on; check"
                " /etc/resolv.conf, or name others with --dns"
            )
        if text != self._said:
            self._said = text
            self._health.set("dns", good, text)


def dns(context: INodeContext) -> IService:
    """Build what finds hosts by their names, and flows for URIs."""
    return _DnsService(context)
