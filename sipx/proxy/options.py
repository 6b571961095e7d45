"""OPTIONS to the node itself: what it can do (RFC 3261 section 11.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.application.service import IService, Service
from zope.interface import implementer

from sipx.interfaces import IRequestServer
from sipx.proxy.servers import Servers

if TYPE_CHECKING:
    from sipx.interfaces import INodeContext
    from sipx.ua.incoming import IncomingRequest


@implementer(IRequestServer)
class OptionsServer:
    """Answers OPTIONS with what the node offers."""

    name = "options"
    methods = ("OPTIONS",)
    events = ()
    users = ()

    def __init__(self, context: INodeContext) -> None:
        self._context = context
        self._allow = ""
        self._events = ""

    def handle(self, incoming: IncomingRequest) -> None:
        """Answer 200 with Allow, Supported, Accept and Allow-Events."""
        if not self._allow:  # the others may be provided after us
            servers: Any = self._context.every(IRequestServer)
            known = Servers(servers)
            self._allow = ", ".join(known.methods())
            self._events = ", ".join(known.events())
        response = incoming.reply(200)
        response.add("allow", self._allow)
        response.add("accept", "*/*")
        response.add("supported", "path")
        if self._events:
            response.add("allow-events", self._events)
        incoming.respond(response, incoming.now)


def component(context: INodeContext) -> IService:
    """Build the server of OPTIONS."""
    context.provide(IRequestServer, OptionsServer(context))
    return Service()
