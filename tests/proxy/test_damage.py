"""Damaged messages against a whole node in memory: nothing is logged as ours, nothing is left."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.proxy.house import DOMAIN, House, ask, bind
from tests.support.mutate import Mutator

MESSAGES = 3000
PHONE = ("127.0.0.1", 5070)
CALLER = ("198.51.100.9", 5060)


class DamageTests(SynchronousTestCase):
    """What a peer sends does not matter."""

    def test_requests_and_answers(self) -> None:
        """Damaged requests, and damaged answers to what the node sends because of them."""
        house = House(("200", "201"))
        bind(house, "200", PHONE)
        mutator = Mutator(2, domain=DOMAIN, user="200", port=PHONE[1], transport="UDP")
        for number in range(MESSAGES):
            data = mutator.valid() if number % 3 == 0 else mutator.mutated()
            house.receive(data, PHONE)
            for _, sent in house.take():
                if not sent.startswith(b"SIP/2.0") and not sent.startswith(b"ACK"):
                    house.receive(mutator.answer(sent), PHONE)
            house.take()
            if number % 10 == 0:
                house.advance(0.1)
        self.assertEqual(self.flushLoggedErrors(), [])
        house.advance(250)
        house.take()
        self.assertEqual((house.layer.transactions, house.layer.timers), (0, 0))
        self.assertEqual(len(house.proxy.wheel), 0)
        ((peer, _),) = house.ask(ask("INVITE", f"sip:200@{DOMAIN}"), CALLER)
        self.assertEqual(peer, PHONE)
