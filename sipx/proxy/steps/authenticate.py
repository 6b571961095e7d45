"""Who sent it?  Digest authentication of what claims our domain (RFC 3261 section 22).

ACK, BYE and CANCEL are never challenged. A request inside a dialog whose state is good needs
no new proof as long as it stays within the dialog's scope; outside it, it is treated anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.auth.authenticator import Identity, Refusal
from sipx.core.errors import RemoteError
from sipx.proxy.passage import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipx.auth.interfaces import IAuthenticator
    from sipx.node.identity import Identity as NodeIdentity
    from sipx.proxy.passage import Passage

UNCHALLENGED: Final = frozenset({"ACK", "BYE", "CANCEL"})


class Authenticate:
    """Demands credentials where they are due, and removes those it used."""

    def __init__(
        self,
        authenticator: IAuthenticator,
        identity: NodeIdentity,
        owner: Callable[[str], str],
    ) -> None:
        """Take the parts.

        Args:
            authenticator: checks credentials.
            identity: says what our domain is.
            owner: gives the user a name or alias belongs to, empty when it is nobody's.
        """
        self._authenticator = authenticator
        self._identity = identity
        self._owner = owner

    def check(self, passage: Passage) -> Rejection | None:
        request = passage.request
        method = request.method
        if method in UNCHALLENGED:
            return None
        if passage.state is not None and in_scope(passage):
            return None
        try:
            sender = request.from_.uri
            passage.claims = sender.is_sip and self._identity.is_ours(sender.host, sender.port)
            if method == "REGISTER":
                return self._prove(passage, "authorization", required=True)
            rejection = self._prove(passage, "proxy-authorization", required=passage.claims)
        except RemoteError as error:
            return Rejection(error.status, error.reason)
        if rejection is None and passage.claims and passage.state is None:
            owner = self._owner(sender.name)
            if owner != passage.user:
                return Rejection(403, "From Is Not The Authenticated User")
        return rejection

    def challenge(self, passage: Passage, stale: bool = False) -> Rejection:
        """Ask for credentials: 401 for the registrar, 407 for the proxy."""
        stamp = self._authenticator.epoch + passage.now
        values = self._authenticator.challenges(stale, stamp)
        if passage.request.method == "REGISTER":
            return Rejection(401, "", [("www-authenticate", value) for value in values])
        return Rejection(407, "", [("proxy-authenticate", value) for value in values])

    def _prove(self, passage: Passage, header: str, required: bool) -> Rejection | None:
        request = passage.request
        if header not in request.names:
            return self.challenge(passage) if required else None
        values = request.every(header)
        stamp = self._authenticator.epoch + passage.now
        found = self._authenticator.verify(values, request.method, stamp)
        if isinstance(found, Identity):
            passage.user = found.user
            passage.instrument = found.instrument
            if len(values) == 1:
                request.remove(header)
            else:
                del values[found.index]
                request.replace_list(header, values)
            return None
        if found is Refusal.MISSING and not required:
            return None
        return self.challenge(passage, found is Refusal.STALE)


def in_scope(passage: Passage) -> bool:
    """Whether an in-dialog request stays where its dialog may go without a new authorization."""
    state = passage.state
    if state is None:
        return False
    uri = passage.uri
    if passage.routed:
        uri = passage.request.addresses("route", "Route")[0].uri
    if not state.covers(uri.param("maddr") or uri.host, uri.port):
        return False
    return state.trusts(passage.flow.id.host)
