"""The interfaces that several rooms share, and nothing else.

A component that provides one of these registers the object with the node's context; a
component that requires one asks the context for it.  An interface that a single room
offers is declared in that room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from sipx.auth.snapshot import AccountSnapshot
    from sipx.core.binding import Binding
    from sipx.core.callrecord import CallRecord
    from sipx.core.flowid import FlowId
    from sipx.core.message import Request, Response
    from sipx.routing.snapshot import RoutingSnapshot


Watcher = Callable[[str, Sequence["Binding"], Sequence["Binding"], bool], None]


class IComponent(Interface):
    """One part of a node, declared by a Twisted plugin.

    A declaration does no work at import: what it names is imported when first used.
    """

    name: str = Attribute("Unique, lower case; what ``--enable`` and ``--disable`` take.")
    description: str = Attribute("One line for ``--list-components``.")
    factory: str = Attribute(
        "Dotted name of a callable that takes an INodeContext and returns an IService."
    )
    provides: Sequence[str] = Attribute("Dotted names of the interfaces it registers.")
    requires: Sequence[str] = Attribute("Dotted names of interfaces it cannot do without.")
    wants: Sequence[str] = Attribute("Interfaces it uses when present: it starts after them.")
    options: Sequence[Any] = Attribute("sipx.node.options.Option values for the command line.")
    enabled: bool = Attribute("Whether a node runs it unless told otherwise.")


class INodeContext(Interface):
    """What the node hands to each component's factory."""

    reactor: Any = Attribute("The Twisted reactor.")
    state: Any = Attribute("pathlib.Path of the state folder, which exists and is ours.")
    options: Mapping[str, Any] = Attribute(
        "Parsed options of the node and of all components, by name as typed: ``sip-port``."
    )
    identity: Any = Attribute("sipx.node.identity.Identity: domain, realm, addresses, ports.")
    keys: Any = Attribute("sipx.node.keys.KeyRing: keys derived from the cluster key.")
    journal: Any = Attribute("The node's IJournal.")
    health: Any = Attribute("The node's IHealth.")

    def monotonic() -> float:
        """Give the ``now`` of every machine: seconds that only go forward."""

    def utc() -> float:
        """Give wall time, seconds since the epoch: for records and stored expiry only."""

    def repeat(interval: float, call: Callable[[float], None]) -> None:
        """Call with ``now`` again and again while the node runs, on the monotonic clock.

        Args:
            interval: seconds, a multiple of 0.1; ticks that were missed are not made up for.
            call: must not block; an exception is logged and the next tick comes all the same.
        """

    def reloads(call: Callable[[], None]) -> None:
        """Call whenever files are to be read again: on SIGHUP; must not raise."""

    def provide(interface: Any, implementation: Any) -> None:
        """Register an implementation under an interface it provides.

        Several components may provide the same interface (transports do).
        """

    def get(interface: Any) -> Any:
        """Find the implementation of an interface.

        Raises:
            LookupError: nothing provides it; a component that requires it never sees this.
        """

    def every(interface: Any) -> Sequence[Any]:
        """Find all implementations of an interface, in the order they were provided."""


class IHealth(Interface):
    """The state of a node's parts, in words."""

    def set(part: str, ok: bool, text: str) -> None:
        """Say how a part is; the last word counts."""

    def gauge(name: str, read: Callable[[], float], limit: float | None = None) -> None:
        """Name a number that can be read at any time, with its limit when it has one."""

    def report() -> Mapping[str, Any]:
        """Give ``{"ok": bool, "parts": {...}, "gauges": {...}}``, plain JSON values.

        A part is ``{"ok": bool, "text": str}``, a gauge ``{"value": number or None, "limit":
        number or None}``; None as a value means that it could not be read.
        """


class IJournal(Interface):
    """What is about to be acknowledged, on disk first.

    Records, and what the sink makes of them:

    - ``["bind", user, contact, q, expires, call_id, cseq, path, flow, instance, instrument,
      user_agent, registered]``: the binding (user, contact) is now this; times in utc.
    - ``["unbind", user, contact]``: it is gone.
    - ``["subscribe", call_id, local_tag, package, event_id, expires, details]``: the subscription
      of these four is now this; expires in utc, details a mapping.
    - ``["unsubscribe", call_id, local_tag, package, event_id]``: it is gone.
    - ``["call", call_id, from_tag, caller, callee, dialed, start, connect, end, result,
      failure_code, failure_reason, duration, version]``: the call's row is now this.
    """

    failing: bool = Attribute(
        "True while what was appended cannot be written; who acknowledges must refuse meanwhile."
    )

    def append(record: Sequence[Any]) -> None:
        """Add a record to the current turn: JSON values, the first one names its kind."""

    def commit() -> bool:
        """Write what was appended since the last commit with one ``write(2)``.

        Returns:
            False when it could not be written; the records are kept and tried again.
        """


