"""Host names and addresses in one spelling, so that two spellings of one host compare equal.

A trailing dot is the root of the DNS (RFC 1034 section 3.1). ``127.1``, ``0x7f000001`` and
``2130706433`` are what inet_aton(3), and so most phones and resolvers, read as 127.0.0.1, though
RFC 3261 section 25.1 has the dotted form only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

REMEMBERED: Final = 4096  # hosts; the least recently used go

_decimal = re.compile(r"[0-9]{1,10}", re.ASCII).fullmatch
_hexadecimal = re.compile(r"0[xX]([0-9A-Fa-f]{1,8})", re.ASCII).fullmatch
_octal = re.compile(r"0[0-7]{1,12}", re.ASCII).fullmatch


@lru_cache(REMEMBERED)
def canonical_host(host: str) -> str:
    """Give the one spelling of a host: lower case, no dot at the end, addresses dotted.

    Args:
        host: of a URI or a Via; IPv6 in brackets. An IPv4 address mapped into IPv6 is that
            IPv4 address.
    """
    name = host.lower().rstrip(".")
    if name.startswith("["):
        return _from_ipv6(name)
    if not name[:1].isdigit():
        return name
    return _from_numbers(name) or name


def is_loopback(host: str) -> bool:
    """Whether a host in its one spelling is this machine, whoever reads it.

    All of 127/8 (RFC 1122 section 3.2.1.3), ``0.0.0.0`` and ``::1``.
    """
    if host in {"0.0.0.0", "[::1]", "localhost"}:
        return True
    return host.startswith("127.") and _from_numbers(host) == host


def _from_ipv6(name: str) -> str:
    try:
        address = IPv6Address(name[1:-1])
    except AddressValueError:
        return name
    mapped = address.ipv4_mapped
    return f"[{address}]" if mapped is None else str(mapped)


def _from_numbers(name: str) -> str:
    """Read an address as inet_aton(3) does; empty when it is none."""
    parts = name.split(".")
    if len(parts) > 4:
        return ""
    numbers = [_number(part) for part in parts]
    *octets, last = numbers
    if any(not 0 <= octet < 256 for octet in octets):
        return ""
    if not 0 <= last < 256 ** (4 - len(octets)):
        return ""
    packed = bytes(octets) + last.to_bytes(4 - len(octets), "big")
    return ".".join(map(str, packed))


def _number(text: str) -> int:
    """A part of an address; -1 when it is no number."""
    found = _hexadecimal(text)
    if found is not None:
        return int(found[1], 16)
    if _octal(text) is not None:
        return int(text, 8)
    return int(text) if _decimal(text) is not None else -1
