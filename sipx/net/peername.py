"""Who a certificate is for (RFC 5922 section 7): its SIP identities, and how they match.

A SIP URI among the alternative names without a user part names a domain; where there is none, DNS
names do; where there are no alternative names at all, the common name does. Names match as a
whole, upper and lower case alike; there are no wildcards (section 7.2).
"""

from __future__ import annotations

from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID

from sipx.core.errors import RemoteError
from sipx.core.hosts import canonical_host
from sipx.core.uri import parse_uri


def names_of(certificate: x509.Certificate) -> frozenset[str]:
    """Find the domains and addresses that a certificate is for (7.1).

    Returns:
        As ``canonical_host`` spells them; empty when it is for none.
    """
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return frozenset(canonical_host(str(name.value)) for name in common)
    except ValueError:
        return frozenset()
    alternative = found.value
    uris = alternative.get_values_for_type(x509.UniformResourceIdentifier)
    names = {domain for uri in uris if (domain := _domain(uri))}
    if not names:
        names = {canonical_host(name) for name in alternative.get_values_for_type(x509.DNSName)}
    # For a peer that is known by its address only, as RFC 2818 section 3.1 has it.
    names.update(_bracketed(str(one)) for one in alternative.get_values_for_type(x509.IPAddress))
    return frozenset(names)


def covers(names: frozenset[str], host: str) -> bool:
    """Say whether one of the names of a certificate is a host's (7.2).

    Args:
        names: as ``names_of`` gives them.
        host: as ``canonical_host`` spells it; an IPv6 address with or without brackets.
    """
    return host in names or _bracketed(host) in names


def is_address(host: str) -> bool:
    """Say whether a host is an address and no name."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _domain(text: str) -> str:
    """The domain that a URI among the alternative names stands for; empty for none."""
    try:
        uri = parse_uri(text)
    except RemoteError:
        return ""
    return canonical_host(uri.host) if uri.scheme == "sip" and not uri.user else ""


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address and address[0] != "[" else address
