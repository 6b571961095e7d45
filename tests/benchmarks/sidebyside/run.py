"""Measure sipx and Kamailio side by side: CPU microseconds per call and per registration.

Makes a node in a temporary folder, imports users into it with the sipx command, then lets
both servers take turns under the same SIPp load. Run it from the repository's root with the
interpreter that sipx is installed for: `make bench`.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.sidebyside.comparison import MAX_RATE, OURS, Comparison, Plan
from tests.benchmarks.sidebyside.loads import WORKS, Address, Bench, CannotMeasure
from tests.benchmarks.sidebyside.processes import read
from tests.support.ports import free_ports

HOST = "127.0.0.1"
PASSWORD = "ahem-Secret-7"
GATES = {"call-auth": 1.5, "register-auth": 2.0}  # times the CPU of kamailio-stock
GATED_PEER = "kamailio-stock"
FOREIGN = 10.0  # percent of the core that others may use before figures are in doubt
MAX_UNITS = 2_000_000
IMPORT_TIMEOUT = 300.0


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""

    def works(text: str) -> list[str]:
        names = text.split(",")
        if not set(names) <= set(WORKS):
            raise argparse.ArgumentTypeError(f"choose from {', '.join(WORKS)}")
        return names

    def rate(text: str) -> int:
        number = int(text)
        if not 0 < number <= MAX_RATE:
            raise argparse.ArgumentTypeError(f"a rate is 1 to {MAX_RATE}")
        return number

    parser = argparse.ArgumentParser(description=__doc__, prog="make bench ARGS=")
    add = parser.add_argument
    add("--work", type=works, default=",".join(WORKS), help="comma list [%(default)s]")
    add("--rate", type=rate, help="units per second [4000 registrations, 1000 calls]")
    add("--users", type=int, default=10_000, help="[%(default)s]")
    add("--seconds", type=float, default=5.0, help="length of a measured run [%(default)s]")
    add("--warm-up", type=float, default=6.0, help="length of the load before it [%(default)s]")
    add("--reps", type=int, default=2, help="turns of each server [%(default)s]")
    add(
        "--peer",
        choices=(GATED_PEER, "kamailio", "none"),
        default=GATED_PEER,
        help="kamailio is faster, with another allocator than Debian's; the limits hold for "
        "kamailio-stock only [%(default)s]",
    )
    add("--max", action="store_true", help="search our highest loss-free rate instead")
    add("--json", type=Path, metavar="FILE", help="write everything measured there")
    add("--keep", action="store_true", help="keep the folder of logs and say where it is")
    options = parser.parse_args(arguments)
    if options.seconds * (options.rate or 4000) > MAX_UNITS:
        parser.error(f"too much load: at most {MAX_UNITS} units a run")
    return options


def node(state: Path, sip_port: int, http_port: int) -> list[str]:
    """Make the command that runs a node in the foreground."""
    twistd = Path(sys.executable).parent / "twistd"
    command = [str(twistd), "--nodaemon", "--pidfile=", "sipx", "--domain", HOST]
    command += ["--state", str(state), "--listen", HOST]
    ports = ["--sip-port", str(sip_port), "--http-port", str(http_port)]
    return [*command, *ports, "--disable", "tls"]


def provision(bench: Bench, command: list[str], state: Path, address: Address) -> None:
    """Import the users into a node that runs for just that."""
    path = bench.folder / "users-import.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["User name", "PIN", "Voicemail PIN", "SIP password"])
        writer.writerows([user, "", "", bench.password] for user in bench.users)
    sipx = Path(sys.executable).parent / "sipx"
    with bench.server("import", command, address):
        done = subprocess.run(
            [str(sipx), "--state", str(state), "users", "import", str(path)],
            cwd=bench.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=IMPORT_TIMEOUT,
            check=False,
        )
    if done.returncode:
        raise CannotMeasure(f"users import: {done.stdout}{done.stderr}")


def machine() -> dict[str, str]:
    """Collect what the figures depend on besides the servers."""
    model = read("/proc/cpuinfo").partition("model name")[2].partition("\n")[0].lstrip("\t :")
    return {
        "cpu": model or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "rmem_max": read("/proc/sys/net/core/rmem_max").strip(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def print_table(table: list[list[str]]) -> None:
    """Print rows in columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def compare(options: argparse.Namespace, folder: Path) -> int:
    """Measure and print; the exit status is 1 when a limit was missed or nothing measured."""
    if not shutil.which("sipp"):
        raise CannotMeasure("sipp is not installed: make peers")
    plan = Plan(
        works=options.work,
        rate=options.rate,
        seconds=options.seconds,
        warm_up=options.warm_up,
        repetitions=options.reps,
        peer="none" if options.max else options.peer,
    )
    bench = Bench(folder, HOST, HOST, options.users, PASSWORD)
    state, sip_port = folder / "state", free_ports(2)
    command, address = node(state, sip_port, free_ports()), (HOST, sip_port)
    facts = machine()
    print("  ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
    provision(bench, command, state, address)
    comparison = Comparison(plan, bench, command, address)
    if options.max:
        print_table([["work", f"{OURS} max/s"], *map(list, comparison.search(8).items())])
    else:
        comparison.run()
        print(f"\npeer: {plan.peer}")
        print_table(comparison.table())
    foreign = max((sample.other_percent for sample in comparison.samples), default=0.0)
    if foreign > FOREIGN:
        print(f"note: up to {foreign:.0f} % foreign load on the servers' core; repeat in quiet")
    problems = list(comparison.problems)
    if plan.peer == GATED_PEER:
        problems += comparison.missed(GATES)
    for problem in problems:
        print(f"missed: {problem}")
    if options.json:
        comparison.write(options.json, facts)
    return 1 if problems else 0


def main() -> int:
    """Run with a folder of its own, and leave nothing running."""
    options = parse()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp(prefix="sipx-sidebyside-"))
    try:
        return compare(options, folder)
    except (CannotMeasure, OSError, subprocess.SubprocessError) as error:
        print(f"missed: {error}")
        return 1
    finally:
        if options.keep:
            print(f"logs: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
