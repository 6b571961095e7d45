"""Locating SIP servers: from a URI and what the DNS says to next hops, in the order to try them.

RFC 3263 sections 4.1 to 4.3 and 5; RFC 2782 for the order of SRV records; RFC 7118 section 5 for
WebSocket; both address families as RFC 7984. Asks nobody: ``advance`` takes the answers there are
and says which are missing. Chance is an argument.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any, Final, NamedTuple

MOST_TARGETS: Final = 8  # servers of one domain that one request may try; 16 lookups
MOST_HOPS: Final = 16  # addresses that one request may try
MOST_SERVICES: Final = 5  # NAPTR records that are followed

# Where a transport's SRV records are (RFC 3263 section 4.2), and its default port (19.1.2).
_SERVICES: Final = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}
_PORTS: Final = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}
_NAPTR_SERVICES: Final = {
    "sip+d2u": "udp",
    "sip+d2t": "tcp",
    "sips+d2t": "tls",
    "sip+d2w": "ws",
    "sips+d2w": "wss",
}
# What a transport parameter means in a sips URI (RFC 3261 section 26.2.2, RFC 5630 section 3.1).
_SECURED: Final = {"": "tls", "tcp": "tls", "tls": "tls", "ws": "wss", "wss": "wss"}
_SECURE: Final = frozenset({"tls", "wss"})
_DATAGRAMS: Final = frozenset({"udp"})

# Leading zeros are left out: some resolvers read them as octal.
_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ipv4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII).fullmatch


class Kind(enum.Enum):
    """A type of record that is asked for."""

    A = 1
    AAAA = 28
    SRV = 33
    NAPTR = 35


class Question(NamedTuple):
    """What is asked of the DNS; the name in lower case, without a dot at its end."""

    name: str
    kind: Kind


class Srv(NamedTuple):
    """A server of a service (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Naptr(NamedTuple):
    """A transport of a domain (RFC 3263 section 4.1, RFC 3403)."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str


class NextHop(NamedTuple):
    """Where a request may go: an address, IPv6 without brackets, by a transport."""

    transport: str
    host: str
    port: int


Known = Callable[[Question], Sequence[Any] | None]
Target = tuple[str, str, int]  # transport, host, port


@lru_cache(4096)
def literal(host: str) -> str:
    """The address that a URI's host is, IPv6 without brackets; empty when it is a name."""
    if _ipv4(host) is not None:
        return host
    if host[:1] == "[":
        text = host[1:-1].replace(":::", "::")  # RFC 5118 section 4.10
        try:
            return str(IPv6Address(text))
        except ValueError:
            return ""
    name = host.lower().rstrip(".")
    return "127.0.0.1" if name == "localhost" or name.endswith(".localhost") else ""


def by_weight(records: Iterable[Srv], random: Callable[[], float]) -> list[Srv]:
    """Order SRV records: lower priority first, chance in proportion to weight (RFC 2782).

    Args:
        records: of one service.
        random: gives numbers from 0.0 up to 1.0.
    """
    groups: dict[int, list[Srv]] = {}
    for record in records:
        groups.setdefault(record.priority, []).append(record)
    ordered: list[Srv] = []
    for priority in sorted(groups):
        group = sorted(groups[priority], key=lambda record: record.weight > 0)
        while group:
            total = sum(record.weight for record in group)
            chosen = random() * total
            place, running = 0, group[0].weight
            if not total:
                place = int(random() * len(group))  # nobody is preferred
            while running < chosen:
                place += 1
                running += group[place].weight
            ordered.append(group.pop(place))
    return ordered


class Locating:
    """Finds the next hops of one request.

    Attributes:
        missing: what must be asked before ``advance`` can go on.
    """

    __slots__ = (
        "_families",
        "_host",
        "_large",
        "_orders",
        "_port",
        "_random",
        "_secure",
        "_wanted",
        "missing",
    )

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int | None,
        transport: str,
        large: bool,
        families: Mapping[str, frozenset[int]],
        random: Callable[[], float],
    ) -> None:
        """Take what the URI says.

        Args:
            scheme: sip or sips.
            host: its maddr, else its host.
            port: None when absent.
            transport: its transport parameter in lower case, empty when absent.
            large: the request should not go in a datagram where nothing else is said
                (RFC 3261 section 18.1.1).
            families: of each transport that there is: 4, 6 or both.
            random: gives numbers from 0.0 up to 1.0.
        """
        self._secure = scheme == "sips"
        if self._secure and transport:
            transport = _SECURED.get(transport, "none")
        self._wanted = transport
        self._host = host.lower().rstrip(".")
        self._port = port
        self._large = large
        self._families = families
        self._random = random
        self._orders: dict[str, list[Srv]] = {}  # chance decides once
        self.missing: list[Question] = []

    def advance(self, known: Known) -> list[NextHop] | None:
        """Go as far as the answers lead.

        Args:
            known: gives the records that answer a question, none of them for no such name and
                for no answer; None when it has not been asked.

        Returns:
            The next hops in order, without duplicates, none when there are none; None when
            ``missing`` must be asked first.
        """
        self.missing = []
        targets = self._targets(known)
        if targets is None:
            return None
        hops = self._addresses(targets, known)
        return None if self.missing else hops

    # -- transports and ports (4.1, 4.2) -----------------------------------------------

    def _targets(self, known: Known) -> list[Target] | None:
        host, port = literal(self._host), self._port
        if host or port is not None:
            return [
                (name, host or self._host, port or _PORTS.get(name, 5060))
                for name in self._default_transports()
            ]
        services = self._services(known)
        if services is None:
            return None
        found: list[Target] = []
        for transport, name in services:
            records = self._ask(known, Question(name, Kind.SRV))
            if not records:
                continue
            if name not in self._orders:
                self._orders[name] = by_weight(records, self._random)
            found += [
                (transport, record.target, record.port)
                for record in self._orders[name]
                if record.target and record.port
            ]
        if self.missing:
            return None
        if found or self._orders:  # "." as target: decidedly not here (RFC 2782)
            return found
        return [(name, self._host, _PORTS.get(name, 5060)) for name in self._default_transports()]

    def _default_transports(self) -> list[str]:
        """The transports where neither NAPTR nor SRV names any (4.1)."""
        if self._wanted:
            names = [self._wanted]
        elif self._secure:
            names = ["tls"]
        elif self._large:
            names = ["tcp", "udp"]
        else:
            names = ["udp"] if "udp" in self._families else ["tcp"]
        return [name for name in names if name in self._families]

    def _services(self, known: Known) -> list[tuple[str, str]] | None:
        """The SRV names to ask for, each with the transport that it means."""
        if self._wanted:
            names = [self._wanted]
        else:
            records = self._ask(known, Question(self._host, Kind.NAPTR))
            if records is None:
                return None
            services = self._naptr(records)
            if services:
                return services
            names = ["tls"] if self._secure else ["tcp", "udp"] if self._large else ["udp", "tcp"]
        return [
            (name, _SERVICES[name] + self._host)
            for name in names
            if name in self._families and name in _SERVICES
        ]

    def _naptr(self, records: Sequence[Naptr]) -> list[tuple[str, str]]:
        """The services that fit, of the lowest order that has one (RFC 3403 section 4.1)."""
        fitting = []
        for record in sorted(records):
            transport = _NAPTR_SERVICES.get(record.service.lower(), "")
            if transport not in self._families or record.flags.lower() != "s" or record.regexp:
                continue
            if record.replacement and (transport in _SECURE or not self._secure):
                fitting.append((record.order, transport, record.replacement))
        if self._large:
            fitting = [entry for entry in fitting if entry[1] not in _DATAGRAMS] or fitting
        chosen = [entry[1:] for entry in fitting if entry[0] == fitting[0][0]]
        return list(dict.fromkeys(chosen))[:MOST_SERVICES]

    # -- addresses ---------------------------------------------------------------------

    def _addresses(self, targets: Sequence[Target], known: Known) -> list[NextHop]:
        hops: dict[NextHop, None] = {}
        hosts: set[str] = set()
        for transport, host, port in targets:
            if host not in hosts and len(hosts) == MOST_TARGETS:
                continue
            hosts.add(host)
            families = self._families[transport]
            address = literal(host) or (host if ":" in host else "")
            if address:
                if (6 if ":" in address else 4) in families:
                    hops[NextHop(transport, address, port)] = None
                continue
            for family, kind in ((6, Kind.AAAA), (4, Kind.A)):
                if family in families:
                    for address in self._ask(known, Question(host, kind)) or ():
                        hops[NextHop(transport, address, port)] = None
        return list(hops)[:MOST_HOPS]

    def _ask(self, known: Known, question: Question) -> Sequence[Any] | None:
        records = known(question)
        if records is None and question not in self.missing:
            self.missing.append(question)
        return records
