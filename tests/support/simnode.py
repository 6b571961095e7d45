"""A whole node in memory: real components on a simulated network, clock, journal and store.

Only what touches the machine is replaced: sockets, the reactor, the disk and the database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipx.auth.component import auth
from sipx.auth.snapshot import Account, AccountSnapshot
from sipx.cdr.calls import Calls
from sipx.cdr.component import cdr
from sipx.core.callrecord import CallRecord, CallResult
from sipx.core.digest import MD5, SHA256, compute_ha1
from sipx.core.locating import Kind, Question
from sipx.core.message import Response
from sipx.events.component import EventServer, events
from sipx.events.packages.reg import reg
from sipx.interfaces import (
    IActiveCalls,
    IBindingStore,
    ICallRecordStore,
    IConfiguration,
    IJournal,
    ILocation,
    IRequestServer,
    ISubscriptionStore,
    ITransport,
    IWireTrace,
)
from sipx.net.component import TICK, signaling
from sipx.net.hops import Hops
from sipx.net.interfaces import IHops, IResolver, ISignaling
from sipx.net.layer import TransactionLayer
from sipx.net.resolver.wire import Answer
from sipx.net.trace import WireTrace
from sipx.node.context import NodeContext
from sipx.node.health import Health
from sipx.node.identity import make_identity
from sipx.node.keys import KeyRing
from sipx.node.repeats import Repeats
from sipx.proxy.component import proxy
from sipx.proxy.core import Proxy
from sipx.proxy.options import component as options_server
from sipx.registrar.bindings import Bindings
from sipx.registrar.component import registrar
from sipx.routing.snapshot import RoutingSnapshot
from sipx.ua.incoming import IncomingRequest
from tests.support.vnet import Address, Clock, Network, Timer, VirtualUdp

REALM = "sipx-test"
DOMAIN = "example.test"
KEY = b"k" * 32
PORT = 5060
BINDING = (
    "user contact q expires call_id cseq path flow instance instrument user_agent registered"
).split()
CALL = (
    "call_id from_tag caller callee dialed start connect end result failure_code failure_reason"
    " duration version"
).split()

SUBSCRIPTION = ("call_id", "local_tag", "package", "event_id", "expires", "details")

DEFAULTS: Mapping[str, Any] = {
    "digest": ("md5", "sha-256"),
    "min-expires": 30,
    "max-expires": 7200,
    "allow-anonymous": True,
    "ring-time": 0,
    "timer-c": 180,
    "max-call-hours": 24,
}


@implementer(ISubscriptionStore)
class SubscriptionTable:
    """The subscriptions that a journal's records make, as they are read at start."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], dict[str, Any]] = {}

    def apply(self, record: Sequence[Any]) -> None:
        """Take a ``subscribe`` or ``unsubscribe`` record, through JSON as the disk does."""
        kind, *values = json.loads(json.dumps(record))
        key = tuple(values[:4])
        if kind == "unsubscribe":
            self.rows.pop(key, None)
        else:
            self.rows[key] = dict(zip(SUBSCRIPTION, values, strict=True))

    def load(self) -> Sequence[Mapping[str, Any]]:
        return list(self.rows.values())


