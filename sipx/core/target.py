"""A target: one place a request may be sent to, RFC 3261 section 16.5."""

from __future__ import annotations

from dataclasses import dataclass

from sipx.core.flowid import FlowId
from sipx.core.uri import Uri


@dataclass(frozen=True, slots=True)
class Target:
    """One member of a target set.

    Attributes:
        uri: what becomes the Request-URI.
        q: preference, 0.0 to 1.0: equal values ring together, higher ones first.
        user: whose phone it is, empty when it is nobody's here.
        flow: the flow the binding registered on, None when the URI says where to go.
        path: the binding's Path, to become Route headers.
        ring: seconds it may ring, None for no limit of its own.
        server: name of the feature server it is, empty when it is not one.
    """

    uri: Uri
    q: float = 1.0
    user: str = ""
    flow: FlowId | None = None
    path: tuple[str, ...] = ()
    ring: float | None = None
    server: str = ""
