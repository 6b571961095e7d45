"""Hours of ordinary use on the simulated clock: ``SIPX_HOURS=100 make soak``."""

from __future__ import annotations

import gc
import os
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from sipx.core import uri
from tests.support.calls import BUSY, RINGS, CallState, Plan, answers, redirects
from tests.support.phones import Phone
from tests.support.simnode import SimulatedNode
from tests.support.vnet import Clock, Conditions, Network

HOURS = 24.0
PHONES = 12
CALLS = 240  # an hour
ROUND = 900.0  # seconds
GROWTH = 0.002  # of the objects there are, from the second round to the last


class SoakTests(SynchronousTestCase):
    """A small office, day and night."""

    hours = float(os.environ.get("SIPX_HOURS", HOURS))

    def test_soak(self) -> None:
        """Registrations are refreshed, calls come and go, and nothing grows."""
        rng = Random(2)
        clock = Clock()
        network = Network(clock, 2, Conditions(loss=0.01, delay=(0.0, 0.03)))
        users = [str(200 + number) for number in range(PHONES)]
        node = SimulatedNode(network, users={user: user for user in users})
        phones = [
            Phone(network, user, f"10.0.1.{number}", password=user, proxy=node.address)
            for number, user in enumerate(users)
        ]
        for phone in phones:
            phone.register()
        clock.advance(10)
        rounds = max(3, int(self.hours * 3600 / ROUND))
        objects: list[int] = []
        for _ in range(rounds):
            self._round(rng, clock, phones)
            clock.advance(64)  # for so long are answers to requests remembered
            self.assertEqual({name: left for name, left in node.residue().items() if left}, {})
            self.assertEqual(node.location.count(), PHONES)
            self.assertTrue(all(row["end"] is not None for row in node.journal.rows))
            # What the test itself keeps.
            node.journal.records.clear()
            node.journal.calls.clear()
            network.sent.clear()
            node.trace._entries.clear()
            for phone in phones:
                self.assertEqual(any(phone.residue().values()), False, phone.calls)
                phone.forget()
            uri._remembered.cache_clear()  # bounded, and still filling with Routes
            gc.collect()
            objects.append(len(gc.get_objects()))
        self.assertEqual(node.journal.unbound, 0)
        self.assertLess(objects[-1], objects[1] * (1 + GROWTH), objects)

    def _round(self, rng: Random, clock: Clock, phones: list[Phone]) -> None:
        """Let a quarter of an hour pass, the last minutes of it without new calls."""
        for phone in phones:
            for part in range(int(ROUND / 150)):
                clock.after(part * 150 + rng.uniform(0, 100), phone.register)
        for _ in range(int(CALLS * ROUND / 3600)):
            clock.after(rng.uniform(0, ROUND - 500), lambda: self._call(rng, clock, phones))
        clock.advance(ROUND - 300)
        for phone in phones:
            for call in phone.calls:
                call.hang_up()
        clock.advance(300)

    def _call(self, rng: Random, clock: Clock, phones: list[Phone]) -> None:
        caller, callee = rng.sample(phones, 2)
        other = rng.choice(phones).user
        callee.plan = rng.choice(
            (
                answers(rng.uniform(0, 9)),
                answers(3),
                answers(1),
                BUSY,
                RINGS,
                Plan(480, 1.0),
                redirects(f"<sip:{other}@example.test>"),
            )
        )
        call = caller.call(rng.choice((callee.user, callee.user, "9196", "7")))
        clock.after(
            rng.uniform(10, 90),
            lambda: call.hang_up() if call.state is not CallState.ENDED else None,
        )
