"""Child processes of system tests: each in a session of its own, none outlives its test.

A child is started through ``setsid`` and ``setpriv --pdeathsig`` (util-linux), so that it can
be signalled with everything it starts, and dies with the test runner whatever happens to that.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessTerminated, TimeoutError
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

T = TypeVar("T")

ALONE = ("setsid", "setpriv", "--pdeathsig", "KILL", "--")
GRACE = 8.0  # seconds between SIGTERM and SIGKILL
POLL = 0.05  # seconds between two looks at something outside of this process


class NotInTime(AssertionError):
    """What a test waited for did not happen within its time."""


def _reactor() -> IReactorProcess:
    """Find the reactor that the test runner installed; only system tests use it."""
    from twisted.internet import reactor

    return reactor


def seconds(delay: float) -> Deferred[None]:
    """Wait; only for what another process must have time to do."""
    return deferLater(IReactorTime(_reactor()), delay)


async def until(condition: Callable[[], Awaitable[T | None]], timeout: float, what: str) -> T:
    """Look again and again at something outside of this process until there is an answer.

    Args:
        condition: gives None while it is too early.
        timeout: seconds to try.
        what: completes the sentence "... did not happen within N s".

    Returns:
        The first answer of the condition that was not None.

    Raises:
        NotInTime: it stayed false.
    """
    clock = IReactorTime(_reactor())
    deadline = clock.seconds() + timeout
    while True:
        answer = await condition()
        if answer is not None:
            return answer
        if clock.seconds() > deadline:
            raise NotInTime(f"{what} did not happen within {timeout:g} s")
        await seconds(POLL)


class Child(ProcessProtocol):
    """A running child process: what it wrote, and when it ended."""

    def __init__(self, name: str, stdin: bytes | None = None) -> None:
        self.name = name
        self.out = bytearray()
        self.err = bytearray()
        self.status: int | None = None
        self._stdin = stdin
        self._leaving: list[Deferred[int]] = []
        self._watched: list[tuple[re.Pattern[bytes], Deferred[re.Match[bytes]]]] = []

    @property
    def pid(self) -> int:
        """Process id; meaningful while it runs."""
        return int(self.transport.pid)  # type: ignore[union-attr]  # it runs

    @property
    def text(self) -> str:
        """All that it wrote, standard output first."""
        return (self.out + self.err).decode(errors="replace")

    def tail(self, lines: int = 25) -> str:
        """Give the last lines it wrote, for the message of a failing test."""
        return "\n".join(self.text.splitlines()[-lines:]) or "(no output)"

    def ended(self, timeout: float) -> Deferred[int]:
        """Wait for its end; gives its exit status, or minus the number of the signal it died of."""
        if self.status is not None:
            return succeed(self.status)
        leaving: Deferred[int] = Deferred()
        self._leaving.append(leaving)
        return self._limited(leaving, timeout, "the end")

    def wrote(self, pattern: str, timeout: float) -> Deferred[re.Match[bytes]]:
        """Wait until its output has a match; what it wrote earlier counts."""
        compiled = re.compile(pattern.encode())
        match = compiled.search(self.out) or compiled.search(self.err)
        if match:
            return succeed(match)
        seen: Deferred[re.Match[bytes]] = Deferred()
        self._watched.append((compiled, seen))
        return self._limited(seen, timeout, f"output like {pattern!r}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to all that it started."""
        if self.status is not None:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:  # setsid has not run yet
            os.kill(self.pid, number)

    async def stop(self, grace: float = GRACE) -> int:
        """End it, with SIGKILL if SIGTERM does not do; gives its exit status."""
        self.signal(signal.SIGTERM)
        try:
            return await self.ended(grace)
        except NotInTime:
            return await self.kill()

    async def kill(self) -> int:
        """End it at once."""
        self.signal(signal.SIGKILL)
        return await self.ended(GRACE)

    def connectionMade(self) -> None:
        assert self.transport is not None
        if self._stdin is not None:
            self.transport.write(self._stdin)
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self.out += data
        self._look()

    def errReceived(self, data: bytes) -> None:
        self.err += data
        self._look()

    def processEnded(self, reason: Failure) -> None:
        error = reason.value
        if isinstance(error, ProcessTerminated):
            self.status = error.exitCode if error.exitCode is not None else -int(error.signal)
        else:
            assert isinstance(error, ProcessDone)
            self.status = 0
        leaving, self._leaving = self._leaving, []
        for waiting in leaving:
            waiting.callback(self.status)

    def _look(self) -> None:
        for watch in list(self._watched):
            match = watch[0].search(self.out) or watch[0].search(self.err)
            if match:
                self._watched.remove(watch)
                watch[1].callback(match)

    def _limited(self, waiting: Deferred[T], timeout: float, what: str) -> Deferred[T]:
        def forget(result: T | Failure) -> T | Failure:
            self._leaving = [other for other in self._leaving if other is not waiting]
            self._watched = [watch for watch in self._watched if watch[1] is not waiting]
            return result

        def explain(failure: Failure) -> T:
            failure.trap(TimeoutError)
            raise NotInTime(f"{self.name}: {what} did not come within {timeout:g} s\n{self.tail()}")

        waiting.addTimeout(timeout, IReactorTime(_reactor()), lambda result, _: _timed_out(result))
        return waiting.addBoth(forget).addErrback(explain)


def _timed_out(result: object) -> object:
    if isinstance(result, Failure):
        return Failure(TimeoutError())
    return result


def spawn(
    arguments: Sequence[str | Path],
    *,
    folder: Path,
    name: str | None = None,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Start a program.

    Args:
        arguments: the program and its arguments.
        folder: where it runs.
        name: what messages call it; its file name by default.
        stdin: all that it can read; nothing by default.
        environment: its variables; those of the test runner by default.

    Returns:
        The running child. Whoever asks for it ends it.
    """
    words = [str(argument) for argument in arguments]
    child = Child(name or Path(words[0]).name, stdin)
    _reactor().spawnProcess(
        child,
        ALONE[0],
        [*ALONE, *words],
        env=dict(os.environ if environment is None else environment),
        path=str(folder),
    )
    return child


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a program that ran to its end."""

    status: int
    out: str
    err: str


async def run(
    arguments: Sequence[str | Path],
    *,
    folder: Path,
    timeout: float,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end; it is killed if that takes longer than the timeout in seconds."""
    child = spawn(arguments, folder=folder, stdin=stdin, environment=environment)
    try:
        status = await child.ended(timeout)
    except NotInTime:
        await child.kill()
        raise
    return Finished(status, child.out.decode(errors="replace"), child.err.decode(errors="replace"))
