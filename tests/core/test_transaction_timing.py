"""When the four transactions send again, and when they give up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.timers import DEFAULT, Timers
from sipx.core.transaction import Action, Clocks, Input, State, Step, Transaction
from sipx.core.transactions import InviteClient, InviteServer, NonInviteClient, NonInviteServer

UDP, TCP = False, True

I = Input  # noqa: E741  the letter of the tables
ACK, DELIVER, END, SEND = Action.SEND_ACK, Action.DELIVER, Action.END, Action.SEND
TIMED_OUT, TRYING = Action.TIMED_OUT, Action.SEND_TRYING

Times = list[tuple[float, Action]]


def played(
    machine: type[Transaction],
    reliable: bool,
    inputs: Sequence[tuple[float, Input]],
    timers: Timers = DEFAULT,
) -> Times:
    """Start a transaction at 0, feed it in time, and wait until it waits no more."""
    transaction = machine(reliable, 0.0, timers)
    times: Times = []
    for at, event in [(0.0, I.START), *inputs, (math.inf, None)]:
        while transaction.deadline <= at and transaction.deadline < math.inf:
            now = transaction.deadline
            times += [(now, action) for action in transaction.expired(now)]
        if event is not None:
            times += [(at, action) for action in transaction.feed(event, at)]
    return times


def sent(*at: float) -> Times:
    """A message sent at each of these times."""
    return [(now, SEND) for now in at]


class InviteClientTimingTests(SynchronousTestCase):
    """Timers A, B, D and M."""

    def test_unanswered(self) -> None:
        """The INVITE is sent seven times, each gap twice the one before, then Timer B."""
        self.assertEqual(
            played(InviteClient, UDP, []),
            [*sent(0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5), (32, TIMED_OUT), (32, END)],
        )

    def test_unanswered_reliably(self) -> None:
        """Over a reliable transport it is sent once; Timer B is the same."""
        self.assertEqual(played(InviteClient, TCP, []), [(0, SEND), (32, TIMED_OUT), (32, END)])

    def test_ringing(self) -> None:
        """After a provisional response nothing is sent and nothing runs out."""
        for reliable in (UDP, TCP):
            times = played(InviteClient, reliable, [(0.6, I.PROVISIONAL), (500, I.SUCCESS)])
            again = [] if reliable else sent(0.5)
            self.assertEqual(
                times,
                [(0, SEND), *again, (0.6, DELIVER), (500, DELIVER), (532, END)],
            )

    def test_accepted(self) -> None:
        """Timer M runs from the first 2xx, whatever the transport."""
        for reliable in (UDP, TCP):
            self.assertEqual(
                played(InviteClient, reliable, [(0.1, I.SUCCESS), (20, I.SUCCESS)]),
                [(0, SEND), (0.1, DELIVER), (20, DELIVER), (32.1, END)],
            )

    def test_refused(self) -> None:
        """Timer D runs from the first refusal."""
        self.assertEqual(
            played(InviteClient, UDP, [(0.1, I.FINAL), (20, I.FINAL)]),
            [(0, SEND), (0.1, ACK), (0.1, DELIVER), (20, ACK), (32.1, END)],
        )

    def test_canceled(self) -> None:
        """A canceled INVITE without a final response ends 64*T1 after the CANCEL."""
        self.assertEqual(
            played(
                InviteClient,
                UDP,
                [(0.25, I.PROVISIONAL), (100, I.CANCEL), (110, I.PROVISIONAL)],
            ),
            [(0, SEND), (0.25, DELIVER), (110, DELIVER), (132, TIMED_OUT), (132, END)],
        )


class InviteServerTimingTests(SynchronousTestCase):
    """Timers G, H, I and L, and the 100 of the transaction itself."""

    def test_trying(self) -> None:
        """A user that has said nothing for 200 ms is helped out with a 100."""
        self.assertEqual(
            played(InviteServer, UDP, [(0.1, I.REQUEST), (0.5, I.REQUEST)]),
            [(0, DELIVER), (0.2, TRYING), (0.5, SEND)],
        )
        self.assertEqual(
            played(InviteServer, UDP, [(0.1, I.RESPOND_PROVISIONAL)]), [(0, DELIVER), (0.1, SEND)]
        )

    def test_refused(self) -> None:
        """A refusal is sent again, each gap twice the one before up to T2, until Timer H."""
        again = (0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
        self.assertEqual(
            played(InviteServer, UDP, [(1, I.RESPOND_FINAL)]),
            [
                (0, DELIVER),
                (0.2, TRYING),
                *sent(1, *(1 + at for at in again)),
                (33, TIMED_OUT),
                (33, END),
            ],
        )

    def test_refused_reliably(self) -> None:
        """Over a reliable transport it is sent once; Timer H is the same."""
        self.assertEqual(
            played(InviteServer, TCP, [(0.125, I.RESPOND_FINAL)]),
            [(0, DELIVER), (0.125, SEND), (32.125, TIMED_OUT), (32.125, END)],
        )

    def test_confirmed(self) -> None:
        """After the ACK Timer I absorbs what is still on its way."""
        inputs = [(0.0, I.RESPOND_FINAL), (0.6, I.ACK), (5.5, I.ACK)]
        self.assertEqual(
            played(InviteServer, UDP, inputs),
            [(0, DELIVER), *sent(0, 0.5), (5.6, END)],
        )
        self.assertEqual(played(InviteServer, TCP, inputs), [(0, DELIVER), (0, SEND), (0.6, END)])

    def test_accepted(self) -> None:
        """Timer L runs from the first 2xx, which is never sent again by itself."""
        for reliable in (UDP, TCP):
            self.assertEqual(
                played(
                    InviteServer,
                    reliable,
                    [(0.1, I.RESPOND_SUCCESS), (0.6, I.RESPOND_SUCCESS), (0.7, I.REQUEST)],
                ),
                [(0, DELIVER), (0.1, SEND), (0.6, SEND), (32.1, END)],
            )


class NonInviteClientTimingTests(SynchronousTestCase):
    """Timers E, F and K."""

    def test_unanswered(self) -> None:
        """The gaps double up to T2; Timer F ends it."""
        self.assertEqual(
            played(NonInviteClient, UDP, []),
            [
                *sent(0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5),
                (32, TIMED_OUT),
                (32, END),
            ],
        )

    def test_unanswered_reliably(self) -> None:
        """Over a reliable transport it is sent once; Timer F is the same."""
        for inputs in [], [(10.0, I.PROVISIONAL)]:
            times = played(NonInviteClient, TCP, inputs)
            self.assertEqual(
                [(at, action) for at, action in times if action is not DELIVER],
                [(0, SEND), (32, TIMED_OUT), (32, END)],
            )

    def test_proceeding(self) -> None:
        """After a provisional response the running Timer E fires, then every T2; F goes on."""
        self.assertEqual(
            played(NonInviteClient, UDP, [(0.6, I.PROVISIONAL), (0.7, I.PROVISIONAL)]),
            [
                *sent(0, 0.5),
                (0.6, DELIVER),
                (0.7, DELIVER),
                *sent(1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5),
                (32, TIMED_OUT),
                (32, END),
            ],
        )

    def test_answered(self) -> None:
        """Timer K absorbs what is still on its way."""
        self.assertEqual(
            played(NonInviteClient, UDP, [(0.25, I.SUCCESS), (3, I.SUCCESS)]),
            [(0, SEND), (0.25, DELIVER), (5.25, END)],
        )


class NonInviteServerTimingTests(SynchronousTestCase):
    """Timer J and the times of RFC 4320."""

    def test_slow(self) -> None:
        """100 goes out when the client's Timer E has come to T2, whatever the transport."""
        for reliable in (UDP, TCP):
            self.assertEqual(
                played(NonInviteServer, reliable, [(0.5, I.REQUEST), (7.5, I.REQUEST)]),
                [(0, DELIVER), (3.5, TRYING), (7.5, SEND), (32, TIMED_OUT), (32, END)],
            )

    def test_early_trying_is_held_back(self) -> None:
        """A user's early 100 waits for the same moment, a later one passes."""
        self.assertEqual(
            played(
                NonInviteServer,
                UDP,
                [(1, I.RESPOND_PROVISIONAL), (4, I.RESPOND_PROVISIONAL), (5, I.ABANDON)],
            ),
            [(0, DELIVER), (3.5, TRYING), (4, SEND), (5, END)],
        )

    def test_answered(self) -> None:
        """A retransmitted request is answered until Timer J."""
        self.assertEqual(
            played(NonInviteServer, UDP, [(0.5, I.RESPOND_SUCCESS), (32.4, I.REQUEST)]),
            [(0, DELIVER), (0.5, SEND), (32.4, SEND), (32.5, END)],
        )

    def test_answered_late(self) -> None:
        """An answer that nobody waits for any more is not sent."""
        self.assertEqual(
            played(NonInviteServer, UDP, [(32.5, I.RESPOND_SUCCESS)]),
            [(0, DELIVER), (3.5, TRYING), (32, TIMED_OUT), (32, END)],
        )


