"""Who the node is: its domain, its digest realm, the addresses and hosts that are its own.

The realm is drawn at first start and kept in ``STATE/node.json``: phones may have been given
it with their password, and HA1 values contain it, so it survives a new address or domain.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from sipx.core.hosts import canonical_host, is_loopback
from sipx.node.errors import StartError
from sipx.node.files import keep


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the node is.

    Attributes:
        domain: what stands after the ``@`` of our users; lower case.
        realm: of digest challenges.
        listen: IPv4 addresses that SIP is received on.
        sip_port: the port of UDP and TCP on each of them.
        hosts: all hosts that are ours, as ``canonical_host`` spells them.
        tls_ports: ports of TLS on the same addresses; who listens there adds it.
    """

    domain: str
    realm: str
    listen: tuple[str, ...]
    sip_port: int
    hosts: frozenset[str]
    tls_ports: set[int] = field(default_factory=set, compare=False)

    def is_ours(self, host: str, port: int | None) -> bool:
        """Say whether a URI's host and port name this node or its domain."""
        if port is not None and port != self.sip_port and port not in self.tls_ports:
            return False
        return host in self.hosts or canonical_host(host) in self.hosts

    def is_claimed(self, host: str) -> bool:
        """Say whether who names himself with a host claims to be one of our users.

        At any port: whoever reads a From takes no notice of it, and another port of our host is
        nobody else's domain. All of the loopback network is this machine.
        """
        name = canonical_host(host)
        return name in self.hosts or is_loopback(name)


def make_identity(realm: str, domain: str | None, listen: Sequence[str], sip_port: int) -> Identity:
    """Make the identity.

    Args:
        realm: as ``kept_realm`` gives it.
        domain: None for the machine's own address: the first that is not loopback.
        listen: IPv4 addresses.
        sip_port: 1 to 65535.
    """
    named = domain or next(
        (address for address in listen if not IPv4Address(address).is_loopback), "127.0.0.1"
    )
    hosts = frozenset({canonical_host(named), "localhost", "127.0.0.1", *listen})
    return Identity(named.lower().rstrip("."), realm, tuple(dict.fromkeys(listen)), sip_port, hosts)


def kept_realm(state: Path) -> str:
    """Read the realm; draw it at first start.

    Raises:
        StartError: the file is damaged.
    """
    path = state / "node.json"
    text = keep(path, lambda: json.dumps({"realm": f"sipx-{secrets.token_hex(4)}"}).encode())
    try:
        realm = json.loads(text)["realm"]
    except (ValueError, KeyError, TypeError) as error:
        raise StartError(
            f"{path} is damaged: put back the copy from a backup, because phones may know the"
            " realm in it."
        ) from error
    if not isinstance(realm, str) or not realm:
        raise StartError(f"{path} is damaged: it has no realm.")
    return realm
