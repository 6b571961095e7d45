"""Authorities and certificates of tests, made when they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """One that signs.

    Attributes:
        pem: its own certificate.
    """

    def __init__(self, name: str = "Test Authority", issuer: Authority | None = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        by = issuer or self
        now = datetime.now(UTC)
        self.certificate = (
            _builder(self.name, by.name, self.key, now - DAY, now + 365 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(by.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        *names: str,
        days: tuple[float, float] = (-1, 30),
        common: str = "",
        key: Any = None,
    ) -> tuple[bytes, bytes]:
        """Make a certificate and its key, both PEM.

        Args:
            names: domains, addresses and URIs among the alternative names.
            days: from when until when it is good, from now.
            common: the common name.
            key: to use; None for a new one.
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        begin, end = (now + timedelta(days=day) for day in days)
        builder = _builder(_name(common or "test"), self.name, key, begin, end)
        if names:
            alternative = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternative, False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM), key_pem(key)


def key_pem(key: Any, passphrase: bytes | None = None) -> bytes:
    """Write a private key, locked or not."""
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        lock = serialization.BestAvailableEncryption(passphrase)
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
    )
    return pem


def write(folder: Path, name: str, pair: Sequence[bytes], *chain: bytes) -> tuple[Path, Path]:
    """Write a certificate with its chain, and its key; gives the two files."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(pair[0] + b"".join(chain))
    key.write_bytes(pair[1])
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(name: str) -> x509.GeneralName:
    if name.partition(":")[0] in {"sip", "sips"}:
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