class LateTests(SynchronousTestCase):
    """A driver that calls late, as one with a timer wheel does."""

    def test_keeps_the_rhythm(self) -> None:
        """A little lateness does not shift the retransmissions that follow."""
        transaction = InviteClient(UDP, 0.0)
        transaction.feed(I.START, 0.0)
        deadlines = []
        while transaction.state is not State.TERMINATED:
            deadlines.append(transaction.deadline)
            transaction.expired(transaction.deadline + 0.1)
        self.assertEqual(deadlines, [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32])

    def test_misses_are_not_made_up_for(self) -> None:
        """After a stall there is one retransmission, not a burst."""
        transaction = NonInviteClient(UDP, 0.0)
        transaction.feed(I.START, 0.0)
        self.assertEqual(transaction.expired(20.0), (SEND,))
        self.assertEqual(transaction.deadline, 21.0)
        self.assertEqual(transaction.expired(40.0), (TIMED_OUT, END))

    def test_early(self) -> None:
        """Whoever calls before the deadline is told to do nothing."""
        for machine in (InviteClient, InviteServer, NonInviteClient, NonInviteServer):
            transaction = machine(UDP, 0.0)
            self.assertEqual(transaction.expired(100.0), ())
            transaction.feed(I.START, 100.0)
            before = transaction.deadline
            self.assertEqual(transaction.expired(100.1), ())
            self.assertEqual(transaction.deadline, before)


