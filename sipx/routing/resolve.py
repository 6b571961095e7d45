"""Where a request for our domain goes: a pure function of snapshot, view, request and time.

The live proxy, and later ``explain`` and the linter, run this same function; a recorder, when
given, notes what each redirector did.  sipXecs' registrar ran the redirectors in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sipx.routing.redirectors.features import FeatureServers
from sipx.routing.redirectors.registrations import Registrations

if TYPE_CHECKING:
    from sipx.core.target import Target
    from sipx.core.uri import Uri
    from sipx.routing.interfaces import Redirector, View
    from sipx.routing.snapshot import RoutingSnapshot

Recorder = Callable[[str, str], None]


class Lookup:
    """One question to the redirectors.

    Attributes:
        name: the user part asked for, escapes resolved; the number of a tel URI.
        user: the user whose name or alias that is, empty when it is nobody's.
        uri: the Request-URI.
        snapshot: the configuration.
        view: bindings and servers.
        now: monotonic seconds.
        note: tells the recorder something; does nothing on the live path.
    """

    __slots__ = ("name", "note", "now", "snapshot", "uri", "user", "view")

    def __init__(
        self,
        uri: Uri,
        snapshot: RoutingSnapshot,
        view: View,
        now: float,
        recorder: Recorder | None = None,
    ) -> None:
        self.uri = uri
        self.name = uri.number if uri.scheme == "tel" else uri.name
        self.snapshot = snapshot
        self.user = snapshot.names.get(self.name, "")
        self.view = view
        self.now = now
        self.note: Recorder = recorder or _silent


@dataclass(frozen=True, slots=True)
class Decision:
    """What comes of a request.

    Attributes:
        targets: in no particular order; ``q`` says which ring together.
        status: 0 when there are targets, else the status to answer with.
        reason: its reason phrase.
        user: the user asked for, when it is one.
    """

    targets: tuple[Target, ...]
    status: int = 0
    reason: str = ""
    user: str = ""


REDIRECTORS: tuple[Redirector, ...] = tuple(
    sorted((FeatureServers(), Registrations()), key=lambda redirector: redirector.order)
)


def resolve(
    snapshot: RoutingSnapshot,
    view: View,
    uri: Uri,
    now: float,
    recorder: Recorder | None = None,
    redirectors: Sequence[Redirector] = REDIRECTORS,
) -> Decision:
    """Find the targets of a URI of our domain.

    Args:
        snapshot: the configuration.
        view: bindings and servers.
        uri: a sip URI of our domain, or a tel URI.
        now: monotonic seconds.
        recorder: is told (redirector, what it did), when given.
        redirectors: those to ask, in their order.

    Returns:
        Targets; or 404 when the name is nobody's, 480 when it is a user's who is registered
        nowhere.
    """
    lookup = Lookup(uri, snapshot, view, now, recorder)
    targets: list[Target] = []
    for redirector in redirectors:
        targets += redirector.targets(lookup)
    if targets:
        return Decision(tuple(targets), user=lookup.user)
    if lookup.user:
        return Decision((), 480, "Not Registered", lookup.user)
    return Decision((), 404, "Nobody Has This Name Or Number")


def _silent(_redirector: str, _what: str) -> None:
    """The recorder of the live path."""
