"""What routing reads besides the snapshot, and what a redirector is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sipx.core.binding import Binding
    from sipx.core.target import Target
    from sipx.routing.resolve import Lookup


class View(Protocol):
    """A read-only picture of what changes by itself: bindings, feature servers."""

    def bindings(self, user: str, now: float) -> Sequence[Binding]:
        """Where a user is registered; best first."""
        ...

    def server(self, user_part: str) -> str:
        """The name of the feature server that serves a user part, empty when none does."""
        ...


class Redirector(Protocol):
    """Adds targets for what a request asks.

    Attributes:
        name: what ``explain`` calls it.
        order: its place among the redirectors, lowest first (sipXecs' numbers).
    """

    name: str
    order: int

    def targets(self, lookup: Lookup) -> Iterable[Target]:
        """Give targets, or say nothing."""
        ...
