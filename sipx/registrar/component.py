"""The registrar as a component: it takes requests, the clock and the stored bindings to it."""

from __future__ import annotations

from random import Random

from twisted.application.service import IService, Service
from twisted.logger import Logger
from zope.interface import implementer

from sipx.core.errors import LocalError
from sipx.interfaces import IBindingStore, IConfiguration, ILocation, INodeContext, IRequestServer
from sipx.node.errors import StartError
from sipx.registrar.bindings import Bindings
from sipx.registrar.interfaces import IRegistrations
from sipx.registrar.registrar import MOST_BINDINGS, Registrar
from sipx.ua.incoming import IncomingRequest

log = Logger()

SWEEP_INTERVAL = 1.0  # seconds; who looks up bindings does not see those that ended meanwhile


@implementer(IRequestServer, IRegistrations)
class RegisterServer(Service):
    """Answers REGISTER for our domain."""

    name = "registrar"
    methods = ("REGISTER",)
    events = ()
    users = ()

    def __init__(
        self, context: INodeContext, registrar: Registrar, configuration: IConfiguration
    ) -> None:
        self._context = context
        self._registrar = registrar
        self._configuration = configuration

    def handle(self, incoming: IncomingRequest) -> None:
        now = incoming.now
        response = self._registrar.register(
            incoming.request,
            incoming.user,
            incoming.instrument,
            incoming.flow.id,
            incoming.to_tag,
            now,
            self._context.utc(),
        )
        incoming.respond(response, now)

    def forget(self, user: str) -> int:
        return self._registrar.forget(user)

    def startService(self) -> None:
        """Take over what is stored, and follow the clock and the configuration from now on."""
        super().startService()
        context = self._context
        rows = context.get(IBindingStore).load()
        unreadable = self._registrar.restore(rows, context.monotonic(), context.utc())
        if unreadable:
            log.error("{count} stored registrations could not be read", count=unreadable)
            context.health.set(
                "registrar", False, f"{unreadable} stored registrations could not be read"
            )
        else:
            context.health.set("registrar", True, "registering")
        self._configuration.changed(self._registrar.forget_strangers)
        context.repeat(SWEEP_INTERVAL, self._registrar.expire)


def registrar(context: INodeContext) -> IService:
    """Make the registrar of a node.

    Raises:
        StartError: its options contradict each other.
    """
    location = Bindings()
    configuration = context.get(IConfiguration)
    try:
        rules = Registrar(
            location,
            configuration,
            context.journal,
            context.identity.is_ours,
            Random().random,
            context.options["min-expires"],
            context.options["max-expires"],
        )
    except LocalError as error:
        raise StartError(f"{error}: see --min-expires and --max-expires.") from error
    server = RegisterServer(context, rules, configuration)
    context.provide(ILocation, location)
    context.provide(IRequestServer, server)
    context.provide(IRegistrations, server)
    context.health.gauge("registrations", location.count, MOST_BINDINGS)
    return server
