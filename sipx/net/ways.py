"""The next hops of one request, tried one after the other (RFC 3263 section 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from sipx.core.errors import RemoteError

if TYPE_CHECKING:
    from sipx.core.locating import NextHop
    from sipx.net.interfaces import ISignaling

MOST_AVOIDED: Final = 4096  # next hops; beyond it those whose time is over go, then all
AVOIDED_LIFE: Final = 60.0  # seconds for which a next hop that failed is passed over
TCP_REFUSED_MEMORY: Final = (
    300.0  # seconds for which a peer that takes datagrams is not asked again
)

Done = Callable[[Any], None]


class Unreachable(RemoteError):
    """There is no way to a target."""

    def __init__(self, reason: str) -> None:
        super().__init__(503, reason)


class Avoided:
    """Next hops that failed, each for a time: the blacklist."""

    def __init__(self) -> None:
        self._until: dict[NextHop, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def add(self, hop: NextHop, seconds: float, now: float) -> None:
        """Pass a next hop over from now on, as long as there are others."""
        if len(self._until) >= MOST_AVOIDED and hop not in self._until:
            self.sweep(now)
            if len(self._until) >= MOST_AVOIDED:
                self._until.clear()
        self._until[hop] = max(now + seconds, self._until.get(hop, 0.0))

    def usable(self, hops: Sequence[NextHop], now: float) -> list[NextHop]:
        """Those that did not fail; all of them when all did."""
        until = self._until
        if not until:
            return [*hops]
        return [hop for hop in hops if until.get(hop, 0.0) <= now] or [*hops]

    def sweep(self, now: float) -> None:
        """Forget those whose time is over."""
        for hop in [hop for hop, until in self._until.items() if until <= now]:
            del self._until[hop]


class Ways:
    """The next hops that are left, and the one in use.

    Attributes:
        current: where the last flow leads; None before the first.
    """

    __slots__ = ("_avoided", "_left", "_monotonic", "_name", "_signaling", "current")

    def __init__(
        self,
        hops: list[NextHop],
        signaling: ISignaling,
        avoided: Avoided,
        monotonic: Callable[[], float],
        name: str = "",
    ) -> None:
        """Take next hops, at least one, in the order to try them; and the host of the URI."""
        self._left = avoided.usable(hops, monotonic())
        self._signaling = signaling
        self._avoided = avoided
        self._monotonic = monotonic
        self._name = name
        self.current: NextHop | None = None

    @property
    def more(self) -> bool:
        """Whether there is another one to try."""
        return bool(self._left)

    def next(self, done: Done) -> None:
        """Open a flow to the next one that takes it.

        Args:
            done: called with an IFlow, or with an Exception when none is left; perhaps at once.
        """
        hop = self._left.pop(0)
        transport = self._signaling.transport(hop.transport)
        if transport is None:
            self._failed(hop, done)
            return

        def opened(found: Any) -> None:
            if isinstance(found, Exception):
                self._failed(hop, done)
                return
            self.current = hop
            # Another transport to the same address is for when no connection could be made.
            self._left = [other for other in self._left if other[1:] != hop[1:]]
            done(found)

        transport.reach(hop.host, hop.port, opened, self._name)

    def avoid(self, seconds: float = AVOIDED_LIFE) -> None:
        """The one in use failed: let no request come there for a while, if there is another."""
        if self.current is not None and seconds > 0:
            self._avoided.add(self.current, seconds, self._monotonic())

    def _failed(self, hop: NextHop, done: Done) -> None:
        datagrams = any(other[1:] == hop[1:] for other in self._left)
        seconds = TCP_REFUSED_MEMORY if datagrams else AVOIDED_LIFE
        self._avoided.add(hop, seconds, self._monotonic())
        if self._left:
            self.next(done)
            return
        host = f"[{hop.host}]" if ":" in hop.host else hop.host
        done(Unreachable(f"{host}:{hop.port} is not reachable over {hop.transport.upper()}"))