class IJournalSink(Interface):
    """Where the journal is fed to: the database."""

    def position() -> tuple[int, int]:
        """Find (segment, offset) up to which the journal has been applied; blocks."""

    def apply(records: Sequence[Sequence[Any]], upto: tuple[int, int]) -> None:
        """Store a batch and its position in one transaction; blocks, runs in a thread.

        Raises:
            Exception: nothing was stored; the same batch comes again later.
        """


class IFlow(Interface):
    """A way to one peer: a UDP socket and an address, a connection, or a local server."""

    id: FlowId = Attribute("What names this flow; it may outlive the flow.")
    transport: str = Attribute("Lower case: udp, tcp, local.")
    reliable: bool = Attribute("True when the transport does not lose messages.")
    alive: bool = Attribute("False once a connection is gone.")
    sent_by: str = Attribute("Our Via on it, up to the branch: ``SIP/2.0/UDP host:port;branch=``.")
    address: tuple[str, int] = Attribute("Where we listen on that side: for Record-Route.")

    def at(port: int) -> IFlow:
        """Give the flow to another port of the same peer (RFC 3261 section 18.2.2)."""

    def send(message: Any) -> None:
        """Send at once; a Request, a Response or bytes already serialized."""


class ITransport(Interface):
    """A SIP transport: receives into the layer and finds flows for it."""

    name: str = Attribute("Lower case: udp, tcp, local.")
    reliable: bool = Attribute("Whether it does not lose messages.")

    def addresses() -> Sequence[tuple[str, int]]:
        """Give the addresses it listens on."""

    def flow(flow_id: FlowId) -> Any:
        """Find the living flow of that name, or None."""

    def reach(host: str, port: int, done: Callable[[Any], None], name: str = "") -> None:
        """Find or open a flow to an address.

        Args:
            host: IPv4 address in dotted form.
            port: 1 to 65535.
            done: called with an IFlow, or with an Exception; at once when no wait is needed.
            name: the host that the URI named: what a TLS peer must prove to be (RFC 5922).
        """


class IWireTrace(Interface):
    """The latest messages, kept in a bounded ring."""

    def calls(limit: int) -> Sequence[Mapping[str, Any]]:
        """List the latest Call-IDs seen, newest first: call_id, first method, messages."""

    def messages(call_id: str) -> Sequence[Mapping[str, Any]]:
        """Give a call's messages in order.

        Returns:
            Mappings of ``time`` (utc seconds), ``source``, ``destination`` ("host:port"),
            ``transport``, ``summary`` (start line, shortened) and ``text``, the message with
            credentials redacted.  Empty when the ring no longer has the call.
        """


class ILocation(Interface):
    """Where registrations are looked up: in memory."""

    def bindings(user: str, now: float) -> Sequence[Binding]:
        """Find where a user is registered.

        Args:
            user: the user's name in our domain.
            now: monotonic seconds; bindings that expired before it are not returned.

        Returns:
            Highest ``q`` first, the latest registered first among equals; empty when unknown.
        """

    def by_contact(uri: str) -> Binding | None:
        """Find a binding by its contact, as ``Uri.key()`` gives it."""

    def every(now: float) -> Iterable[Binding]:
        """List all bindings."""

    def count() -> int:
        """Count all bindings, among them those expired and not yet swept."""

    def watch(user: str, changed: Watcher | None) -> None:
        """Have changes of a user's bindings told, or no longer.

        Args:
            user: the user's name in our domain.
            changed: called after each change with the user, the bindings that went, those that
                came in their place, and whether the user asked for it; None ends it.  A user
                has one watcher: the ``reg`` package.
        """


class IConfiguration(Interface):
    """The current snapshot, slice by slice.  Readers take a slice anew for each request."""

    accounts: AccountSnapshot = Attribute("What authentication needs.")
    routing: RoutingSnapshot = Attribute("What routing needs.")

    def changed(listener: Callable[[], None]) -> None:
        """Call a listener after each swap of the snapshot."""


class IBindingStore(Interface):
    """The database's side of registrations."""

    def load() -> Sequence[Mapping[str, Any]]:
        """Read all stored bindings; blocks; for start-up.

        Returns:
            Mappings with the keys of IJournal's ``bind`` record, in its order: user, contact,
            q, expires (utc), call_id, cseq, path (list), flow (text), instance, instrument,
            user_agent, registered (utc).
        """


class ISubscriptionStore(Interface):
    """The database's side of subscriptions."""

    def load() -> Sequence[Mapping[str, Any]]:
        """Read all stored subscriptions; blocks; for start-up.

        Returns:
            Mappings of call_id, local_tag, package, event_id, expires (utc) and details, as in
            IJournal's ``subscribe`` record.
        """


