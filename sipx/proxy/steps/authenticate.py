"""Who sent it?  Digest authentication of what claims our domain (RFC 3261 section 22).

Credentials of our realm end here, whatever header they are in and whether they were needed or
not: who gets them could use them (22.3 has a proxy pass on those of others only).

ACK, BYE and CANCEL are never challenged. A request inside a dialog whose state is good needs
no new proof as long as it stays within the dialog's scope; outside it, it is treated anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.auth.authenticator import Identity, Refusal
from sipx.core.errors import RemoteError
from sipx.core.uri import unescape
from sipx.proxy.passage import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipx.auth.interfaces import IAuthenticator
    from sipx.core.message import Request
    from sipx.core.uri import Uri
    from sipx.node.identity import Identity as NodeIdentity
    from sipx.proxy.passage import Passage

_CREDENTIALS: Final = ("authorization", "proxy-authorization")
UNCHALLENGED: Final = frozenset({"ACK", "BYE", "CANCEL"})


class Authenticate:
    """Demands credentials where they are due, and removes those that are for us."""

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
        rejection = self._judge(passage)
        if rejection is None:
            names = passage.request.names
            if "proxy-authorization" in names or "authorization" in names:
                self._consume(passage.request)
        return rejection

    def _judge(self, passage: Passage) -> Rejection | None:
        request = passage.request
        method = request.method
        if method in UNCHALLENGED:
            return None
        if passage.state is not None and in_scope(passage):
            return None
        try:
            name = self._claimed(request.from_.uri)
            passage.claims = name is not None
            if method == "REGISTER":
                return self._prove(passage, "authorization", required=True)
            rejection = self._prove(passage, "proxy-authorization", required=passage.claims)
        except RemoteError as error:
            return Rejection(error.status, error.reason)
        if rejection is None and name is not None and passage.state is None:
            owner = self._owner(name)
            if owner != passage.user:
                return Rejection(403, "From Is Not The Authenticated User")
        return rejection

    def _claimed(self, sender: Uri) -> str | None:
        """The name of our domain that a sender gives himself, None when it is none of ours.

        A telephone number that is one of our users' is theirs, in whatever context: a phone
        shows nothing but the digits.
        """
        if sender.is_sip:
            return sender.name if self._identity.is_claimed(sender.host) else None
        if sender.scheme == "tel":
            return sender.number if self._owner(sender.number) else None
        address = sender.user.partition(";")[0].partition("?")[0]
        name, at, host = address.rpartition("@")  # as im: and pres: have it (RFC 3859, 3860)
        host = host if host.startswith("[") else host.partition(":")[0]
        return unescape(name) if at and self._identity.is_claimed(unescape(host)) else None

    def is_own_challenge(self, value: str) -> bool:
        """Whether a challenge may be of our realm; another server may not give such a one."""
        return self._authenticator.is_ours(value)

    def _consume(self, request: Request) -> None:
        for header in _CREDENTIALS:
            values = request.every(header)
            kept = [value for value in values if not self._authenticator.is_ours(value)]
            if not kept:
                request.remove(header)
            elif len(kept) < len(values):
                request.replace_list(header, kept)

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
            return None
        if found is Refusal.MISSING and not required:
            return None
        return self.challenge(passage, found is Refusal.STALE)


def in_scope(passage: Passage) -> bool:
    """Whether an in-dialog request stays where its dialog may go without a new authorization.

    Raises:
        RemoteError: 400; its Route is malformed.
    """
    found = passage.within
    if found is None:
        found = passage.within = _in_scope(passage)
    return found


def _in_scope(passage: Passage) -> bool:
    state = passage.state
    if state is None:
        return False
    uri = passage.uri
    if passage.routed:
        uri = passage.request.addresses("route", "Route")[0].uri
    if not state.covers(uri.param("maddr") or uri.host, uri.port):
        return False
    return state.trusts(passage.flow.id.host)
