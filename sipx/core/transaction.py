"""The engine of the four SIP transactions: RFC 3261 section 17, RFC 6026, RFC 4320.

A transaction is three tables (what each input does, which inputs are ignored, which
timers run in a state) and this engine, which compiles them at import to tuples
that are indexed by small integers. The tables are in ``sipx.core.transactions``.

It knows states and deadlines only: messages, their bytes and their matching stay with
the caller, sockets and clocks with the caller's driver. Inputs carry ``now`` (monotonic
seconds), consequences come back as constant tuples of actions, and ``deadline`` says when
to call ``expired``.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from sipx.core.errors import LocalError
from sipx.core.timers import DEFAULT, Timers


class State(enum.IntEnum):
    """Where a transaction stands; no machine uses all of them."""

    IDLE = 0  # made, not started
    CALLING = 1
    TRYING = 2  # of the INVITE server too: nothing has been sent yet
    PROCEEDING = 3
    CANCELLED = 4  # INVITE client: Proceeding, and a CANCEL was sent
    ACCEPTED = 5
    COMPLETED = 6
    CONFIRMED = 7
    TERMINATED = 8


class Input(enum.IntEnum):
    """What can happen to a transaction; no machine takes all of them.

    The caller feeds those before the timers. The timers are fed by ``Transaction.expired``.
    """

    START = 0
    # Responses received by a client.
    PROVISIONAL = 1  # 1xx
    SUCCESS = 2  # 2xx
    FINAL = 3  # 300-699
    # Requests received by a server.
    REQUEST = 4  # the transaction's own request, once more
    ACK = 5
    # What the user of a server transaction does.
    RESPOND_PROVISIONAL = 6
    RESPOND_SUCCESS = 7
    RESPOND_FINAL = 8
    ABANDON = 9  # non-INVITE: there will be no answer, and no 408 either (RFC 4320)
    # What the user of an INVITE client transaction does.
    CANCEL = 10  # a CANCEL was sent for this INVITE
    # What the transport says about the last message sent.
    TRANSPORT_ERROR = 11

    TIMER_A = 12
    TIMER_B = 13
    TIMER_D = 14
    TIMER_E = 15
    TIMER_F = 16
    TIMER_G = 17
    TIMER_H = 18
    TIMER_I = 19
    TIMER_J = 20
    TIMER_K = 21
    TIMER_L = 22
    TIMER_M = 23
    TIMER_TRYING = 24  # INVITE server: 200 ms without an answer
    TIMER_E_SETTLES = 25  # non-INVITE server: the client's Timer E comes to T2
    TIMER_UNANSWERED = 26  # non-INVITE server: the client's Timer F fires, nobody waits


class Action(enum.IntEnum):
    """What the caller has to do, in the order given."""

    SEND = 0  # (re)send the request of a client, the last response of a server
    SEND_ACK = 1  # INVITE client: (re)send the ACK for the 300-699 response
    SEND_TRYING = 2  # server: make a 100 (Trying), it is the last response now, send it
    DELIVER = 3  # hand the message just received to the transaction user
    TIMED_OUT = 4  # tell the user: no answer, or no ACK, in time
    UNREACHABLE = 5  # tell the user: the transport failed
    END = 6  # forget the transaction


class Step(NamedTuple):
    """What an input does in a state."""

    state: State
    actions: tuple[Action, ...] = ()


class Clocks(NamedTuple):
    """The timers that run in a state.

    A timer starts when a state is entered that has it, stops when the state left had
    it and the new one does not, and runs on when both have it.

    Attributes:
        repeat: the timer that sends again, or that stirs the transaction once.
        limit: the timer that leaves the state; it wins when both are due.
        steady: ``repeat`` has its longest gap from its next firing on.
    """

    repeat: Input | None = None
    limit: Input | None = None
    steady: bool = False


class ImpossibleInput(LocalError):
    """An input that cannot come in this state: whoever fed it is wrong."""


_NEVER = math.inf

# actions, the row entered (None: stays), and seconds to the repeat timer, to the limit
# timer, and the gap between repeats; None leaves what there is.
_Compiled = tuple[tuple[Action, ...], "_Row | None", float | None, float | None, float | None]


class _Row:
    """A state, compiled: what each input does in it."""

    __slots__ = ("cap", "limit", "repeat", "state", "steps")

    def __init__(self, state: State, clocks: Clocks, cap: float) -> None:
        self.state = state
        self.repeat = clocks.repeat
        self.limit = clocks.limit
        self.cap = cap
        self.steps: tuple[_Compiled | None, ...] = ()


class Transaction:
    """A transaction of any of the four kinds; the tables of a subclass say which.

    The caller may hang it, or a subclass of it, in a ``sipx.core.wheel.Wheel``.

    Attributes:
        state: where it stands.
        deadline: when to call ``expired``, ``math.inf`` when there is nothing to wait for.
        wheel_slot: belongs to the wheel.
        made: when it was made.
    """

    __slots__ = ("_gap", "_limit", "_repeat", "_row", "deadline", "made", "state", "wheel_slot")

    _gap: float
    _limit: float
    _repeat: float

    INPUTS: ClassVar[frozenset[Input]] = frozenset()
    TRANSITIONS: ClassVar[Mapping[tuple[State, Input], Step]] = {}
    # What differs over a reliable transport, besides its timers.
    RELIABLE: ClassVar[Mapping[tuple[State, Input], Step]] = {}
    IGNORED: ClassVar[frozenset[tuple[State, Input]]] = frozenset()
    CLOCKS: ClassVar[Mapping[State, Clocks]] = {}

    # The row of State.IDLE with the default timers, unreliable and reliable; with others.
    _first: ClassVar[tuple[_Row, _Row]]
    _others: ClassVar[dict[tuple[Timers, bool], _Row]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "TRANSITIONS" in cls.__dict__:
            cls._first = (_compile(cls, DEFAULT, False), _compile(cls, DEFAULT, True))
            cls._others = {}

    def __init__(self, reliable: bool, now: float, timers: Timers = DEFAULT) -> None:
        """Make a transaction that waits for ``Input.START``.

        Args:
            reliable: the transport retransmits by itself (TCP, TLS, WebSocket, local).
            now: monotonic seconds.
            timers: other timer values than those of RFC 3261; tables compiled for them are
                kept for good, so let them be few.
        """
        if timers is DEFAULT:
            self._row = row = self._first[reliable]
        else:
            self._row = row = self._compiled(timers, reliable)
        self.state = row.state
        self.deadline = _NEVER
        self.wheel_slot = -1
        self.made = now

    @classmethod
    def _compiled(cls, timers: Timers, reliable: bool) -> _Row:
        row = cls._others.get((timers, reliable))
        if row is None:
            row = cls._others[timers, reliable] = _compile(cls, timers, reliable)
        return row

    def feed(self, event: Input, now: float) -> tuple[Action, ...]:
        """Take an input.

        Args:
            event: what happened; the timers are not for the caller to feed.
            now: monotonic seconds.

        Returns:
            What to do; empty when the input is ignored. A response that the user gave and
            that is not to be sent must not replace the last response either.

        Raises:
            ImpossibleInput: this transaction takes no such input in this state.
        """
        step = self._row.steps[event]
        if step is None:
            raise ImpossibleInput(f"{type(self).__name__} {self.state.name}: {event!r}")
        actions, row, repeat, limit, gap = step
        if row is not None:
            self._row = row
            self.state = row.state
            if gap is not None:
                self._gap = gap
            if repeat is None:
                next_repeat = self._repeat
            else:
                self._repeat = next_repeat = now + repeat
            if limit is None:
                next_limit = self._limit
            else:
                self._limit = next_limit = now + limit
            self.deadline = next_repeat if next_repeat < next_limit else next_limit
        return actions

    def expired(self, now: float) -> tuple[Action, ...]:
        """Fire what is due; call it when ``now`` has reached ``deadline``.

        Args:
            now: monotonic seconds.

        Returns:
            What to do; may be empty. ``deadline`` lies after ``now`` then.
        """
        row = self._row
        if row.limit is not None and self._limit <= now:
            return self.feed(row.limit, now)
        if row.repeat is None or self._repeat > now:
            return ()
        actions = self.feed(row.repeat, now)
        if self._row is row:
            gap = 2 * self._gap
            if gap > row.cap:
                gap = row.cap
            self._gap = gap
            due = self._repeat + gap
            if due <= now:  # called late: what was missed is not made up for
                due = now + gap
            self._repeat = due
            self.deadline = due if due < self._limit else self._limit
        return actions


def _compile(machine: type[Transaction], timers: Timers, reliable: bool) -> _Row:
    """Compile a machine's tables; returns the row of ``State.IDLE``."""
    table = {**machine.TRANSITIONS, **(machine.RELIABLE if reliable else {})}
    seconds = _seconds(timers, reliable)
    caps: dict[Input | None, float] = {Input.TIMER_E: timers.t2, Input.TIMER_G: timers.t2}
    none = Clocks()
    rows: dict[State, _Row] = {}
    for state in State:
        clocks = machine.CLOCKS.get(state, none)
        rows[state] = _Row(state, clocks, caps.get(clocks.repeat, _NEVER))

    def start(before: Input | None, after: Input | None) -> float | None:
        if after is None:
            return _NEVER
        return None if before is after else seconds[after]

    def compiled(state: State, step: Step) -> _Compiled:
        actions = step.actions
        before, entered = machine.CLOCKS.get(state, none), step.state
        if entered is state:
            return actions, None, None, None, None
        after = machine.CLOCKS.get(entered, none)
        limit = start(before.limit, after.limit)
        if after.limit is not None and limit == 0:  # a timer of zero seconds has fired already
            fired = table[entered, after.limit]
            return compiled(state, Step(fired.state, actions + fired.actions))
        repeat = start(before.repeat, after.repeat)
        gap = rows[entered].cap if after.steady else repeat
        return actions, rows[entered], repeat, limit, gap

    for state, row in rows.items():
        steps: list[_Compiled | None] = []
        for event in Input:
            step = table.get((state, event))
            if step is not None:
                steps.append(compiled(state, step))
            else:
                silent = (state, event) in machine.IGNORED
                steps.append(((), None, None, None, None) if silent else None)
        row.steps = tuple(steps)
    return rows[State.IDLE]


