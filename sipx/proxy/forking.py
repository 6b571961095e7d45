"""One request being proxied: drives its response context (RFC 3261 sections 16.6 to 16.10).

The context decides; this sends what it decided, over the transaction layer, and tells the call
observer.  It is the user of one server transaction and of a client transaction per branch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from zope.interface import classImplements

from sipx.core.errors import RemoteError
from sipx.core.message import Request, Response, reply
from sipx.core.nameaddr import parse_nameaddrs
from sipx.core.responsecontext import (
    Branch,
    BranchState,
    Cancel,
    Forward,
    Recurse,
    ResponseContext,
    Start,
)
from sipx.core.transaction import State
from sipx.core.uri import parse_uri
from sipx.net.interfaces import IClientUser, IServerUser
from sipx.net.transactions import RELEASED
from sipx.proxy.challenges import strip
from sipx.proxy.failover import Attempts
from sipx.proxy.recordroute import DIALOG_METHODS, RecordRoute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipx.core.responsecontext import Action
    from sipx.core.target import Target
    from sipx.interfaces import IFlow
    from sipx.net.layer import ClientTransaction, ServerTransaction
    from sipx.proxy.core import Proxy
    from sipx.proxy.passage import Passage

LONGEST_WAIT: Final = 8.0  # seconds for which a forwarding hangs in the wheel unseen

_REASONS = {408: "Request Timeout", 480: "Temporarily Unavailable", 487: "Request Terminated"}


class Forwarding:
    """One request on its way to its targets, and its responses on their way back.

    Attributes:
        transaction: the server transaction, set once it is made.
        starts_call: it is an INVITE that belongs to no dialog that was set up through us.
        call: what the observer knows the call by.
    """

    __slots__ = (
        "_context",
        "_method",
        "_passage",
        "_proxy",
        "_record_route",
        "_request",
        "_why",
        "call",
        "deadline",
        "starts_call",
        "transaction",
        "wheel_slot",
    )

    transaction: ServerTransaction

    def __init__(self, proxy: Proxy, passage: Passage) -> None:
        """Take a request that has passed the chain.

        Raises:
            RemoteError: it cannot be record-routed, or has no breadth left.
        """
        request = passage.request
        # A group too wide waits its turn; but when a request comes back to fork again, trying all
        # in turn would be work without end (RFC 5393 section 5.3.3: 440).
        if passage.breadth < (len(passage.targets) if passage.spirals else 1):
            raise RemoteError(440, "Max-Breadth Exceeded")
        self._proxy = proxy
        self._passage = passage
        self._request = request
        self._method = request.method
        self._context = ResponseContext(
            request.method == "INVITE", proxy.timer_c, width=passage.breadth
        )
        self.starts_call = request.method == "INVITE" and not passage.known
        self.call: Any = None
        self._why = ""  # the last branch failed without a response, in words
        self._record_route: RecordRoute | None = None
        if self.starts_call or (request.method in DIALOG_METHODS and not passage.in_dialog):
            self._record_route = RecordRoute(proxy.key, request, bool(passage.user))
        self.deadline = self._context.deadline
        self.wheel_slot = -1

    def start(self, now: float) -> None:
        """Send the request to its first targets."""
        self._context.add(self._passage.targets)
        self._perform(self._context.start(now), now)

    def abandon(self, status: int, reason: str, now: float) -> None:
        """Answer with a status of our own, and let no phone ring on."""
        if not self._context.answered:
            self._context.answered = True
            tag = self.transaction.to_tag
            response = reply(self._request, status, reason, tag)
            self._observe(response, None, now)
            self._proxy.signaling.respond(self.transaction, response, now)
        self.canceled(self.transaction, self._request, now)

    def expired(self, now: float) -> None:
        """A deadline of the context has come, or it is time to look again."""
        self._perform(self._context.expired(now) if self._context.deadline <= now else [], now)

    # -- IServerUser -------------------------------------------------------------------

    def canceled(self, transaction: ServerTransaction, cancel: Request, now: float) -> None:
        """The caller gave up (16.10)."""
        self._perform(self._context.cancel(now), now)

    def unanswered(self, transaction: ServerTransaction, now: float) -> None:
        """Nobody waits for our response any more: leave no phone ringing."""
        self._perform(self._context.cancel(now), now)

    # -- IClientUser -------------------------------------------------------------------

    def response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """A branch spoke."""
        branch: Branch = transaction.note
        attempts: Any = branch.attempts
        if attempts is not None and attempts.responded(transaction, response, now):
            return
        names = response.names
        if (
            ("proxy-authenticate" in names or "www-authenticate" in names)
            and not strip(response, self._proxy.is_own_challenge)
            and response.status in {401, 407}
        ):
            # Nobody may answer it any more, and a 401 or 407 without a challenge is none.
            self._why = "Challenged In The Name Of This Server"
            self._perform(self._context.failed(branch, 502, now), now)
            return
        if response.status < 200:
            actions = self._context.provisional(branch, response, now)
        else:
            actions = self._context.final(branch, response, now)
        self._perform(actions, now)

    def failed(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """A branch will not speak."""
        attempts: Any = transaction.note.attempts
        if attempts is not None and attempts.failed(transaction):
            return
        peer = transaction.flow.id
        state = "Did Not Answer" if status == 408 else "Is Not Reachable"
        self._why = f"{peer.host}:{peer.port} {state}"
        self._perform(self._context.failed(transaction.note, status, now), now)

    # -- what the context decided ------------------------------------------------------

    def _perform(self, actions: list[Action], now: float) -> None:
        for action in actions:
            if type(action) is Forward:
                self._forward(action, now)
                if action.status >= 200 and not self._context.running:
                    # Nothing is made of it any more; what is kept for a late 2xx costs little.
                    self._request = self._passage.request = RELEASED
            elif type(action) is Start:
                self._start(action.branch, now)
            elif type(action) is Cancel:
                transaction: Any = action.branch.transaction
                if transaction is not None:
                    self._proxy.signaling.cancel(transaction, now)
            elif type(action) is Recurse:
                self._recurse(action, now)
        deadline = self._context.deadline
        if deadline != math.inf:
            # The wheel keeps what it was given until then: looked at often, it keeps little.
            deadline = min(deadline, now + LONGEST_WAIT)
        if deadline != self.deadline:
            self.deadline = deadline
            self._proxy.wheel.put(self, deadline)

    def _start(self, branch: Branch, now: float) -> None:
        target = branch.target
        request = self._request.copy()
        request.uri_text = target.uri.text
        if target.path:
            lines = [*target.path, *request.every("route")]
            request.replace_list("route", lines)
        try:
            hop = next_hop(request)
        except RemoteError:
            self._perform(self._context.failed(branch, 400, now), now)
            return
        if target.uri.scheme == "sips" and self._passage.uri.scheme != "sips":
            _unsecure(request, target)
        if target.server:
            self._send(branch, request, self._proxy.open_server(target.server), now)
            return
        size = len(request.body) + 1000  # what the headers have, about
        hops = self._proxy.hops
        flow = hops.find(hop, target.flow, size)
        if flow is not None:
            self._send(branch, request, flow, now)
            return

        def found(ways: Any) -> None:
            if isinstance(ways, Exception):
                if branch.state is not BranchState.ENDED:
                    self.unreachable(branch, ways, self.clock())
                self.flush()
            else:
                Attempts(self, branch, request, ways).start()

        hops.ways(hop, size, found)

    # -- what a branch with several next hops asks -------------------------------------

    def clock(self) -> float:
        """Monotonic seconds."""
        return self._proxy.monotonic()

    def send(self, branch: Branch, request: Request, flow: IFlow, now: float) -> None:
        """Send the request of a branch over a flow; the request is the transaction's then."""
        self._send(branch, request, flow, now)

    def unreachable(self, branch: Branch, why: Any, now: float) -> None:
        """A branch has no next hop, or none that can be reached; an exception says why."""
        if isinstance(why, Exception):
            self._why = getattr(why, "reason", "") or str(why)
        self._perform(self._context.failed(branch, 503, now), now)

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """Let a next hop that was given up ring no longer."""
        if self._method == "INVITE":
            self._proxy.signaling.cancel(transaction, now)

    def watch(self, attempts: Attempts) -> None:
        """Look at a branch again when its patience ends."""
        self._proxy.attempts.put(attempts, attempts.deadline)

    def flush(self) -> None:
        """Send what a callback made: no reactor turn of a transport does."""
        self._proxy.signaling.outbox.flush()

    def _send(self, branch: Branch, request: Request, flow: IFlow, now: float) -> None:
        passage = self._passage
        if self._record_route is not None:
            self._record_route.write(request, passage.flow, branch.target, flow)
        if len(self._context.branches) > 1 or "max-breadth" in request.names:
            running = sum(
                BranchState.WAITING < other.state < BranchState.ENDED
                for other in self._context.branches
            )
            request.set("max-breadth", str(max(1, passage.breadth // running)))
        branch.transaction = self._proxy.signaling.send(
            request, flow, self, now, passage.loop, branch
        )

    def _recurse(self, action: Recurse, now: float) -> None:
        """Try the contacts of a 3xx (16.5, 16.7 step 4), as far as they may be reached."""
        targets: Sequence[Target] = ()
        if not self._passage.in_dialog:
            targets = self._proxy.redirected(self._passage, action.response)
        added = self._context.add(targets)
        self._perform(self._context.ended(action.branch, now, bool(added)), now)

    def _forward(self, action: Forward, now: float) -> None:
        """Send a response upstream."""
        proxy = self._proxy
        status, response = action.status, action.response
        if status < 300 and self.transaction.state > State.ACCEPTED:
            return  # a 2xx after another final response: the transaction would not send it
        reason = ""
        if self._method == "BYE" and status >= 200:
            self._observe_bye(status, response, now)
        if status >= 300:
            if response is None:
                reason = self._why if status != 487 else ""
            elif status == 503:
                reason = f"{status} {response.reason}"
            if status == 408 and self._method != "INVITE":
                proxy.signaling.give_up(self.transaction, now)  # RFC 4320 section 4.2
                return
            response = self._final(status, response)
        assert response is not None  # what is not final is somebody's
        if status < 300 and self._record_route is not None:
            self._record_route.correct(response)
        self._observe(response, action.branch, now, reason)
        proxy.signaling.respond(self.transaction, response, now)

    def _final(self, status: int, response: Response | None) -> Response:
        """The final response that goes upstream, ours when the best one cannot."""
        if status == 503:
            # 16.7 step 6: a 503 speaks of one server; upstream must not give all of us up.
            status, response = 500, None
        if response is None:
            reason = _REASONS.get(status, "")
            return reply(self._request, status, reason, self.transaction.to_tag)
        if status in {401, 407}:
            self._gather(response)
        return response

    def _gather(self, best: Response) -> None:
        """Add the challenges of all branches to the best response (16.7 step 7)."""
        for other in self._context.challenges():
            if other is best:
                continue
            for name in ("www-authenticate", "proxy-authenticate"):
                for value in other.every(name):
                    best.add(name, value)

    # -- call records ------------------------------------------------------------------

    def _observe(
        self, response: Response, branch: Branch | None, now: float, reason: str = ""
    ) -> None:
        observer = self._proxy.observer
        if observer is None:
            return
        status = response.status
        if self.call is not None:
            if 200 <= status < 300:
                user = branch.target.user if branch is not None else ""
                callee = user or self._passage.uri.text
                observer.call_answered(self.call, callee, response, now)
            elif status >= 300:
                reason = reason or response.reason
                observer.call_failed(self.call, status, reason, now)
        elif self._passage.known and 200 <= status < 300 and self._method in {"INVITE", "UPDATE"}:
            self._proxy.refreshed(response, now)

    def _observe_bye(self, status: int, response: Response | None, now: float) -> None:
        """A BYE has its answer: does that end the dialog?

        So it does when the other side took it, or knows nothing of the dialog, or cannot be
        reached: whoever sent it has left (15.1.1, 12.2.1.2). A BYE that was refused, for its
        CSeq or for want of credentials, ends nothing.
        """
        observer, passage = self._proxy.observer, self._passage
        if observer is None or not passage.known:
            return
        # Within its scope nobody else was asked; to one of the user's phones a BYE may be news.
        sure = bool(passage.within)
        left = status in {408, 481} or (status in {480, 487} and response is None)
        if status < 300 or (sure and left):
            request = self._request
            tags = (request.from_.tag, request.to.tag)
            observer.call_ended(request.call_id, tags, passage.dialed, passage.now, now)


classImplements(Forwarding, IServerUser, IClientUser)


def _unsecure(request: Request, target: Target) -> None:
    """Leave the scheme of a Request-URI as the caller had it (RFC 5630 section 5.3).

    The next hop is a sips URI all the same, and so reached over TLS.
    """
    if request.uri_text == target.uri.text:
        request.uri_text = "sip" + target.uri.text[len("sips") :]


def next_hop(request: Request) -> Any:
    """The URI to send to; a strict router gets the form that it wants (16.6 step 6)."""
    if "route" not in request.names:
        return request.uri
    first = parse_nameaddrs(request.every("route")[:1], "Route")[0]
    uri = first.uri
    if uri.param("lr") is None:
        routes = request.listed("route")
        request.replace_list("route", [*routes[1:], f"<{request.uri_text}>"])
        request.uri_text = uri.text
    return uri


def contact_uris(response: Response) -> list[tuple[str, float]]:
    """The contacts of a 3xx with their q."""
    found = []
    for value in response.addresses("contact", "Contact"):
        text = value.params.get("q") or "1"
        try:
            q = min(1.0, max(0.0, float(text)))
        except ValueError:
            q = 1.0
        found.append((parse_uri(value.uri_text).as_target().text, q))
    return found
