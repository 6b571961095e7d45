"""The node as a process: what twistd starts, and how it ends when it cannot start."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

from sipx.node.errors import StartError
from sipx.node.node import Node

log = Logger()

# Objects are made and dropped at the rate of messages: looking for cycles among them as
# often as Python does by default costs a fifth of the CPU under load.
GC_THRESHOLDS = (100_000, 50, 100)


class StartRefused(SystemExit, Exception):
    """Ends the process with status 1 and no traceback.

    It is an Exception too, so that twistd removes its pid file and, as a daemon, tells the
    process that waits for it.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = 1


class NodeProcess(Service):
    """A node, and the process-wide settings it runs best with."""

    def __init__(self, node: Node, daemon: bool) -> None:
        """Make the service.

        Args:
            node: not started yet.
            daemon: True when twistd has left the terminal, so that only its log is read.
        """
        self.node = node
        self._daemon = daemon

    def privilegedStartService(self) -> None:
        allow_open_files()
        with self._one_sentence():
            self.node.privilegedStartService()

    def startService(self) -> None:
        with self._one_sentence():
            self.node.startService()
        super().startService()
        self._obey_hangup()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        notify("READY=1")

    def stopService(self) -> Any:
        super().stopService()
        notify("STOPPING=1")
        return self.node.stopService()

    def _obey_hangup(self) -> None:
        """Read certificates again on SIGHUP, which would end the process otherwise."""
        reactor = self.node.context.reactor

        def hangup(number: int, frame: Any) -> None:
            reactor.callFromThread(self.node.context.reload)

        try:
            signal.signal(signal.SIGHUP, hangup)
            signal.siginterrupt(signal.SIGHUP, False)
        except ValueError:  # not in the main thread
            log.warn("SIGHUP is not obeyed: the node does not run in the main thread")

    @contextmanager
    def _one_sentence(self) -> Iterator[None]:
        try:
            yield
        except (StartError, OSError) as error:
            if self._daemon:
                log.critical("sipx: {error}", error=error)
            elif sys.__stderr__ is not None:
                sys.__stderr__.write(f"sipx: {error}\n")
                sys.__stderr__.flush()
            raise StartRefused(str(error)) from error


def allow_open_files() -> None:
    """Let this process have as many open files as it may: each TCP phone is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            log.warn("no more than {soft} files can be open: {error}", soft=soft, error=error)


def notify(state: str) -> None:
    """Tell systemd, if it asked to be told (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.connect("\0" + address[1:] if address.startswith("@") else address)
            out.send(state.encode())
