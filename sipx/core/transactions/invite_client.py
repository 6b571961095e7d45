"""The INVITE client transaction: RFC 3261 section 17.1.1, RFC 6026 section 8.4.

After a 2xx it waits for those of other branches (Accepted, Timer M); who is called again
and again with the same 2xx sends the ACK again. A call may ring for as long as its user
likes: Timer C is the proxy's. Once the user has sent CANCEL it ends within 64*T1 (RFC 3261
section 9.1), whether the other side knows CANCEL or not.
"""

from __future__ import annotations

from typing import ClassVar

from sipx.core.transaction import Action, Clocks, Input, State, Step, Transaction

A, I, S = Action, Input, State  # noqa: E741  the letters of the tables

INPUTS = frozenset({I.START, I.PROVISIONAL, I.SUCCESS, I.FINAL, I.CANCEL, I.TRANSPORT_ERROR})

TRANSITIONS: dict[tuple[State, Input], Step] = {
    (S.IDLE, I.START): Step(S.CALLING, (A.SEND,)),
    (S.CALLING, I.TIMER_A): Step(S.CALLING, (A.SEND,)),
    (S.CALLING, I.TIMER_B): Step(S.TERMINATED, (A.TIMED_OUT, A.END)),
    (S.CALLING, I.PROVISIONAL): Step(S.PROCEEDING, (A.DELIVER,)),
    (S.CALLING, I.SUCCESS): Step(S.ACCEPTED, (A.DELIVER,)),
    (S.CALLING, I.FINAL): Step(S.COMPLETED, (A.SEND_ACK, A.DELIVER)),
    (S.CALLING, I.TRANSPORT_ERROR): Step(S.TERMINATED, (A.UNREACHABLE, A.END)),
    (S.PROCEEDING, I.PROVISIONAL): Step(S.PROCEEDING, (A.DELIVER,)),
    (S.PROCEEDING, I.SUCCESS): Step(S.ACCEPTED, (A.DELIVER,)),
    (S.PROCEEDING, I.FINAL): Step(S.COMPLETED, (A.SEND_ACK, A.DELIVER)),
    (S.PROCEEDING, I.CANCEL): Step(S.CANCELLED),
    (S.CANCELLED, I.TIMER_B): Step(S.TERMINATED, (A.TIMED_OUT, A.END)),
    (S.CANCELLED, I.PROVISIONAL): Step(S.CANCELLED, (A.DELIVER,)),
    (S.CANCELLED, I.SUCCESS): Step(S.ACCEPTED, (A.DELIVER,)),
    (S.CANCELLED, I.FINAL): Step(S.COMPLETED, (A.SEND_ACK, A.DELIVER)),
    (S.ACCEPTED, I.SUCCESS): Step(S.ACCEPTED, (A.DELIVER,)),
    (S.ACCEPTED, I.TIMER_M): Step(S.TERMINATED, (A.END,)),
    (S.COMPLETED, I.FINAL): Step(S.COMPLETED, (A.SEND_ACK,)),
    (S.COMPLETED, I.TIMER_D): Step(S.TERMINATED, (A.END,)),
    (S.COMPLETED, I.TRANSPORT_ERROR): Step(S.TERMINATED, (A.UNREACHABLE, A.END)),
}

IGNORED = frozenset(
    {
        (S.CALLING, I.CANCEL),  # too early to be sent, section 9.1; Timer B ends it
        (S.PROCEEDING, I.TRANSPORT_ERROR),  # nothing is being sent
        (S.CANCELLED, I.CANCEL),
        (S.CANCELLED, I.TRANSPORT_ERROR),
        (S.ACCEPTED, I.PROVISIONAL),
        (S.ACCEPTED, I.FINAL),
        (S.ACCEPTED, I.CANCEL),
        (S.ACCEPTED, I.TRANSPORT_ERROR),  # the ACK for a 2xx is the user's
        (S.COMPLETED, I.PROVISIONAL),
        (S.COMPLETED, I.SUCCESS),
        (S.COMPLETED, I.CANCEL),
    }
    | {(S.TERMINATED, event) for event in INPUTS - {I.START}}
)

CLOCKS = {
    S.CALLING: Clocks(repeat=I.TIMER_A, limit=I.TIMER_B),
    S.CANCELLED: Clocks(limit=I.TIMER_B),
    S.ACCEPTED: Clocks(limit=I.TIMER_M),
    S.COMPLETED: Clocks(limit=I.TIMER_D),
}


class InviteClient(Transaction):
    """An INVITE that we send."""

    __slots__ = ()

    INPUTS: ClassVar = INPUTS
    TRANSITIONS: ClassVar = TRANSITIONS
    IGNORED: ClassVar = IGNORED
    CLOCKS: ClassVar = CLOCKS