class Stirring(Transaction):
    """No RFC's machine: two states that share a doubling timer and a limit."""

    __slots__ = ()

    INPUTS: ClassVar = frozenset({I.START, I.PROVISIONAL})
    TRANSITIONS: ClassVar = {
        (State.IDLE, I.START): Step(State.TRYING, (SEND,)),
        (State.TRYING, I.TIMER_G): Step(State.TRYING, (SEND,)),
        (State.TRYING, I.PROVISIONAL): Step(State.PROCEEDING),
        (State.PROCEEDING, I.TIMER_G): Step(State.PROCEEDING, (SEND,)),
        (State.PROCEEDING, I.TIMER_H): Step(State.TERMINATED, (END,)),
    }
    CLOCKS: ClassVar = {
        State.TRYING: Clocks(repeat=I.TIMER_G, limit=I.TIMER_H),
        State.PROCEEDING: Clocks(repeat=I.TIMER_G, limit=I.TIMER_H),
    }


class EngineTests(SynchronousTestCase):
    """What the engine can do beyond the four machines."""

    def test_shared_timers_run_on(self) -> None:
        """A timer of both states notices nothing of the step between them."""
        quick = Timers(t1=0.125, t2=4.0)
        self.assertEqual(
            played(Stirring, UDP, [(0.5, I.PROVISIONAL)], quick),
            [*sent(0, 0.125, 0.375, 0.875, 1.875, 3.875, 7.875), (8, END)],
        )

    def test_subclass(self) -> None:
        """A caller may add to a transaction what it keeps about it."""

        class Kept(InviteClient):
            __slots__ = ("request",)

            request: bytes

        kept = Kept(UDP, 7.0)
        kept.request = b"INVITE"
        self.assertEqual(kept.feed(I.START, 7.0), (SEND,))
        self.assertEqual((kept.deadline, kept.made), (7.5, 7.0))
        self.assertEqual(played(Kept, UDP, [], Timers(t1=0.25))[-1], (16, END))
        self.assertEqual(played(InviteClient, UDP, [])[-1], (32, END))


class TimersTests(SynchronousTestCase):
    """The values of RFC 3261 table 4, and others."""

    def test_defaults(self) -> None:
        """What the RFCs say."""
        self.assertEqual(
            [
                DEFAULT.timer_a,
                DEFAULT.timer_b,
                DEFAULT.timer_d,
                DEFAULT.timer_e,
                DEFAULT.timer_f,
                DEFAULT.timer_g,
                DEFAULT.timer_h,
                DEFAULT.timer_i,
                DEFAULT.timer_j,
                DEFAULT.timer_k,
                DEFAULT.timer_l,
                DEFAULT.timer_m,
            ],
            [0.5, 32, 32, 0.5, 32, 0.5, 32, 5, 32, 5, 32, 32],
        )

    def test_timer_e_settles(self) -> None:
        """It is the firing of Timer E after which the gap is T2."""
        for t1, t2, expected in (
            (0.5, 4.0, 3.5),
            (0.5, 3.0, 3.5),
            (0.5, 0.5, 0.5),
            (1.0, 4.0, 3.0),
        ):
            self.assertEqual(Timers(t1=t1, t2=t2).timer_e_settles, expected)

    def test_others(self) -> None:
        """A transaction can have other values, and others do not notice."""
        hasty = Timers(t1=0.125, t2=0.5)
        expected = [*sent(0, 0.125, 0.375, 0.875, 1.875, 3.875, 7.875), (8, TIMED_OUT), (8, END)]
        for _ in range(2):
            self.assertEqual(played(InviteClient, UDP, [], hasty), expected)
        self.assertEqual(played(InviteClient, UDP, [])[-1], (32, END))
        self.assertEqual(played(NonInviteClient, UDP, [], hasty)[4], (1.375, SEND))
        self.assertEqual(played(InviteClient, UDP, [], Timers()), played(InviteClient, UDP, []))
