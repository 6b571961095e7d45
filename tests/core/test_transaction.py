"""The tables of the four transactions, and what happens in them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.errors import LocalError
from sipx.core.transaction import Action, Clocks, ImpossibleInput, Input, State, Transaction
from sipx.core.transactions import InviteClient, InviteServer, NonInviteClient, NonInviteServer

MACHINES = (InviteClient, InviteServer, NonInviteClient, NonInviteServer)
UDP, TCP = False, True

I, S = Input, State  # noqa: E741  the letters of the tables
ACK, DELIVER, END, SEND = Action.SEND_ACK, Action.DELIVER, Action.END, Action.SEND
TIMED_OUT, TRYING, UNREACHABLE = Action.TIMED_OUT, Action.SEND_TRYING, Action.UNREACHABLE


def fed(
    machine: type[Transaction], reliable: bool, *inputs: Input
) -> tuple[State, list[tuple[Action, ...]]]:
    """Start a transaction and feed it, without letting time pass."""
    transaction = machine(reliable, 0.0)
    actions = [transaction.feed(event, 0.0) for event in (I.START, *inputs)]
    return transaction.state, actions[1:]


def timers_of(machine: type[Transaction], state: State) -> set[Input]:
    """The timers that run in a state."""
    clocks = machine.CLOCKS.get(state, Clocks())
    return {timer for timer in (clocks.repeat, clocks.limit) if timer is not None}


def states_of(machine: type[Transaction]) -> set[State]:
    """The states that a machine's table speaks of."""
    return {state for state, _ in machine.TRANSITIONS} | {
        step.state for step in machine.TRANSITIONS.values()
    }


def reached_from(machine: type[Transaction], state: State) -> set[State]:
    """The states that a transaction in a state can come to."""
    reached: set[State] = set()
    fresh = {state}
    while fresh:
        follow = {step.state for (a, _), step in machine.TRANSITIONS.items() if a in fresh}
        fresh = follow - reached
        reached |= follow
    return reached


class TableTests(SynchronousTestCase):
    """The tables are complete and lead somewhere."""

    def test_complete(self) -> None:
        """Each input is in each state either a step or ignored, a timer a step where it runs.

        What cannot come at all is in neither: anything before START, START twice, the
        inputs of another machine, a timer that does not run.
        """
        for machine in MACHINES:
            steps, ignored = set(machine.TRANSITIONS), set(machine.IGNORED)
            self.assertEqual(steps & ignored, set())
            expected = {(S.IDLE, I.START)}
            for state in states_of(machine) - {S.IDLE}:
                expected |= {(state, event) for event in machine.INPUTS - {I.START}}
                expected |= {(state, timer) for timer in timers_of(machine, state)}
            self.assertEqual(steps | ignored, expected, machine.__name__)

    def test_reliable_steps_were_ignored(self) -> None:
        """A reliable transport adds steps, it does not change any."""
        for machine in MACHINES:
            self.assertLessEqual(set(machine.RELIABLE), machine.IGNORED)

    def test_reachable(self) -> None:
        """Each state is reached from IDLE, and TERMINATED from each state."""
        for machine in MACHINES:
            states = states_of(machine)
            self.assertEqual(reached_from(machine, S.IDLE), states - {S.IDLE})
            for state in states - {S.TERMINATED}:
                self.assertIn(S.TERMINATED, reached_from(machine, state))

    def test_end(self) -> None:
        """Who enters TERMINATED says END, last, and nobody else says it."""
        for machine in MACHINES:
            for key, step in machine.TRANSITIONS.items():
                ends = step.state is S.TERMINATED
                self.assertEqual(step.actions[-1:] == (END,), ends, key)
                self.assertEqual(step.actions.count(END), int(ends), key)

    def test_limits(self) -> None:
        """Only the wait for the user of an INVITE has no limit."""
        for machine in MACHINES:
            unlimited = {
                state
                for state in states_of(machine) - {S.IDLE, S.TERMINATED}
                if machine.CLOCKS.get(state, Clocks()).limit is None
            }
            expected = {
                InviteClient: {S.PROCEEDING},
                InviteServer: {S.TRYING, S.PROCEEDING},
            }
            self.assertEqual(unlimited, expected.get(machine, set()))

    def test_impossible(self) -> None:
        """An input that cannot come is our own fault and says which."""
        for machine in MACHINES:
            for state in states_of(machine) - {S.IDLE}:
                self.assertNotIn((state, I.START), machine.TRANSITIONS)
            transaction = machine(UDP, 0.0)
            with self.assertRaisesRegex(ImpossibleInput, f"{machine.__name__} IDLE.*FINAL"):
                transaction.feed(I.FINAL, 0.0)
            transaction.feed(I.START, 0.0)
            with self.assertRaisesRegex(LocalError, "START"):
                transaction.feed(I.START, 0.0)
        for machine, stranger in (
            (InviteClient, I.REQUEST),
            (InviteServer, I.PROVISIONAL),
            (NonInviteClient, I.CANCEL),
            (NonInviteServer, I.ACK),
        ):
            with self.assertRaises(ImpossibleInput):
                fed(machine, UDP, stranger)

    def test_terminated_is_deaf(self) -> None:
        """After the end nothing happens any more, whatever still comes."""
        for machine in MACHINES:
            transaction = machine(UDP, 0.0)
            now = 0.0
            transaction.feed(I.START, now)
            for event in sorted(machine.INPUTS & {I.FINAL, I.RESPOND_FINAL}):
                transaction.feed(event, now)
            while transaction.state is not S.TERMINATED:
                now = transaction.deadline
                transaction.expired(now)
            self.assertEqual(transaction.deadline, float("inf"))
            for event in sorted(machine.INPUTS - {I.START}):
                self.assertEqual(transaction.feed(event, now), ())
            self.assertEqual(transaction.expired(now + 100), ())


