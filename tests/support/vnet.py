"""A simulated network on a simulated clock: no sockets, no reactor, nobody sleeps.

Everything that happens by chance (loss, duplicates, delay) comes from one seeded generator,
so a run can be repeated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Any, NamedTuple

from zope.interface import classImplements

from sipx.core.flowid import FlowId
from sipx.interfaces import IFlow, ITransport
from sipx.net.layer import TransactionLayer

Address = tuple[str, int]

START = 5000.0  # monotonic seconds
UTC = 1_800_000_000.0
REMEMBERED = 400  # datagrams kept to be shown when a test fails


class Timer:
    """A call that is due some day; ``cancel`` it when it is not wanted any more."""

    __slots__ = ("_clock", "call", "interval")

    def __init__(self, clock: Clock, call: Callable[[], None], interval: float = 0.0) -> None:
        self._clock = clock
        self.call: Callable[[], None] | None = call
        self.interval = interval

    def cancel(self) -> None:
        """Forget it; harmless when it has fired."""
        if self.call is not None:
            self.call = None
            if not self.interval:
                self._clock.waiting -= 1


class Clock:
    """Monotonic time, which passes when told, and wall time, which can also be stepped.

    Attributes:
        now: monotonic seconds.
        waiting: calls that are due some day, repeated ones left out.
    """

    def __init__(self) -> None:
        self.now = START
        self.waiting = 0
        self._offset = UTC - START
        self._calls: list[tuple[float, int, Timer]] = []
        self._count = 0

    def monotonic(self) -> float:
        """Give monotonic seconds."""
        return self.now

    def utc(self) -> float:
        """Give wall time."""
        return self.now + self._offset

    def step(self, seconds: float) -> None:
        """Set the wall clock forward or back; no time passes."""
        self._offset += seconds

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call once, later."""
        return self.at(self.now + seconds, call)

    def at(self, when: float, call: Callable[[], None]) -> Timer:
        """Call once, at a monotonic second; those of the same instant in the order given."""
        timer = Timer(self, call)
        self.waiting += 1
        self._push(when, timer)
        return timer

    def every(self, interval: float, call: Callable[[float], None]) -> Timer:
        """Call with ``now`` again and again."""
        timer = Timer(self, lambda: call(self.now), interval)
        self._push(self.now + interval, timer)
        return timer

    def _push(self, when: float, timer: Timer) -> None:
        self._count += 1
        heappush(self._calls, (when, self._count, timer))

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due meanwhile."""
        self._run(self.now + seconds, _never)

    def until(self, condition: Callable[[], bool], limit: float = 300.0) -> bool:
        """Let time pass until a condition holds; False when it did not within the limit."""
        self._run(self.now + limit, condition)
        return condition()

    def _run(self, end: float, condition: Callable[[], bool]) -> None:
        calls = self._calls
        while not condition():
            if not calls or calls[0][0] > end:
                self.now = end
                return
            when, _, timer = heappop(calls)
            call = timer.call
            if call is None:
                continue
            self.now = max(self.now, when)
            if timer.interval:
                self._push(self.now + timer.interval, timer)
            else:
                timer.call = None
                self.waiting -= 1
            call()


def _never() -> bool:
    return False


class Datagram(NamedTuple):
    """What was sent."""

    time: float
    source: Address
    destination: Address
    data: bytes

    def summary(self) -> str:
        """Show it in one line."""
        first = self.data.partition(b"\r\n")[0].decode("utf-8", "replace")[:70]
        way = f"{self.source[0]}:{self.source[1]} -> {self.destination[0]}:{self.destination[1]}"
        return f"{self.time - START:9.3f} {way:42} {first}"


@dataclass(frozen=True, slots=True)
class Conditions:
    """How well the network works.

    Attributes:
        loss: share of datagrams that never arrive.
        duplication: share of datagrams that arrive twice.
        reordering: share of datagrams that are held back for up to ``hold`` seconds.
        hold: seconds.
        delay: seconds that each takes, at least and at most.
    """

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    hold: float = 0.2
    delay: tuple[float, float] = (0.001, 0.001)


class Network:
    """Carries datagrams between addresses.

    Attributes:
        clock: which it works on.
        conditions: may be changed at any time.
        names: host names to addresses.
        records: further records of the DNS, by name and kind.
        sent: the latest datagrams, lost ones too.
        lose: further losses, asked of each datagram.
        flying: datagrams on their way.
    """

    def __init__(self, clock: Clock, seed: int = 0, conditions: Conditions | None = None) -> None:
        self.clock = clock
        self.conditions = conditions or Conditions()
        self.names: dict[str, str] = {}
        self.records: dict[tuple[str, str], Sequence[Any]] = {}
        self.sent: deque[Datagram] = deque(maxlen=REMEMBERED)
        self.lose: Callable[[Datagram], bool] = lambda datagram: False
        self.flying = 0
        self._random = Random(seed)
        self._hosts: dict[Address, Callable[[bytes, Address], None]] = {}

    def attach(self, address: Address, receive: Callable[[bytes, Address], None]) -> None:
        """Let somebody receive what is sent to an address: (data, source)."""
        self._hosts[address] = receive

    def detach(self, address: Address) -> None:
        """Let nobody receive there any more."""
        self._hosts.pop(address, None)

    def send(self, data: bytes, source: Address, destination: Address) -> None:
        """Send a datagram, whoever the source is."""
        datagram = Datagram(self.clock.now, source, destination, data)
        self.sent.append(datagram)
        conditions, chance = self.conditions, self._random.random
        if self.lose(datagram) or chance() < conditions.loss:
            return
        self._carry(datagram)
        if chance() < conditions.duplication:
            self._carry(datagram)

    def _carry(self, datagram: Datagram) -> None:
        conditions = self.conditions
        seconds = self._random.uniform(*conditions.delay)
        if self._random.random() < conditions.reordering:
            seconds += self._random.uniform(0, conditions.hold)
        self.flying += 1

        def arrive() -> None:
            self.flying -= 1
            receive = self._hosts.get(datagram.destination)
            if receive is not None:
                receive(datagram.data, datagram.source)

        self.clock.after(seconds, arrive)

    def show(self) -> str:
        """Show the latest datagrams, a line each."""
        return "\n".join(datagram.summary() for datagram in self.sent)


class VirtualFlow:
    """One peer's address behind a virtual socket."""

    __slots__ = ("_socket", "address", "id", "peer", "sent_by")

    transport = "udp"
    reliable = False
    alive = True

    def __init__(self, socket: VirtualSocket, peer: Address) -> None:
        self._socket = socket
        self.peer = peer
        self.address = socket.address
        self.sent_by = f"SIP/2.0/UDP {socket.address[0]}:{socket.address[1]};branch="
        self.id = FlowId("udp", *socket.address, *peer)

    def send(self, message: Any) -> None:
        """Send a datagram."""
        self._socket.network.send(message, self.address, self.peer)

    def at(self, port: int) -> VirtualFlow:
        """Give the flow to another port of the same peer."""
        return self._socket.flow((self.peer[0], port))


