"""Transactions as the layer keeps them: a machine of ``sipx.core`` with what it resends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sipx.core.errors import RemoteError
from sipx.core.message import Request
from sipx.core.transactions.invite_client import InviteClient
from sipx.core.transactions.invite_server import InviteServer
from sipx.core.transactions.noninvite_client import NonInviteClient
from sipx.core.transactions.noninvite_server import NonInviteServer

if TYPE_CHECKING:
    from sipx.interfaces import IFlow
    from sipx.net.interfaces import IClientUser, IServerUser


class _Server:
    """What both server transactions add to their machine.

    Attributes:
        key: what the layer finds it by.
        request: the request as it arrived; RELEASED once a final response was sent, so that
            the 32 s after it cost little memory.
        call_id: of the request.
        origin: its From tag and CSeq number.
        back: where a response goes when its connection is gone (18.2.2).
        sent_by: host and port of the Via, for when nobody is there either.
        flow: where responses go.
        user: who answers.
        received: when the request came, in monotonic seconds.
        to_tag: ours, for responses that we make.
        wire: the last response, as sent.
    """

    __slots__ = ()

    def belongs(self, cancel: Request) -> bool:
        """Whether a CANCEL is of the same call, caller and CSeq (RFC 3261 section 9.1)."""
        try:
            found = cancel.call_id, (cancel.from_.tag, cancel.cseq[0])
        except RemoteError:
            return False
        return found == (self.call_id, self.origin)

    origin: tuple[str, int]
    back: tuple[str, int]
    sent_by: tuple[str, int | None]
    call_id: str
    key: str
    received: float
    request: Request
    flow: IFlow
    user: IServerUser
    to_tag: str
    wire: Any


class _Client:
    """What both client transactions add to their machine.

    Attributes:
        key: the branch, with the method when it is CANCEL.
        request: the request as sent, our Via on top; RELEASED once a final response came.
        call_id: of the request.
        method: of the request.
        flow: where it was sent.
        user: who waits for the responses.
        wire: the request's bytes, or the request itself on a local flow.
        ack: the ACK for a final response other than 2xx, once there is one.
        note: the user's own: which branch it is.
    """

    __slots__ = ()

    call_id: str
    key: str
    method: str
    request: Request
    flow: IFlow
    user: IClientUser
    wire: Any
    ack: Any
    note: Any


_SERVER = (
    "back",
    "call_id",
    "flow",
    "key",
    "origin",
    "received",
    "request",
    "sent_by",
    "to_tag",
    "user",
    "wire",
)
_CLIENT = ("ack", "call_id", "flow", "key", "method", "note", "request", "user", "wire")

# What stands for a request that nobody needs any more.
RELEASED: Final = Request("", "", [], [])


class InviteServerTransaction(InviteServer, _Server):
    """An INVITE that came in."""

    __slots__ = _SERVER


class NonInviteServerTransaction(NonInviteServer, _Server):
    """Any other request that came in."""

    __slots__ = _SERVER


class InviteClientTransaction(InviteClient, _Client):
    """An INVITE that went out."""

    __slots__ = _CLIENT


class NonInviteClientTransaction(NonInviteClient, _Client):
    """Any other request that went out."""

    __slots__ = _CLIENT


ServerTransaction = InviteServerTransaction | NonInviteServerTransaction
ClientTransaction = InviteClientTransaction | NonInviteClientTransaction
