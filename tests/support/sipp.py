"""Phones played by SIPp from the scenarios in tests/system/sipp."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from tests.support.peers import require
from tests.support.ports import HOST, free_ports, udp_ports_in_use
from tests.support.processes import Child, spawn, until

SCENARIOS = Path(__file__).parents[1] / "system" / "sipp"
READY = 5.0  # seconds to open its port
LIMIT = 20  # seconds that a scenario may take
OPEN = 100  # registrations going on at once; a slow server gets them at its own speed
SHOWN = 6_000  # characters of the message log that a failing test shows


class Run:
    """One SIPp process playing one scenario."""

    def __init__(self, scenario: str, process: Child, messages: Path, errors: Path) -> None:
        self.scenario = scenario
        self.process = process
        self._messages = messages
        self._errors = errors

    async def passed(self, timeout: float = LIMIT + 5) -> None:
        """Wait for its end.

        Raises:
            AssertionError: not every message came as the scenario says; shows those that came.
        """
        status = await self.process.ended(timeout)
        if status:
            raise AssertionError(
                f"SIPp: {self.scenario} failed, exit status {status}\n"
                f"{_tail(self._errors, 1500)}\n--- last messages\n{_tail(self._messages, SHOWN)}"
            )

    async def saw(self, text: str) -> None:
        """Wait until it has sent or received a message with a text in it."""

        async def seen() -> bool | None:
            there = self._messages.exists() and text in self._messages.read_text(errors="replace")
            return there or None

        await until(seen, LIMIT, f"{self.scenario}: {text}")


class Phone:
    """One phone of one user: a contact address, scenarios played there."""

    def __init__(self, sipp: Sipp, user: str, password: str) -> None:
        self.user = user
        self.port = free_ports()
        self._sipp = sipp
        self._password = password

    async def register(self) -> None:
        """Register its contact, answering the challenge."""
        await self._sipp.register({self.user: self._password}, self.port)

    async def start(self, scenario: str, callee: str = "-") -> Run:
        """Begin to play a scenario; comes back when it can receive."""
        run = self._sipp.spawn(
            scenario,
            self.port,
            *("-m", "1", "-timeout", str(LIMIT), "-timeout_error"),
            *("-s", callee, "-au", self.user, "-ap", self._password, "-key", "caller", self.user),
        )

        async def ready() -> Run | None:
            ready = self.port in udp_ports_in_use() or run.process.status is not None
            return run if ready else None

        return await until(ready, READY, f"{scenario}: opening port {self.port}")

    async def play(self, scenario: str, callee: str = "-") -> Run:
        """Play a scenario to its successful end."""
        run = await self.start(scenario, callee)
        await run.passed()
        return run


class Sipp:
    """SIPp against one server; ends what it started with `stop`.

    Args:
        folder: for the logs.
        server_port: where the server listens on the loopback address.
        domain: SIP domain of the server.
    """

    def __init__(self, folder: Path, server_port: int, domain: str) -> None:
        self._program = require("sipp")
        self._folder = folder
        self._server_port = server_port
        self._domain = domain
        self._numbers = itertools.count(1)
        self._runs: list[Run] = []

    def phone(self, user: str, password: str) -> Phone:
        """Make a phone of a user; one user may have several."""
        return Phone(self, user, password)

    def spawn(
        self, scenario: str, port: int, *arguments: str | Path, log_messages: bool = True
    ) -> Run:
        """Start a scenario on a local port; waits for nothing."""
        stem = f"{next(self._numbers):02}-{scenario.removesuffix('.xml')}"
        messages, errors = (self._folder / f"{stem}.{kind}" for kind in ("messages", "errors"))
        process = spawn(
            [
                *(self._program, f"{HOST}:{self._server_port}", "-i", HOST, "-p", str(port)),
                *("-mp", str(free_ports(4)), "-nostdin"),
                *("-default_behaviors", "abortunexp,pingreply", "-key", "sip_domain", self._domain),
                *("-auth_uri", self._domain),
                *("-trace_err", "-error_file", errors),
                *(("-trace_msg", "-message_file", messages) if log_messages else ()),
                *arguments,  # -key must stand before -sf
                *("-sf", SCENARIOS / scenario),
            ],
            folder=self._folder,
            name=f"sipp {scenario}",
        )
        run = Run(scenario, process, messages, errors)
        self._runs.append(run)
        return run

    async def register(
        self, passwords: Mapping[str, str], contact_port: int, *, rate: int = 1000
    ) -> None:
        """Register every user once, each after a challenge.

        Args:
            passwords: by user name.
            contact_port: port of the contact that all get.
            rate: registrations begun a second, at most.
        """
        rows = self._folder / f"{next(self._numbers):02}-users.csv"
        # SIPp takes no nested fields, so the file has the keyword whole.
        rows.write_text(
            "SEQUENTIAL\n"
            + "".join(
                f"{user};[authentication username={user} password={password}];\n"
                for user, password in passwords.items()
            )
        )
        count = len(passwords)
        limit = LIMIT + round(3 * count / rate)  # SIPp is kept waiting by a slow server
        run = self.spawn(
            "register.xml",
            free_ports(),
            *("-m", str(count), "-r", str(rate), "-l", str(OPEN), "-inf", rows),
            *("-buff_size", "1048576"),
            *("-timeout", str(limit), "-timeout_error", "-key", "contact_port", str(contact_port)),
            log_messages=count < 100,
        )
        await run.passed(limit + 5)

    async def stop(self) -> None:
        """End every process that still runs."""
        for run in self._runs:
            if run.process.status is None:
                await run.process.kill()


def _tail(path: Path, characters: int) -> str:
    return path.read_text(errors="replace")[-characters:] if path.exists() else "(none)"