@implementer(IJournal, IBindingStore, ICallRecordStore)
class MemoryJournal:
    """A journal in memory, and the tables that its records make.

    Attributes:
        broken: the disk takes nothing.
        failing: as IJournal has it.
        records: all that was written.
        bindings: rows by (user, contact).
        calls: rows by (Call-ID, From tag, start).
        unbound: removals of rows that were not there.
        subscriptions: their table.
    """

    def __init__(self) -> None:
        self.broken = False
        self.failing = False
        self.records: list[Sequence[Any]] = []
        self.bindings: dict[tuple[str, str], dict[str, Any]] = {}
        self.calls: dict[tuple[str, str, float], dict[str, Any]] = {}
        self.unbound = 0
        self.subscriptions = SubscriptionTable()
        self._pending: list[Sequence[Any]] = []

    def append(self, record: Sequence[Any]) -> None:
        self._pending.append(record)

    def commit(self) -> bool:
        if not self._pending:
            return True
        if self.broken:
            self.failing = True
            return False
        self.failing = False
        for record in self._pending:
            self._apply(record)
        self.records += self._pending
        self._pending.clear()
        return True

    def _apply(self, record: Sequence[Any]) -> None:
        kind, *values = record
        if kind == "bind":
            self.bindings[values[0], values[1]] = dict(zip(BINDING, values, strict=True))
        elif kind == "unbind":
            self.unbound += self.bindings.pop((values[0], values[1]), None) is None
        elif kind in {"subscribe", "unsubscribe"}:
            self.subscriptions.apply(record)
        else:
            assert kind == "call"
            self.calls[values[0], values[1], values[5]] = dict(zip(CALL, values, strict=True))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of calls, in order of their first record."""
        return list(self.calls.values())

    # -- the database's side -----------------------------------------------------------

    def load(self) -> Sequence[Mapping[str, Any]]:
        return list(self.bindings.values())

    def unfinished(self) -> Sequence[CallRecord]:
        open_ = (row for row in self.calls.values() if row["end"] is None)
        names = CALL[:-1]
        return [
            CallRecord(
                **{name: row[name] for name in names if name != "result"},
                result=CallResult(row["result"]),
            )
            for row in open_
        ]

    def find(
        self, limit: int, before: float | None, user: str | None, call_id: str | None
    ) -> Deferred[Sequence[CallRecord]]:
        raise NotImplementedError


@implementer(IConfiguration)
class Users:
    """A configuration of users with their passwords, and of aliases."""

    def __init__(self, keys: KeyRing, passwords: Mapping[str, str], aliases: Mapping[str, str]):
        self._listeners: list[Callable[[], None]] = []
        self.accounts = AccountSnapshot(
            1,
            {
                user: Account(
                    user,
                    compute_ha1(MD5, user, REALM, password),
                    compute_ha1(SHA256, user, REALM, password),
                    keys.seal(password, f"password:{user}"),
                )
                for user, password in passwords.items()
            },
        )
        self.routing = RoutingSnapshot(1, {**{user: user for user in passwords}, **aliases})

    def changed(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def remove(self, user: str) -> None:
        """Take a user and his aliases out."""
        names = {name: owner for name, owner in self.routing.names.items() if owner != user}
        self.routing = RoutingSnapshot(self.routing.version + 1, names)
        for listener in self._listeners:
            listener()


@implementer(IResolver)
class NetworkResolver:
    """Knows the names of a simulated network: addresses, and records of other kinds."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def ask(self, question: Question, done: Callable[[Answer], None]) -> None:
        """Answer at once."""
        records = self._network.records.get((question.name, question.kind.name), ())
        address = self._network.names.get(question.name)
        if question.kind is Kind.A and address is not None:
            records = (address,)
        done(Answer(tuple(records), 60.0))


@implementer(IRequestServer)
class EchoServer:
    """A feature server at 9196: it answers INVITE, BYE and whatever else with 200.

    Like any user agent it sends the 200 to INVITE again (RFC 3261 section 13.3.1.4); not being
    told of ACK, it does so until BYE comes or 64*T1 have passed.

    Attributes:
        requests: methods handled, in order.
        contact: what it says in its answers.
    """

    name = "echo"
    methods = ()
    events = ()
    users = ("9196",)

    def __init__(self, domain: str, clock: Clock) -> None:
        self._clock = clock
        self._again: dict[str, Timer] = {}
        self.requests: list[str] = []
        self.contact = f"<sip:9196@{domain}>"
        self.status = 200

    def handle(self, incoming: IncomingRequest) -> None:
        """Answer at once."""
        self.requests.append(incoming.request.method)
        response = incoming.reply(self.status)
        for value in incoming.request.every("record-route"):
            response.add("record-route", value)
        response.add("contact", self.contact)
        method, call_id = incoming.request.method, incoming.request.call_id
        if method == "INVITE" and self.status == 200:
            self._respond(incoming, response, 0.5)
        else:
            incoming.respond(response, incoming.now)
            if method == "BYE" and call_id in self._again:
                self._again.pop(call_id).cancel()

    def _respond(self, incoming: IncomingRequest, response: Response, gap: float) -> None:
        now = self._clock.now
        incoming.respond(response.copy(), now)
        if now < incoming.now + 28:
            self._again[incoming.request.call_id] = self._clock.after(
                gap, lambda: self._respond(incoming, response, min(2 * gap, 4.0))
            )


