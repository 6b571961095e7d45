"""Servers on one core, SIPp loads on another, and one measured run."""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.sidebyside.processes import (
    core_idle,
    cpu_times,
    cpu_used,
    rss_mib,
    server_pids,
    start,
    stop,
)
from tests.support.ports import free_ports

HERE = Path(__file__).resolve().parent
HOLD_SECONDS = 0.2  # pause in the call scenarios
LOSS_LIMIT = 0.001  # retransmissions per unit that still count as loss-free
FIRST_USER = 10_000

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of load: a SIPp scenario, its rate and what it needs."""

    scenario: str
    rate: int
    auth: bool
    call: bool


WORKS = {
    "register-auth": Work("reg_auth.xml", 4000, auth=True, call=False),
    "call-auth": Work("uac_auth.xml", 1000, auth=True, call=True),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured SIPp run against one server."""

    side: str
    work: str
    rate: int
    ok: int
    failed: int
    retransmissions: int
    us_per_unit: float
    busy_percent: float
    other_percent: float
    rss_mib: float
    response_ms: float
    achieved_rate: float

    @property
    def loss_free(self) -> bool:
        """No failed unit and next to no retransmission."""
        return self.ok > 0 and not self.failed and self.retransmissions <= LOSS_LIMIT * self.ok

    def __str__(self) -> str:
        return (
            f"{self.side:<14} {self.work:<13} {self.rate:>6}/s {self.us_per_unit:8.1f} us/unit  "
            f"{self.ok}/{self.failed}/{self.retransmissions} ok/fail/retr  "
            f"busy {self.busy_percent:.0f}% (others {self.other_percent:.0f}%)  "
            f"rss {self.rss_mib:.0f} MiB  response {self.response_ms:.0f} ms"
        )


class CannotMeasure(Exception):
    """Something needed for a measurement is missing or failed."""


