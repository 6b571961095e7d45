"""A resolver on a simulated network of name servers and a simulated clock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sipx.core.locating import Kind, Question
from sipx.net.resolver.client import Resolver
from sipx.net.resolver.query import Server
from sipx.net.resolver.system import Hosts, Servers
from sipx.net.resolver.wire import Answer
from tests.support.zone import Zone

FIRST: Server = ("192.0.2.53", 53)
SECOND: Server = ("192.0.2.54", 53)


class Way:
    """A way to a simulated name server; what it answers arrives after its delay."""

    def __init__(self, net: Net, server: Server, stream: bool, heard: Any, lost: Any) -> None:
        self._net = net
        self._server = server
        self._stream = stream
        self._heard = heard
        self._lost = lost
        self.open = True
        net.ways.append(self)

    def send(self, data: bytes) -> None:
        zone = self._net.zones.get(self._server)
        if zone is None or (self._stream and self._server in self._net.no_streams):
            self._net.later(0.0, lambda: self._lost() if self.open else None)
            return
        answer = zone.answer(data, self._stream)
        if answer is not None:
            delay = self._net.delays.get(self._server, 0.01)
            self._net.later(delay, lambda: self._heard(answer) if self.open else None)

    def close(self) -> None:
        self.open = False


class Net:
    """Name servers by address; the others refuse.

    Attributes:
        zones: what each knows.
        delays: seconds that each takes.
        no_streams: servers that take no connections.
        ways: all that were opened.
        now: monotonic seconds.
    """

    def __init__(self, folder: Path, *zones: Zone, hosts: str = "", given: Any = ()) -> None:
        self.zones = dict(zip((FIRST, SECOND), zones, strict=False))
        self.delays: dict[Server, float] = {}
        self.no_streams: set[Server] = set()
        self.ways: list[Way] = []
        self.now = 1000.0
        self._calls: list[tuple[float, Callable[[], None]]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self.hosts_file, self.conf = folder / "hosts", folder / "resolv.conf"
        self.hosts_file.write_text(hosts)
        self.conf.write_text(f"nameserver {FIRST[0]}\nnameserver {SECOND[0]}\n")
        self._ident = 0
        self.resolver = Resolver(
            Servers(given, self.conf),
            Hosts(self.hosts_file),
            self,
            lambda: self.now,
            self._draw,
        )

    def _draw(self) -> int:
        self._ident += 1
        return self._ident

    def datagrams(self, server: Server, heard: Any, lost: Any) -> Way:
        return Way(self, server, False, heard, lost)

    def stream(self, server: Server, heard: Any, lost: Any) -> Way:
        return Way(self, server, True, heard, lost)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._calls.append((self.now + seconds, call))

    def advance(self, seconds: float) -> None:
        """Let time pass in steps of a hundredth of a second, and ticks of a tenth."""
        for step in range(round(seconds * 100)):
            self.now += 0.01
            due = [call for when, call in self._calls if when <= self.now]
            self._calls = [(when, call) for when, call in self._calls if when > self.now]
            for call in due:
                call()
            if step % 10 == 9:
                self.resolver.tick(self.now)

    def ask(self, name: str, kind: Kind = Kind.A, wait: float = 20.0) -> Answer | None:
        """Ask, and wait until the answer comes."""
        answers: list[Answer] = []
        self.resolver.ask(Question(name, kind), answers.append)
        until = self.now + wait
        while not answers and self.now < until:
            self.advance(0.1)
        assert len(answers) < 2
        return answers[0] if answers else None

    def records(self, name: str, kind: Kind = Kind.A) -> list[Any]:
        """What the answer holds."""
        answer = self.ask(name, kind)
        assert answer is not None
        return list(answer.records)
