"""Processes of a server under load: who belongs to it, what it used, and how it is ended."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

TaskTimes = dict[tuple[int, int], float]
"""CPU seconds by process and thread."""

TICKS = os.sysconf("SC_CLK_TCK")
ENDINGS = ((signal.SIGTERM, 8.0), (signal.SIGKILL, 2.0))


def read(path: str) -> str:
    """Read a /proc file; empty when the process is gone."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _stat_fields(path: str) -> list[str]:
    """Read the fields of a /proc stat file from the state (field 3) on."""
    return read(path).rpartition(")")[2].split()


def _numbered(folder: str) -> list[int]:
    try:
        return [int(name) for name in os.listdir(folder) if name.isdecimal()]
    except OSError:
        return []


def server_pids(leader: int) -> set[int]:
    """Find the leader, its descendants, and every process left in its session."""
    children: dict[int, list[int]] = collections.defaultdict(list)
    found = {leader}
    for pid in _numbered("/proc"):
        fields = _stat_fields(f"/proc/{pid}/stat")
        if fields:
            children[int(fields[1])].append(pid)
            if int(fields[3]) == leader:
                found.add(pid)
    todo = list(found)
    while todo:
        new = [pid for pid in children[todo.pop()] if pid not in found]
        found.update(new)
        todo += new
    return found


def cpu_times(leader: int) -> TaskTimes:
    """Read the CPU seconds of every thread: schedstat nanoseconds, else 10 ms ticks."""
    times: TaskTimes = {}
    for pid in server_pids(leader):
        for task in _numbered(f"/proc/{pid}/task"):
            path = f"/proc/{pid}/task/{task}"
            if fields := read(f"{path}/schedstat").split():
                times[pid, task] = int(fields[0]) / 1e9
            elif ticks := _stat_fields(f"{path}/stat"):
                times[pid, task] = (int(ticks[11]) + int(ticks[12])) / TICKS
    return times


def cpu_used(before: TaskTimes, after: TaskTimes) -> float:
    """Subtract two readings; threads that ended in between are lost."""
    return sum(seconds - before.get(task, 0.0) for task, seconds in after.items())


def core_idle(core: int) -> float:
    """Read the seconds that a core has been idle since boot."""
    match = re.search(rf"^cpu{core} (.*)$", read("/proc/stat"), re.MULTILINE)
    ticks = match.group(1).split() if match else ["0"] * 5
    return (int(ticks[3]) + int(ticks[4])) / TICKS


def rss_mib(leader: int) -> float:
    """Add up the resident memory of a server's processes; shared pages count in each."""
    sizes = (
        re.search(r"VmRSS:\s+(\d+)", read(f"/proc/{pid}/status")) for pid in server_pids(leader)
    )
    return sum(int(size.group(1)) for size in sizes if size) / 1024


def start(command: list[str], core: int, log: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own and on one core, logging to a file."""
    with log.open("wb") as output:
        return subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: SIGTERM, then SIGKILL."""
    for number, patience in ENDINGS:
        pids = server_pids(process.pid)
        if process.poll() is not None:
            pids -= {process.pid}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience
        while pids and time.monotonic() < deadline:
            process.poll()
            pids = {pid for pid in pids if _stat_fields(f"/proc/{pid}/stat")[:1] not in ([], ["Z"])}
            time.sleep(0.05)
    process.poll()
