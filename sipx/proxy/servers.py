"""The request servers of this node: who answers which method, package or user part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sipx.core.event import parse_event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipx.core.message import Request
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
        self._by_event: dict[str, IRequestServer] = {}
        self._by_name: dict[str, IRequestServer] = {}
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        for server in servers:
            self._by_name.setdefault(server.name, server)
            for method in server.methods:
                self._by_method.setdefault(method, server)
            for package in server.events:
                self._by_event.setdefault(package, server)
            for pattern in server.users:
                self._patterns.append((re.compile(pattern), server.name))

    def for_method(self, method: str) -> IRequestServer | None:
        """Who answers a method addressed to the node."""
        return self._by_method.get(method)

    def for_event(self, request: Request) -> IRequestServer | None:
        """Who answers SUBSCRIBE and PUBLISH for the event package of a request.

        Raises:
            RemoteError: 400; its Event is malformed.
        """
        text = request.get("event")
        return None if text is None else self._by_event.get(parse_event(text).package)

    def methods(self) -> Sequence[str]:
        """The methods that the node itself offers, for Allow."""
        return sorted({*self._by_method, *_BUILT_IN})

    def events(self) -> Sequence[str]:
        """The event packages that the node itself offers, for Allow-Events."""
        return sorted(self._by_event)

    def for_user(self, user_part: str) -> str:
        """The name of the server of a user part, empty when there is none."""
        for pattern, name in self._patterns:
            if pattern.fullmatch(user_part):
                return name
        return ""

    def named(self, name: str) -> IRequestServer | None:
        """Find a server by its name."""
        return self._by_name.get(name)