classImplements(VirtualFlow, IFlow)


class VirtualSocket:
    """What a node receives on, and sends from."""

    def __init__(self, network: Network, address: Address) -> None:
        self.network = network
        self.address = address
        self._flows: dict[Address, VirtualFlow] = {}

    def flow(self, peer: Address) -> VirtualFlow:
        """Give the flow to an address."""
        found = self._flows.get(peer)
        if found is None:
            found = self._flows[peer] = VirtualFlow(self, peer)
        return found


class VirtualUdp:
    """The transport ``udp`` of a simulated node, on one address or several."""

    name = "udp"
    reliable = False

    def __init__(self, network: Network, addresses: Sequence[Address]) -> None:
        self._network = network
        self._sockets = {address: VirtualSocket(network, address) for address in addresses}

    def start(self, layer: TransactionLayer) -> None:
        """Begin to receive; each datagram is a turn of the reactor."""

        def on(socket: VirtualSocket) -> Callable[[bytes, Address], None]:
            def receive(data: bytes, peer: Address) -> None:
                layer.datagram(data, socket.flow(peer), self._network.clock.now)
                layer.outbox.flush()

            return receive

        for socket in self._sockets.values():
            self._network.attach(socket.address, on(socket))

    def stop(self) -> None:
        """Receive nothing any more."""
        for address in self._sockets:
            self._network.detach(address)

    def addresses(self) -> Sequence[Address]:
        """Give the addresses it receives on."""
        return list(self._sockets)

    def flow(self, flow_id: FlowId) -> VirtualFlow | None:
        """Find the flow of that name."""
        socket = self._sockets.get((flow_id.local_host, flow_id.local_port))
        return None if socket is None else socket.flow((flow_id.host, flow_id.port))

    def reach(self, host: str, port: int, done: Callable[[Any], None], name: str = "") -> None:
        """Give the flow to an address."""
        done(self.towards(host).flow((host, port)))

    def towards(self, host: str) -> VirtualSocket:
        """Give the socket that a datagram to an address leaves from: of the same /24 if any."""
        net = host.rpartition(".")[0]
        for address, socket in self._sockets.items():
            if address[0].rpartition(".")[0] == net:
                return socket
        return next(iter(self._sockets.values()))


classImplements(VirtualUdp, ITransport)
