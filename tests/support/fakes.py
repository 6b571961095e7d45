"""A node's context for tests, with clocks that only a test moves, and fake parts of a node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zope.interface import implementer

from sipx.core.binding import Binding
from sipx.core.callrecord import CallRecord
from sipx.interfaces import IActiveCalls, IJournal, ILocation, INodeContext, IWireTrace, Watcher
from sipx.node.health import Health
from sipx.node.identity import Identity, make_identity
from sipx.node.keys import KEY_OCTETS, KeyRing

REALM = "sipx-test"
UTC = 1_795_000_000.0  # in November 2026


@implementer(IJournal)
class FakeJournal:
    """Keeps records in a list."""

    failing = False

    def __init__(self) -> None:
        self.pending: list[Sequence[Any]] = []
        self.written: list[Sequence[Any]] = []

    def append(self, record: Sequence[Any]) -> None:
        self.pending.append(record)

    def commit(self) -> bool:
        self.written += self.pending
        self.pending.clear()
        return True


@implementer(INodeContext)
class FakeContext:
    """The context of a node that consists of what a test provides.

    Args:
        reactor: of the test.
        state: its folder.
        options: of the components under test.
    """

    def __init__(self, reactor: Any, state: Path, options: Mapping[str, Any] | None = None) -> None:
        self.reactor = reactor
        self.state = state
        self.options: Mapping[str, Any] = options or {}
        self.identity: Identity = make_identity(REALM, "pbx.test", ["127.0.0.1"], 5060)
        self.keys = KeyRing(bytes(range(KEY_OCTETS)))
        self.journal = FakeJournal()
        self.health = Health()
        self.now = 1000.0
        self.time = UTC
        self.repeated: list[tuple[float, Callable[[float], None]]] = []
        self.reloading: list[Callable[[], None]] = []
        self._provided: dict[Any, list[Any]] = {}

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> float:
        return self.time

    def repeat(self, interval: float, call: Callable[[float], None]) -> None:
        self.repeated.append((interval, call))

    def reloads(self, call: Callable[[], None]) -> None:
        self.reloading.append(call)

    def provide(self, interface: Any, implementation: Any) -> None:
        if not interface.providedBy(implementation):
            raise TypeError(f"{implementation!r} does not provide {interface!r}")
        self._provided.setdefault(interface, []).append(implementation)

    def get(self, interface: Any) -> Any:
        try:
            return self._provided[interface][0]
        except KeyError:
            raise LookupError(f"nothing provides {interface!r}") from None

    def every(self, interface: Any) -> Sequence[Any]:
        return tuple(self._provided.get(interface, ()))


@implementer(ILocation)
class FakeLocation:
    """Registrations as a list."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self.all = list(bindings)

    def bindings(self, user: str, now: float) -> Sequence[Binding]:
        found = [one for one in self.all if one.user == user and one.expires > now]
        return sorted(found, key=lambda one: (-one.q, -one.registered))

    def by_contact(self, uri: str) -> Binding | None:
        return next((one for one in self.all if one.contact == uri), None)

    def every(self, now: float) -> Iterator[Binding]:
        return (one for one in self.all if one.expires > now)

    def count(self) -> int:
        return len(self.all)

    def watch(self, user: str, changed: Watcher | None) -> None:
        """Nothing changes here."""


@implementer(IActiveCalls)
class FakeCalls:
    """Active calls as a list."""

    def __init__(self, records: Iterable[CallRecord]) -> None:
        self.all = list(records)

    def active(self) -> Sequence[CallRecord]:
        return self.all


@implementer(IWireTrace)
class FakeTrace:
    """Messages by Call-ID."""

    def __init__(self, messages: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self.all = dict(messages)

    def calls(self, limit: int) -> Sequence[Mapping[str, Any]]:
        return [
            {"call_id": call_id, "method": "INVITE", "messages": len(found), "time": UTC}
            for call_id, found in list(self.all.items())[:limit]
        ]

    def messages(self, call_id: str) -> Sequence[Mapping[str, Any]]:
        return self.all.get(call_id, ())
