"""One thread that does one thing after another, for work that blocks.

The reactor's own pool is shared with slow things such as password hashing, and is waited
for at shutdown; this thread is neither.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class Worker:
    """A daemon thread, started with the first work."""

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._name = name
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def do(self, work: Callable[[], T]) -> Deferred[T]:
        """Do something after what was asked before; the answer comes on the reactor."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        done: Deferred[T] = Deferred()

        def act() -> None:
            outcome: Any
            try:
                outcome = work()
            except BaseException:
                outcome = Failure()
            self._reactor.callFromThread(done.callback, outcome)

        self._queue.put(act)
        return done

    def stop(self) -> None:
        """End when the work asked for is done; nobody waits for that."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread = None

    def _run(self) -> None:
        for act in iter(self._queue.get, None):
            act()
