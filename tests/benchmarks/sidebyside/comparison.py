"""The turns of two servers, the table made of them, and the limits it is held to."""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.sidebyside.loads import WORKS, Address, Bench, CannotMeasure, Sample

OURS = "sipx"
MAX_RATE = 50_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        works: names of WORKS.
        rate: units per second; each work's own when None.
        seconds: length of a measured run.
        warm_up: seconds of the same load before it; over 5, so that transaction memory is
            being reused.
        repetitions: turns of each server.
        peer: "kamailio" with its fast allocator, "kamailio-stock" with the one it ships with,
            or "none".
        preregister_rate: registrations per second before everything else.
    """

    works: Sequence[str]
    rate: int | None
    seconds: float
    warm_up: float
    repetitions: int
    peer: str
    preregister_rate: int = 1500


def highest_rate(measure: Callable[[int], Sample], rate: int, steps: int) -> str:
    """Bisect for the highest loss-free rate; a trailing + means that no rate tried failed."""
    low, high = 0, 0
    for _ in range(steps):
        sample = measure(rate)
        if not sample.loss_free:  # give noise one more chance
            time.sleep(2)
            sample = measure(rate)
        if not sample.loss_free:
            high = rate
            time.sleep(2)
        elif sample.achieved_rate < 0.9 * rate:
            return f"{max(low, int(sample.achieved_rate))}+"
        else:
            low = rate
        if high and high - low <= max(10, low // 20):
            break
        rate = (low + high) // 2 if high else min(2 * low, MAX_RATE)
    return f"{low}" if high else f"{low}+"


class Comparison:
    """All turns of both sides, and the table made of them."""

    def __init__(self, plan: Plan, bench: Bench, command: list[str], address: Address) -> None:
        self._plan = plan
        self._bench = bench
        self._ours = command, address
        self.samples: list[Sample] = []
        self.problems: list[str] = []

    def run(self) -> None:
        """Let the sides take turns, A B A B, so that both see the same noise."""
        sides = [OURS] + [self._plan.peer] * (self._plan.peer != "none")
        broken: set[str] = set()
        for _, side in itertools.product(range(self._plan.repetitions), sides):
            if side in broken:
                continue
            try:
                self._turn(side)
            except CannotMeasure as error:
                broken.add(side)
                self.problems.append(f"{side}: {error}")

    def _turn(self, side: str) -> None:
        """Start one server, register the users, then warm up and measure every work."""
        bench, plan = self._bench, self._plan
        command, address = (
            self._ours if side == OURS else bench.kamailio(tuned=plan.peer == "kamailio")
        )
        with bench.server(side, command, address) as leader:
            bench.preregister(address, plan.preregister_rate)
            for name in plan.works:
                rate = plan.rate or WORKS[name].rate
                bench.measure(side, leader, address, name, rate, plan.warm_up)
                sample = bench.measure(side, leader, address, name, rate, plan.seconds)
                print(sample, flush=True)
                self.samples.append(sample)
                if not sample.ok:
                    self.problems.append(f"{side}, {name}: none of {sample.failed} succeeded")

    def search(self, steps: int) -> dict[str, str]:
        """Find our highest loss-free rate of each work."""
        bench, (command, address) = self._bench, self._ours
        found: dict[str, str] = {}
        with bench.server(OURS, command, address) as leader:
            bench.preregister(address, self._plan.preregister_rate)
            for name in self._plan.works:

                def measure(rate: int, work: str = name) -> Sample:
                    sample = bench.measure(OURS, leader, address, work, rate, self._plan.seconds)
                    print(sample, flush=True)
                    self.samples.append(sample)
                    return sample

                found[name] = highest_rate(measure, self._plan.rate or WORKS[name].rate, steps)
        return found

    def figures(self, side: str, name: str) -> list[float]:
        """Give the microseconds per unit of every run of one cell."""
        return [s.us_per_unit for s in self.samples if (s.side, s.work) == (side, name) and s.ok]

    def ratio(self, name: str) -> float | None:
        """Divide our median by the peer's; None when either is missing."""
        ours, peer = self.figures(OURS, name), self.figures(self._plan.peer, name)
        return statistics.median(ours) / statistics.median(peer) if ours and peer else None

    def table(self) -> list[list[str]]:
        """Make rows, header first: medians with their spreads."""
        rows = [["work", "rate", "sipx us/unit", "peer us/unit", "ratio", "sipx ok/fail/retr"]]
        for name in self._plan.works:
            mine = [s for s in self.samples if (s.side, s.work) == (OURS, name)]
            totals = (
                sum(s.ok for s in mine),
                sum(s.failed for s in mine),
                sum(s.retransmissions for s in mine),
            )
            ratio = self.ratio(name)
            rows.append(
                [
                    name,
                    str(self._plan.rate or WORKS[name].rate),
                    _spread(self.figures(OURS, name)),
                    _spread(self.figures(self._plan.peer, name)),
                    "-" if ratio is None else f"{ratio:.2f}",
                    "/".join(map(str, totals)),
                ]
            )
        return rows

    def missed(self, gates: Mapping[str, float]) -> list[str]:
        """Say which limits were missed, in words; a work that was not measured misses its own."""
        sentences = []
        for name, gate in gates.items():
            if name not in self._plan.works:
                continue
            ratio = self.ratio(name)
            failed = sum(s.failed for s in self.samples if (s.side, s.work) == (OURS, name))
            if ratio is None:
                sentences.append(f"{name}: no ratio, the limit is {gate:g}")
            elif ratio > gate:
                sentences.append(f"{name}: {ratio:.2f} times {self._plan.peer}, over {gate:g}")
            if failed:
                sentences.append(f"{name}: {failed} failed")
        return sentences

    def write(self, path: Path, machine: Mapping[str, str]) -> None:
        """Write everything measured as JSON."""
        samples = [dataclasses.asdict(sample) for sample in self.samples]
        everything: dict[str, object] = {
            "machine": machine,
            "peer": self._plan.peer,
            "table": self.table(),
            "samples": samples,
            "not_measured": self.problems,
        }
        path.write_text(json.dumps(everything, indent=2) + "\n")


def _spread(runs: Sequence[float]) -> str:
    return f"{statistics.median(runs):.0f} ({min(runs):.0f}-{max(runs):.0f})" if runs else "-"
