"""A real node, `twistd sipx`, in a process of its own, and the `sipx` command next to it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.ports import HOST, free_ports
from tests.support.probe import Probe
from tests.support.processes import Child, Finished, run, spawn

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOMAIN = "pbx.test"
CSV_COLUMNS = 61
READY = 20  # seconds to wait for the first answer to OPTIONS
COMMAND = 20.0  # seconds that a `sipx` command may take


class DidNotStart(AssertionError):
    """The node ended, or gave no answer, instead of becoming ready."""


def environment() -> dict[str, str]:
    """Give the variables for children that run this source, wherever they run."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH")) if part)
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


class Node:
    """One node on free ports of the loopback address.

    Args:
        state: its state folder.
        domain: its SIP domain.
        options: more options of `twistd sipx`.
    """

    def __init__(self, state: Path, *, domain: str = DOMAIN, options: Sequence[str] = ()) -> None:
        self.state = state
        self.domain = domain
        self.options = options
        self.folder = state.parent
        self.port = free_ports(2)
        self.http_port = free_ports()
        self.tls_port = free_ports()
        self._process: Child | None = None

    @property
    def process(self) -> Child:
        """The process that was started last."""
        assert self._process is not None, "not started"
        return self._process

    def spawn(self) -> Child:
        """Start the process; waits for nothing."""
        arguments: list[str | Path] = [
            *(BIN / "twistd", "--nodaemon", "--pidfile=", "sipx", "--state", self.state),
            *("--listen", HOST, "--sip-port", str(self.port), "--http-port", str(self.http_port)),
            *("--domain", self.domain, "--tls-port", str(self.tls_port), *self.options),
        ]
        self._process = spawn(arguments, folder=self.folder, name="node", environment=environment())
        return self._process

    async def start(self) -> None:
        """Start the process and wait until it answers.

        Raises:
            DidNotStart: with what it wrote.
        """
        process = self.spawn()
        probe = Probe(self.port)
        probe.open()
        try:
            for _ in range(READY):
                if process.status is None and await probe.answers(1.0):
                    return
        finally:
            await probe.close()
        raise DidNotStart(f"exit status {process.status}\n{process.tail()}")

    async def stop(self) -> int | None:
        """End it as an operator does; gives its exit status, None if it was never started."""
        return None if self._process is None else await self._process.stop()

    async def kill(self) -> None:
        """End it as a power cut does."""
        self.process.signal(signal.SIGKILL)
        await self.process.ended(5)

    async def command(
        self, *words: str | Path, stdin: str | None = None, timeout: float = COMMAND
    ) -> Finished:
        """Run a `sipx` command on the state folder, whatever becomes of it."""
        return await run(
            [BIN / "sipx", "--state", self.state, *words],
            folder=self.folder,
            timeout=timeout,
            stdin=None if stdin is None else stdin.encode(),
            environment=environment(),
        )

    async def ask(self, *words: str) -> Any:
        """Run a `sipx` command that must succeed; gives what it answers as JSON."""
        finished = await self.command("-o", "json", *words)
        if finished.status:
            raise AssertionError(f"sipx {' '.join(words)}: {finished}\n{self.process.tail()}")
        return json.loads(finished.out)

    async def ask_health(self) -> Any:
        """Run `sipx health`, whatever the health is; gives its JSON."""
        return json.loads((await self.command("-o", "json", "health")).out)

    async def add_user(self, name: str, password: str) -> None:
        """Make one user, with the password on standard input."""
        words = ("user", "add", name, "--password", "-")
        self._must(await self.command(*words, stdin=password + "\n"), *words)

    async def import_users(self, passwords: Mapping[str, str], timeout: float = COMMAND) -> None:
        """Make many users, by a CSV file."""
        file = self.folder / "users.csv"
        file.write_text(users_csv(passwords))
        words = ("users", "import", str(file))
        self._must(await self.command(*words, timeout=timeout), *words)

    def rss_mib(self) -> float:
        """Measure the memory that it occupies, in MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("the node does not run")

    def _must(self, finished: Finished, *words: str) -> None:
        if finished.status:
            raise AssertionError(f"sipx {' '.join(words)}: {finished}")


def users_csv(passwords: Mapping[str, str]) -> str:
    """Write users as the 61-column CSV file that an import reads.

    Every second row leaves out its empty trailing columns, as spreadsheets do.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    columns = [f"Column {number}" for number in range(2, CSV_COLUMNS)]
    writer.writerow(["User name", "PIN", *columns])
    for number, (name, password) in enumerate(passwords.items()):
        row = [name, "", "", password]
        writer.writerow(row + [""] * (CSV_COLUMNS - len(row)) if number % 2 else row)
    return file.getvalue()
