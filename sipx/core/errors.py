"""The two kinds of failure: the peer's and ours."""

from __future__ import annotations


class RemoteError(Exception):
    """The peer's fault: answered with a status, counted, never a traceback.

    Attributes:
        status: the SIP status to answer with.
        reason: the reason phrase, in plain words.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"


class LocalError(Exception):
    """Our own fault: loud, logged once at the border."""
