"""Where a request goes next: a URI to a flow (RFC 3261 sections 8.1.2, 16.6 step 7, 18.1.1).

``sipx.core.locating`` has the rules of RFC 3263, ``sipx.net.resolver`` asks the DNS;
addresses need neither.
"""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final

from zope.interface import classImplements

from sipx.core.locating import Locating, NextHop, Question, literal
from sipx.net.interfaces import IHops
from sipx.net.ways import Avoided, Unreachable, Ways

if TYPE_CHECKING:
    from sipx.core.flowid import FlowId
    from sipx.core.uri import Uri
    from sipx.interfaces import IFlow
    from sipx.net.interfaces import IResolver, ISignaling
    from sipx.net.resolver.wire import Answer

LARGE_REQUEST: Final = 1300  # bytes; above it TCP is tried first (18.1.1, MTU unknown)
MOST_WAITING: Final = 1_000  # requests that wait for the DNS

Done = Callable[[Any], None]
Located = Callable[[list[NextHop], bool], None]

# What a sips URI asks for, whatever its transport parameter (RFC 3261 section 26.2.2).
SECURE: Final = frozenset({"tls", "wss"})
_IPV4: Final = frozenset({4})


class Hops:
    """Finds flows for URIs.

    Attributes:
        avoided: next hops that failed.
        waiting: requests that wait for the DNS.
    """

    def __init__(
        self,
        signaling: ISignaling,
        resolver: IResolver,
        monotonic: Callable[[], float],
        random: Callable[[], float] | None = None,
    ) -> None:
        """Take what it asks.

        Args:
            signaling: has the transports.
            resolver: knows what the DNS says.
            monotonic: gives ``now``.
            random: gives numbers from 0.0 up to 1.0, for the weights of SRV records.
        """
        self.avoided = Avoided()
        self.waiting = 0
        self._signaling = signaling
        self._resolver = resolver
        self._monotonic = monotonic
        self._random = random or SystemRandom().random

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
            if (
                flow is not None
                and flow.alive
                and (uri.scheme != "sips" or flow.transport in SECURE)
            ):
                return flow
        if uri.scheme != "sip" or uri.transport not in {"", "udp"}:
            return None
        host = literal(uri.param("maddr") or uri.host)
        if not host or ":" in host or (size > LARGE_REQUEST and not uri.transport):
            return None
        udp: Any = self._signaling.transport("udp")
        if udp is None:
            return None
        port = uri.port or 5060
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

        def found(ways: Any) -> None:
            if isinstance(ways, Exception):
                done(ways)
            else:
                ways.next(done)

        self.ways(uri, size, found)

    def ways(self, uri: Uri, size: int, done: Done) -> None:
        """Find the next hops of a request (RFC 3263 section 4).

        Args:
            uri: as for ``find``.
            size: as for ``find``.
            done: called with Ways or an Exception, perhaps at once.
        """
        if not uri.is_sip:
            done(Unreachable(f"No transport here for {uri.scheme} URIs"))
            return
        host = uri.param("maddr") or uri.host
        large = size > LARGE_REQUEST
        self._locate(uri.scheme, host, uri.port, uri.transport, large, done)

    def back(self, transport: str, host: str, port: int | None, done: Done) -> None:
        """Find another flow for a response whose connection is gone (RFC 3263 section 5).

        Args:
            transport: that the request came over.
            host: of the sent-by in its Via.
            port: of that, None when absent.
            done: called with an IFlow or an Exception, perhaps at once.
        """

        def found(ways: Any) -> None:
            if isinstance(ways, Exception):
                done(ways)
            else:
                ways.next(done)

        self._locate("sip", host, port, transport, False, found)

    # -- where it is -------------------------------------------------------------------

    def _locate(
        self, scheme: str, host: str, port: int | None, wanted: str, large: bool, done: Done
    ) -> None:
        families = self._families()
        locating = Locating(scheme, host, port, wanted, large, families, self._random)

        def found(hops: list[NextHop], answered: bool) -> None:
            if hops:
                done(Ways(hops, self._signaling, self.avoided, self._monotonic, host))
            else:
                done(Unreachable(_nowhere(scheme, host, wanted, families, answered)))

        search = _Search(self, self._resolver, locating, found)
        if not search.run():
            if self.waiting >= MOST_WAITING:
                done(Unreachable(f"Too many requests wait for the address of {host[:64]}"))
                return
            search.wait()

    def _families(self) -> dict[str, frozenset[int]]:
        """The transports that there are now, with the families of their sockets."""
        return {
            transport.name: frozenset(6 if ":" in host else 4 for host, _ in transport.addresses())
            or _IPV4
            for transport in self._signaling.transports()
            if transport.name != "local"
        }


classImplements(Hops, IHops)


class _Search:
    """One request that needs the DNS."""

    __slots__ = ("_answers", "_found", "_hops", "_locating", "_missing", "_resolver", "_waits")

    def __init__(self, hops: Hops, resolver: IResolver, locating: Locating, found: Located) -> None:
        self._hops = hops
        self._resolver = resolver
        self._locating = locating
        self._found = found
        self._answers: dict[Question, Answer] = {}
        self._missing = 0  # answers that are still to come
        self._waits = False

    def run(self) -> bool:
        """Go on as far as the answers lead; False when some are still to come."""
        while not self._missing:
            hops = self._locating.advance(self._known)
            if hops is not None:
                answers = self._answers.values()
                self._found(hops, not any(answer.failed for answer in answers))
                return True
            questions = self._locating.missing
            self._missing = len(questions) + 1
            for question in questions:
                self._ask(question)
            self._missing -= 1
        return False

    def wait(self) -> None:
        """Note that somebody waits."""
        self._waits = True
        self._hops.waiting += 1

    def _known(self, question: Question) -> Any:
        answer = self._answers.get(question)
        return None if answer is None else answer.records

    def _ask(self, question: Question) -> None:
        def answered(answer: Answer) -> None:
            self._answers[question] = answer
            self._missing -= 1
            if self._waits and not self._missing:
                self._waits = False
                self._hops.waiting -= 1
                if not self.run():
                    self.wait()

        self._resolver.ask(question, answered)


def _nowhere(
    scheme: str, host: str, wanted: str, families: dict[str, frozenset[int]], answered: bool
) -> str:
    """Say why a request has no next hop."""
    if scheme == "sips" and not {"tls", "wss"} & families.keys():
        return "No transport here for sips URIs"
    if wanted and wanted not in families and scheme != "sips":
        return f"No transport {wanted[:16]} here"
    if ":" in literal(host):
        return "No IPv6 transport here"
    if literal(host) or not families:
        return f"No transport {wanted[:16] or 'udp'} here"
    if not answered:
        return f"No name server answers: the host name {host[:64]} is not known"
    return f"The host name {host[:64]} cannot be resolved"
