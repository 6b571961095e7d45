"""The non-INVITE server transaction: RFC 3261 section 17.2.2, RFC 4320, RFC 6026 section 8.8.

RFC 4320: the only provisional response is 100; over an unreliable transport a
100 that the user sends early is held back; whoever has not answered when the client's Timer E
comes to T2 sends 100; when the client's Timer F has fired nobody waits for an answer, so
none is sent, least of all 408.
"""

from __future__ import annotations

from typing import ClassVar

from sipx.core.transaction import Action, Clocks, Input, State, Step, Transaction

A, I, S = Action, Input, State  # noqa: E741  the letters of the tables

INPUTS = frozenset(
    {
        I.START,
        I.REQUEST,
        I.RESPOND_PROVISIONAL,
        I.RESPOND_SUCCESS,
        I.RESPOND_FINAL,
        I.ABANDON,
        I.TRANSPORT_ERROR,
    }
)

TRANSITIONS: dict[tuple[State, Input], Step] = {
    (S.IDLE, I.START): Step(S.TRYING, (A.DELIVER,)),
    (S.TRYING, I.TIMER_E_SETTLES): Step(S.PROCEEDING, (A.SEND_TRYING,)),
    (S.TRYING, I.TIMER_UNANSWERED): Step(S.TERMINATED, (A.TIMED_OUT, A.END)),
    (S.TRYING, I.RESPOND_SUCCESS): Step(S.COMPLETED, (A.SEND,)),
    (S.TRYING, I.RESPOND_FINAL): Step(S.COMPLETED, (A.SEND,)),
    (S.TRYING, I.ABANDON): Step(S.TERMINATED, (A.END,)),
    (S.PROCEEDING, I.TIMER_UNANSWERED): Step(S.TERMINATED, (A.TIMED_OUT, A.END)),
    (S.PROCEEDING, I.REQUEST): Step(S.PROCEEDING, (A.SEND,)),
    (S.PROCEEDING, I.RESPOND_PROVISIONAL): Step(S.PROCEEDING, (A.SEND,)),
    (S.PROCEEDING, I.RESPOND_SUCCESS): Step(S.COMPLETED, (A.SEND,)),
    (S.PROCEEDING, I.RESPOND_FINAL): Step(S.COMPLETED, (A.SEND,)),
    (S.PROCEEDING, I.ABANDON): Step(S.TERMINATED, (A.END,)),
    (S.PROCEEDING, I.TRANSPORT_ERROR): Step(S.PROCEEDING, (A.UNREACHABLE,)),
    (S.COMPLETED, I.REQUEST): Step(S.COMPLETED, (A.SEND,)),
    (S.COMPLETED, I.TRANSPORT_ERROR): Step(S.COMPLETED, (A.UNREACHABLE,)),
    (S.COMPLETED, I.TIMER_J): Step(S.TERMINATED, (A.END,)),
}

RELIABLE = {
    (S.TRYING, I.RESPOND_PROVISIONAL): Step(S.PROCEEDING, (A.SEND,)),
}

IGNORED = frozenset(
    {
        (S.TRYING, I.REQUEST),  # there is no response yet
        (S.TRYING, I.RESPOND_PROVISIONAL),  # too early, RFC 4320 section 4.1
        (S.TRYING, I.TRANSPORT_ERROR),
        (S.COMPLETED, I.RESPOND_PROVISIONAL),
        (S.COMPLETED, I.RESPOND_SUCCESS),
        (S.COMPLETED, I.RESPOND_FINAL),
        (S.COMPLETED, I.ABANDON),
    }
    | {(S.TERMINATED, event) for event in INPUTS - {I.START}}
)

CLOCKS = {
    S.TRYING: Clocks(repeat=I.TIMER_E_SETTLES, limit=I.TIMER_UNANSWERED),
    S.PROCEEDING: Clocks(limit=I.TIMER_UNANSWERED),
    S.COMPLETED: Clocks(limit=I.TIMER_J),
}


class NonInviteServer(Transaction):
    """A request other than INVITE and ACK that we received."""

    __slots__ = ()

    INPUTS: ClassVar = INPUTS
    TRANSITIONS: ClassVar = TRANSITIONS
    RELIABLE: ClassVar = RELIABLE
    IGNORED: ClassVar = IGNORED
    CLOCKS: ClassVar = CLOCKS
