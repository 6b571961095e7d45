"""Many worlds, each of a seed of its own: ``SIPX_SEEDS=5000 make simulate``.

``SIPX_SEED`` is the first seed; a seed that went wrong is in the message of the failure.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.simulate.world import run

SEEDS = 1000


class SimulationTests(SynchronousTestCase):
    """Calls on bad networks."""

    seeds = int(os.environ.get("SIPX_SEEDS", SEEDS))
    first = int(os.environ.get("SIPX_SEED", "0"))

    def test_worlds(self) -> None:
        """Every world ends as it must."""
        results: dict[str, int] = {}
        for seed in range(self.first, self.first + self.seeds):
            for result, number in run(seed).items():
                results[result] = results.get(result, 0) + number
        self.assertEqual({*results}, {"completed", "failed", "canceled"})
