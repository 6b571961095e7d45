"""The non-INVITE client transaction: RFC 3261 section 17.1.2."""

from __future__ import annotations

from typing import ClassVar

from sipx.core.transaction import Action, Clocks, Input, State, Step, Transaction

A, I, S = Action, Input, State  # noqa: E741  the letters of the tables

INPUTS = frozenset({I.START, I.PROVISIONAL, I.SUCCESS, I.FINAL, I.TRANSPORT_ERROR})

TRANSITIONS: dict[tuple[State, Input], Step] = {
    (S.IDLE, I.START): Step(S.TRYING, (A.SEND,)),
    (S.TRYING, I.TIMER_E): Step(S.TRYING, (A.SEND,)),
    (S.TRYING, I.TIMER_F): Step(S.TERMINATED, (A.TIMED_OUT, A.END)),
    (S.TRYING, I.PROVISIONAL): Step(S.PROCEEDING, (A.DELIVER,)),
    (S.TRYING, I.SUCCESS): Step(S.COMPLETED, (A.DELIVER,)),
    (S.TRYING, I.FINAL): Step(S.COMPLETED, (A.DELIVER,)),
    (S.TRYING, I.TRANSPORT_ERROR): Step(S.TERMINATED, (A.UNREACHABLE, A.END)),
    (S.PROCEEDING, I.TIMER_E): Step(S.PROCEEDING, (A.SEND,)),
    (S.PROCEEDING, I.TIMER_F): Step(S.TERMINATED, (A.TIMED_OUT, A.END)),
    (S.PROCEEDING, I.PROVISIONAL): Step(S.PROCEEDING, (A.DELIVER,)),
    (S.PROCEEDING, I.SUCCESS): Step(S.COMPLETED, (A.DELIVER,)),
    (S.PROCEEDING, I.FINAL): Step(S.COMPLETED, (A.DELIVER,)),
    (S.PROCEEDING, I.TRANSPORT_ERROR): Step(S.TERMINATED, (A.UNREACHABLE, A.END)),
    (S.COMPLETED, I.TIMER_K): Step(S.TERMINATED, (A.END,)),
}

IGNORED = frozenset(
    {(S.COMPLETED, event) for event in INPUTS - {I.START}}
    | {(S.TERMINATED, event) for event in INPUTS - {I.START}}
)

CLOCKS = {
    S.TRYING: Clocks(repeat=I.TIMER_E, limit=I.TIMER_F),
    S.PROCEEDING: Clocks(repeat=I.TIMER_E, limit=I.TIMER_F, steady=True),
    S.COMPLETED: Clocks(limit=I.TIMER_K),
}


class NonInviteClient(Transaction):
    """A request other than INVITE and ACK that we send."""

    __slots__ = ()

    INPUTS: ClassVar = INPUTS
    TRANSITIONS: ClassVar = TRANSITIONS
    IGNORED: ClassVar = IGNORED
    CLOCKS: ClassVar = CLOCKS
