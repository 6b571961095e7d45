"""A node and a name server: a call to another domain reaches the server that is well."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol

from tests.support.credentials import answers_to
from tests.support.ports import HOST, free_ports
from tests.support.zone import NameServer, Zone, a, srv
from tests.system.case import NodeTestCase, password

THERE = "there.test"
URI = f"sip:friend@{THERE}"
DEAD = "127.0.0.3"  # nobody listens there
PATIENCE = 20  # seconds; the dead server gets 4 of them

INVITE = """\
INVITE {uri} SIP/2.0
Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{token}
Max-Forwards: 70
From: <sip:201@{domain}>;tag={call}
To: <{uri}>
Call-ID: {call}
CSeq: {number} INVITE
Contact: <sip:201@{host}:{port}>
{more}Content-Length: 0

"""


class Peer(DatagramProtocol):
    """A port of this machine that tells of the first datagram that it waits for."""

    noisy = False
    transport: Any

    def __init__(self) -> None:
        self._waits: list[tuple[bytes, Deferred[bytes]]] = []

    async def heard(self, beginning: bytes) -> bytes:
        """Wait for a datagram that begins like this."""
        waiting: Deferred[bytes] = Deferred()
        self._waits.append((beginning, waiting))
        return await waiting.addTimeout(PATIENCE, reactor)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        for entry in [entry for entry in self._waits if datagram.startswith(entry[0])]:
            self._waits.remove(entry)
            entry[1].callback(datagram)


class LocatingTests(NodeTestCase):
    """A domain of two servers in SRV records, of which the first is dead."""

    async def setUp(self) -> None:
        self.well, self.caller = Peer(), Peer()
        network: Any = reactor
        ports = [network.listenUDP(free_ports(), peer, HOST) for peer in (self.well, self.caller)]
        for listening in ports:
            self.addCleanup(listening.stopListening)
        self.port = ports[1].getHost().port
        there = ports[0].getHost().port
        self.zone = Zone(
            srv(f"_sip._udp.{THERE}", 1, 0, there, f"one.{THERE}"),
            srv(f"_sip._udp.{THERE}", 2, 0, there, f"two.{THERE}"),
            a(f"one.{THERE}", DEAD),
            a(f"two.{THERE}", HOST),
        )
        name_server = NameServer(network, self.zone)
        self.addCleanup(name_server.stop)
        self.options = ("--dns", f"{HOST}:{name_server.port}")
        await super().setUp()

    def invite(self, call: str, number: int, more: str = "") -> None:
        """Send an INVITE of user 201."""
        text = INVITE.format(
            uri=URI,
            host=HOST,
            port=self.port,
            domain=self.node.domain,
            token=os.urandom(6).hex(),
            call=call,
            number=number,
            more=more,
        )
        self.caller.transport.write(text.replace("\n", "\r\n").encode(), (HOST, self.node.port))

    async def call(self, call: str) -> None:
        """Call there; the server that is well is busy."""
        self.invite(call, 1)
        challenge = await self.caller.heard(b"SIP/2.0 407")
        self.invite(call, 2, answers_to(challenge, "201", password("201"))("INVITE", URI))
        invite = await self.well.heard(b"INVITE ")
        busy = [b"SIP/2.0 486 Busy Here"] + [
            line
            for line in invite.split(b"\r\n")
            if line.startswith((b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:"))
        ]
        answer = b"\r\n".join([*busy, b"Content-Length: 0", b"", b""]).replace(
            b"To: <" + URI.encode() + b">", b"To: <" + URI.encode() + b">;tag=busy"
        )
        self.well.transport.write(answer, (HOST, self.node.port))
        await self.caller.heard(b"SIP/2.0 486")

    async def test_second(self) -> None:
        """The call goes on to the second one; the first is avoided then, which health counts."""
        await self.call("first")
        asked = list(self.zone.asked)
        self.assertIn((f"_sip._udp.{THERE}", "SRV"), asked)
        gauges = (await self.node.ask("health"))["gauges"]
        self.assertEqual(gauges["next_hops_avoided"]["value"], 1)
        started = reactor.seconds()
        await self.call("second")
        self.assertLess(reactor.seconds() - started, 3.5)
        self.assertEqual(self.zone.asked, asked)
