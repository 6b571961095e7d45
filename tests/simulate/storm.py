"""Everybody registers at once, then calls at once: ``SIPX_PHONES=20000 make storm``."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.support.calls import CallState, answers
from tests.support.phones import Phone
from tests.support.simnode import SimulatedNode
from tests.support.vnet import Clock, Conditions, Network

PHONES = 5000


class StormTests(SynchronousTestCase):
    """One phone a user, all within a second."""

    phones = int(os.environ.get("SIPX_PHONES", PHONES))

    def test_storm(self) -> None:
        """All get registered; half of them call the other half; nothing is left."""
        clock = Clock()
        network = Network(clock, 1, Conditions(loss=0.02, delay=(0.0, 0.05)))
        users = [str(number) for number in range(10_000, 10_000 + self.phones // 2 * 2)]
        node = SimulatedNode(network, users={user: user for user in users})
        phones = [
            Phone(
                network,
                user,
                f"10.1.{number // 250}.{number % 250}",
                password=user,
                proxy=node.address,
            )
            for number, user in enumerate(users)
        ]
        for phone in phones:
            phone.plan = answers(1.0)
            clock.after(int(phone.user) % 100 / 100, phone.register)
        clock.advance(60)
        self.assertEqual([phone.user for phone in phones if phone.registered != [200]], [])
        self.assertEqual(node.location.count(), len(phones))
        calls = []
        half = len(phones) // 2
        for caller, callee in zip(phones[:half], phones[half:], strict=True):

            def begin(caller: Phone = caller, callee: Phone = callee) -> None:
                calls.append(caller.call(callee.user))

            clock.after(int(caller.user) % 100 / 100, begin)
        clock.advance(40)
        self.assertEqual([call for call in calls if call.state is not CallState.TALKING], [])
        self.assertEqual(len(node.calls), half)
        for call in calls:
            call.hang_up()
        clock.advance(230)
        self.assertEqual({name: left for name, left in node.residue().items() if left}, {})
        left = [phone.residue() for phone in phones if any(phone.residue().values())]
        self.assertEqual(left, [])
        self.assertEqual(clock.waiting, 0)
        self.assertEqual([row["result"] for row in node.journal.rows], ["completed"] * half)
