"""Several nodes: with one cluster key, with different ones, and in circles."""

from __future__ import annotations

from tests.flows.case import ENDED, PASSWORDS, TALKING, FlowCase
from tests.support.builders import request
from tests.support.calls import BUSY
from tests.support.phones import Phone
from tests.support.simnode import SimulatedNode


class TakeoverTests(FlowCase):
    """Another node takes the address of the first one, which is gone."""

    def setUp(self) -> None:
        super().setUp()
        self.network.names["elsewhere.test"] = "192.0.2.9"
        self.caller = self.phone("200")
        self.friend = self.stranger()
        self.call, self.other = self.talk(self.caller, "sip:stranger@elsewhere.test", self.friend)

    def take_over(self, key: bytes) -> SimulatedNode:
        """Let another node stand in for the first."""
        journal = self.node.die()
        self.nodes.clear()
        self.node = self.make_node(journal=journal, key=key)
        return self.node

    def test_same_key(self) -> None:
        """A dialog goes on and ends through a node that has never seen it; so does its record."""
        self.take_over(b"k" * 32)
        for one in (self.call, self.other):
            one.ask("INVITE")
            self.clock.advance(1)
            self.assertEqual(one.heard, [("INVITE", 200)])
        self.call.hang_up()
        self.clock.advance(1)
        self.assertEqual(self.call.heard[-1], ("BYE", 200))
        self.assertEqual(self.row["result"], "completed")

    def test_other_side_hangs_up(self) -> None:
        """The stranger ends it through the new node."""
        self.take_over(b"k" * 32)
        self.other.hang_up()
        self.clock.advance(1)
        self.assertEqual(self.other.heard, [("BYE", 200)])
        self.assertEqual(self.row["result"], "completed")

    def test_other_key(self) -> None:
        """The state of a node with another key opens nothing."""
        self.take_over(b"x" * 32)
        self.call.ask("BYE")
        self.clock.advance(1)
        self.assertEqual(self.call.heard, [("BYE", 403)])
        self.assertEqual(self.other.state, TALKING)
        # The other way it needs no state: the target is a registered phone.
        self.other.hang_up()
        self.clock.advance(1)
        self.assertEqual(self.other.heard, [("BYE", 200)])

    def test_registrations(self) -> None:
        """Registrations are there after a kill."""
        callee = self.phone("201")
        self.take_over(b"k" * 32)
        self.call.hang_up()
        call, _ = self.talk(self.caller, "201", callee)
        call.hang_up()


class TwoNodesTests(FlowCase):
    """Two nodes of one cluster, side by side."""

    def setUp(self) -> None:
        super().setUp()
        self.second = self.make_node("10.0.0.2")

    def test_nonce(self) -> None:
        """A nonce that one node gave is taken by the other."""
        phone = self.phone("200")
        self.assertEqual(phone.challenges, 1)
        phone._proxy = self.second.address
        phone.register()
        self.clock.advance(1)
        self.assertEqual((phone.registered, phone.challenges), ([200, 200], 1))
        self.assertEqual(self.second.location.count(), 1)

    def test_nonce_of_a_stranger(self) -> None:
        """A nonce of a node with another key is not."""
        third = self.make_node("10.0.0.3", key=b"x" * 32)
        phone = self.phone("200")
        phone._proxy = third.address
        phone.register()
        self.clock.advance(1)
        self.assertEqual((phone.registered, phone.challenges), ([200, 200], 2))


