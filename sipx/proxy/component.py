"""The component that proxies; declared in twisted/plugins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred

from sipx.auth.interfaces import IAuthenticator
from sipx.interfaces import ICallObserver, IConfiguration, ILocation, IRequestServer
from sipx.net.interfaces import IHops, ISignaling
from sipx.proxy.chain import Chain
from sipx.proxy.core import MOST_REFUSED, Proxy
from sipx.proxy.servers import Servers
from sipx.proxy.steps.admission import Admission, Reserved
from sipx.proxy.steps.authenticate import Authenticate
from sipx.proxy.steps.destination import Destination
from sipx.proxy.steps.extensions import ProxyRequire, RegistrarRequire
from sipx.proxy.steps.hops import Loops, MaxForwards
from sipx.proxy.steps.ingress import Ingress
from sipx.proxy.steps.routeset import RouteSet
from sipx.proxy.steps.sanity import Sanity
from sipx.proxy.steps.sips import Sips

if TYPE_CHECKING:
    from sipx.interfaces import INodeContext

DRAIN_PATIENCE: Final = 5.0  # seconds that open transactions get when the node stops
TICK: Final = 0.1


def make_proxy(context: INodeContext) -> tuple[Proxy, Chain]:
    """Put the proxy together from what the node has."""
    identity, options = context.identity, context.options
    signaling = context.get(ISignaling)
    configuration = context.get(IConfiguration)
    location = context.get(ILocation)
    servers = Servers(context.every(IRequestServer))
    key = context.keys.subkey("dialog-state")
    tag = os.urandom(8).hex()

    def owner(name: str) -> str:
        found: str = configuration.routing.names.get(name, "")
        return found

    ring_time = options["ring-time"]
    admission = Admission(signaling)
    authenticate = Authenticate(context.get(IAuthenticator), identity, owner)
    destination = Destination(
        identity,
        configuration,
        location,
        servers,
        authenticate,
        options["allow-anonymous"],
        float(ring_time) if ring_time else None,
    )
    chain = Chain(
        tag,
        admission,
        authenticate,
        destination,
        [
            Sanity(tag),
            admission,
            Ingress(),
            MaxForwards(),
            Loops(identity.is_ours),
            ProxyRequire(),
            RouteSet(identity, key),
            Reserved(signaling),
            RegistrarRequire(identity),
            authenticate,
            Sips(signaling, identity.is_ours),
            destination,
        ],
    )
    observers = context.every(ICallObserver)
    proxy = Proxy(
        signaling,
        context.get(IHops),
        chain,
        servers,
        observers[0] if observers else None,
        key,
        float(options["timer-c"]),
        context.monotonic,
    )
    return proxy, chain


class _ProxyService(Service):
    """Connects the proxy to the transaction layer; drains it when the node stops."""

    def __init__(self, context: INodeContext) -> None:
        self._context = context
        self._signaling: Any = context.get(ISignaling)
        self._proxy, self._chain = make_proxy(context)
        self._signaling.user = self._proxy
        context.health.gauge("proxy_refused", self._proxy.refusals, MOST_REFUSED)
        context.repeat(TICK, self._proxy.tick)

    def stopService(self) -> Deferred[None]:
        """Refuse new calls with 503 and wait for open transactions, at most DRAIN_PATIENCE.

        Who still waits then gets 503 too, and no phone is left ringing.
        """
        super().stopService()
        self._chain.admission.draining = True
        done: Deferred[None] = Deferred()
        until = self._context.monotonic() + DRAIN_PATIENCE

        def finish() -> None:
            if not done.called:
                done.callback(None)

        def look(now: float) -> None:
            if now >= until and not done.called:
                self._proxy.end_open_calls(now)
                finish()

        self._context.repeat(TICK, look)
        self._signaling.drained(finish)
        return done


def proxy(context: INodeContext) -> IService:
    """Build the proxy."""
    return _ProxyService(context)