class InviteClientTests(SynchronousTestCase):
    """RFC 3261 section 17.1.1 and RFC 6026."""

    def test_call(self) -> None:
        """Each provisional response and each 2xx reach the user."""
        self.assertEqual(
            fed(InviteClient, UDP, I.PROVISIONAL, I.PROVISIONAL, I.SUCCESS, I.SUCCESS),
            (S.ACCEPTED, [(DELIVER,), (DELIVER,), (DELIVER,), (DELIVER,)]),
        )

    def test_answered_at_once(self) -> None:
        """A final response needs no provisional one before it."""
        self.assertEqual(fed(InviteClient, UDP, I.SUCCESS), (S.ACCEPTED, [(DELIVER,)]))
        self.assertEqual(fed(InviteClient, UDP, I.FINAL), (S.COMPLETED, [(ACK, DELIVER)]))

    def test_refused(self) -> None:
        """A refusal is delivered once and acknowledged each time it comes."""
        self.assertEqual(
            fed(InviteClient, UDP, I.PROVISIONAL, I.FINAL, I.FINAL, I.FINAL),
            (S.COMPLETED, [(DELIVER,), (ACK, DELIVER), (ACK,), (ACK,)]),
        )

    def test_refused_reliably(self) -> None:
        """Over a reliable transport Timer D is zero: the refusal is the end."""
        self.assertEqual(
            fed(InviteClient, TCP, I.FINAL, I.FINAL), (S.TERMINATED, [(ACK, DELIVER, END), ()])
        )

    def test_first_final_counts(self) -> None:
        """After one final response those of another class are absorbed."""
        self.assertEqual(fed(InviteClient, UDP, I.SUCCESS, I.FINAL)[1][1:], [()])
        self.assertEqual(fed(InviteClient, UDP, I.FINAL, I.SUCCESS)[1][1:], [()])
        self.assertEqual(fed(InviteClient, UDP, I.SUCCESS, I.PROVISIONAL)[1][1:], [()])
        self.assertEqual(fed(InviteClient, UDP, I.FINAL, I.PROVISIONAL)[1][1:], [()])

    def test_canceled(self) -> None:
        """After CANCEL responses come through as before."""
        canceled = (I.PROVISIONAL, I.CANCEL)
        self.assertEqual(
            fed(InviteClient, UDP, *canceled, I.PROVISIONAL, I.FINAL),
            (S.COMPLETED, [(DELIVER,), (), (DELIVER,), (ACK, DELIVER)]),
        )
        self.assertEqual(
            fed(InviteClient, UDP, *canceled, I.CANCEL, I.SUCCESS),
            (S.ACCEPTED, [(DELIVER,), (), (), (DELIVER,)]),
        )

    def test_unreachable(self) -> None:
        """A transport error matters where something is being sent."""
        lost = (S.TERMINATED, (UNREACHABLE, END))
        for inputs, expected in (
            ((), lost),
            ((I.PROVISIONAL,), (S.PROCEEDING, ())),
            ((I.PROVISIONAL, I.CANCEL), (S.CANCELLED, ())),
            ((I.SUCCESS,), (S.ACCEPTED, ())),
            ((I.FINAL,), lost),
        ):
            state, actions = fed(InviteClient, UDP, *inputs, I.TRANSPORT_ERROR)
            self.assertEqual((state, actions[-1]), expected)


