"""The event server as a component: packages, notifier and publications on the node's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.application.service import IService, Service
from twisted.logger import Logger
from zope.interface import implementer

from sipx.events.interfaces import IEventPackage
from sipx.events.notifier import MOST_SUBSCRIPTIONS, Notifier
from sipx.events.publications import MOST_PUBLICATIONS, Publications
from sipx.interfaces import (
    IConfiguration,
    INodeContext,
    IRequestServer,
    ISubscriptionStore,
)
from sipx.net.interfaces import IHops, ISignaling
from sipx.ua.outgoing import Outgoing

if TYPE_CHECKING:
    from sipx.ua.incoming import IncomingRequest

TICK: Final = 0.1  # seconds

_log = Logger()


@implementer(IRequestServer)
class EventServer(Service):
    """Answers SUBSCRIBE and PUBLISH for the packages of this node.

    Attributes:
        events: the packages that it has.
    """

    name = "events"
    methods = ("SUBSCRIBE", "PUBLISH")
    users = ()

    def __init__(self, context: INodeContext) -> None:
        self._context = context
        self._configuration = context.get(IConfiguration)
        signaling = context.get(ISignaling)
        outgoing = Outgoing(signaling, context.get(IHops), context.monotonic)
        packages = context.every(IEventPackage)
        self.events = tuple(package.name for package in packages)
        self.notifier = Notifier(
            packages, outgoing.send, context.journal, context.monotonic, context.utc
        )
        self.publications = Publications(signaling.new_tag)

    def handle(self, incoming: IncomingRequest) -> None:
        if incoming.request.method == "SUBSCRIBE":
            self.notifier.subscribe(incoming)
            return
        package = self.notifier.package_of(incoming.request)
        if package is None or not package.publishable:
            self.notifier.refuse_event(incoming)
        else:
            self.publications.publish(incoming, package)

    def startService(self) -> None:
        """Take over what is stored, and follow the clock and the configuration from now on."""
        super().startService()
        context = self._context
        rows = context.get(ISubscriptionStore).load()
        unreadable = self.notifier.restore(rows, context.monotonic(), context.utc())
        if unreadable:
            text = f"{unreadable} stored subscriptions could not be read"
            _log.error("{text}", text=text)
            context.health.set("events", False, text)
        else:
            context.health.set("events", True, "packages: " + self.notifier.allow_events)
        self._configuration.changed(self._revise)
        context.repeat(TICK, self._tick)

    def _tick(self, now: float) -> None:
        self.notifier.tick(now)
        self.publications.tick(now)

    def _revise(self) -> None:
        names = self._configuration.routing.names
        self.notifier.revise(names, self._context.monotonic())


def events(context: INodeContext) -> IService:
    """Make the event server of a node."""
    server = EventServer(context)
    context.provide(IRequestServer, server)
    gauge = context.health.gauge
    gauge("subscriptions", lambda: len(server.notifier), MOST_SUBSCRIPTIONS)
    gauge("subscriptions_dropped", lambda: server.notifier.dropped)
    gauge("publications", lambda: len(server.publications), MOST_PUBLICATIONS)
    return server
