"""What no phone would send, straight into a node in memory: ``SIPX_MESSAGES=500000 make fuzz``.

Half of the requests have right credentials; what the node sends out is answered with damaged
responses.  A traceback anywhere fails the test.
"""

from __future__ import annotations

import os
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.errors import RemoteError
from sipx.core.message import Request
from sipx.core.parser import parse_datagram
from tests.support.calls import CallState
from tests.support.credentials import answers_to
from tests.support.mutate import Mutator
from tests.support.phones import Phone
from tests.support.simnode import DOMAIN, PORT, SimulatedNode
from tests.support.vnet import Address, Clock, Network

MESSAGES = 100_000
CHALLENGE = (
    f"REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKfuzz;rport"
    f"\r\nFrom: <sip:203@{DOMAIN}>;tag=1\r\nTo: <sip:203@{DOMAIN}>\r\nCall-ID: fuzz\r\n"
    "CSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n"
).encode()
RENEW = 2000  # messages after which a new nonce is taken
PAUSE = 400  # messages a second


class FuzzTests(SynchronousTestCase):
    """A node under fire."""

    messages = int(os.environ.get("SIPX_MESSAGES", MESSAGES))
    seed = int(os.environ.get("SIPX_SEED", "1"))

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = Network(self.clock, 1)
        users = {user: f"secret-{user}" for user in ("200", "201", "203")}
        self.node = SimulatedNode(self.network, users=users, max_call_hours=1)
        self.fuzzer: Address = ("127.0.0.1", PORT)
        self.heard: list[bytes] = []
        self.network.attach(self.fuzzer, self._receive)
        self.rng = Random(self.seed)
        self.line = lambda method, uri: ""
        self.mutator = Mutator(
            self.seed,
            domain=DOMAIN,
            user="203",
            port=PORT,
            transport="UDP",
            credentials=lambda method, uri: (
                self.line(method, uri) if self.rng.random() < 0.5 else ""
            ),
        )

    def _receive(self, data: bytes, source: Address) -> None:
        self.heard.append(data)
        try:
            message = parse_datagram(data)
        except RemoteError as error:
            raise AssertionError(f"the node sent what is no SIP: {data!r}") from error
        if isinstance(message, Request) and self.rng.random() < 0.5 and len(self.heard) % 3 == 0:
            self.network.send(self.mutator.answer(data), self.fuzzer, self.node.address)

    def _take_nonce(self) -> None:
        self.heard.clear()
        self.network.send(CHALLENGE, self.fuzzer, self.node.address)
        self.clock.advance(0.01)
        challenges = [data for data in self.heard if b"Call-ID: fuzz\r\n" in data]
        self.line = answers_to(challenges[-1], "203", "secret-203")

    def test_fuzz(self) -> None:
        """Everything ends, nothing is left, and a call can be made at last."""
        for number in range(self.messages):
            if number % RENEW == 0:
                self._take_nonce()
            self.network.send(self.mutator.mutated(), self.fuzzer, self.node.address)
            if number % PAUSE == 0:
                self.clock.advance(1)
                self.heard.clear()
        self.network.detach(self.fuzzer)
        self.clock.advance(400)
        left = {name: number for name, number in self.node.residue().items() if number}
        # A damaged 2xx connects, and nobody hangs up.
        active = self.node.calls.active()
        left.pop("calls", None)
        left.pop("calls waiting", None)
        self.assertEqual(left, {})
        self.assertTrue(all(call.connect is not None for call in active), active)
        phones = [
            Phone(
                self.network,
                user,
                f"10.0.1.{number}",
                password=f"secret-{user}",
                proxy=self.node.address,
            )
            for number, user in enumerate(("200", "201"))
        ]
        for phone in phones:
            phone.register()
        self.clock.advance(1)
        call = phones[0].call("201")
        self.clock.advance(3)
        self.assertIs(call.state, CallState.TALKING)
        call.hang_up()
        self.clock.advance(230)
        self.clock.advance(2 * 3600)
        self.assertEqual({name: left for name, left in self.node.residue().items() if left}, {})
        self.assertEqual(self.node.location.count(), 0)
