"""The component that speaks SIP over TLS; declared in twisted/plugins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import IService, Service
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from sipx.interfaces import ITransport
from sipx.net.component import listening
from sipx.net.credentials import ANY, CertificateError, Credentials
from sipx.net.interfaces import ISignaling
from sipx.net.stream import MOST_CONNECTIONS, MOST_HANDSHAKING
from sipx.net.tls import TlsTransport
from sipx.net.udp import cannot_listen
from sipx.node.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipx.interfaces import INodeContext

LOOK: Final = 10.0  # seconds between two looks at the files
WARN: Final = timedelta(days=14)  # before a certificate ends

_log = Logger()


def certificate_files(
    state: Path, certificates: Sequence[Path], keys: Sequence[Path]
) -> list[tuple[Path, Path]]:
    """Pair certificates with keys, in the order in which they were given.

    Args:
        state: has the node's own pair, for when none was given.
        certificates: of ``--certificate``.
        keys: of ``--private-key``; none when each certificate's file holds its key too.

    Raises:
        StartError: there are not as many keys as certificates.
    """
    if not certificates and not keys:
        return [(state / "certificate.pem", state / "private.key")]
    if not keys:
        return [(path, path) for path in certificates]
    if len(certificates) != len(keys):
        raise StartError(
            f"There are {len(certificates)} --certificate and {len(keys)} --private-key: give one"
            " key for each certificate, in the same order."
        )
    return [*zip(certificates, keys, strict=True)]


class _TlsService(Service):
    """Listens on TLS while the node runs, and takes up new certificates."""

    def __init__(self, context: INodeContext) -> None:
        options = context.options
        self._context = context
        self._port: int = options["tls-port"]
        files = certificate_files(context.state, options["certificate"], options["private-key"])
        trust = options["tls-trust"]
        clients = options["client-certificate"]
        if clients != "no" and trust == ANY:
            raise StartError(
                f"--client-certificate {clients} needs authorities to check them by: give"
                " --tls-trust system or a file, not any."
            )
        try:
            self._credentials = Credentials(files, trust, clients, context.utc)
        except CertificateError as error:
            raise StartError(f"TLS: {error} (Or leave TLS out with --disable tls.)") from error
        layer: Any = context.get(ISignaling)
        self._transport = TlsTransport(context.reactor, layer, context.monotonic, self._credentials)
        self._listening: list[Any] = []
        context.identity.tls_ports.add(self._port)
        layer.add_transport(self._transport)
        context.provide(ITransport, self._transport)
        context.repeat(1.0, self._transport.sweep)
        context.repeat(LOOK, self._look)
        context.reloads(self._reload)
        gauge = context.health.gauge
        gauge("tls_connections", lambda: len(self._transport), MOST_CONNECTIONS)
        gauge("tls_handshaking", lambda: self._transport.handshaking, MOST_HANDSHAKING)
        gauge("tls_failed_handshakes", lambda: self._transport.failed_handshakes)
        gauge("tls_refused", lambda: self._transport.refused)
        gauge("tls_broken", lambda: self._transport.broken)
        gauge("tls_cut_off", lambda: self._transport.cut_off)

    def startService(self) -> None:
        super().startService()
        for host in self._context.identity.listen:
            try:
                port = self._context.reactor.listenTCP(
                    self._port, self._transport.factory(), 1024, host
                )
            except CannotListenError as error:
                sentence = cannot_listen("TLS", host, self._port, error.socketError)
                raise StartError(sentence.replace("--sip-port", "--tls-port")) from error
            self._listening.append(port)
            self._transport.listens(host, port.getHost().port)
        self._context.health.set("tls", True, listening(self._transport.addresses()))
        self._tell()

    def stopService(self) -> None:
        super().stopService()
        for port in self._listening:
            port.stopListening()
        self._transport.close()

    def _look(self, now: float) -> None:
        """Take up files that are others now; say in time that a certificate ends."""
        if self._credentials.changed():
            self._reload()
        else:
            self._tell()

    def _reload(self) -> None:
        """Read all files again; connections that stand keep what they began with."""
        if self._credentials.reload():
            _log.info("TLS: the certificates were read again")
        else:
            _log.error(
                "TLS: {problem} The former certificates stay in use.",
                problem=self._credentials.problem,
            )
        self._tell()

    def _tell(self) -> None:
        now = datetime.fromtimestamp(self._context.utc(), UTC)
        pair = min(self._credentials.pairs, key=lambda pair: pair.until)
        text = f"{pair.file} is good until {pair.until:%Y-%m-%d}"
        well = pair.until - now > WARN
        if not well:
            done = "has expired" if pair.until <= now else "ends soon"
            text = f"{pair.file} {done}, on {pair.until:%Y-%m-%d}: put a new one in its place"
        if self._credentials.problem:
            well = False
            text = f"{self._credentials.problem} The former one stays in use: {text}"
        self._context.health.set("certificate", well, text)


def tls(context: INodeContext) -> IService:
    """Build SIP over TLS.

    Raises:
        StartError: a certificate or key cannot be used.
    """
    return _TlsService(context)
