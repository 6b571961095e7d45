"""A binding: where an address of record is registered, RFC 3261 section 10."""

from __future__ import annotations

from dataclasses import dataclass

from sipx.core.flowid import FlowId


@dataclass(frozen=True, slots=True)
class Binding:
    """One contact of one user.

    Attributes:
        user: the user's name in our domain.
        contact: the Contact URI as it is used in a Request-URI.
        q: preference, 0.0 to 1.0.
        expires: monotonic seconds at which it ends.
        call_id: of the REGISTER that made it.
        cseq: of that REGISTER.
        path: the Path it came with, the node's own neighbor first (RFC 3327).
        flow: the flow it registered on.
        instance: ``+sip.instance``, without quotes and brackets; empty when absent.
        instrument: which phone, as its authentication name or instance says.
        user_agent: as the phone calls itself.
        registered: utc seconds at which this state of it was accepted.
    """

    user: str
    contact: str
    q: float
    expires: float
    call_id: str
    cseq: int
    path: tuple[str, ...]
    flow: FlowId | None
    instance: str
    instrument: str
    user_agent: str
    registered: float
