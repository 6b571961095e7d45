"""Whatever happens, in whatever order: transactions end."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.timers import DEFAULT, Timers
from sipx.core.transaction import Action, Input, State, Transaction
from sipx.core.transactions import InviteClient, InviteServer, NonInviteClient, NonInviteServer

MACHINES = (InviteClient, InviteServer, NonInviteClient, NonInviteServer)

# What the user of an INVITE owes: without it, it would ring for ever.
DUTY = {InviteClient: Input.CANCEL, InviteServer: Input.RESPOND_FINAL}
SILENCE = 200.0

# 64*T1 of repeats at T2, and a few before them: what silence may cost.
MANY = 20

events = st.sampled_from(sorted(set(Input) - {Input.START}))
pauses = st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 40))


class Watched:
    """A transaction and its driver, who calls when he should or later."""

    def __init__(self, machine: type[Transaction], reliable: bool, timers: Timers) -> None:
        self.transaction = machine(reliable, 1000.0, timers)
        self.now = 1000.0
        self.actions: list[Action] = []
        self.feed(Input.START)

    def feed(self, event: Input) -> None:
        """Feed an input if the machine takes it; the end must be final."""
        if event in self.transaction.INPUTS:
            self._note(self.transaction.feed(event, self.now))

    def _note(self, actions: tuple[Action, ...]) -> None:
        assert not (actions and Action.END in self.actions), "it acts after its end"
        self.actions += actions
        ended = self.transaction.state is State.TERMINATED
        assert self.actions.count(Action.END) == ended
        assert not ended or (self.actions[-1] is Action.END)
        assert not ended or self.transaction.deadline == math.inf

    def expire(self) -> None:
        """Call ``expired``; the next deadline lies ahead."""
        self._note(self.transaction.expired(self.now))
        assert self.transaction.deadline > self.now

    def stall(self, seconds: float) -> None:
        """Let time pass and call once at its end, late."""
        self.now += seconds
        if self.transaction.deadline <= self.now:
            self.expire()

    def wait(self, seconds: float) -> None:
        """Let time pass, calling at each deadline."""
        until = self.now + seconds
        while self.transaction.deadline <= until:
            self.now = self.transaction.deadline
            self.expire()
        self.now = until


class PropertyTests(SynchronousTestCase):
    """Random inputs, random times."""

    @given(
        machine=st.sampled_from(MACHINES),
        reliable=st.booleans(),
        timers=st.sampled_from([DEFAULT, Timers(t1=0.1, t2=0.4, t4=0.5)]),
        late=st.booleans(),
        script=st.lists(st.tuples(events, pauses), max_size=12),
    )
    @settings(derandomize=True, deadline=None, max_examples=1000)
    def test_ends(
        self,
        machine: type[Transaction],
        reliable: bool,
        timers: Timers,
        late: bool,
        script: list[tuple[Input, float]],
    ) -> None:
        """Timers lie ahead, END comes once and last, and silence ends everything."""
        watched = Watched(machine, reliable, timers)
        for event, pause in script:
            if event in machine.INPUTS:
                watched.feed(event)
                (watched.stall if late else watched.wait)(pause)
        if machine in DUTY:
            watched.feed(Input.PROVISIONAL)  # only who was answered can cancel
            watched.feed(DUTY[machine])
        before = len(watched.actions)
        watched.wait(SILENCE)
        self.assertIs(watched.transaction.state, State.TERMINATED)
        self.assertLessEqual(len(watched.actions) - before, MANY)

    @given(
        machine=st.sampled_from(MACHINES),
        script=st.lists(st.tuples(events, pauses), max_size=12),
    )
    @settings(derandomize=True, deadline=None, max_examples=300)
    def test_reliable_sends_once(
        self, machine: type[Transaction], script: list[tuple[Input, float]]
    ) -> None:
        """Over a reliable transport no timer sends a message a second time."""
        watched = Watched(machine, True, DEFAULT)
        for event, pause in script:
            watched.feed(event)
            before = len(watched.actions)
            watched.wait(pause)
            self.assertNotIn(Action.SEND, watched.actions[before:])
            self.assertNotIn(Action.SEND_ACK, watched.actions[before:])
