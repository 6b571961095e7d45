"""A datagram socket that asks a SIP server whether it is there, and sends it what a test likes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from tests.support.ports import HOST
from tests.support.processes import NotInTime

FINAL = re.compile(rb"SIP/2\.0 [2-6]\d\d ")
CALL_ID = re.compile(rb"^(?:Call-ID|i) *: *([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
AGAIN = 0.25  # seconds between two copies of the same question

QUESTION = """\
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{token}
Max-Forwards: 70
From: <{address}>;tag={token}
To: <{address}>
Call-ID: {token}
CSeq: 1 {method}
Content-Length: 0

"""


class Probe(DatagramProtocol):
    """Sends from one port of the loopback address to one server.

    Attributes:
        responder: makes what is sent back for a request; None to send nothing.
    """

    def __init__(self, server_port: int) -> None:
        self.responder: Callable[[bytes], bytes] | None = None
        self._server = (HOST, server_port)
        self._asked: dict[bytes, Deferred[bytes]] = {}

    def open(self) -> None:
        """Bind any free port."""
        self._listening = IReactorUDP(reactor).listenUDP(0, self, HOST, 65536)

    async def close(self) -> None:
        """Unbind it."""
        stopped = self._listening.stopListening()
        if stopped is not None:
            await stopped

    @property
    def port(self) -> int:
        """The port it sends from."""
        address = self._listening.getHost()
        assert isinstance(address, IPv4Address)
        return address.port

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        assert self.transport is not None
        self.transport.write(data, self._server)

    async def answered(self, timeout: float) -> None:
        """Send OPTIONS until it gets any final response.

        A server reads a socket in order: after the answer it has also read what was sent before.

        Raises:
            NotInTime: no final response within the timeout in seconds.
        """
        await self.ask("OPTIONS", f"sip:{HOST}", f"sip:probe@{HOST}", timeout)

    async def answers(self, timeout: float) -> bool:
        """Tell whether the server answers OPTIONS within a timeout in seconds."""
        try:
            await self.answered(timeout)
        except NotInTime:
            return False
        return True

    async def ask(self, method: str, uri: str, address: str, timeout: float) -> bytes:
        """Send a request outside of dialogs, without credentials or body, until it is answered.

        Args:
            method: its method.
            uri: its Request-URI.
            address: for From and To.
            timeout: seconds to try.

        Returns:
            The final response.

        Raises:
            NotInTime: there was none.
        """
        token = os.urandom(8).hex()
        values = {"host": HOST, "port": self.port, "token": token}
        text = QUESTION.format(method=method, uri=uri, address=address, **values)
        answer: Deferred[bytes] = Deferred()
        self._asked[token.encode()] = answer
        asking = LoopingCall(self.send, text.replace("\n", "\r\n").encode())
        asking.start(AGAIN).addErrback(_fail, answer)
        try:
            return await answer.addTimeout(timeout, IReactorTime(reactor))
        except TimeoutError:
            raise NotInTime(f"no answer to {method} within {timeout:g} s") from None
        finally:
            del self._asked[token.encode()]
            if asking.running:
                asking.stop()

    def datagramReceived(self, data: bytes, address: object) -> None:
        if self.responder is not None and data.endswith(b"\r\n") and not data.startswith(b"SIP"):
            self.send(self.responder(data))
        call_id = CALL_ID.search(data)
        answer = self._asked.get(call_id.group(1)) if call_id and FINAL.match(data) else None
        if answer is not None and not answer.called:
            answer.callback(data)


def _fail(failure: Failure, answer: Deferred[bytes]) -> None:
    if not answer.called:
        answer.errback(failure)