class InviteServerTests(SynchronousTestCase):
    """RFC 3261 section 17.2.1 and RFC 6026."""

    def test_call(self) -> None:
        """The user's responses pass, its 2xx as often as it likes, and the ACK for them."""
        self.assertEqual(
            fed(
                InviteServer,
                UDP,
                I.RESPOND_PROVISIONAL,
                I.RESPOND_PROVISIONAL,
                I.RESPOND_SUCCESS,
                I.RESPOND_SUCCESS,
                I.ACK,
            ),
            (S.ACCEPTED, [(SEND,), (SEND,), (SEND,), (SEND,), (DELIVER,)]),
        )

    def test_invite_again(self) -> None:
        """A retransmitted INVITE gets the last response again, but for a 2xx."""
        for inputs, expected in (
            ((), ()),
            ((I.RESPOND_PROVISIONAL,), (SEND,)),
            ((I.RESPOND_SUCCESS,), ()),
            ((I.RESPOND_FINAL,), (SEND,)),
            ((I.RESPOND_FINAL, I.ACK), ()),
        ):
            self.assertEqual(fed(InviteServer, UDP, *inputs, I.REQUEST)[1][-1], expected)

    def test_refused(self) -> None:
        """The ACK for a refusal goes no further than here."""
        self.assertEqual(
            fed(InviteServer, UDP, I.RESPOND_FINAL, I.ACK, I.ACK), (S.CONFIRMED, [(SEND,), (), ()])
        )

    def test_refused_reliably(self) -> None:
        """Over a reliable transport Timer I is zero: the ACK is the end."""
        self.assertEqual(
            fed(InviteServer, TCP, I.RESPOND_FINAL, I.ACK), (S.TERMINATED, [(SEND,), (END,)])
        )

    def test_first_final_counts(self) -> None:
        """What the user says after its final response is not sent."""
        for final in (I.RESPOND_SUCCESS, I.RESPOND_FINAL):
            for more in (I.RESPOND_PROVISIONAL, I.RESPOND_SUCCESS, I.RESPOND_FINAL):
                again = (SEND,) if final is more is I.RESPOND_SUCCESS else ()
                self.assertEqual(fed(InviteServer, UDP, final, more)[1], [(SEND,), again])

    def test_unreachable(self) -> None:
        """The user hears of a transport error, the state stays (RFC 6026 section 8.8)."""
        for inputs, expected in (
            ((), (S.TRYING, ())),
            ((I.RESPOND_PROVISIONAL,), (S.PROCEEDING, (UNREACHABLE,))),
            ((I.RESPOND_SUCCESS,), (S.ACCEPTED, (UNREACHABLE,))),
            ((I.RESPOND_FINAL,), (S.COMPLETED, (UNREACHABLE,))),
            ((I.RESPOND_FINAL, I.ACK), (S.CONFIRMED, ())),
        ):
            state, actions = fed(InviteServer, UDP, *inputs, I.TRANSPORT_ERROR)
            self.assertEqual((state, actions[-1]), expected)


