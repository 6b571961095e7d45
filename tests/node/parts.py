"""Components for tests of the node: they note what happens to them in an option."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, execute
from twisted.internet.error import CannotListenError
from zope.interface import Interface, implementer

from sipx.interfaces import IHealth, IJournalSink, INodeContext
from sipx.node.errors import StartError

NAME = "tests.node.parts."
Records = list[Sequence[Any]]


class IFirst(Interface):
    """What the first component provides."""


@implementer(IFirst)
class Part(Service):
    """Notes when it is started and stopped in the option ``events``."""

    def __init__(self, context: INodeContext, name: str) -> None:
        self.context = context
        self.label = name
        self.events: list[str] = context.options["events"]
        self.events.append(f"build {name}")

    def startService(self) -> None:
        super().startService()
        self.events.append(f"start {self.label}")

    def stopService(self) -> None:
        super().stopService()
        self.events.append(f"stop {self.label}")


def first(context: INodeContext) -> Part:
    part = Part(context, "first")
    context.provide(IFirst, part)
    return part


def second(context: INodeContext) -> Part:
    context.get(IFirst)
    return Part(context, "second")


class Slow(Part):
    """Stops when it is told."""

    def stopService(self) -> Deferred[None]:
        super().stopService()
        stopped: Deferred[None] = self.context.options["stopped"]
        return stopped


def slow(context: INodeContext) -> Part:
    return Slow(context, "slow")


class Failing(Part):
    """Does not stop well."""

    def stopService(self) -> None:
        raise ValueError("stuck")


def failing(context: INodeContext) -> Part:
    return Failing(context, "failing")


class Refused(Part):
    """Cannot start."""

    def startService(self) -> None:
        raise CannotListenError("127.0.0.1", 5060, OSError(98, "Address already in use"))


def refused(context: INodeContext) -> Part:
    return Refused(context, "refused")


def unreadable(context: INodeContext) -> Part:
    raise PermissionError(13, "Permission denied", "/some/file")


def liar(context: INodeContext) -> Part:
    return Part(context, "liar")


def no_service(context: INodeContext) -> object:
    return object()


def bug(context: INodeContext) -> Part:
    raise ZeroDivisionError("a bug")


def stored(context: INodeContext) -> Part:
    sink = context.options["sink"]
    context.provide(IJournalSink, sink)
    return Part(context, "stored")


def reader(context: INodeContext) -> Part:
    """Notes what the database holds when it is built."""
    part = Part(context, "reader")
    part.events.append(f"finds {context.options['sink'].stored}")
    return part


@implementer(IJournalSink)
class Sink:
    """A database in memory, which fails when it is told to."""

    def __init__(self) -> None:
        self.stored: Records = []
        self.batches = 0
        self.at = (0, 0)
        self.error: Exception | None = None

    def position(self) -> tuple[int, int]:
        return self.at

    def apply(self, records: Sequence[Sequence[Any]], upto: tuple[int, int]) -> None:
        self.batches += 1
        if self.error is not None:
            raise self.error
        self.stored.extend(records)
        self.at = upto


@implementer(IHealth)
class Said:
    """What was said of the parts last."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[bool, str]] = {}
        self.gauges: dict[str, Callable[[], float]] = {}

    def set(self, part: str, ok: bool, text: str) -> None:
        self.parts[part] = (ok, text)

    def gauge(self, name: str, read: Callable[[], float], limit: float | None = None) -> None:
        self.gauges[name] = read

    def report(self) -> dict[str, Any]:
        return {}


def at_once(work: Callable[[], Any]) -> Deferred[Any]:
    """Do something without a thread."""
    return execute(work)


def folder() -> Path:
    """Make an empty folder that trial removes in its own time."""
    return Path(mkdtemp(dir=os.getcwd()))


@contextmanager
def sentence(test: Any, *parts: str) -> Iterator[None]:
    """Expect a StartError of one line with these parts in it."""
    with test.assertRaises(StartError) as caught:
        yield
    text = str(caught.exception)
    test.assertNotIn("\n", text)
    for part in parts:
        test.assertIn(part, text)
