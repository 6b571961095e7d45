"""The simulation itself: what it stands in for, and that it does what it says."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipx.core.flowid import FlowId
from sipx.interfaces import (
    IBindingStore,
    ICallRecordStore,
    IConfiguration,
    IFlow,
    IJournal,
    INodeContext,
    IRequestServer,
    ITransport,
)
from tests.support.builders import request
from tests.support.calls import CallState
from tests.support.phones import Phone
from tests.support.simnode import MemoryJournal, SimulatedNode
from tests.support.vnet import UTC, Address, Clock, Conditions, Network, VirtualUdp


class InterfaceTests(SynchronousTestCase):
    """What is simulated keeps the interfaces."""

    def test_interfaces(self) -> None:
        """Transport, flow, journal, stores, configuration, context, server."""
        network = Network(Clock())
        transport = VirtualUdp(network, [("10.0.0.1", 5060)])
        node = SimulatedNode(network)
        verifyObject(ITransport, transport)
        verifyObject(IFlow, transport.towards("10.0.0.9").flow(("10.0.0.9", 5060)))
        verifyObject(INodeContext, node.context)
        verifyObject(IConfiguration, node.context.get(IConfiguration))
        verifyObject(IRequestServer, node.echo)
        for interface in (IJournal, IBindingStore, ICallRecordStore):
            verifyObject(interface, MemoryJournal())

    def test_flows(self) -> None:
        """A flow is found by its name, and knows other ports of its peer."""
        transport = VirtualUdp(Network(Clock()), [("10.0.0.1", 5060), ("10.1.0.1", 5060)])
        found: list[object] = []
        transport.reach("10.1.0.9", 5070, found.append)
        flow = transport.flow(FlowId("udp", "10.1.0.1", 5060, "10.1.0.9", 5070))
        assert flow is not None
        self.assertEqual(found, [flow])
        self.assertIs(flow.at(5070), flow)
        self.assertEqual(flow.at(5071).id.port, 5071)
        self.assertIsNone(transport.flow(FlowId("udp", "10.2.0.1", 5060, "10.1.0.9", 5070)))


class ClockTests(SynchronousTestCase):
    """Time passes when told."""

    def test_order(self) -> None:
        """What is due happens in order, each at its instant."""
        clock = Clock()
        start, seen = clock.now, list[tuple[str, float]]()
        clock.after(2, lambda: seen.append(("b", clock.now - start)))
        clock.after(1, lambda: seen.append(("a", clock.now - start)))
        clock.after(2, lambda: seen.append(("c", clock.now - start)))
        gone = clock.after(1.5, lambda: seen.append(("never", 0)))
        gone.cancel()
        gone.cancel()
        self.assertEqual(clock.waiting, 3)
        clock.advance(2)
        self.assertEqual(seen, [("a", 1), ("b", 2), ("c", 2)])
        self.assertEqual((clock.waiting, clock.now - start), (0, 2))

    def test_every(self) -> None:
        """What is repeated comes until it is canceled."""
        clock = Clock()
        seen: list[float] = []
        timer = clock.every(0.5, seen.append)
        clock.advance(2)
        timer.cancel()
        clock.advance(2)
        self.assertEqual(len(seen), 4)

    def test_until(self) -> None:
        """Time passes until a condition holds, or the limit."""
        clock = Clock()
        start = clock.now
        clock.after(3, lambda: None)
        self.assertTrue(clock.until(lambda: clock.now >= start + 3, 10))
        self.assertEqual(clock.now, start + 3)
        self.assertFalse(clock.until(lambda: False, 10))
        self.assertEqual(clock.now, start + 13)

    def test_step(self) -> None:
        """The wall clock is stepped, the monotonic one never."""
        clock = Clock()
        start = clock.now
        clock.step(-3600)
        clock.advance(1)
        self.assertEqual((clock.utc(), clock.now), (UTC - 3599, start + 1))


class NetworkTests(SynchronousTestCase):
    """A bad network, the same for the same seed."""

    def arrivals(self, seed: int, conditions: Conditions) -> list[int]:
        """Send a hundred datagrams; gives those that arrive, in order."""
        clock = Clock()
        network = Network(clock, seed, conditions)
        arrived: list[int] = []

        def receive(data: bytes, source: Address) -> None:
            arrived.append(int(data))

        network.attach(("b", 1), receive)
        for number in range(100):
            network.send(b"%d" % number, ("a", 1), ("b", 1))
            clock.advance(0.01)
        clock.advance(10)
        self.assertEqual(network.flying, 0)
        return arrived

    def test_good(self) -> None:
        """Without misfortune everything arrives once, in order."""
        self.assertEqual(self.arrivals(1, Conditions()), list(range(100)))

    def test_bad(self) -> None:
        """Losses, duplicates and another order; the same again for the same seed only."""
        bad = Conditions(loss=0.2, duplication=0.1, reordering=0.2, delay=(0.0, 0.05))
        arrived = self.arrivals(1, bad)
        self.assertTrue(60 < len({*arrived}) < 95)
        self.assertGreater(len(arrived), len({*arrived}))
        self.assertNotEqual(arrived, sorted(arrived))
        self.assertEqual(arrived, self.arrivals(1, bad))
        self.assertNotEqual(arrived, self.arrivals(2, bad))


class PhoneTests(SynchronousTestCase):
    """Simulated phones, without a node between them."""

    def test_call(self) -> None:
        """Two phones call each other through a bad network."""
        clock = Clock()
        network = Network(clock, 3, Conditions(loss=0.2, duplication=0.2, delay=(0.0, 0.3)))
        one = Phone(network, "1", "10.0.0.1", domain="a.test")
        two = Phone(network, "2", "10.0.0.2", domain="b.test")
        network.names["b.test"] = "10.0.0.2"
        call = one.call("sip:2@b.test")
        clock.advance(40)
        self.assertIs(call.state, CallState.TALKING)
        two.call_now.hang_up()
        clock.advance(100)
        self.assertIs(call.state, CallState.ENDED)
        self.assertEqual(two.call_now.heard, [("BYE", 200)])
        self.assertEqual([*one.residue().values(), *two.residue().values()], [0] * 6)
        self.assertEqual(clock.waiting, 0)

    def test_unknown_dialog(self) -> None:
        """A phone answers 481 to what belongs to no call."""
        clock = Clock()
        network = Network(clock)
        one = Phone(network, "1", "10.0.0.1")
        statuses: list[int] = []
        made = request("BYE", "sip:2@10.0.0.2:5060", to_tag="x")
        Phone(network, "2", "10.0.0.2")
        one.ask(made, lambda made, message: statuses.append(message.status if message else 0))
        clock.advance(1)
        self.assertEqual(statuses, [481])
        clock.advance(60)