class SimulatedNode:
    """A node, started.

    Attributes:
        address: where it receives SIP.
        journal: with the tables.
        layer: transactions.
        proxy: the proxy core.
        events: the event server.
        users: the configuration.
        hops: flows for URIs.
        calls: call records.
        location: bindings.
        trace: the wire trace.
        echo: the feature server.
    """

    def __init__(
        self,
        network: Network,
        host: str = "10.0.0.1",
        *,
        users: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
        domain: str = DOMAIN,
        key: bytes = KEY,
        journal: MemoryJournal | None = None,
        hosts: Sequence[str] = (),
        **options: Any,
    ) -> None:
        """Build and start it.

        Args:
            network: to be on.
            host: its address.
            users: passwords by name.
            aliases: users by alias.
            domain: of the users; resolves to the node unless it does so already.
            key: of the cluster.
            journal: of a former run, whose tables are taken over.
            hosts: further hosts that are its own, such as the address of a node it stands in for.
            options: with underscores, such as ``ring_time=20``.
        """
        self.network = network
        self.clock: Clock = network.clock
        self.address: Address = (host, PORT)
        self._dead = False
        self.journal = journal or MemoryJournal()
        network.names.setdefault(domain, host)
        identity = make_identity(REALM, domain, [host], PORT)
        identity = replace(identity, hosts=identity.hosts | {*hosts})
        keys = KeyRing(key)
        self._repeats = Repeats()
        self.health = Health()
        self.context = context = NodeContext(
            None,
            Path("/nonexistent"),
            {**DEFAULTS, **{name.replace("_", "-"): value for name, value in options.items()}},
            identity,
            keys,
            self.journal,
            self.health,
            self._repeats,
            self.clock.monotonic,
            self.clock.utc,
        )
        for interface in (IBindingStore, ICallRecordStore):
            context.provide(interface, self.journal)
        context.provide(ISubscriptionStore, self.journal.subscriptions)
        self.users = Users(keys, users or {}, aliases or {})
        context.provide(IConfiguration, self.users)
        services = [signaling(context)]
        self.layer: TransactionLayer = context.get(ISignaling)
        self.trace: WireTrace = context.get(IWireTrace)
        self._udp = VirtualUdp(network, [self.address])
        self.layer.add_transport(self._udp)
        context.provide(ITransport, self._udp)
        self.hops = Hops(self.layer, NetworkResolver(network), self.clock.monotonic)
        self.layer.back = self.hops.back
        context.provide(IHops, self.hops)
        builders = (auth, registrar, reg, events, cdr, options_server)
        services += [build(context) for build in builders]
        self.events: EventServer = services[4]  # type: ignore[assignment]  # as built above
        self.echo = EchoServer(domain, self.clock)
        context.provide(IRequestServer, self.echo)
        self._proxy_service = proxy(context)
        services.append(self._proxy_service)
        self._services: list[IService] = services
        self.proxy: Proxy = self.layer.user
        self.calls: Calls = context.get(IActiveCalls)
        self.location: Bindings = context.get(ILocation)
        for service in services:
            service.startService()
        self._udp.start(self.layer)
        self._ticks = self.clock.every(TICK, self._repeats.tick)

    def drain(self) -> Deferred[None]:
        """Stop taking calls, as on SIGTERM; fires when the node may end."""
        stopped: Deferred[None] = self._proxy_service.stopService()
        return stopped

    def die(self) -> MemoryJournal:
        """End at once, as by kill -9; gives what the disk holds."""
        self._udp.stop()
        self._ticks.cancel()
        self._dead = True
        return self.journal

    def residue(self) -> dict[str, int]:
        """Count what must not be left when all calls are over; bindings may be."""
        if self._dead:
            return {}
        layer = self.layer
        return {
            "transactions": layer.transactions,
            "unanswered": layer._unanswered,
            "timers": layer.timers,
            "forwardings": len(self.proxy.wheel),
            "attempts": len(self.proxy.attempts),
            "calls": len(self.calls),
            "calls waiting": len(self.calls._deadlines),
            "failed calls": len(self.calls._failed),
            "subscriptions": len(self.events.notifier),
            "outbox": len(layer.outbox),
        }