class LoopTests(FlowCase):
    """Nodes of different domains that send requests to each other."""

    def setUp(self) -> None:
        super().setUp()
        self.far = self.make_node("10.0.0.2", users=PASSWORDS, domain="far.test")
        self.caller = self.phone("200")

    def forward(self, near: SimulatedNode, far: SimulatedNode, *contacts: str) -> None:
        """Register contacts of user 201 that are names at the other node."""
        domain = near.context.identity.domain
        phone = Phone(
            self.network,
            "201",
            far.address[0],
            password=PASSWORDS["201"],
            domain=domain,
            proxy=near.address,
            port=5061,
        )
        self.phones.append(phone)
        # The binding's flow is where the REGISTER came from: let it be the other node.
        phone.endpoint.address = far.address
        receive = self.network._hosts[far.address]

        def both(data: bytes, source: tuple[str, int]) -> None:
            if b" REGISTER\r\n" in data:
                phone.endpoint._arrived(data, source)
            else:
                receive(data, source)

        self.network.attach(far.address, both)
        phone.register(*(f"<{contact}>" for contact in contacts))
        self.clock.advance(1)
        self.network.attach(far.address, receive)
        self.network.detach((far.address[0], 5061))
        self.assertEqual(phone.registered, [200])

    def invites(self) -> int:
        """Count the INVITEs between the nodes, retransmissions included."""
        return sum(datagram.data.startswith(b"INVITE") for datagram in self.network.sent)

    def test_loop(self) -> None:
        """Two users at two nodes forward to each other: 482 or 483, after a few hops."""
        self.forward(self.node, self.far, "sip:201@10.0.0.2")
        self.forward(self.far, self.node, "sip:201@10.0.0.1")
        self.network.sent.clear()
        call = self.stranger().call("sip:201@example.test")
        self.clock.until(lambda: call.state is ENDED, 60)
        self.assertIn(call.status, {482, 483})
        self.assertLess(self.invites(), 10)

    def test_fork_loop(self) -> None:
        """Each forks to two names of the other: loop detection keeps it from exploding."""
        self.forward(self.node, self.far, "sip:201@10.0.0.2", "sip:201@10.0.0.2;x=2")
        self.forward(self.far, self.node, "sip:201@10.0.0.1", "sip:201@10.0.0.1;x=1")
        self.network.sent.clear()
        call = self.stranger().call("sip:201@example.test")
        self.clock.until(lambda: call.state is ENDED, 60)
        self.assert_over(call)
        self.assertIn(call.status, {482, 483, 440})
        self.assertLess(self.invites(), 150)

    def test_fork_loop_narrow(self) -> None:
        """The same with a small Max-Breadth."""
        self.forward(self.node, self.far, "sip:201@10.0.0.2", "sip:201@10.0.0.2;x=2")
        self.forward(self.far, self.node, "sip:201@10.0.0.1", "sip:201@10.0.0.1;x=1")
        self.network.sent.clear()
        call = self.stranger().call("sip:201@example.test", "Max-Breadth: 2")
        self.clock.until(lambda: call.state is ENDED, 60)
        self.assert_over(call)
        self.assertLess(self.invites(), 150)

    def test_spiral_in_our_name(self) -> None:
        """What comes back from another domain in our user's name fails: it has no proof any more.

        Its challenge is not passed on, since it came from another server.
        """
        self.forward(self.node, self.far, "sip:201@10.0.0.2")
        self.forward(self.far, self.node, "sip:201@10.0.0.1")
        call = self.caller.call("201")
        self.clock.until(lambda: call.state is ENDED, 60)
        self.assertEqual(call.status, 502)

    def test_max_forwards(self) -> None:
        """A request without hops left goes no further: 483."""
        callee = self.phone("201")
        made = request("INVITE", "sip:201@example.test", max_forwards=0)
        self.assertEqual(self.status(self.peer(), made), 483)
        self.assertEqual(callee.calls, [])

    def test_two_hops(self) -> None:
        """A call through both nodes: two Record-Routes, and each node keeps its record."""
        callee = Phone(
            self.network,
            "201",
            "10.0.1.9",
            password=PASSWORDS["201"],
            domain="far.test",
            proxy=self.far.address,
        )
        self.phones.append(callee)
        callee.register()
        self.clock.advance(1)
        call, other = self.talk(self.caller, "sip:201@far.test", callee)
        assert call.dialog is not None
        self.assertEqual(len(call.dialog.routes), 2)
        for one in (call, other):
            one.ask("INVITE")
            self.clock.advance(1)
            self.assertEqual(one.heard, [("INVITE", 200)])
        other.hang_up()
        self.clock.advance(1)
        self.assertEqual(other.heard[-1], ("BYE", 200))
        for node in self.nodes:
            self.assertEqual([row["result"] for row in node.journal.rows], ["completed"])

    def test_two_hops_busy(self) -> None:
        """A busy phone behind two nodes; and a cancel through both."""
        callee = Phone(
            self.network,
            "201",
            "10.0.1.9",
            password=PASSWORDS["201"],
            domain="far.test",
            proxy=self.far.address,
        )
        self.phones.append(callee)
        callee.register()
        self.clock.advance(1)
        callee.plan = BUSY
        call = self.caller.call("sip:201@far.test")
        self.clock.advance(1)
        self.assertEqual(call.status, 486)
