"""Certificates and private keys: read, checked, and made into what OpenSSL takes.

A set that has a fault is refused as a whole, with one sentence; a running node keeps the former
one then. Connections keep the context that they began with, so none is dropped by another set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from zope.interface import implementer

from sipx.core.hosts import canonical_host
from sipx.net.peername import covers, is_address, names_of

MOST_CERTIFICATES: Final = 10  # in one chain
LARGEST_FILE: Final = 1024 * 1024  # bytes
# Forward secrecy first; RSA key exchange is what desk phones of ten years ago have.
CIPHERS: Final = (
    b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AESGCM:RSA+AES:!aNULL:!eNULL:!PSK:!SRP:!MD5"
)
SYSTEM: Final = "system"
ANY: Final = "any"


class CertificateError(Exception):
    """A certificate, a key or a trust store that cannot be used; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its private key.

    Attributes:
        file: that the certificate came from.
        chain: the server's own first, then those that lead to an authority.
        key: belongs to the first.
        names: that the first is for, in lower case.
    """

    file: Path
    chain: tuple[x509.Certificate, ...]
    key: Any
    names: frozenset[str]

    @property
    def until(self) -> datetime:
        """When the first certificate of the chain that ends does so."""
        return min(certificate.not_valid_after_utc for certificate in self.chain)


def read_pair(certificate: Path, key: Path, utc: float) -> Pair:
    """Read and check a certificate chain and its key.

    Args:
        certificate: PEM file; the node's own certificate is the first one in it.
        key: PEM file; may be the same.
        utc: seconds since the epoch.

    Raises:
        CertificateError: what is wrong, where, and what to do.
    """
    try:
        chain = tuple(x509.load_pem_x509_certificates(_read(certificate)))
    except ValueError as error:
        raise CertificateError(
            f"{certificate} holds no certificate in PEM form: give the file that your authority"
            " sent, or convert it with `openssl x509`."
        ) from error
    if len(chain) > MOST_CERTIFICATES:
        raise CertificateError(
            f"{certificate} holds {len(chain)} certificates: give your own and those between it"
            " and the authority, the bundle of all authorities is for --tls-trust."
        )
    try:
        private: Any = serialization.load_pem_private_key(_read(key), password=None)
    except TypeError as error:
        raise CertificateError(
            f"The private key {key} is locked with a passphrase: store it without, readable only"
            " for the node's user."
        ) from error
    except Exception as error:  # ValueError, and what says that an algorithm is not supported
        raise CertificateError(f"{key} holds no private key in PEM form.") from error
    _check(certificate, key, chain, private, utc)
    return Pair(certificate, chain, private, names_of(chain[0]))


def _check(
    file: Path, key: Path, chain: Sequence[x509.Certificate], private: Any, utc: float
) -> None:
    if private.public_key() != chain[0].public_key():
        raise CertificateError(
            f"The private key {key} does not belong to the first certificate in {file}: give the"
            " key that it was requested with."
        )
    now = datetime.fromtimestamp(utc, UTC)
    for place, certificate in enumerate(chain, 1):
        which = f"The certificate {file}" if place == 1 else f"Certificate {place} in {file}"
        if certificate.not_valid_after_utc < now:
            day = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
            raise CertificateError(f"{which} expired on {day}: put a new one in its place.")
        if certificate.not_valid_before_utc > now:
            day = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
            raise CertificateError(f"{which} is not valid before {day}: set the clock right.")
    for place, (certificate, issuer) in enumerate(pairwise(chain), 2):
        try:
            certificate.verify_directly_issued_by(issuer)
        except Exception as error:  # ValueError, TypeError, InvalidSignature
            raise CertificateError(
                f"Certificate {place} in {file} did not issue the one before it: put the node's"
                " own first, then each one's issuer."
            ) from error


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CertificateError(f"{file} cannot be read: {error.strerror}.") from error
    if len(data) > LARGEST_FILE:
        raise CertificateError(f"{file} is larger than {LARGEST_FILE} bytes.")
    return data


@dataclass(frozen=True, slots=True)
class Contexts:
    """What connections are made with: one set of files that was found good."""

    pairs: tuple[Pair, ...]
    servers: tuple[SSL.Context, ...]  # one for each pair
    client: SSL.Context


class Credentials:
    """The certificates in use.

    Attributes:
        verifies: whether peers that the node connects to must prove their names.
        problem: why the files as they are now are not in use; empty when they are.
    """

    def __init__(
        self,
        files: Sequence[tuple[Path, Path]],
        trust: str,
        clients: str,
        utc: Callable[[], float],
    ) -> None:
        """Read the files.

        Args:
            files: certificate and key of each pair; the first is for peers that name no host.
            trust: ``system``, ``any``, or the path of a PEM file of authorities.
            clients: whether peers show a certificate: ``no``, ``optional`` or ``required``.
            utc: seconds since the epoch.

        Raises:
            CertificateError: one of them cannot be used.
        """
        self._files = [*files]
        self._trust = trust
        self._clients = clients
        self._utc = utc
        self.verifies = trust != ANY
        self.problem = ""
        self._stamps = self._look()
        self._contexts = self._load()

    @property
    def pairs(self) -> Sequence[Pair]:
        """The pairs in use."""
        return self._contexts.pairs

    def reload(self) -> bool:
        """Read the files again; when one has a fault, all stays as it was, see ``problem``."""
        self._stamps = self._look()
        try:
            self._contexts = self._load()
        except CertificateError as error:
            self.problem = str(error)
            return False
        self.problem = ""
        return True

    def changed(self) -> bool:
        """Whether a file is another one than when they were read last."""
        return self._look() != self._stamps

    def _look(self) -> list[tuple[int, int, int] | None]:
        paths = [path for pair in self._files for path in pair]
        if self._trust not in {SYSTEM, ANY}:
            paths.append(Path(self._trust))
        found: list[tuple[int, int, int] | None] = []
        for path in paths:
            try:
                stat = path.stat()
                found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
            except OSError:
                found.append(None)
        return found

    def _load(self) -> Contexts:
        pairs = tuple(read_pair(*files, self._utc()) for files in self._files)
        mode = {
            "no": SSL.VERIFY_NONE,
            "optional": SSL.VERIFY_PEER,
            "required": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
        }[self._clients]
        servers = tuple(self._context(pair, mode) for pair in pairs)
        servers[0].set_tlsext_servername_callback(self._choose)
        client = self._context(pairs[0], SSL.VERIFY_PEER if self.verifies else SSL.VERIFY_NONE)
        return Contexts(pairs, servers, client)

    def _context(self, pair: Pair, mode: int) -> SSL.Context:
        context = SSL.Context(SSL.TLS_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        context.set_cipher_list(CIPHERS)
        # A resumed session skips the check of certificates, and each costs memory.
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_options(SSL.OP_NO_TICKET)
        try:
            context.use_certificate(pair.chain[0])
            context.use_privatekey(pair.key)
            for further in pair.chain[1:]:
                context.add_extra_chain_cert(further)
        except SSL.Error as error:
            raise CertificateError(
                f"OpenSSL does not take the certificate {pair.file}: {_reason(error)}; use an RSA"
                " key of 2048 bits or more, or one on a P-256 curve."
            ) from error
        context.set_verify(mode, lambda _conn, _cert, _errno, _depth, good: bool(good))
        if self._trust == SYSTEM:
            context.set_default_verify_paths()
        elif self._trust != ANY:
            try:
                authorities = x509.load_pem_x509_certificates(_read(Path(self._trust)))
            except ValueError as error:
                raise CertificateError(
                    f"{self._trust} holds no certificates of authorities in PEM form: give"
                    " --tls-trust such a file, or the word system or any."
                ) from error
            store = context.get_cert_store()
            assert store is not None
            for authority in authorities:
                store.add_cert(_openssl(authority))
        return context

    def _choose(self, connection: SSL.Connection) -> None:
        """Answer with the certificate of the name that the peer asked for (SNI, RFC 6066)."""
        asked = connection.get_servername()
        if asked is None:
            return
        name = canonical_host(asked.decode("ascii", "replace"))
        contexts = self._contexts
        for pair, context in zip(contexts.pairs, contexts.servers, strict=True):
            if covers(pair.names, name):
                connection.set_context(context)
                return

    # -- connections -------------------------------------------------------------------

    def server(self) -> SSL.Connection:
        """Make OpenSSL's side of a connection that a peer opened."""
        return SSL.Connection(self._contexts.servers[0], None)

    def client(self, name: str) -> SSL.Connection:
        """Make OpenSSL's side of a connection to a peer, who is told the name that is meant."""
        connection = SSL.Connection(self._contexts.client, None)
        if name and not is_address(name):
            connection.set_tlsext_host_name(name.encode("ascii", "replace"))
        return connection


@implementer(IOpenSSLServerConnectionCreator)
class Serving:
    """Makes connections with the certificates of the moment."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:  # noqa: N802, N803
        return self._credentials.server()


@implementer(IOpenSSLClientConnectionCreator)
class Calling:
    """Makes the connection to a peer of a name."""

    def __init__(self, credentials: Credentials, name: str) -> None:
        self._credentials = credentials
        self._name = name

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:  # noqa: N803
        return self._credentials.client(self._name)


def _openssl(certificate: x509.Certificate) -> Any:
    from OpenSSL.crypto import X509

    return X509.from_cryptography(certificate)


def _reason(error: SSL.Error) -> str:
    try:
        return str(error.args[0][-1][2])
    except (IndexError, TypeError):
        return "no reason given"
