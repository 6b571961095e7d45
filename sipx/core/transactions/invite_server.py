"""The INVITE server transaction: RFC 3261 section 17.2.1, RFC 6026 sections 8.7 and 8.8.

Trying is Proceeding with nothing sent yet: 200 ms of silence there make a 100 (Trying).
After a 2xx it absorbs the INVITE and lets the 2xx of its user and their ACK pass (Accepted,
Timer L). How long a call rings is the user's decision: it has to answer some day.
"""

from __future__ import annotations

from typing import ClassVar

from sipx.core.transaction import Action, Clocks, Input, State, Step, Transaction

A, I, S = Action, Input, State  # noqa: E741  the letters of the tables

INPUTS = frozenset(
    {
        I.START,
        I.REQUEST,
        I.ACK,
        I.RESPOND_PROVISIONAL,
        I.RESPOND_SUCCESS,
        I.RESPOND_FINAL,
        I.TRANSPORT_ERROR,
    }
)

TRANSITIONS: dict[tuple[State, Input], Step] = {
    (S.IDLE, I.START): Step(S.TRYING, (A.DELIVER,)),
    (S.TRYING, I.TIMER_TRYING): Step(S.PROCEEDING, (A.SEND_TRYING,)),
    (S.TRYING, I.RESPOND_PROVISIONAL): Step(S.PROCEEDING, (A.SEND,)),
    (S.TRYING, I.RESPOND_SUCCESS): Step(S.ACCEPTED, (A.SEND,)),
    (S.TRYING, I.RESPOND_FINAL): Step(S.COMPLETED, (A.SEND,)),
    (S.PROCEEDING, I.REQUEST): Step(S.PROCEEDING, (A.SEND,)),
    (S.PROCEEDING, I.RESPOND_PROVISIONAL): Step(S.PROCEEDING, (A.SEND,)),
    (S.PROCEEDING, I.RESPOND_SUCCESS): Step(S.ACCEPTED, (A.SEND,)),
    (S.PROCEEDING, I.RESPOND_FINAL): Step(S.COMPLETED, (A.SEND,)),
    (S.PROCEEDING, I.TRANSPORT_ERROR): Step(S.PROCEEDING, (A.UNREACHABLE,)),
    (S.ACCEPTED, I.ACK): Step(S.ACCEPTED, (A.DELIVER,)),
    (S.ACCEPTED, I.RESPOND_SUCCESS): Step(S.ACCEPTED, (A.SEND,)),
    (S.ACCEPTED, I.TRANSPORT_ERROR): Step(S.ACCEPTED, (A.UNREACHABLE,)),
    (S.ACCEPTED, I.TIMER_L): Step(S.TERMINATED, (A.END,)),
    (S.COMPLETED, I.REQUEST): Step(S.COMPLETED, (A.SEND,)),
    (S.COMPLETED, I.ACK): Step(S.CONFIRMED),
    (S.COMPLETED, I.TRANSPORT_ERROR): Step(S.COMPLETED, (A.UNREACHABLE,)),
    (S.COMPLETED, I.TIMER_G): Step(S.COMPLETED, (A.SEND,)),
    (S.COMPLETED, I.TIMER_H): Step(S.TERMINATED, (A.TIMED_OUT, A.END)),
    (S.CONFIRMED, I.TIMER_I): Step(S.TERMINATED, (A.END,)),
}

IGNORED = frozenset(
    {
        (S.TRYING, I.REQUEST),  # there is no response yet
        (S.TRYING, I.ACK),
        (S.TRYING, I.TRANSPORT_ERROR),
        (S.PROCEEDING, I.ACK),
        (S.ACCEPTED, I.REQUEST),  # the 2xx is sent again by the user, not by us
        (S.ACCEPTED, I.RESPOND_PROVISIONAL),
        (S.ACCEPTED, I.RESPOND_FINAL),
        (S.COMPLETED, I.RESPOND_PROVISIONAL),
        (S.COMPLETED, I.RESPOND_SUCCESS),
        (S.COMPLETED, I.RESPOND_FINAL),
        (S.CONFIRMED, I.REQUEST),
        (S.CONFIRMED, I.ACK),
        (S.CONFIRMED, I.RESPOND_PROVISIONAL),
        (S.CONFIRMED, I.RESPOND_SUCCESS),
        (S.CONFIRMED, I.RESPOND_FINAL),
        (S.CONFIRMED, I.TRANSPORT_ERROR),
    }
    | {(S.TERMINATED, event) for event in INPUTS - {I.START}}
)

CLOCKS = {
    S.TRYING: Clocks(repeat=I.TIMER_TRYING),
    S.ACCEPTED: Clocks(limit=I.TIMER_L),
    S.COMPLETED: Clocks(repeat=I.TIMER_G, limit=I.TIMER_H),
    S.CONFIRMED: Clocks(limit=I.TIMER_I),
}


class InviteServer(Transaction):
    """An INVITE that we received."""

    __slots__ = ()

    INPUTS: ClassVar = INPUTS
    TRANSITIONS: ClassVar = TRANSITIONS
    IGNORED: ClassVar = IGNORED
    CLOCKS: ClassVar = CLOCKS
