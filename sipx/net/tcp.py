"""SIP over TCP (RFC 3261 section 18): connections that are ready as soon as they stand."""

from __future__ import annotations

from sipx.net.stream import StreamTransport


class TcpTransport(StreamTransport):
    """All TCP connections of the node."""

    name = "tcp"
