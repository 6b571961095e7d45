"""CI counts the tests that trial ran, and no test is no success."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.support.processes import run

SUMMARY = Path(__file__).resolve().parents[2] / ".ci" / "summary"


class SummaryTests(TestCase):
    """What .ci/summary prints and answers for what trial printed."""

    async def summary(self, output: str) -> tuple[str, int]:
        """Give the last line and the exit status for an output of trial."""
        file = Path(self.mktemp())
        file.write_text(output)
        done = await run([sys.executable, SUMMARY, file.resolve()], folder=Path.cwd(), timeout=20)
        return done.out.splitlines()[-1], done.status

    async def test_all_passed(self) -> None:
        """Runs are added up; a failure that was expected has passed."""
        run_one = "Ran 5 tests in 0.1s\n\nPASSED (skips=2, successes=3)\n"
        run_two = "Ran 3 tests in 1.1s\n\nPASSED (expectedFailures=1, successes=2)\n"
        self.assertEqual(
            await self.summary(f"a\n{run_one}b\n{run_two}"), ("6 passed, 0 failed, 2 skipped", 0)
        )

    async def test_some_failed(self) -> None:
        """Failures, errors and unexpected successes have failed."""
        output = (
            "Ran 9 tests in 0.1s\n\n"
            "FAILED (failures=1, errors=2, unexpectedSuccesses=1, successes=5)\n"
        )
        self.assertEqual(await self.summary(output), ("5 passed, 4 failed, 0 skipped", 1))

    async def test_none_ran(self) -> None:
        """Nothing is not a success, whether trial says so or did not get to say anything."""
        nothing = ("0 passed, 0 failed, 0 skipped", 1)
        self.assertEqual(await self.summary("Ran 0 tests in 0.000s\n\nPASSED\n"), nothing)
        self.assertEqual(await self.summary("make: *** [Makefile:30: test] Error 1\n"), nothing)
