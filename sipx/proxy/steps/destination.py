"""Where does it go, and may it?  RFC 3261 section 16.5; no open relay.

A stranger may reach our users, never anybody elsewhere. What is addressed to the node itself, or
to our domain by a method that a request server answers, ends here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipx.core.errors import RemoteError
from sipx.core.responsecontext import MOST_BRANCHES
from sipx.core.target import Target
from sipx.proxy.passage import DROP, Rejection
from sipx.proxy.steps.authenticate import UNCHALLENGED, Authenticate, in_scope
from sipx.proxy.steps.extensions import SERVED_OPTIONS, unsupported
from sipx.proxy.steps.sips import permitted, unavailable
from sipx.routing.resolve import Decision, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipx.core.binding import Binding
    from sipx.core.uri import Uri
    from sipx.interfaces import IConfiguration, ILocation
    from sipx.node.identity import Identity
    from sipx.proxy.passage import Passage
    from sipx.proxy.servers import Servers

_EVENT_METHODS = frozenset({"SUBSCRIBE", "PUBLISH"})


class Destination:
    """Finds the targets or the server of a request, and refuses to relay for strangers."""

    def __init__(
        self,
        identity: Identity,
        configuration: IConfiguration,
        location: ILocation,
        servers: Servers,
        authenticate: Authenticate,
        allow_anonymous: bool,
        ring_time: float | None,
    ) -> None:
        self._identity = identity
        self._configuration = configuration
        self._location = location
        self._servers = servers
        self._authenticate = authenticate
        self._allow_anonymous = allow_anonymous
        self._ring_time = ring_time

    def check(self, passage: Passage) -> Rejection | None:
        uri = passage.uri
        if passage.routed:
            return self._along_route(passage)
        if uri.scheme == "tel" or self._identity.is_ours(uri.host, uri.port):
            return self._ours(passage)
        if passage.request.method == "REGISTER":
            return Rejection(403, "Not A Domain Of This Server")
        return self._elsewhere(passage)

    # -- our domain --------------------------------------------------------------------

    def _ours(self, passage: Passage) -> Rejection | None:
        request = passage.request
        method = request.method
        if method == "REGISTER" or not (passage.uri.user or passage.uri.scheme == "tel"):
            return self._here(passage)
        if not (passage.user or self._allow_anonymous or passage.state is not None):
            if method in UNCHALLENGED:
                return DROP if method == "ACK" else Rejection(403, "Strangers Are Not Allowed")
            return self._authenticate.challenge(passage)
        if method in _EVENT_METHODS:
            passage.server = self._servers.for_event(request)
            if passage.server is not None:
                return self._require(passage)
        decision = self.resolve(passage)
        if decision is None:
            return None
        if method == "CANCEL":
            return Rejection(481)  # of no INVITE that we know, whoever it was for
        return DROP if method == "ACK" else decision

    def resolve(self, passage: Passage) -> Rejection | None:
        """Ask the redirectors."""
        snapshot = self._configuration.routing
        decision = resolve(snapshot, self, passage.uri, passage.now)
        passage.version = snapshot.version
        passage.dialed = decision.user
        if decision.status:
            return Rejection(decision.status, decision.reason)
        targets = self._expanded(decision, passage.now)
        if not targets:
            return Rejection(482, "Registered Addresses Lead In A Circle")
        targets = permitted(targets, passage.uri)
        if not targets:
            return unavailable(self._identity.domain)
        if self._ring_time is not None:
            targets = self.with_ring_time(targets)
        passage.targets = targets
        return None

    def _expanded(self, decision: Decision, now: float) -> Sequence[Target]:
        """Put what is behind them in the place of targets that name users of ours.

        A contact may be an address of our domain. It is resolved here and not sent to ourselves:
        each user counts once, so what leads in a circle ends, and what forks to itself under
        many names does not grow.
        """
        targets = decision.targets
        if not any(self._names_us(target) for target in targets):
            return targets
        seen = {decision.user}
        pending = list(targets)
        found: list[Target] = []
        while pending and len(found) < MOST_BRANCHES:
            target = pending.pop(0)
            if not self._names_us(target):
                found.append(target)
                continue
            behind = resolve(self._configuration.routing, self, target.uri, now)
            if behind.user not in seen:
                seen.add(behind.user)
                pending += behind.targets
        return found

    def _names_us(self, target: Target) -> bool:
        uri = target.uri
        if target.server or target.path or not uri.is_sip:
            return False
        return self._identity.is_ours(uri.host, uri.port)

    def with_ring_time(self, targets: Sequence[Target]) -> list[Target]:
        """Let targets that have no ring time of their own ring as long as the node says."""
        return [
            Target(
                target.uri,
                target.q,
                target.user,
                target.flow,
                target.path,
                self._ring_time if target.ring is None else target.ring,
                target.server,
            )
            for target in targets
        ]

    def _here(self, passage: Passage) -> Rejection | None:
        """Find who answers a request to the node itself."""
        request = passage.request
        if request.method == "CANCEL":
            return Rejection(481)
        if request.method == "ACK":
            passage.server = self._servers.for_method("INVITE")
            return DROP if passage.server is None else None
        server = self._servers.for_method(request.method)
        if server is None:
            allow = ", ".join(self._servers.methods())
            return Rejection(405, "Method Not Allowed", [("allow", allow)])
        passage.server = server
        return self._require(passage)

    def _require(self, passage: Passage) -> Rejection | None:
        """Refuse what a server of ours would have to know and does not (8.2.2.3)."""
        if "require" not in passage.request.names:
            return None
        return unsupported(passage.request, "require", SERVED_OPTIONS)

    # -- elsewhere ---------------------------------------------------------------------

    def _elsewhere(self, passage: Passage) -> Rejection | None:
        """A target outside our domain: a phone inside a dialog, or somebody else's domain."""
        uri = passage.uri
        binding = self._location.by_contact(uri.key()) if uri.user else None
        if binding is None:
            rejection = self._may_leave(passage)
            if rejection is not None:
                return rejection
            passage.elsewhere = True
            passage.targets = (Target(uri.as_target()),)
        else:
            rejection = self._may_reach_users(passage)
            if rejection is not None:
                return rejection
            passage.dialed = binding.user
            passage.targets = (
                Target(uri.as_target(), user=binding.user, flow=binding.flow, path=binding.path),
            )
            if passage.in_dialog:  # the route set has led it here already
                passage.targets = (Target(uri.as_target(), user=binding.user, flow=binding.flow),)
        return None

    def _along_route(self, passage: Passage) -> Rejection | None:
        rejection = self._may_leave(passage)
        if rejection is None:
            uri = passage.uri
            passage.elsewhere = uri.is_sip and not self._identity.is_ours(uri.host, uri.port)
            passage.targets = (Target(uri.as_target()),)
        return rejection

    def _may_reach_users(self, passage: Passage) -> Rejection | None:
        if passage.user or self._allow_anonymous or passage.state is not None:
            return None
        return self._refuse(passage)

    def _may_leave(self, passage: Passage) -> Rejection | None:
        """Whether a request may be sent to an address that is not one of our users'."""
        if passage.user:
            return None
        state = passage.state
        if state is not None:
            try:
                if in_scope(passage):
                    return None
            except RemoteError as error:
                return Rejection(error.status, error.reason)
        return self._refuse(passage)

    def _refuse(self, passage: Passage) -> Rejection:
        method = passage.request.method
        if method == "ACK":
            return DROP
        if method in UNCHALLENGED:
            return Rejection(403, "Relaying Is Not Allowed")
        return self._authenticate.challenge(passage)

    def redirect(self, passage: Passage, uri: Uri) -> Sequence[Target]:
        """Find the targets of a contact that a 3xx named (16.5, 16.7 step 4)."""
        if uri.scheme == "tel" or (uri.is_sip and self._identity.is_ours(uri.host, uri.port)):
            decision = resolve(self._configuration.routing, self, uri, passage.now)
            targets = permitted(self._expanded(decision, passage.now), passage.uri)
            return self.with_ring_time(targets)
        if passage.uri.scheme == "sips" and uri.scheme != "sips":
            return []
        binding = self._location.by_contact(uri.key()) if uri.user else None
        if binding is not None:
            return [Target(uri, user=binding.user, flow=binding.flow, path=binding.path)]
        return [Target(uri)] if passage.user and uri.is_sip else []

    # -- View: what routing reads ------------------------------------------------------

    def bindings(self, user: str, now: float) -> Sequence[Binding]:
        """Where a user is registered."""
        return self._location.bindings(user, now)

    def server(self, user_part: str) -> str:
        """The feature server of a user part."""
        return self._servers.for_user(user_part)
