"""The phones a user has registered (sipXecs' REG redirector, authority 40)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sipx.core.target import Target
from sipx.core.uri import parse_uri

if TYPE_CHECKING:
    from sipx.routing.resolve import Lookup


class Registrations:
    """Adds one target for each binding of the user."""

    name = "registrations"
    order = 110

    def targets(self, lookup: Lookup) -> Iterable[Target]:
        """Give the bindings as targets, with the flow and the Path they have."""
        if not lookup.user:
            lookup.note(self.name, "the name is no user's")
            return []
        bindings = lookup.view.bindings(lookup.user, lookup.now)
        if not bindings:
            lookup.note(self.name, f"{lookup.user} is not registered")
        return [
            Target(parse_uri(binding.contact), binding.q, lookup.user, binding.flow, binding.path)
            for binding in bindings
        ]