def answers_options(address: Address, domain: str) -> bool:
    """Ask whether a server gives any final response to OPTIONS within half a second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address[0], 0))
        probe.settimeout(0.5)
        here, port = probe.getsockname()
        token = os.urandom(8).hex()
        lines = (
            f"OPTIONS sip:ping@{domain} SIP/2.0",
            f"Via: SIP/2.0/UDP {here}:{port};branch=z9hG4bK{token}",
            "Max-Forwards: 70",
            f"From: <sip:ping@{domain}>;tag={token}",
            f"To: <sip:ping@{domain}>",
            f"Call-ID: {token}@{here}",
            "CSeq: 1 OPTIONS",
            f"Contact: <sip:ping@{here}:{port}>",
            "Content-Length: 0",
            "",
            "",
        )
        try:
            probe.sendto("\r\n".join(lines).encode(), address)
            while not re.match(rb"SIP/2\.0 [2-6]\d\d ", probe.recv(65535)):
                pass
        except OSError:
            return False
    return True


def _last_row(stats: Path, log_tail: str) -> dict[str, str]:
    """Read the last line of a SIPp statistics file."""
    try:
        with stats.open(newline="") as file:
            return list(csv.DictReader(file, delimiter=";"))[-1]
    except (OSError, IndexError):
        raise CannotMeasure(f"sipp wrote no statistics: {log_tail}") from None


class Bench:
    """Runs servers and SIPp loads.

    Args:
        folder: where logs and users files are written.
        host: loopback address that everything uses.
        domain: SIP domain and digest realm.
        users: how many users there are, from 10000 on.
        password: of all of them, because the peer knows only one.
        ready_timeout: seconds to wait for a server's answer to OPTIONS.
    """

    def __init__(
        self,
        folder: Path,
        host: str,
        domain: str,
        users: int,
        password: str,
        ready_timeout: float = 30.0,
    ) -> None:
        self.folder = folder
        self.host = host
        self.domain = domain
        self.password = password
        self.users = [str(FIRST_USER + number) for number in range(users)]
        self._ready_timeout = ready_timeout
        cores = sorted(os.sched_getaffinity(0))
        self.server_core, self.load_core = cores[0], cores[1 % len(cores)]
        self._uas_port, self._uac_port = free_ports(), free_ports()
        self._counter = itertools.count()
        half = len(self.users) // 2
        rows = [(user, self._keyword(user)) for user in self.users]
        # Each user in turn is called by the user half a list away.
        calls = [(rows[i][0], rows[i - half][1], rows[i - half][0]) for i in range(len(rows))]
        self._register_rows = self._write("register.csv", rows)
        self._call_rows = self._write("calls.csv", calls)

    def _keyword(self, user: str) -> str:
        """Write SIPp's keyword; it takes no nested fields, so the users file holds it whole."""
        return f"[authentication username={user} password={self.password}]"

    def _write(self, name: str, rows: Sequence[tuple[str, ...]]) -> Path:
        path = self.folder / name
        path.write_text("SEQUENTIAL\n" + "".join(";".join(row) + ";\n" for row in rows))
        return path

    def kamailio(self, *, tuned: bool) -> tuple[list[str], Address]:
        """Make the command and address of the peer."""
        if not shutil.which("kamailio"):
            raise CannotMeasure("kamailio is not installed: make peers")
        port = free_ports()
        defines = [
            f"LISTEN_HOST={self.host}",
            f"LISTEN_PORT={port}",
            f'REALM="{self.domain}"',
            f'PASSWORD="{self.password}"',
            "WITH_AUTH",
        ]
        run = str(self.folder)
        command = ["kamailio", "-DD", "-f", str(HERE / "kamailio" / "proxy.cfg")]
        command += ["-m", "2048", "-M", "64", "-w", run, "-Y", run, "-P", f"{run}/kamailio.pid"]
        command += ["-x", "fm", "-X", "fm"] if tuned else []
        command += [part for define in defines for part in ("-A", define)]
        return command, (self.host, port)

    @contextlib.contextmanager
    def server(self, name: str, command: list[str], address: Address) -> Iterator[int]:
        """Run a server until it answers OPTIONS; gives its process id and ends it at the end."""
        log = self.folder / f"{name}.log"
        try:
            process = start(command, self.server_core, log, self.folder)
        except OSError as error:
            raise CannotMeasure(f"{name}: {error}") from error
        try:
            deadline = time.monotonic() + self._ready_timeout
            while not answers_options(address, self.domain):
                if process.poll() is not None and server_pids(process.pid) == {process.pid}:
                    raise CannotMeasure(
                        f"{name}: ended with status {process.returncode}: {tail(log)}"
                    )
                if time.monotonic() > deadline:
                    raise CannotMeasure(
                        f"{name}: no answer to OPTIONS within {self._ready_timeout:g} s: "
                        f"{tail(log)}"
                    )
                time.sleep(0.2)
            yield process.pid
        finally:
            stop(process)

    def _sipp(
        self, scenario: str, port: int, *arguments: str
    ) -> tuple[subprocess.Popen[bytes], Path]:
        """Start SIPp on the load core; gives the process and its statistics file."""
        stats = self.folder / f"stats{next(self._counter)}.csv"
        command = ["sipp", "-sf", str(HERE / "sipp" / scenario), "-i", self.host, "-p", str(port)]
        command += ["-nostdin", "-trace_stat", "-stf", str(stats), "-fd", "1"]
        command += ["-buff_size", "1048576", "-default_behaviors", "abortunexp"]
        command += ["-max_retrans", "4", "-key", "sip_domain", self.domain]
        command += ["-key", "uas_port", str(self._uas_port), "-auth_uri", self.domain, *arguments]
        log = self.folder / f"sipp-{scenario}.log"
        return start(command, self.load_core, log, self.folder), stats

    def _load(
        self, scenario: str, rows: Path, address: Address, rate: int, units: int
    ) -> dict[str, str]:
        """Run a SIPp client to its end; gives the last line of its statistics."""
        limit = units / rate + 20
        process, stats = self._sipp(
            scenario,
            self._uac_port,
            f"{address[0]}:{address[1]}",
            *("-inf", str(rows), "-r", str(rate), "-m", str(units), "-timeout", f"{limit:.0f}s"),
        )
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(limit + 10)
        finally:
            stop(process)
        return _last_row(stats, tail(self.folder / f"sipp-{scenario}.log"))

    @contextlib.contextmanager
    def _answering(self, wanted: bool, limit: float) -> Iterator[dict[str, str]]:
        """Have SIPp answer calls meanwhile; the row it gives is filled in at the end."""
        row: dict[str, str] = {"Retransmissions(C)": "0"}
        if not wanted:
            yield row
            return
        process, stats = self._sipp("uas.xml", self._uas_port, "-timeout", f"{limit:.0f}s")
        try:
            time.sleep(0.3)
            yield row
            process.send_signal(signal.SIGUSR1)  # finish open calls, write statistics
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(3)
        finally:
            stop(process)
        row.update(_last_row(stats, tail(self.folder / "sipp-uas.xml.log")))

    def preregister(self, address: Address, rate: int) -> None:
        """Register every user once."""
        row = self._load(
            WORKS["register-auth"].scenario, self._register_rows, address, rate, len(self.users)
        )
        if int(row["FailedCall(C)"]):
            raise CannotMeasure(
                f"registering {len(self.users)} users failed for {row['FailedCall(C)']}"
            )

    def measure(
        self, side: str, leader: int, address: Address, name: str, rate: int, seconds: float
    ) -> Sample:
        """Load a running server and account for what it used."""
        work = WORKS[name]
        rows = self._call_rows if work.call else self._register_rows
        with self._answering(work.call, seconds + 60) as uas:
            began, before, idle = time.monotonic(), cpu_times(leader), core_idle(self.server_core)
            row = self._load(work.scenario, rows, address, rate, max(1, int(rate * seconds)))
            time.sleep(0.3)  # let the server settle
            used = cpu_used(before, cpu_times(leader))
            idle = core_idle(self.server_core) - idle
            wall = time.monotonic() - began
        ok, failed = int(row["SuccessfulCall(C)"]), int(row["FailedCall(C)"])
        first, last = (float(row[key].split()[-1]) for key in ("StartTime", "CurrentTime"))
        elapsed = max(0.001, last - first)
        hours, minutes, secs, micros = (int(part) for part in row["ResponseTime1(C)"].split(":"))
        return Sample(
            side,
            name,
            rate,
            ok,
            failed,
            int(row["Retransmissions(C)"]) + int(uas["Retransmissions(C)"]),
            us_per_unit=1e6 * used / max(1, ok + failed),
            busy_percent=100 * used / elapsed,
            other_percent=max(0.0, 100 * (wall - idle - used) / wall),
            rss_mib=rss_mib(leader),
            response_ms=1000 * (3600 * hours + 60 * minutes + secs) + micros / 1000,
            achieved_rate=(ok + failed) / max(0.001, elapsed - HOLD_SECONDS * work.call),
        )


def tail(log: Path) -> str:
    """Join the last lines of a log to one line."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return " | ".join(lines[-3:]) or "(no output)"
