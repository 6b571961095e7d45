"""The HTTP server: limits on what it takes, and headers on whatever it answers."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from klein.resource import KleinResource
from twisted.internet.interfaces import IAddress
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from config.web.problems import Problem
from config.web.routes import Api, write_problem

BODY_LIMIT: Final = 1024 * 1024  # octets; an import sends a file in portions
CONNECTIONS_LIMIT: Final = 256  # at once: browsers, commands and scripts of administrators
IDLE_SECONDS: Final = 60  # a connection without a request is closed

_METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_HEADERS: Final = (
    (b"Server", b"sipx"),
    (b"Cache-Control", b"no-store"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
)


class LimitedRequest(Request):
    """A request whose body has a limit, which is kept before it is read."""

    _octets = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)
        if length is not None and length > BODY_LIMIT:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's
        """Take a part of the body, unless there is too much of it."""
        self._octets += len(data)
        if self._octets > BODY_LIMIT:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)

    def process(self) -> None:
        if not self._refused:
            super().process()

    def getRequestHostname(self) -> bytes:
        """Whatever the client calls this host: no answer depends on it."""
        return b"sipx"

    def _refuse(self) -> None:
        """Answer before the body has come, and end the connection."""
        if self._refused:
            return
        self._refused = True
        problem = Problem(413, f"The body is larger than {BODY_LIMIT} octets.")
        body = json.dumps(problem.body()).encode() + b"\n"
        head = [
            b"HTTP/1.1 413 Content Too Large",
            b"Content-Type: application/problem+json",
            b"Content-Length: %d" % len(body),
            b"Connection: close",
            *(b"%s: %s" % header for header in _HEADERS),
        ]
        channel: Any = self.channel
        channel.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
        channel.loseConnection()


class ApiSite(Site):
    """The site of an API."""

    displayTracebacks = False  # noqa: N815 - Twisted's
    noisy = False

    def __init__(self, api: Api, reactor: Any) -> None:
        super().__init__(
            ApiResource(api),
            requestFactory=LimitedRequest,
            parsePOSTFormSubmission=False,
            timeout=IDLE_SECONDS,
            reactor=reactor,
        )
        self.connections = 0

    def logPrefix(self) -> str:
        return "API"

    def log(self, request: Any) -> None:
        """Write no access log: who changed what is in the audit."""

    def buildProtocol(self, addr: IAddress | None) -> Any:
        if self.connections >= CONNECTIONS_LIMIT:
            return None
        protocol: Any = super().buildProtocol(addr)
        self.connections += 1
        lost = protocol.connectionLost

        def connection_lost(reason: Any) -> None:
            self.connections -= 1
            lost(reason)

        protocol.connectionLost = connection_lost
        return protocol


class ApiResource(Resource):
    """What all requests come to: Klein, behind what it would stumble over."""

    isLeaf = True

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._klein: Any = KleinResource(api.app)

    def render(self, request: Any) -> Any:
        for name, value in _HEADERS:
            request.setHeader(name, value)
        if request.method not in _METHODS:
            return write_problem(request, Problem(501, "This method is not known here."))
        try:
            unquote_to_bytes(request.path).decode("utf-8")
        except UnicodeDecodeError:
            return write_problem(request, Problem(400, "This address is not UTF-8."))
        return self._klein.render(request)
