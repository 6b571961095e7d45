"""A served API, and something that asks it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.web.http_headers import Headers

from config.web.component import api
from tests.config.parts import ConfigurationTestCase


class Reply(NamedTuple):
    """A response.

    Attributes:
        status: of HTTP.
        headers: names in lower case.
        value: its JSON; None when there is no body.
        text: its body.
    """

    status: int
    headers: dict[str, str]
    value: Any
    text: str


class _Raw(Protocol):
    def __init__(self, octets: bytes, done: Deferred[bytes]) -> None:
        self._octets = octets
        self._done = done
        self._heard = b""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._octets)

    def dataReceived(self, data: bytes) -> None:
        self._heard += data

    def connectionLost(self, reason: Any = None) -> None:
        self._done.callback(self._heard)


class ApiTestCase(ConfigurationTestCase):
    """Storage, configuration and the API on a free port."""

    options = {"quickstart": True, "http-listen": "127.0.0.1", "http-port": 0}  # noqa: RUF012

    def setUp(self) -> None:
        super().setUp()
        self.serve()

    def serve(self) -> None:
        """Start the API."""
        self.service: Any = api(self.context)
        self.service.startService()
        self.addCleanup(self.service.stopService)
        self.url: str = json.loads((self.state / "api.json").read_text())["url"]
        self.token = (self.state / "api-token").read_text().strip()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.split(":")[2].split("/")[0])

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Ask with the right token, unless the headers say otherwise."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        response = await treq.request(
            method,
            self.url + path,
            headers=Headers({name: [value] for name, value in sent.items() if value}),
            data=data,
            persistent=False,
            allow_redirects=False,
        )
        text = (await response.content()).decode()
        found = {
            name.decode().lower(): values[-1].decode()
            for name, values in response.headers.getAllRawHeaders()
        }
        return Reply(response.code, found, json.loads(text) if text else None, text)

    def raw(self, octets: bytes) -> Deferred[bytes]:
        """Send octets and hear until the end of the connection."""
        done: Deferred[bytes] = Deferred()
        factory = ClientFactory()
        factory.buildProtocol = lambda addr: _Raw(octets, done)  # type: ignore[method-assign]
        connector: Any = reactor
        connector.connectTCP("127.0.0.1", self.port, factory)
        return done
