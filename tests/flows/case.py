"""What the flows share: a node, phones, a clock, and nothing left at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.message import Request, Response
from tests.support.calls import Call, CallState
from tests.support.endpoint import Endpoint
from tests.support.phones import Phone
from tests.support.simnode import PORT, SimulatedNode
from tests.support.vnet import Clock, Conditions, Network

QUIET = 200.0  # seconds after which everything must be over: Timer C and some
PASSWORDS: Mapping[str, str] = {user: f"secret-{user}" for user in ("200", "201", "202", "203")}
ALIASES: Mapping[str, str] = {"reception": "200", "sales": "201"}

CALLING, RINGING, TALKING, ENDED = CallState


class FlowCase(SynchronousTestCase):
    """A node with users 200 to 203; what is left at the end fails the test.

    Attributes:
        options: of the node.
        conditions: of the network.
        calls_left: calls that go on at the end, as the node sees it.
    """

    options: ClassVar[Mapping[str, Any]] = {}
    conditions = Conditions()
    calls_left = 0

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = Network(self.clock, 1, self.conditions)
        self.nodes: list[SimulatedNode] = []
        self.phones: list[Phone] = []
        self.peers: list[Endpoint] = []
        self.node = self.make_node(**self.options)

    def make_node(self, host: str = "10.0.0.1", **options: Any) -> SimulatedNode:
        """Start a node, with the usual users unless others are given."""
        options = {"users": PASSWORDS, "aliases": ALIASES, **options}
        node = SimulatedNode(self.network, host, **options)
        self.nodes.append(node)
        return node

    def phone(self, user: str, register: bool = True, **given: Any) -> Phone:
        """Give a user one more phone, registered unless told otherwise."""
        host = given.pop("host", f"10.0.1.{len(self.phones) + 1}")
        contact = given.pop("q", None)
        password = given.pop("password", PASSWORDS.get(user, ""))
        if password:  # ours go through the node, whatever the URI says
            given = {"proxy": self.node.address, **given}
        phone = Phone(self.network, user, host, password=password, **given)
        self.phones.append(phone)
        if register:
            phone.register(phone.contact if contact is None else f"{phone.contact};q={contact}")
            self.clock.advance(1)
            self.assertEqual(phone.registered, [200])
        return phone

    def stranger(self, **given: Any) -> Phone:
        """Give somebody of another domain a phone."""
        return self.phone("stranger", False, host="192.0.2.9", domain="elsewhere.test", **given)

    def peer(self, host: str = "192.0.2.66") -> Endpoint:
        """Make an address that sends what it is told."""
        peer = Endpoint(self.network, (host, PORT))
        self.peers.append(peer)
        return peer

    def ask(self, peer: Endpoint, made: Request) -> Response | None:
        """Send a request to the node as it is, and wait for the final response."""
        finals: list[Response | None] = []

        def heard(message: Response) -> None:
            if message.status >= 200:
                finals.append(message)

        peer.send(made, self.node.address, heard, lambda: finals.append(None))
        self.clock.until(lambda: bool(finals), 40)
        return finals[0] if finals else None

    def status(self, peer: Endpoint, made: Request) -> int:
        """Send a request to the node as it is; gives the final status, 0 for none."""
        message = self.ask(peer, made)
        return 0 if message is None else message.status

    def talk(self, caller: Phone, target: str, callee: Phone) -> tuple[Call, Call]:
        """Call somebody who answers; gives both sides."""
        call = caller.call(target)
        self.assertTrue(self.clock.until(lambda: call.state in {TALKING, ENDED}, 60), call)
        self.clock.advance(1)
        other = callee.call_now
        self.assertEqual((call.state, other.state), (TALKING, TALKING), self.network.show())
        self.assertTrue(other.acknowledged)
        return call, other

    def assert_over(self, *calls: Call) -> None:
        """Calls have ended everywhere."""
        self.assertEqual([call.state for call in calls], [ENDED] * len(calls), calls)

    @property
    def row(self) -> dict[str, Any]:
        """The only call record."""
        rows = self.node.journal.rows
        self.assertEqual(len(rows), 1, rows)
        return rows[0]

    def results(self) -> list[tuple[str, int]]:
        """Give result and failure code of each call record."""
        return [(row["result"], row["failure_code"]) for row in self.node.journal.rows]

    def tearDown(self) -> None:
        """All is over and nothing is left: transactions, timers, calls."""
        self.clock.advance(QUIET)
        self.assert_no_residue()

    def assert_no_residue(self) -> None:
        """Nothing is left anywhere."""
        for node in self.nodes:
            left = {name: number for name, number in node.residue().items() if number}
            if self.calls_left and node is self.node:
                self.assertEqual(left.pop("calls", 0), self.calls_left)
                left.pop("calls waiting", 0)
            self.assertEqual(left, {}, f"{node.address}\n{self.network.show()}")
            self.assertEqual(node.journal.unbound, 0)
        for phone in self.phones:
            left = {name: number for name, number in phone.residue().items() if number}
            self.assertEqual(left, {}, f"{phone.user} {phone.calls}\n{self.network.show()}")
        for peer in self.peers:
            self.assertEqual(peer.transactions, 0)
        self.assertEqual((self.network.flying, self.clock.waiting), (0, 0))
