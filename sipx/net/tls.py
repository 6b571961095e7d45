"""SIP over TLS (RFC 3261 sections 18 and 26.2, RFC 5922): connections after a handshake.

A connection that the node opens leads to the name it was asked for only if the peer's
certificate says so. One that stands already is used for a name if its peer has proved that name,
or if all that is asked for is its address.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import classImplements

from sipx.core.hosts import canonical_host
from sipx.net.credentials import Calling, Serving
from sipx.net.peername import covers, is_address, names_of
from sipx.net.stream import Peer, StreamProtocol, StreamTransport

if TYPE_CHECKING:
    from sipx.net.credentials import Credentials
    from sipx.net.layer import TransactionLayer

_NOBODY: Final[frozenset[str]] = frozenset()


class WrongPeer(Exception):
    """The peer's certificate is for somebody else."""


class TlsProtocol(StreamProtocol):
    """One TLS connection; ready once the handshake is over.

    Attributes:
        names: that the peer's certificate proves; empty when it showed none.
    """

    _streams: TlsTransport
    names: frozenset[str] = _NOBODY
    _wrong: WrongPeer | None = None

    def _made(self) -> None:
        """Wait for the handshake."""

    def handshakeCompleted(self) -> None:  # noqa: N802  Twisted's name
        """Find out who the peer is, and begin or break off."""
        connection: Any = self.transport.getHandle()
        certificate = connection.get_peer_certificate()
        if certificate is not None and self._streams.verifies:
            self.names = names_of(certificate.to_cryptography())
        if self.peer is not None and self._streams.verifies:
            name = self.peer[2] or self.peer[0]
            if not covers(self.names, name):
                self._wrong = WrongPeer(f"the certificate of {self.peer[0]} is not for {name}")
                self.transport.abortConnection()
                return
        self._begin()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.ready:
            self._streams.failed_handshakes += 1
        super().connectionLost(reason if self._wrong is None else Failure(self._wrong))


classImplements(TlsProtocol, IHandshakeListener)


class TlsTransport(StreamTransport):
    """All TLS connections of the node.

    Attributes:
        verifies: whether peers must prove their names.
        failed_handshakes: connections that never became ready.
    """

    name = "tls"
    protocol = TlsProtocol

    def __init__(
        self,
        reactor: Any,
        layer: TransactionLayer,
        monotonic: Callable[[], float],
        credentials: Credentials,
    ) -> None:
        super().__init__(reactor, layer, monotonic)
        self._credentials = credentials
        self.verifies = credentials.verifies
        self.failed_handshakes = 0

    def factory(self) -> Any:
        """What listening ports are made with."""
        serving = Serving(self._credentials)
        return TLSMemoryBIOFactory(serving, False, super().factory(), self._reactor)

    def _proof(self, name: str) -> str:
        name = canonical_host(name)
        return "" if is_address(name) else name

    def _standing(self, peer: Peer) -> TlsProtocol | None:
        host, port, name = peer
        for known in (peer, (host, port, "")):
            found: Any = self._peers.get(known)
            if found is not None and (not name or not self.verifies or covers(found.names, name)):
                return found  # type: ignore[no-any-return]
        return None

    def _outgoing(self, peer: Peer) -> Any:
        calling = Calling(self._credentials, peer[2])
        return TLSMemoryBIOFactory(calling, True, super()._outgoing(peer), self._reactor)
