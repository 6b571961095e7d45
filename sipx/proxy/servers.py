"""The request servers of this node: who answers which method, package or user part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipx.interfaces import IRequestServer

_BUILT_IN = ("ACK", "CANCEL")  # what the proxy itself understands


class Servers:
    """All request servers."""

    def __init__(self, servers: Sequence[IRequestServer]) -> None:
        """Take them; the first one wins where two claim the same.

        Args:
            servers: in the order in which they were provided.
        """
        self._by_method: dict[str, IRequestServer] = {}
        self._by_name: dict[str, IRequestServer] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        for server in servers:
            self._by_name.setdefault(server.name, server)
            for method in server.methods:
                self._by_method.setdefault(method, server)
            for pattern in server.users:
                self._patterns.append((re.compile(pattern), server.name))

    def for_method(self, method: str) -> IRequestServer | None:
        """Who answers a method addressed to the node."""
        return self._by_method.get(method)

    def methods(self) -> Sequence[str]:
        """The methods that the node itself offers, for Allow."""
        return sorted({*self._by_method, *_BUILT_IN})

    def for_user(self, user_part: str) -> str:
        """The name of the server of a user part, empty when there is none."""
        for pattern, name in self._patterns:
            if pattern.fullmatch(user_part):
                return name
        return ""

    def named(self, name: str) -> IRequestServer | None:
        """Find a server by its name."""
        return self._by_name.get(name)
