"""The comparison with Kamailio runs: small, and without Kamailio."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.benchmarks.sidebyside.comparison import Comparison, Plan
from tests.benchmarks.sidebyside.loads import Bench, Sample
from tests.support.peers import require
from tests.support.processes import run

ROOT = Path(__file__).resolve().parents[3]


class SmokeTests(TestCase):
    """A second of each work."""

    timeout = 120

    async def test_small(self) -> None:
        """Both works succeed at a rate that is no load."""
        require("sipp")
        done = await run(
            [
                *(sys.executable, "-m", "tests.benchmarks.sidebyside.run", "--peer", "none"),
                *("--users", "20", "--rate", "50", "--seconds", "1"),
                *("--warm-up", "0.2", "--reps", "1"),
            ],
            folder=ROOT,
            timeout=90,
        )
        self.assertEqual(done.status, 0, done.out + done.err)
        self.assertIn("50/0/", done.out)


class LimitTests(TestCase):
    """What the comparison makes of the samples."""

    def compare(self, ours: float, peer: float, *, failed: int = 0) -> Comparison:
        """Give a comparison that has measured this many microseconds per call."""
        folder = Path(self.mktemp())
        folder.mkdir()
        plan = Plan(["call-auth"], None, 5, 6, 1, "kamailio-stock")
        bench = Bench(folder, "127.0.0.1", "127.0.0.1", 2, "pass-word")
        comparison = Comparison(plan, bench, ["none"], ("127.0.0.1", 1))
        for side, figure in (("sipx", ours), ("kamailio-stock", peer)):
            comparison.samples.append(
                Sample(side, "call-auth", 1000, 5000, failed, 0, figure, 50, 0, 90, 1, 1000)
            )
        return comparison

    def test_within(self) -> None:
        """A ratio at the limit holds it, and the table shows it."""
        comparison = self.compare(600, 400)
        self.assertEqual(comparison.missed({"call-auth": 1.5, "register-auth": 2.0}), [])
        self.assertEqual(comparison.table()[1][:5], ["call-auth", "1000", "600 (600-600)",
                                                     "400 (400-400)", "1.50"])  # fmt: skip

    def test_over(self) -> None:
        """A ratio over the limit misses it."""
        self.assertEqual(
            self.compare(601, 400).missed({"call-auth": 1.5}),
            ["call-auth: 1.50 times kamailio-stock, over 1.5"],
        )

    def test_failed_calls(self) -> None:
        """A server that fails calls is not fast."""
        self.assertEqual(
            self.compare(100, 400, failed=3).missed({"call-auth": 1.5}), ["call-auth: 3 failed"]
        )

    def test_unmeasured(self) -> None:
        """A limit is missed when there is no ratio to hold it to."""
        comparison = self.compare(100, 400)
        comparison.samples.clear()
        self.assertEqual(
            comparison.missed({"call-auth": 1.5}), ["call-auth: no ratio, the limit is 1.5"]
        )
