"""A call to a user with several phones."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.flows.case import ENDED, RINGING, TALKING, FlowCase
from tests.support.calls import BUSY, DECLINES, RINGS, End, Plan, answers
from tests.support.phones import Phone
from tests.support.simnode import SimulatedNode
from tests.support.vnet import Address, Conditions, Datagram


class ForkingTests(FlowCase):
    """User 201 has three phones."""

    def setUp(self) -> None:
        super().setUp()
        self.caller = self.phone("200")

    def three(self, *qs: float | None) -> list[Phone]:
        """Register three phones of user 201."""
        return [self.phone("201", q=q) for q in qs or (None, None, None)]

    def received(self, phones: list[Phone], method: str = "INVITE") -> list[int]:
        """Count a method at each phone."""
        return [phone.endpoint.received.count(method) for phone in phones]

    def test_parallel(self) -> None:
        """All three ring together; the first that answers wins, the others stop."""
        phones = self.three()
        phones[0].plan = phones[2].plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(0.5)
        self.assertEqual([phone.call_now.state for phone in phones], [RINGING] * 3)
        self.clock.advance(1)
        ends = [phone.call_now.end for phone in phones]
        self.assertEqual(ends, [End.CANCELED, None, End.CANCELED])
        self.assertEqual(call.state, TALKING)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(self.row["result"], "completed")

    def test_serial(self) -> None:
        """Phones of different q ring one after the other."""
        phones = self.three(0.3, 1.0, 0.6)
        phones[1].plan = phones[2].plan = Plan(486, 5.0)
        call = self.caller.call("201")
        self.clock.advance(1)
        self.assertEqual(self.received(phones), [0, 1, 0])
        self.clock.advance(5)
        self.assertEqual(self.received(phones), [0, 1, 1])
        self.clock.advance(6)
        self.assertEqual(self.received(phones), [1, 1, 1])
        self.assertEqual(call.state, TALKING)
        call.hang_up()

    def test_mixed(self) -> None:
        """Two ring together, then the third."""
        phones = self.three(1.0, 1.0, 0.5)
        phones[0].plan, phones[1].plan = Plan(486, 2.0), Plan(480, 4.0)
        call = self.caller.call("201")
        self.clock.advance(3)
        self.assertEqual(self.received(phones), [1, 1, 0])
        self.clock.advance(3)
        self.assertEqual(call.state, TALKING)
        call.hang_up()

    def test_ring_time(self) -> None:
        """Who does not answer within the ring time is canceled, and the next one rings."""
        self.node.die()
        self.node = self.restart(ring_time=20)
        phones = self.three(1.0, 0.5, 0.2)
        phones[0].plan = phones[1].plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(19)
        self.assertEqual(self.received(phones), [1, 0, 0])
        self.clock.advance(2)
        self.assertEqual(phones[0].call_now.end, End.CANCELED)
        self.assertEqual(self.received(phones), [1, 1, 0])
        self.clock.advance(22)
        self.assertEqual(call.state, TALKING)
        call.hang_up()

    def restart(self, **options: Any) -> SimulatedNode:
        """Start the node anew with other options, on the same tables."""
        old = self.nodes.pop()
        return self.make_node(journal=old.journal, **options)

    def test_six_hundred(self) -> None:
        """One declines for the user: the others stop, the next ones never ring."""
        phones = self.three(1.0, 1.0, 0.5)
        phones[0].plan, phones[1].plan = RINGS, DECLINES
        call = self.caller.call("201")
        self.clock.advance(5)
        self.assertEqual(call.status, 603)
        self.assertEqual(phones[0].call_now.end, End.CANCELED)
        self.assertEqual(self.received(phones), [1, 1, 0])
        self.assertEqual(self.results(), [("failed", 603)])

    def test_canceled(self) -> None:
        """The caller gives up: all stop, whoever is next never rings."""
        phones = self.three(1.0, 1.0, 0.5)
        phones[0].plan = phones[1].plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(3)
        call.cancel()
        self.clock.advance(1)
        self.assertEqual([phone.call_now.end for phone in phones[:2]], [End.CANCELED] * 2)
        self.assertEqual(phones[2].calls, [])
        self.assertEqual(call.status, 487)
        self.assertEqual(self.results(), [("canceled", 487)])

    def best(self, *statuses: int) -> int:
        """Let phones answer with these; gives what the caller gets."""
        phones = self.three()
        for phone, status in zip(phones, statuses, strict=True):
            phone.plan = Plan(status, 0.5)
        call = self.caller.call("201")
        self.clock.advance(5)
        self.assertEqual(call.state, ENDED)
        return call.status

    def test_best_lowest_class(self) -> None:
        """The lowest class wins: 486 rather than 500 or 503."""
        self.assertEqual(self.best(503, 500, 486), 486)

    def test_best_helpful(self) -> None:
        """What tells the caller how to do better wins: 415."""
        self.assertEqual(self.best(486, 415, 480), 415)

    def test_best_six_hundred(self) -> None:
        """6xx wins over everything but 2xx."""
        self.assertEqual(self.best(486, 404, 600), 600)

    def test_only_503(self) -> None:
        """A 503 of all phones is no 503 of ours (16.7 step 6)."""
        self.assertEqual(self.best(503, 503, 503), 500)

    def test_busy_and_gone(self) -> None:
        """One is busy, two are switched off: busy says more than our own 408."""
        phones = self.three()
        phones[0].plan = BUSY
        phones[1].endpoint.deaf = phones[2].endpoint.deaf = True
        call = self.caller.call("201")
        self.clock.advance(40)
        self.assertEqual(call.status, 486)
        self.assertEqual(self.results(), [("failed", 486)])

    def test_two_answer(self) -> None:
        """Two answer in the same moment: both 2xx go through, the caller ends one of them."""
        phones = self.three()
        phones[0].plan = phones[1].plan = answers(2.0)
        phones[2].plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(4)
        self.assertEqual((call.state, call.extra), (TALKING, 1))
        states = sorted(phone.call_now.state.name for phone in phones)
        self.assertEqual(states, ["ENDED", "ENDED", "TALKING"])
        self.assertTrue(all(phone.call_now.acknowledged for phone in phones[:2]))
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(len(self.node.journal.rows), 1)

    def test_record_of_a_race(self) -> None:
        """The call record of a race ends with the call, not with the leg that lost."""
        phones = self.three()
        phones[0].plan = phones[1].plan = answers(2.0)
        phones[2].plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(20)
        before = self.row["result"]
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(before, "talking")
        self.assertEqual(self.row["result"], "completed")
        self.assertApproximates(self.row["duration"], 18, 0.2)

    def test_late_retransmission_of_the_loser(self) -> None:
        """The 200 of the leg that lost comes once more after its BYE: the record still ends."""
        phones = self.three()
        phones[0].plan = phones[1].plan = answers(2.0)
        phones[2].plan = RINGS
        held: list[Datagram] = []

        def hold(datagram: Datagram) -> bool:
            ok = datagram.data.startswith(b"SIP/2.0 200") and b"INVITE" in datagram.data
            if ok and datagram.destination == self.node.address and len(held) < 2:
                held.append(datagram)
                self.clock.after(0.2, lambda: self.network.send(*_again(datagram)))
            return False

        self.network.lose = hold
        call = self.caller.call("201")
        self.clock.advance(10)
        self.assertEqual((call.extra, len(held)), (1, 2))
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(self.row["result"], "completed")

    def test_gone_phone_does_not_hold_up(self) -> None:
        """One phone is switched off: the other is answered at once; no CANCEL is left."""
        phones = self.three(1.0, 1.0, 0.1)
        phones[0].endpoint.deaf = True
        call = self.caller.call("201")
        self.clock.advance(3)
        self.assertEqual(call.state, TALKING)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(phones[2].calls, [])

    def test_loser_wakes_up(self) -> None:
        """A phone that hears the INVITE only after another has answered stops ringing."""
        phones = self.three()
        phones[0].endpoint.deaf = True
        phones[0].plan = phones[2].plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(2)
        self.assertEqual(call.state, TALKING)
        phones[0].endpoint.deaf = False
        self.clock.advance(10)
        self.assertEqual(phones[0].call_now.end, End.CANCELED)
        call.hang_up()

    def test_max_breadth(self) -> None:
        """A request with Max-Breadth 1 may not go to three phones at once (RFC 5393 5.3.3)."""
        phones = self.three()
        for phone in phones:
            phone.plan = Plan(486, 2.0)
        call = self.caller.call("201", "Max-Breadth: 1")
        self.clock.advance(1)
        self.assertLessEqual(sum(self.received(phones)), 1)
        self.clock.advance(10)
        self.assertIn(call.status, {486, 440})

    def test_breadth_is_shared(self) -> None:
        """What goes to three phones at once has Max-Breadth shared out among them."""
        phones = self.three()
        for phone in phones:
            phone.plan = BUSY
        self.caller.call("201", "Max-Breadth: 30")
        self.clock.advance(1)
        breadths = [int(phone.call_now.request.get("max-breadth") or "0") for phone in phones]
        self.assertTrue(all(breadths))
        self.assertLessEqual(sum(breadths), 30)


def _again(datagram: Datagram) -> tuple[bytes, Address, Address]:
    return datagram.data, datagram.source, datagram.destination


class RingTimeTests(FlowCase):
    """A node that lets phones ring for 20 s."""

    options: ClassVar = {"ring_time": 20}

    def setUp(self) -> None:
        super().setUp()
        self.caller = self.phone("200")
        self.callee = self.phone("201")

    def test_no_answer(self) -> None:
        """Nobody answers: the phone stops, the caller is told."""
        self.callee.plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(19)
        self.assertEqual(call.state, RINGING)
        self.clock.advance(2)
        self.assert_over(call, self.callee.call_now)
        self.assertEqual(self.callee.call_now.end, End.CANCELED)
        self.assertIn(call.status, {408, 480})
        self.assertEqual(self.results(), [("failed", call.status)])

    def test_answer_at_the_last_moment(self) -> None:
        """Somebody picks up while the CANCEL is on its way: a call at both ends, or at none."""
        self.network.conditions = Conditions(delay=(0.15, 0.15))
        self.callee.plan = answers(19.9)
        call = self.caller.call("201")
        self.clock.advance(25)
        other = self.callee.call_now
        self.assertEqual(call.state is TALKING, other.state is TALKING, (call, other))
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(len(self.node.journal.rows), 1)
