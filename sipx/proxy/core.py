"""The proxy: takes new requests, runs the chain, and does what it says (RFC 3261 section 16).

Rejections, challenges above all, are sent without a transaction (RFC 3261 sections 8.2.7 and
16.2): a stranger costs no memory.  The state begins once a request has passed the chain.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger
from zope.interface import classImplements

from sipx.core.errors import RemoteError
from sipx.core.message import Request, Response, reply
from sipx.core.sessiontimer import session_interval
from sipx.core.target import Target
from sipx.core.uri import parse_uri
from sipx.core.wheel import Wheel
from sipx.net.interfaces import IServerUser, ITransactionUser
from sipx.proxy.forking import Forwarding, contact_uris, next_hop
from sipx.proxy.passage import Passage, Rejection
from sipx.proxy.serving import Answering, Serving
from sipx.proxy.steps.authenticate import in_scope

if TYPE_CHECKING:
    from sipx.interfaces import ICallObserver, IFlow
    from sipx.net.interfaces import IHops, ISignaling
    from sipx.net.layer import ServerTransaction
    from sipx.proxy.chain import Chain
    from sipx.proxy.failover import Attempts
    from sipx.proxy.servers import Servers

_TELLING: Final = frozenset({"INVITE", "UPDATE", "BYE"})  # what tells of a call in its dialog
MOST_REFUSED: Final = 4096  # INVITEs inside dialogs whose ACK is still to come

_log = Logger()


class Proxy:
    """Takes the requests that belong to no transaction.

    Attributes:
        signaling: the transaction layer.
        hops: finds flows.
        observer: is told of calls; None when nobody keeps records.
        wheel: of the forwardings that wait for a time.
        attempts: the branches that will go on to another next hop.
        timer_c: seconds (16.6 step 11).
        key: of dialog states.
        is_own_challenge: says of the challenge of another server whether it may be of our realm.
        monotonic: gives ``now`` where no message brings it.
    """

    def __init__(
        self,
        signaling: ISignaling,
        hops: IHops,
        chain: Chain,
        servers: Servers,
        observer: ICallObserver | None,
        key: bytes,
        timer_c: float,
        monotonic: Callable[[], float],
    ) -> None:
        self.signaling = signaling
        self.hops = hops
        self.observer = observer
        self.wheel: Wheel[Forwarding] = Wheel()
        self.attempts: Wheel[Attempts] = Wheel()
        self.timer_c: float = timer_c
        self.key: bytes = key
        self.monotonic = monotonic
        self._chain = chain
        self._serving = Serving(signaling, servers, chain.stateless_tag)
        self._tag = chain.stateless_tag
        # Hashes of transaction keys, oldest first: peers choose the keys, and their length.
        self._refused: OrderedDict[int, None] = OrderedDict()
        self.is_own_challenge = chain.is_own_challenge

    def tick(self, now: float) -> None:
        """Fire what is due."""
        for forwarding in self.wheel.advance(now):
            forwarding.expired(now)
        for attempts in self.attempts.advance(now):
            attempts.expired(now)
        self.signaling.outbox.flush()

    def end_open_calls(self, now: float) -> None:
        """Answer what still waits for an answer with 503: the node stops."""
        for transaction in self.signaling.unanswered():
            if isinstance(transaction.user, Forwarding | Answering):
                transaction.user.abandon(503, "The Server Is Stopping", now)
        self.signaling.outbox.flush()

    # -- ITransactionUser --------------------------------------------------------------

    def request(self, request: Request, flow: IFlow, now: float) -> None:
        """Take a new request."""
        if flow.transport == "local":
            self._serving.local(request, flow, now)
            return
        passage = Passage(request, flow, now)
        try:
            rejection = self._chain.check(passage)
            if rejection is None:
                self._admit(passage)
                return
        except RemoteError as error:
            rejection = Rejection(error.status, error.reason)
        except Exception:
            _log.failure("A request could not be processed: {request!r}", request=request)
            rejection = Rejection(500)
        self._reject(passage, rejection)

    def _admit(self, passage: Passage) -> None:
        """Proxy or serve a request that passed."""
        request, now = passage.request, passage.now
        method = request.method
        if method == "CANCEL":
            self._reject(passage, Rejection(481))
        elif method == "ACK":
            if hash(request.transaction_key) in self._refused:
                return
            if passage.server is not None:
                self._serving.acknowledge(passage.server, request, now)
            else:
                self._forward_ack(passage)
        elif passage.server is not None:
            user, instrument = passage.user, passage.instrument
            self._serving.serve(passage.server, request, passage.flow, user, instrument, now)
        else:
            passage.known = passage.in_dialog and self._is_known(passage)
            forwarding = Forwarding(self, passage)
            forwarding.transaction = self.signaling.accept(request, passage.flow, forwarding, now)
            if forwarding.starts_call and self.observer is not None:
                forwarding.call = self._observe(passage, self.observer)
                if forwarding.call is None:
                    # As a user agent server says to one request that came twice (8.2.2.2).
                    forwarding.abandon(482, "Too Many Calls With This Call-ID", now)
                    return
            try:
                forwarding.start(now)
            except Exception:
                _log.failure("A request could not be forwarded: {request!r}", request=request)
                forwarding.abandon(500, "Server Internal Error", now)

    def _reject(self, passage: Passage, rejection: Rejection) -> None:
        """Answer: strangers without a transaction, an ACK by nothing.

        Credentials are good for one request, so one of our users gets the same answer again
        when it was lost on the way.
        """
        request = passage.request
        if not rejection.status or request.method == "ACK":
            return
        if request.method == "INVITE" and passage.in_dialog:
            self._remember_refusal(request)
        response = reply(request, rejection.status, rejection.reason, self._tag)
        for name, value in rejection.headers:
            response.add(name, value)
        if self.observer is not None and request.method == "INVITE":
            self._observe_rejection(passage, rejection, self.observer)
        if passage.user and request.transaction_key and not self.signaling.full:
            transaction = self.signaling.accept(request, passage.flow, _REFUSED, passage.now)
            self.signaling.respond(transaction, response, passage.now)
        else:
            self.signaling.reply(request, passage.flow, response)

    def _remember_refusal(self, request: Request) -> None:
        """Note an INVITE inside a dialog that was refused: its ACK ends here.

        The To tag of such a response is the dialog's, so the ACK cannot be known by ours.
        """
        self._refused[hash(request.transaction_key)] = None
        if len(self._refused) > MOST_REFUSED:
            self._refused.popitem(last=False)

    def refusals(self) -> int:
        """Count the refused INVITEs whose ACK would end here."""
        return len(self._refused)

    def _forward_ack(self, passage: Passage) -> None:
        """Send an ACK on; it has no transaction and no answer (16.6, 17.1.1.3)."""
        request, now = passage.request, passage.now
        if not passage.targets:
            return
        forwarding = _AckForwarding(self, passage)
        forwarding.send(request, passage.targets[0], now)

    # -- request servers ---------------------------------------------------------------

    def open_server(self, name: str) -> IFlow:
        """The local flow to a feature server."""
        local: Any = self.signaling.transport("local")
        flow: IFlow = local.open(name)
        return flow

    # -- redirection -------------------------------------------------------------------

    def redirected(self, passage: Passage, response: Response) -> Sequence[Target]:
        """The targets that a 3xx names, as far as the caller may reach them.

        Contacts of our domain are resolved like any name; others are only for callers that
        are our users, because a stranger may reach nobody elsewhere.
        """
        try:
            contacts = contact_uris(response)
        except RemoteError:
            return ()
        targets: list[Target] = []
        for text, q in contacts:
            found = self._chain.redirect(passage, parse_uri(text))
            if len(contacts) == 1:
                targets += found
            else:
                targets += [
                    Target(
                        target.uri,
                        q,
                        target.user,
                        target.flow,
                        target.path,
                        target.ring,
                        target.server,
                    )
                    for target in found
                ]
        return targets

    # -- call records ------------------------------------------------------------------

    def _is_known(self, passage: Passage) -> bool:
        """Whether a request inside a dialog goes to the other side of one set up through us.

        The state in its Route says so; else, of a phone that registered a new address, whose
        it is. A To tag alone says nothing, anybody can write one: so an INVITE without any state
        begins a call.
        """
        observer, request = self.observer, passage.request
        if request.method not in _TELLING:
            return False
        if passage.state is not None and in_scope(passage):
            return True
        if observer is None or not passage.dialed:
            return False
        if passage.state is None and request.method == "INVITE":
            return False
        tags = (request.from_.tag, request.to.tag)
        return observer.call_belongs(request.call_id, tags, passage.dialed)

    def _observe(self, passage: Passage, observer: ICallObserver) -> Any:
        request = passage.request
        caller = passage.user or request.from_.uri_text
        dialed = _dialed(passage)
        callee = passage.dialed or passage.uri.text
        return observer.call_started(request, caller, callee, dialed, passage.version, passage.now)

    def _observe_rejection(
        self, passage: Passage, rejection: Rejection, observer: ICallObserver
    ) -> None:
        """Record a call that was refused; a challenge or a malformed request is no call."""
        status = rejection.status
        if status in {400, 401, 407, 482, 483, 505, 513} or passage.in_dialog:
            return
        try:
            call = self._observe(passage, observer)
            if call is not None:
                observer.call_failed(call, status, rejection.reason, passage.now)
        except (RemoteError, AttributeError):
            return

    def refreshed(self, response: Response, now: float) -> None:
        """A 2xx passed inside a dialog: tell its session timer (RFC 4028)."""
        observer = self.observer
        if observer is None:
            return
        try:
            tags = (response.from_.tag, response.to.tag)
            # A 2xx without Session-Expires gives the timer up (RFC 4028 section 7.2).
            expires = session_interval(response.get("session-expires"))
            observer.call_refreshed(response.call_id, tags, expires, now)
        except RemoteError:
            return


classImplements(Proxy, ITransactionUser)


def _dialed(passage: Passage) -> str:
    """What the caller dialed: the name or number; elsewhere it says nothing without its host."""
    uri = passage.uri
    name = uri.name
    if not name:
        return uri.text
    if not passage.elsewhere:
        return name
    return f"{name}@{uri.host}" + (f":{uri.port}" if uri.port else "")


class _Refused:
    """The user of transactions that end with the refusal that they begin with."""

    def canceled(self, transaction: ServerTransaction, cancel: Request, now: float) -> None:
        """It has been answered."""

    def unanswered(self, transaction: ServerTransaction, now: float) -> None:
        """The refusal was lost; the peer asks again."""


classImplements(_Refused, IServerUser)

_REFUSED: Final = _Refused()


class _AckForwarding:
    """An ACK on its way."""

    def __init__(self, proxy: Proxy, passage: Passage) -> None:
        self._proxy = proxy
        self._passage = passage

    def send(self, request: Request, target: Target, now: float) -> None:
        """Find its next hop and send it there."""
        request.uri_text = target.uri.text
        flow: IFlow | None
        if target.server:
            flow = self._proxy.open_server(target.server)
            self._proxy.signaling.send_stateless(request, flow, self._passage.loop)
            return
        hop = next_hop(request)
        size = len(request.body) + 1000
        flow = self._proxy.hops.find(hop, target.flow, size)
        if flow is not None:
            self._proxy.signaling.send_stateless(request, flow, self._passage.loop)
            return
        self._proxy.hops.reach(hop, target.flow, size, self._found)

    def _found(self, flow: Any) -> None:
        if not isinstance(flow, Exception):
            signaling = self._proxy.signaling
            signaling.send_stateless(self._passage.request, flow, self._passage.loop)
            signaling.outbox.flush()