def _seconds(timers: Timers, reliable: bool) -> dict[Input, float]:
    """How long each timer runs: RFC 3261 table 4, its last column for reliable transports."""
    seconds = {
        Input.TIMER_A: timers.timer_a,
        Input.TIMER_B: timers.timer_b,
        Input.TIMER_D: timers.timer_d,
        Input.TIMER_E: timers.timer_e,
        Input.TIMER_F: timers.timer_f,
        Input.TIMER_G: timers.timer_g,
        Input.TIMER_H: timers.timer_h,
        Input.TIMER_I: timers.timer_i,
        Input.TIMER_J: timers.timer_j,
        Input.TIMER_K: timers.timer_k,
        Input.TIMER_L: timers.timer_l,
        Input.TIMER_M: timers.timer_m,
        Input.TIMER_TRYING: timers.trying,
        Input.TIMER_E_SETTLES: timers.timer_e_settles,
        Input.TIMER_UNANSWERED: timers.timer_f,
    }
    if reliable:
        seconds |= dict.fromkeys((Input.TIMER_A, Input.TIMER_E, Input.TIMER_G), _NEVER)
        absorbing = (Input.TIMER_D, Input.TIMER_I, Input.TIMER_J, Input.TIMER_K)
        seconds |= dict.fromkeys(absorbing, 0.0)
    return seconds
