"""What the node hands to each component's factory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zope.interface import implementer

from sipx.interfaces import IHealth, IJournal, INodeContext
from sipx.node.identity import Identity
from sipx.node.keys import KeyRing
from sipx.node.repeats import Repeats


@implementer(INodeContext)
class NodeContext:
    """The node's things, and the implementations that components gave it so far."""

    def __init__(
        self,
        reactor: Any,
        state: Path,
        options: Mapping[str, Any],
        identity: Identity,
        keys: KeyRing,
        journal: IJournal,
        health: IHealth,
        repeats: Repeats,
        monotonic: Callable[[], float] = time.monotonic,
        utc: Callable[[], float] = time.time,
    ) -> None:
        self.reactor = reactor
        self.state = state
        self.options = options
        self.identity = identity
        self.keys = keys
        self.journal = journal
        self.health = health
        self._repeats = repeats
        # Attributes and no methods: they are asked for each message.
        self.monotonic = monotonic
        self.utc = utc
        self._reloads: list[Callable[[], None]] = []
        self._provided: dict[str, list[Any]] = {}

    def repeat(self, interval: float, call: Callable[[float], None]) -> None:
        self._repeats.add(interval, call)

    def reloads(self, call: Callable[[], None]) -> None:
        self._reloads.append(call)

    def reload(self) -> None:
        """Let all who asked for it read their files again."""
        for call in self._reloads:
            call()

    def provide(self, interface: Any, implementation: Any) -> None:
        if not interface.providedBy(implementation):
            raise TypeError(f"{implementation!r} does not provide {interface.__identifier__}")
        self._provided.setdefault(interface.__identifier__, []).append(implementation)

    def get(self, interface: Any) -> Any:
        found = self._provided.get(interface.__identifier__)
        if not found:
            raise LookupError(f"nothing provides {interface.__identifier__}")
        return found[0]

    def every(self, interface: Any) -> Sequence[Any]:
        return tuple(self._provided.get(interface.__identifier__, ()))

    def provided(self, interface: str) -> int:
        """Count the implementations of an interface by its dotted name."""
        return len(self._provided.get(interface, ()))
