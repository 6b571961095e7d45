"""A request that ends here, as a feature server sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sipx.core.message import Request, Response, reply

if TYPE_CHECKING:
    from sipx.interfaces import IFlow

Respond = Callable[[Response, float], None]


class IncomingRequest:
    """A request in a server transaction, and the way to answer it.

    Attributes:
        request: as it arrived, internal headers stripped, credentials removed.
        flow: what it came over.
        user: the authenticated user's name, empty when nobody authenticated.
        instrument: which of the user's phones, when the authentication name says so.
        to_tag: ours, which ``reply`` gives to responses.
        now: monotonic seconds at which it arrived.
    """

    __slots__ = ("_respond", "flow", "instrument", "now", "request", "to_tag", "user")

    def __init__(
        self,
        request: Request,
        flow: IFlow,
        user: str,
        instrument: str,
        to_tag: str,
        now: float,
        respond: Respond,
    ) -> None:
        self.request = request
        self.flow = flow
        self.user = user
        self.instrument = instrument
        self.to_tag = to_tag
        self.now = now
        self._respond = respond

    def reply(self, status: int, reason: str = "") -> Response:
        """Make a response with our To tag; send it with ``respond``."""
        return reply(self.request, status, reason, self.to_tag if status > 100 else "")

    def respond(self, response: Response, now: float) -> None:
        """Send a response in the request's transaction."""
        self._respond(response, now)

    def reject(self, status: int, reason: str, now: float) -> None:
        """Answer with a status and nothing else."""
        self._respond(self.reply(status, reason), now)
