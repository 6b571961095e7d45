"""The component ``cdr``: what it takes from the node and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.application.service import IService
from twisted.trial.unittest import SynchronousTestCase as TestCase

from sipx.cdr.component import cdr
from sipx.core.callrecord import CallRecord
from sipx.interfaces import IActiveCalls, ICallObserver, ICallRecordStore, INodeContext
from tests.cdr.support import START, UTC, invite, unfinished


class _Node:
    """As much of a node as the component asks for."""

    def __init__(self, records: Sequence[CallRecord] = (), options: Any = None) -> None:
        self.now = START
        self.options = options or {}
        self.records = records
        self.journal = self.health = self
        self.journaled: list[Sequence[Any]] = []
        self.gauges: dict[str, tuple[Callable[[], float], float | None]] = {}
        self.parts: dict[str, tuple[bool, str]] = {}
        self.ticks: list[tuple[float, Callable[[float], None]]] = []
        self.provided: dict[Any, Any] = {}

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> float:
        return UTC + self.now - START

    def append(self, record: Sequence[Any]) -> None:
        self.journaled.append(record)

    def gauge(self, name: str, read: Callable[[], float], limit: float | None = None) -> None:
        self.gauges[name] = (read, limit)

    def set(self, part: str, ok: bool, text: str) -> None:
        self.parts[part] = (ok, text)

    def repeat(self, interval: float, call: Callable[[float], None]) -> None:
        self.ticks.append((interval, call))

    def provide(self, interface: Any, implementation: Any) -> None:
        self.provided[interface] = implementation

    def get(self, interface: Any) -> Any:
        assert interface is ICallRecordStore
        return self

    def unfinished(self) -> Sequence[CallRecord]:
        return self.records

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for _, call in self.ticks:
            call(self.now)


class ComponentTests(TestCase):
    """The component on a node."""

    def build(self, node: _Node) -> Any:
        self.assertTrue(IService.providedBy(cdr(cast(INodeContext, node))))
        return node.provided[ICallObserver]

    def test_provides(self) -> None:
        """One object observes the calls and lists them; it is ticked each second."""
        node = _Node()
        calls = self.build(node)
        self.assertIs(node.provided[IActiveCalls], calls)
        self.assertEqual([interval for interval, _ in node.ticks], [1.0])

    def test_journal_and_gauges(self) -> None:
        """A call goes to the node's journal and shows in its gauges, with the limit."""
        node = _Node()
        calls = self.build(node)
        calls.call_started(invite(), "200", "201", "201", 1, node.now)
        calls.call_ended("other", ("a", "b"), "", node.now, node.now)
        self.assertEqual([record[0] for record in node.journaled], ["call"])
        values = {name: read() for name, (read, _) in node.gauges.items()}
        self.assertEqual(
            values,
            {"calls_active": 1, "calls_evicted": 0, "calls_unknown": 1, "calls_refused": 0},
        )
        self.assertEqual(node.gauges["calls_active"][1], 65536)

    def test_option(self) -> None:
        """The limit is an option, in hours."""
        for given, hours in (({"max-call-hours": 2}, 2), ({}, 24)):
            node = _Node(options=given)
            calls = self.build(node)
            calls.call_started(invite(), "200", "201", "201", 1, node.now)
            node.advance(hours * 3600 - 1)
            self.assertEqual(len(calls), 1)
            node.advance(2)
            self.assertEqual(len(calls), 0)

    def test_carries_over(self) -> None:
        """Calls from before the start are taken up, and health says how many."""
        node = _Node([unfinished()])
        calls = self.build(node)
        self.assertEqual(len(calls.active()), 1)
        self.assertEqual(node.parts["cdr"], (True, "1 calls going on since before the start"))
