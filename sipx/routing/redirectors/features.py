"""Feature servers: names and numbers that a part of sipx itself answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sipx.core.target import Target

if TYPE_CHECKING:
    from sipx.routing.resolve import Lookup


class FeatureServers:
    """Adds the server whose user pattern the name matches, unless it is a user's."""

    name = "features"
    order = 105

    def targets(self, lookup: Lookup) -> Iterable[Target]:
        """Give the server as a target of the ``local`` transport."""
        if lookup.user:
            return []
        server = lookup.view.server(lookup.name)
        if not server:
            return []
        lookup.note(self.name, f"{lookup.name} is served by {server}")
        return [Target(lookup.uri, server=server)]
