"""Serves the REST API, and tells the `sipx` command where."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from zope.interface import implementer

from config.commands.interfaces import IPlanCommands, IUserCommands
from config.storage.interfaces import IDatabase
from config.web.api.plan import resources
from config.web.api.telephony import Telephony
from config.web.api.users import Users
from config.web.api.versions import Versions
from config.web.routes import Api
from config.web.site import CONNECTIONS_LIMIT, ApiSite
from config.web.token import FILE as TOKEN_FILE
from config.web.token import kept_token
from sipx.interfaces import IApiAddress, INodeContext
from sipx.node.errors import StartError
from sipx.node.files import write_private

FILE: Final = "api.json"


@implementer(IApiAddress)
class ApiService(Service):
    """The API's port.

    Args:
        context: of the node.
        site: what is served.
    """

    name = "api"

    def __init__(self, context: INodeContext, site: ApiSite) -> None:
        self._context = context
        self._site = site
        self._port: Any = None
        self.url = ""

    @property
    def _file(self) -> Path:
        path: Path = self._context.state / FILE
        return path

    def startService(self) -> None:
        """Listen, and leave the address in the state folder.

        Raises:
            StartError: the port is taken, or the address is not ours.
        """
        super().startService()
        context = self._context
        host, port = context.options["http-listen"], context.options["http-port"]
        try:
            self._port = context.reactor.listenTCP(port, self._site, interface=host)
        except CannotListenError as error:
            why = getattr(error.socketError, "strerror", None) or error.socketError
            raise StartError(
                f"The API cannot listen on {host} port {port} ({why}): end what uses it, or choose"
                " another with --http-port or --http-listen."
            ) from error
        self.url = f"http://{_reachable(host)}:{self._port.getHost().port}/api/v1/"
        try:
            write_private(self._file, json.dumps({"url": self.url, "pid": os.getpid()}).encode())
        except OSError as error:
            raise StartError(f"{self._file} cannot be written: {error.strerror}.") from error
        context.health.set("api", True, f"listening: {self.url}")

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        with suppress(FileNotFoundError):
            self._file.unlink()
        port, self._port = self._port, None
        return maybeDeferred(port.stopListening if port is not None else lambda: None)


def api(context: INodeContext) -> IService:
    """Make the API of a node.

    Raises:
        StartError: its token cannot be read.
    """
    token = kept_token(context.state)
    parts = (
        Users(context.get(IDatabase), context.get(IUserCommands)),
        Telephony(context),
        *resources(context.get(IDatabase), context.get(IPlanCommands)),
        Versions(context.get(IDatabase), context.get(IPlanCommands)),
    )
    made = Api(parts, token, str(context.state / TOKEN_FILE))
    site = ApiSite(made, context.reactor)
    context.health.gauge("api_connections", lambda: site.connections, CONNECTIONS_LIMIT)
    service = ApiService(context, site)
    context.provide(IApiAddress, service)
    return service


def _reachable(host: str) -> str:
    """An address that a client on this machine can use."""
    if host == "0.0.0.0":
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
