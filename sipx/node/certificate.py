"""The self-signed certificate that a node makes at first start.

It serves until the administrator puts another in its place: ``STATE/certificate.pem`` and
``STATE/private.key``. A later start never replaces either.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sipx.node.errors import StartError
from sipx.node.files import keep
from sipx.node.identity import Identity

_YEARS = timedelta(days=3650)
# A phone's clock may be behind ours.
_BEFORE = timedelta(days=1)


def keep_certificate(state: Path, identity: Identity, utc: float) -> None:
    """Make the private key and the certificate where they are absent.

    Args:
        state: the state folder.
        identity: its domain and addresses become the names in the certificate.
        utc: seconds since the epoch.

    Raises:
        StartError: one of the files cannot be read or made.
    """
    certificate, private = state / "certificate.pem", state / "private.key"
    if certificate.exists():
        if not private.exists():
            raise StartError(
                f"{certificate} has no {private.name} beside it: put that back, or remove the"
                " certificate to get a new pair."
            )
        return
    pem = keep(private, _draw)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise StartError(f"{private} is damaged: remove it to get a new one.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise StartError(f"{private} is there without its {certificate.name}: put that back.")
    keep(certificate, lambda: _sign(key, identity, utc))


def _draw() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _sign(key: ec.EllipticCurvePrivateKey, identity: Identity, utc: float) -> bytes:
    now = datetime.fromtimestamp(utc, UTC)
    # A common name has at most 64 characters; the names that count are the alternative ones.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.domain[:64])])
    hosts = sorted(identity.hosts)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _YEARS)
        .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(IPv4Address(host))
    except ValueError:
        return x509.DNSName(host)
