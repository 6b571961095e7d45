"""The four transactions of RFC 3261 section 17, each a table on one engine."""

from sipx.core.transactions.invite_client import InviteClient
from sipx.core.transactions.invite_server import InviteServer
from sipx.core.transactions.noninvite_client import NonInviteClient
from sipx.core.transactions.noninvite_server import NonInviteServer

__all__ = ["InviteClient", "InviteServer", "NonInviteClient", "NonInviteServer"]