class ICallRecordStore(Interface):
    """The database's side of call records."""

    def unfinished() -> Sequence[CallRecord]:
        """Read the calls that have no end; blocks; for start-up."""

    def find(
        limit: int, before: float | None, user: str | None, call_id: str | None
    ) -> Deferred[Sequence[CallRecord]]:
        """Read records, latest start first.

        Args:
            limit: how many at most.
            before: utc seconds; only calls that started before.
            user: only calls with this caller or callee.
            call_id: only calls with this Call-ID.
        """


class ICallObserver(Interface):
    """Who is told of calls by the proxy; synchronously, before the answer goes out."""

    def call_started(
        request: Request, caller: str, callee: str, dialed: str, version: int, now: float
    ) -> Any:
        """An INVITE was accepted for routing that belongs to no dialog set up through us.

        Whatever Call-ID and tags it has: calls may be alike, by accident or on purpose.

        Args:
            request: the INVITE as it arrived.
            caller: the authenticated user's name, else the From URI.
            callee: the user that the call was resolved to, else the Request-URI.
            dialed: user part of the Request-URI, with the host when that is not ours; else the
                whole of it.
            version: of the configuration that routed it.
            now: monotonic seconds.

        Returns:
            The call, to be given to ``call_answered`` and ``call_failed``; None when it must be
            refused, because too many are alike.
        """

    def call_answered(call: Any, callee: str, response: Response, now: float) -> None:
        """A 2xx of a call was forwarded; only the first one counts.

        Args:
            call: what ``call_started`` gave.
            callee: the user that answered, else the URI of the branch; empty leaves it as
                it was at the start.
            response: the 2xx, with Session-Expires when there is a session timer.
            now: monotonic seconds.
        """

    def call_failed(call: Any, status: int, reason: str, now: float) -> None:
        """A call ended before an answer with the final status that the caller gets.

        Args:
            call: what ``call_started`` gave.
            status: 300 to 699.
            reason: the callee's phrase, or in words why nobody answered.
            now: monotonic seconds.
        """

    def call_belongs(call_id: str, tags: tuple[str, str], user: str) -> bool:
        """Say whether a request inside a dialog goes to the other side of an answered call.

        Args:
            call_id: of the request.
            tags: those of From and To.
            user: of ours, whom it goes to.
        """

    def call_ended(
        call_id: str, tags: tuple[str, str], user: str, since: float, now: float
    ) -> None:
        """A BYE of a dialog reached its other side and ended it.

        Args:
            call_id: of the dialog.
            tags: both, in either order.
            user: of ours, whom it went to; empty when that is not known.
            since: monotonic seconds at which the BYE came here.
            now: monotonic seconds.
        """

    def call_refreshed(
        call_id: str, tags: tuple[str, str], expires: int | None, now: float
    ) -> None:
        """The 2xx of an INVITE or UPDATE passed inside a dialog.

        Args:
            call_id: of the dialog.
            tags: both, in either order.
            expires: seconds of its Session-Expires; 0 when it gives the session timer up;
                None when nothing is known.
            now: monotonic seconds.
        """


class IActiveCalls(Interface):
    """The calls of this node that have started and not ended."""

    def active() -> Sequence[CallRecord]:
        """List them, oldest first."""


class IApiAddress(Interface):
    """The REST API of this node; who wants it starts when it listens."""

    url: str = Attribute("Where it is, with a slash at the end; known once it listens.")


class IRequestServer(Interface):
    """A feature server: where requests for our domain end.

    REGISTER, OPTIONS and other methods it names are handed to it inside the proxy's own
    server transaction; call targets that match one of its user patterns reach it over the
    ``local`` transport.
    """

    name: str = Attribute("Unique; the host of its ``local`` flow.")
    methods: Sequence[str] = Attribute("Methods it answers for our domain, such as REGISTER.")
    events: Sequence[str] = Attribute("Event packages it answers SUBSCRIBE and PUBLISH for.")
    users: Sequence[str] = Attribute("Regular expressions, whole match, of user parts it serves.")

    def handle(incoming: Any) -> None:
        """Answer a request, now or later.

        Args:
            incoming: sipx.ua.incoming.IncomingRequest: the request, who sent it (flow and
                authenticated user) and ``respond``.
        """


class ICallServer(IRequestServer):
    """A feature server that takes calls: it is also told what follows an INVITE.

    Registered as an IRequestServer.  Requests inside its dialogs (BYE, re-INVITE) come to
    ``handle`` like any other; it knows its dialogs by Call-ID and tags.
    """

    def canceled(incoming: Any, now: float) -> None:
        """A pending INVITE was given up: its caller canceled, or the node stops.

        It has been answered (487, 503); what is responded to it from now on is not sent. An
        INVITE that was answered before is not given up: an ACK and a BYE will come.

        Args:
            incoming: the IncomingRequest that ``handle`` got.
            now: monotonic seconds.
        """

    def acknowledged(request: Request, now: float) -> None:
        """The ACK of a 2xx came; once more for each 2xx that is sent again.

        Args:
            request: the ACK, perhaps with the answer in its body (RFC 3261 section 13.2.1).
            now: monotonic seconds.
        """
