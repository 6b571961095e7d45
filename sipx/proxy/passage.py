"""One request on its way through the proxy chain, and what a step may say of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sipx.core.message import Request
    from sipx.core.routestate import RouteState
    from sipx.core.target import Target
    from sipx.core.uri import Uri
    from sipx.interfaces import IFlow, IRequestServer


class Passage:
    """A request and what the steps found out about it.

    Attributes:
        request: the steps change it: what leaves is what they leave of it.
        flow: what it came over.
        now: monotonic seconds.
        uri: the Request-URI, once ``sanity`` has read it.
        in_dialog: it has a To tag.
        within: whether it stays in the scope of its dialog; None until somebody asked.
        known: it belongs to a dialog that was set up through us, and goes to the other side.
        elsewhere: its target is neither one of our users nor of our domain.
        state: of our Record-Route, when it carried one that is good for its dialog.
        routed: a Route that is not ours leads it on.
        user: the authenticated user, empty when nobody authenticated.
        instrument: which phone of that user.
        claims: From names our domain.
        targets: where it goes.
        dialed: the user it was resolved to, else empty.
        server: who answers it here, instead of targets.
        version: of the configuration that resolved it.
        loop: what our branch carries to recognize loops by.
        spirals: how often it has been here before.
        breadth: Max-Breadth left for parallel branches (RFC 5393).
    """

    __slots__ = (
        "breadth",
        "claims",
        "dialed",
        "elsewhere",
        "flow",
        "in_dialog",
        "instrument",
        "known",
        "loop",
        "now",
        "request",
        "routed",
        "server",
        "spirals",
        "state",
        "targets",
        "uri",
        "user",
        "version",
        "within",
    )

    uri: Uri

    def __init__(self, request: Request, flow: IFlow, now: float) -> None:
        self.request = request
        self.flow = flow
        self.now = now
        self.in_dialog = False
        self.state: RouteState | None = None
        self.within: bool | None = None
        self.known = False
        self.elsewhere = False
        self.routed = False
        self.user = ""
        self.instrument = ""
        self.claims = False
        self.targets: Sequence[Target] = ()
        self.dialed = ""
        self.server: IRequestServer | None = None
        self.version = 0
        self.loop = ""
        self.breadth = 0
        self.spirals = 0


class Rejection:
    """A step's verdict: answer with this, and go no further.

    Attributes:
        status: of the response; 0 to drop the request in silence.
        reason: its phrase, in plain words.
        headers: further headers, names in lower case.
    """

    __slots__ = ("headers", "reason", "status")

    def __init__(
        self, status: int, reason: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers


DROP = Rejection(0)


class Step(Protocol):
    """One rule of the proxy."""

    def check(self, passage: Passage) -> Rejection | None:
        """Let a request pass, perhaps changed, or reject it."""
        ...
