"""Where a request goes next: a URI to a flow (RFC 3261 sections 8.1.2, 16.6 step 7, 18.1.1).

Host names are looked up with the system's resolver; addresses need none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sipx.core.errors import RemoteError

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from sipx.core.flowid import FlowId
    from sipx.core.uri import Uri
    from sipx.interfaces import IFlow, ITransport
    from sipx.net.interfaces import ISignaling

LARGE_REQUEST: Final = 1300  # bytes; above it TCP is tried first (18.1.1, MTU unknown)
TCP_REFUSED_MEMORY: Final = 300.0  # seconds for which a peer without TCP is not asked again
MOST_REMEMBERED: Final = 4096  # peers without TCP, and host names
NAME_LIFE: Final = 60.0  # seconds for which a host's address is believed
UNKNOWN_NAME_LIFE: Final = 5.0  # seconds for which a name that was not found is not asked again
MOST_LOOKUPS: Final = 100  # at one time
MOST_WAITING: Final = 1_000  # requests for one name

Done = Callable[[Any], None]

# Leading zeros are left out: the system's resolver would be asked about 08.8.8.8, and block.
_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_address = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII).fullmatch


@lru_cache(4096)
def _literal(host: str) -> bool:
    """Whether a host is an IPv4 address; asked for each request."""
    return _address(host) is not None


class Unreachable(RemoteError):
    """There is no way to a target."""

    def __init__(self, reason: str) -> None:
        super().__init__(503, reason)


class Hops:
    """Finds flows for URIs."""

    def __init__(self, signaling: ISignaling, reactor: Any, monotonic: Callable[[], float]) -> None:
        self._signaling = signaling
        self._reactor = reactor
        self._monotonic = monotonic
        self._without_tcp: dict[tuple[str, int], float] = {}
        self._names: dict[str, tuple[str | Exception, float]] = {}
        self._lookups: dict[str, list[Callable[[str | Exception], None]]] = {}

    def find(self, uri: Uri, flow_id: FlowId | None, size: int) -> IFlow | None:
        """Find a flow at once; None when it takes ``reach``.

        Args:
            uri: the topmost Route, else the Request-URI.
            flow_id: the flow a binding registered on; it wins while it lives.
            size: bytes the request has, about.
        """
        if flow_id is not None:
            transport = self._signaling.transport(flow_id.transport)
            flow: IFlow | None = None if transport is None else transport.flow(flow_id)
            if flow is not None and flow.alive:
                return flow
        if uri.scheme != "sip" or uri.transport not in {"", "udp"}:
            return None
        host = uri.param("maddr") or uri.host
        port = uri.port or 5060
        if not _literal(host) or (size > LARGE_REQUEST and not uri.transport):
            return None
        udp: Any = self._signaling.transport("udp")
        if udp is None:
            return None
        return udp.towards(host).flow((host, port))  # type: ignore[no-any-return]

    def reach(self, uri: Uri, flow_id: FlowId | None, size: int, done: Done) -> None:
        """Find or open a flow.

        Args:
            uri: as for ``find``.
            flow_id: as for ``find``.
            size: as for ``find``.
            done: called with an IFlow or an Exception, perhaps at once.
        """
        flow = self.find(uri, flow_id, size)
        if flow is not None:
            done(flow)
            return
        if uri.scheme != "sip":
            done(Unreachable(f"No transport here for {uri.scheme} URIs"))
            return
        host = uri.param("maddr") or uri.host
        port = uri.port or 5060
        wanted = uri.transport
        if not self._transports(wanted, (host, port), size):
            done(Unreachable(f"No transport {wanted[:16] or 'udp'} here"))
            return

        def resolved(address: str | Exception) -> None:
            if isinstance(address, Exception):
                done(address)
            else:
                self._try(self._transports(wanted, (address, port), size), address, port, done)

        self._resolve(host, resolved)

    def _transports(self, wanted: str, peer: tuple[str, int], size: int) -> list[ITransport]:
        """Which transports to try, in order."""
        find = self._signaling.transport
        if wanted:
            names = [wanted]
        elif size > LARGE_REQUEST and self._without_tcp.get(peer, 0.0) <= self._monotonic():
            names = ["tcp", "udp"]
        else:
            names = ["udp", "tcp"] if find("udp") is None else ["udp"]
        found = (find(name) for name in names if name != "local")
        return [transport for transport in found if transport is not None]

    def _try(self, transports: list[ITransport], host: str, port: int, done: Done) -> None:
        first, rest = transports[0], transports[1:]

        def opened(found: Any) -> None:
            if not isinstance(found, Exception):
                done(found)
            elif rest:
                self._remember(self._without_tcp, (host, port), TCP_REFUSED_MEMORY)
                self._try(rest, host, port, done)
            else:
                done(Unreachable(f"{host}:{port} is not reachable over {first.name.upper()}"))

        first.reach(host, port, opened)

    def _remember(self, table: dict[Any, float], key: Any, seconds: float) -> None:
        now = self._monotonic()
        if len(table) >= MOST_REMEMBERED:
            for old in [old for old, until in table.items() if until <= now]:
                del table[old]
            if len(table) >= MOST_REMEMBERED:
                table.clear()
        table[key] = now + seconds

    # -- names -------------------------------------------------------------------------

    def _resolve(self, host: str, done: Callable[[str | Exception], None]) -> None:
        if _literal(host):
            done(host)
            return
        if host.lower() == "localhost":
            done("127.0.0.1")
            return
        if host.startswith("["):
            done(Unreachable("No IPv6 transport here"))
            return
        name = host.lower()
        known = self._names.get(name)
        if known is not None and known[1] > self._monotonic():
            done(known[0])
            return
        waiting = self._lookups.get(name)
        if waiting is not None:
            if len(waiting) >= MOST_WAITING:
                done(Unreachable(f"Too many requests wait for the address of {name[:64]}"))
                return
            waiting.append(done)
            return
        if len(self._lookups) >= MOST_LOOKUPS:
            done(Unreachable("Too many host names are being looked up"))
            return
        self._lookups[name] = [done]

        def found(address: str) -> None:
            self._resolved(name, address, NAME_LIFE)

        def failed(_failure: Failure) -> None:
            error = Unreachable(f"The host name {name[:64]} cannot be resolved")
            self._resolved(name, error, UNKNOWN_NAME_LIFE)

        self._reactor.resolve(name, (1, 3)).addCallbacks(found, failed)

    def _resolved(self, name: str, address: str | Exception, life: float) -> None:
        """Remember what became of a name, and tell all who wait for it."""
        if len(self._names) >= MOST_REMEMBERED:
            self._names.clear()
        self._names[name] = (address, self._monotonic() + life)
        for done in self._lookups.pop(name, ()):
            done(address)
