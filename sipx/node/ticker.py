"""Ticks that follow the monotonic clock.

``reactor.callLater`` follows the wall clock (``reactor.seconds`` is ``time.time``): when it
is set back by an hour, every timer waits an hour longer. On Linux the ticks come from a
timer file descriptor instead, timerfd_create(2), which the reactor reads like a socket.
A late tick stands for all that were missed.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

log = Logger()

_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class Ticker:
    """Calls back with the time, again and again."""

    def __init__(
        self,
        reactor: Any,
        interval: float,
        callback: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a ticker that does not tick yet.

        Args:
            reactor: one that reads file descriptors; another, such as a test's clock, is
                asked to ``callLater`` instead.
            interval: seconds.
            callback: called with monotonic seconds; what it raises is logged, and it ticks on.
            monotonic: the clock.
        """
        self._reactor = reactor
        self._interval = interval
        self._callback = callback
        self._monotonic = monotonic
        self._source: _TimerFd | _Later | None = None

    def start(self) -> None:
        """Tick from now on."""
        if IReactorFDSet.providedBy(self._reactor):
            self._source = _TimerFd(self._reactor, self._interval, self._tick)
        else:
            self._source = _Later(self._reactor, self._interval, self._tick)

    def stop(self) -> None:
        """Tick no more."""
        source, self._source = self._source, None
        if source is not None:
            source.stop()

    def _tick(self) -> None:
        try:
            self._callback(self._monotonic())
        except Exception:
            log.failure("a tick failed")


@implementer(IReadDescriptor)
class _TimerFd:
    """A timer file descriptor of CLOCK_MONOTONIC."""

    def __init__(self, reactor: Any, interval: float, tick: Callable[[], None]) -> None:
        self._reactor = reactor
        self._tick = tick
        self._number = _timerfd(interval)
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._number

    def logPrefix(self) -> str:
        return "ticker"

    def doRead(self) -> None:
        try:
            os.read(self._number, 8)
        except BlockingIOError:
            return
        self._tick()

    def connectionLost(self, reason: Any) -> None:
        self.stop()

    def stop(self) -> None:
        if self._number >= 0:
            self._reactor.removeReader(self)
            os.close(self._number)
            self._number = -1


class _Later:
    """``callLater``, for reactors without file descriptors."""

    def __init__(self, reactor: Any, interval: float, tick: Callable[[], None]) -> None:
        self._reactor = reactor
        self._interval = interval
        self._tick = tick
        self._call = reactor.callLater(interval, self._again)

    def _again(self) -> None:
        self._call = self._reactor.callLater(self._interval, self._again)
        self._tick()

    def stop(self) -> None:
        if self._call.active():
            self._call.cancel()


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


def _timerfd(interval: float) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    number: int = libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_FLAGS)
    nanoseconds = max(1, round(interval * 1e9))
    every = _Timespec(nanoseconds // 10**9, nanoseconds % 10**9)
    setting = _Itimerspec(every, every)
    if number < 0 or libc.timerfd_settime(number, 0, ctypes.byref(setting), None) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return number
