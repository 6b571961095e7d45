"""A call record: one row per call, keyed by Call-ID, the caller's From tag and the start."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class CallResult(enum.StrEnum):
    """How a call stands or how it ended."""

    RINGING = "ringing"
    TALKING = "talking"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"  # no BYE: the session timer seen in passing ran out
    LOST = "lost"  # no BYE and no session timer: ended by the named limit or a restart


@dataclass(slots=True)
class CallRecord:
    """What is known of a call.

    Attributes:
        call_id: the Call-ID.
        from_tag: the caller's tag.
        caller: the authenticated user's name, else the From URI.
        callee: the user that answered or was rung, else the Request-URI.
        dialed: what the caller dialed.
        start: utc seconds of the INVITE.
        connect: utc seconds of the first 2xx, None before.
        end: utc seconds of BYE or of the final failure, None before.
        result: how it stands.
        failure_code: SIP status of a failed or canceled call, 0 otherwise.
        failure_reason: its reason phrase.
        duration: seconds talked, measured on the monotonic clock; None before the end.
        version: of the configuration that routed it.
    """

    call_id: str
    from_tag: str
    caller: str
    callee: str
    dialed: str
    start: float
    connect: float | None = None
    end: float | None = None
    result: CallResult = CallResult.RINGING
    failure_code: int = 0
    failure_reason: str = ""
    duration: float | None = None
    version: int = 0
