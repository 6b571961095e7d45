"""One Via value, RFC 3261 section 20.42 with received and rport of RFC 3581."""

from __future__ import annotations

import re
from typing import Final

from sipx.core.errors import RemoteError
from sipx.core.grammar import PARAM, TOKEN, Params, parse_params

MAGIC_COOKIE: Final = "z9hG4bK"

_via = re.compile(
    rf"\s*SIP\s*/\s*2\.0\s*/\s*({TOKEN})\s+"
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.\-_]*)(?:\s*:\s*([0-9]{1,5}))?"
    rf"((?:{PARAM})*)\s*",
    re.ASCII | re.IGNORECASE,
).fullmatch

# What most of them look like: a part of the grammar that is found sooner.
_plain = re.compile(
    r"SIP/2\.0/UDP ([A-Za-z0-9][A-Za-z0-9.]*):([0-9]{1,5})"
    rf"((?:;{TOKEN}(?:=[^\s;,\"<>?]+)?)*)",
    re.ASCII,
).fullmatch


class Via:
    """Where a response goes, as one hop wrote it.

    Attributes:
        transport: upper case.
        host: sent-by host as written.
        port: sent-by port, None when absent.
        params: names in lower case.
    """

    __slots__ = ("host", "params", "port", "transport")

    def __init__(self, transport: str, host: str, port: int | None, params: Params) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.params = params

    @property
    def branch(self) -> str:
        """The branch, empty when absent."""
        return self.params.get("branch") or ""

    @property
    def sent_by(self) -> str:
        """``host:port`` in lower case, the default port written out."""
        port = self.port or (5061 if self.transport in {"TLS", "WSS"} else 5060)
        return f"{self.host.lower()}:{port}"

    def __str__(self) -> str:
        text = f"SIP/2.0/{self.transport} {self.host}"
        if self.port is not None:
            text += f":{self.port}"
        for name, value in self.params.items():
            text += f";{name}" if value is None else f";{name}={value}"
        return text


def parse_via(text: str) -> Via:
    """Read one value.

    Raises:
        RemoteError: 400.
    """
    found = _plain(text)
    if found is not None:
        host, digits, rest = found.groups()
        number = int(digits)
        if 0 < number < 65536:
            return Via("UDP", host, number, parse_params(rest, "Via"))
    found = _via(text)
    if found is None:
        raise RemoteError(400, "Malformed Via")
    transport, host, port_text, params_text = found.groups()
    port = None
    if port_text is not None:
        port = int(port_text)
        if not 0 < port < 65536:
            raise RemoteError(400, "Malformed Via: bad port")
    return Via(transport.upper(), host, port, parse_params(params_text, "Via"))