class NonInviteClientTests(SynchronousTestCase):
    """RFC 3261 section 17.1.2."""

    def test_answered(self) -> None:
        """One final response, 2xx or not, reaches the user; then silence."""
        for final in (I.SUCCESS, I.FINAL):
            self.assertEqual(
                fed(NonInviteClient, UDP, I.PROVISIONAL, I.PROVISIONAL, final, final),
                (S.COMPLETED, [(DELIVER,), (DELIVER,), (DELIVER,), ()]),
            )
            self.assertEqual(fed(NonInviteClient, UDP, final), (S.COMPLETED, [(DELIVER,)]))

    def test_answered_reliably(self) -> None:
        """Over a reliable transport Timer K is zero."""
        self.assertEqual(fed(NonInviteClient, TCP, I.SUCCESS), (S.TERMINATED, [(DELIVER, END)]))

    def test_unreachable(self) -> None:
        """A transport error ends what has no final response yet."""
        lost = (S.TERMINATED, (UNREACHABLE, END))
        for inputs, expected in (
            ((), lost),
            ((I.PROVISIONAL,), lost),
            ((I.FINAL,), (S.COMPLETED, ())),
        ):
            state, actions = fed(NonInviteClient, UDP, *inputs, I.TRANSPORT_ERROR)
            self.assertEqual((state, actions[-1]), expected)


class NonInviteServerTests(SynchronousTestCase):
    """RFC 3261 section 17.2.2 and RFC 4320."""

    def test_answered(self) -> None:
        """A request seen again after the final response gets that response again."""
        for final in (I.RESPOND_SUCCESS, I.RESPOND_FINAL):
            self.assertEqual(
                fed(NonInviteServer, UDP, I.REQUEST, final, I.REQUEST, I.REQUEST, final),
                (S.COMPLETED, [(), (SEND,), (SEND,), (SEND,), ()]),
            )

    def test_answered_reliably(self) -> None:
        """Over a reliable transport Timer J is zero."""
        self.assertEqual(
            fed(NonInviteServer, TCP, I.RESPOND_SUCCESS), (S.TERMINATED, [(SEND, END)])
        )

    def test_trying(self) -> None:
        """An early 100 is for reliable transports only (RFC 4320 section 4.1)."""
        early = (I.RESPOND_PROVISIONAL,)
        self.assertEqual(fed(NonInviteServer, UDP, *early), (S.TRYING, [()]))
        self.assertEqual(fed(NonInviteServer, TCP, *early), (S.PROCEEDING, [(SEND,)]))

    def test_abandoned(self) -> None:
        """A request that nobody answers in time gets nothing (RFC 4320 section 4.2)."""
        self.assertEqual(fed(NonInviteServer, UDP, I.ABANDON), (S.TERMINATED, [(END,)]))
        self.assertEqual(
            fed(NonInviteServer, TCP, I.RESPOND_PROVISIONAL, I.ABANDON),
            (S.TERMINATED, [(SEND,), (END,)]),
        )
        self.assertEqual(
            fed(NonInviteServer, UDP, I.RESPOND_FINAL, I.ABANDON), (S.COMPLETED, [(SEND,), ()])
        )

    def test_unreachable(self) -> None:
        """The user hears of a transport error, the state stays (RFC 6026 section 8.8)."""
        self.assertEqual(fed(NonInviteServer, UDP, I.TRANSPORT_ERROR), (S.TRYING, [()]))
        self.assertEqual(
            fed(NonInviteServer, TCP, I.RESPOND_PROVISIONAL, I.TRANSPORT_ERROR),
            (S.PROCEEDING, [(SEND,), (UNREACHABLE,)]),
        )
        self.assertEqual(
            fed(NonInviteServer, UDP, I.RESPOND_FINAL, I.TRANSPORT_ERROR),
            (S.COMPLETED, [(SEND,), (UNREACHABLE,)]),
        )
