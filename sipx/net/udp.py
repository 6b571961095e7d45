"""SIP over UDP: one socket per address, read in bursts (RFC 3261 section 18).

A flow is the socket and a peer's address, so that what comes back goes the way it came
(RFC 3581). Twisted's own UDP port cuts datagrams at 8 KiB and costs more a packet; this
reader gives the reactor a descriptor and does the rest itself.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import classImplements

from sipx.core.flowid import FlowId
from sipx.interfaces import IFlow, ITransport
from sipx.node.errors import StartError

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from sipx.net.layer import TransactionLayer

LARGEST_DATAGRAM: Final = 65535
BURST: Final = 64  # datagrams read from one socket before the others get their turn
RECEIVE_BUFFER: Final = 4 * 1024 * 1024  # a registration storm fits; the kernel may cap it
MOST_ROUTES: Final = 4096  # hosts whose socket is remembered
MOST_FLOWS: Final = 65536  # remembered per socket; they are made again when needed


class UdpFlow:
    """One peer's address behind one of our sockets."""

    __slots__ = ("_port", "address", "id", "peer", "sent_by")

    transport = "udp"
    reliable = False
    alive = True

    def __init__(self, port: UdpPort, peer: tuple[str, int]) -> None:
        self._port = port
        self.peer = peer
        self.address = port.address
        self.sent_by = port.sent_by
        self.id = FlowId("udp", *port.address, *peer)

    def send(self, message: Any) -> None:
        """Send a datagram; what the kernel refuses is counted and left to retransmission."""
        self._port.write(message, self.peer)

    def at(self, port: int) -> UdpFlow:
        """The flow to another port of the same peer."""
        return self._port.flow((self.peer[0], port))


classImplements(UdpFlow, IFlow)


class UdpPort:
    """One bound socket.

    Attributes:
        address: where it listens.
        unsent: datagrams that the kernel refused.
    """

    def __init__(self, host: str, port: int, monotonic: Callable[[], float]) -> None:
        """Bind.

        Raises:
            StartError: the address cannot be had, in one sentence.
        """
        self._monotonic = monotonic
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise StartError(cannot_listen("UDP", host, port, error)) from error
        self.address: tuple[str, int] = self._socket.getsockname()
        self.sent_by = f"SIP/2.0/UDP {self.address[0]}:{self.address[1]};branch="
        self.unsent = 0
        self._flows: dict[tuple[str, int], UdpFlow] = {}
        self._layer: TransactionLayer
        self._reactor: Any = None

    def start(self, layer: TransactionLayer, reactor: Any) -> None:
        """Begin to read."""
        self._layer = layer
        self._reactor = reactor
        reactor.addReader(self)

    def stop(self) -> None:
        """Close the socket."""
        if self._reactor is not None:
            self._reactor.removeReader(self)
        self._socket.close()

    def flow(self, peer: tuple[str, int]) -> UdpFlow:
        """The flow to an address."""
        found = self._flows.get(peer)
        if found is None:
            if len(self._flows) >= MOST_FLOWS:
                self._flows.clear()
            found = self._flows[peer] = UdpFlow(self, peer)
        return found

    def write(self, data: bytes, peer: tuple[str, int]) -> None:
        """Send a datagram now or never."""
        try:
            self._socket.sendto(data, peer)
        except OSError:
            self.unsent += 1

    # -- IReadDescriptor -------------------------------------------------------------

    def doRead(self) -> None:
        """Read what has arrived, up to a burst."""
        now = self._monotonic()
        receive = self._socket.recvfrom
        flows = self._flows
        layer = self._layer
        for _ in range(BURST):
            try:
                data, peer = receive(LARGEST_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.EBADF:
                    return
                continue  # an ICMP error of something sent before
            layer.datagram(data, flows.get(peer) or self.flow(peer), now)
        layer.outbox.flush()

    def fileno(self) -> int:
        return self._socket.fileno()

    def connectionLost(self, reason: Failure) -> None:
        self._socket.close()

    def logPrefix(self) -> str:
        return "sip-udp"


classImplements(UdpPort, IReadDescriptor)


class UdpTransport:
    """All UDP sockets of the node."""

    name = "udp"
    reliable = False

    def __init__(self, ports: Sequence[UdpPort]) -> None:
        self._ports = {port.address: port for port in ports}
        self._first = ports[0]
        self._routes: dict[str, UdpPort] = {}

    def addresses(self) -> Sequence[tuple[str, int]]:
        """Where it listens."""
        return list(self._ports)

    def flow(self, flow_id: FlowId) -> UdpFlow | None:
        """The flow of that name; None when its socket is no longer ours."""
        port = self._ports.get((flow_id.local_host, flow_id.local_port))
        return None if port is None else port.flow((flow_id.host, flow_id.port))

    def reach(self, host: str, port: int, done: Callable[[Any], None], name: str = "") -> None:
        """Find the flow to an address, out of the socket that routing would choose."""
        done(self.towards(host).flow((host, port)))

    def towards(self, host: str) -> UdpPort:
        """The socket that a datagram to an address leaves from."""
        if len(self._ports) == 1:
            return self._first
        found = self._routes.get(host)
        if found is None:
            source = source_address(host)
            found = next(
                (port for address, port in self._ports.items() if address[0] == source),
                self._first,
            )
            if len(self._routes) >= MOST_ROUTES:
                self._routes.clear()
            self._routes[host] = found
        return found

    def forget_routes(self, now: float) -> None:
        """Ask the kernel again: the network may have changed; to be called now and then."""
        self._routes.clear()


classImplements(UdpTransport, ITransport)


def source_address(host: str) -> str:
    """The address that the kernel would send from to reach a host; empty when it has no route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))  # sends nothing
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def cannot_listen(what: str, host: str, port: int, error: OSError) -> str:
    """Say in one sentence why an address cannot be had, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"{what} port {port} on {host} is in use by another program: stop that program, "
            f"or choose another port with --sip-port."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: give one that is with --listen."
    if error.errno == errno.EACCES:
        return f"{what} port {port} on {host} needs more rights: choose a port above 1023."
    return f"Cannot listen on {what} {host}:{port}: {error.strerror}."
