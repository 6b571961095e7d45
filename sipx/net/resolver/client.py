"""The resolver: answers from memory, else from /etc/hosts, else from the name servers.

Whoever asks gets the answer at once or later, and never waits for longer than the name servers
are given (``sipx.net.resolver.query``). While they are down, what they said before is said again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

from zope.interface import classImplements

from sipx.core.locating import Question
from sipx.net.interfaces import IResolver
from sipx.net.resolver.cache import Cache
from sipx.net.resolver.query import FAILED, Action, Ask, Finished, Query, Server
from sipx.net.resolver.system import Hosts, Servers
from sipx.net.resolver.wire import Answer, decode, encode, valid

MOST_QUERIES: Final = 200  # at one time
STALE_PATIENCE: Final = 1.8  # seconds that who could have a stale answer waits (RFC 8767 section 5)
SICK_LIFE: Final = 30.0  # seconds for which a name server that was silent is asked last

Done = Callable[[Answer], None]


class Line(Protocol):
    """A way to one name server."""

    def send(self, data: bytes) -> None:
        """Send a query."""

    def close(self) -> None:
        """Hear and tell nothing more."""


class Network(Protocol):
    """Opens ways to name servers."""

    def datagrams(
        self, server: Server, heard: Callable[[bytes], None], lost: Callable[[], None]
    ) -> Line:
        """Open a socket of its own, at a port that nobody can guess, to one server."""

    def stream(
        self, server: Server, heard: Callable[[bytes], None], lost: Callable[[], None]
    ) -> Line:
        """Open a connection; what is sent before it stands is sent then."""


class _Running:
    """A question that the name servers are being asked, and who waits for it."""

    def __init__(self, query: Query, ident: int, impatient: float) -> None:
        self.query = query
        self.ident = ident
        self.impatient = impatient  # when those who wait get what is stale
        self.waiting: list[Done] = []
        self.lines: dict[tuple[Server, bool], Line] = {}
        self.asked: Question = query.question


class Resolver:
    """Finds out what the DNS says.

    Attributes:
        cache: what is remembered.
        stale: answers that were given after their time.
        answering: whether a name server answered the latest question that was sent.
    """

    def __init__(
        self,
        servers: Servers,
        hosts: Hosts,
        network: Network,
        monotonic: Callable[[], float],
        ident: Callable[[], int],
    ) -> None:
        """Take what it asks with.

        Args:
            servers: the name servers.
            hosts: names that need none.
            network: ways to them.
            monotonic: gives ``now``.
            ident: draws a number below 2**16 that nobody can guess.
        """
        self.cache = Cache()
        self.stale = 0
        self.answering = True
        self._servers = servers
        self._hosts = hosts
        self._network = network
        self._monotonic = monotonic
        self._ident = ident
        self._running: dict[Question, _Running] = {}
        self._sick: dict[Server, float] = {}

    @property
    def queries(self) -> int:
        """How many questions are on their way."""
        return len(self._running)

    def ask(self, question: Question, done: Done) -> None:
        """Ask.

        Args:
            question: what.
            done: called once with the answer, at once when it is known.
        """
        now = self._monotonic()
        found = self.cache.find(question)
        if found is not None and now < found.renew:
            if now >= found.expires:
                self.stale += 1
            done(found.answer)
            return
        if not valid(question.name):
            done(Answer((), 0.0))
            return
        addresses = self._hosts.find(question.name, question.kind)
        if addresses is not None:
            done(Answer(tuple(addresses), 0.0))
            return
        good = found is not None and now < found.expires  # and soon it is not: ask ahead
        running = self._running.get(question)
        if running is None:
            if len(self._running) >= MOST_QUERIES:
                done(found.answer if found is not None else FAILED)
                return
            running = self._running[question] = self._make(question)
            if found is not None and found.answer.records:
                running.impatient = now + STALE_PATIENCE
            if not good:
                running.waiting.append(done)
            self._perform(running, running.query.start(now))
        elif not good:
            running.waiting.append(done)
        if good and found is not None:
            done(found.answer)

    def tick(self, now: float) -> None:
        """Look for name servers that think for too long."""
        for running in list(self._running.values()):
            if running.query.deadline <= now:
                self._perform(running, running.query.expired(now))
            if running.impatient <= now:
                self._lose_patience(running)

    def refresh(self) -> None:
        """Read the machine's files again if they have changed."""
        self._hosts.refresh()
        self._servers.refresh()

    def close(self) -> None:
        """Ask nobody any more."""
        for running in list(self._running.values()):
            self._finish(running, FAILED)

    def describe(self) -> str:
        """Say in one line whom it asks."""
        return ", ".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            for host, port in self._servers.all()
        )

    # -- one question -------------------------------------------------------------------

    def _make(self, question: Question) -> _Running:
        now = self._monotonic()
        sick = self._sick
        servers = sorted(self._servers.all(), key=lambda server: sick.get(server, 0.0) > now)
        return _Running(Query(question, servers), self._ident(), math.inf)

    def _perform(self, running: _Running, action: Action) -> None:
        until = self._monotonic() + SICK_LIFE
        for server in running.query.silent:
            self._sick[server] = until
        running.query.silent.clear()
        if isinstance(action, Finished):
            self._finish(running, action.answer)
        else:
            self._send(running, action)

    def _send(self, running: _Running, ask: Ask) -> None:
        if ask.question != running.asked:  # an alias: what still comes is about another name
            running.asked = ask.question
            running.ident = self._ident()
            self._close(running)
        key = ask.server, ask.stream
        line = running.lines.get(key)
        if line is None:
            way = self._network.stream if ask.stream else self._network.datagrams

            def heard(data: bytes) -> None:
                self._heard(running, ask, data)

            def lost() -> None:
                self._lost(running, key)

            line = running.lines[key] = way(ask.server, heard, lost)
        line.send(encode(ask.question, running.ident))

    def _heard(self, running: _Running, ask: Ask, data: bytes) -> None:
        if self._running.get(running.query.question) is not running:
            return
        reply = decode(data, running.asked, running.ident)
        if reply is None or (reply.truncated and ask.stream):
            return
        self._sick.pop(ask.server, None)
        self._perform(running, running.query.replied(ask.server, reply, self._monotonic()))

    def _lost(self, running: _Running, key: tuple[Server, bool]) -> None:
        if self._running.get(running.query.question) is running:
            running.lines.pop(key, None)
            self._perform(running, running.query.unreachable(key[0], self._monotonic()))

    def _finish(self, running: _Running, answer: Answer) -> None:
        question = running.query.question
        del self._running[question]
        self._close(running)
        self.answering = not answer.failed
        said = self.cache.keep(question, answer, self._monotonic())
        self._tell(running, said, said is not answer)

    def _lose_patience(self, running: _Running) -> None:
        running.impatient = math.inf
        found = self.cache.find(running.query.question)
        if found is not None:
            self._tell(running, found.answer, True)

    def _tell(self, running: _Running, answer: Answer, stale: bool) -> None:
        waiting, running.waiting = running.waiting, []
        if stale:
            self.stale += len(waiting)
        for done in waiting:
            done(answer)

    def _close(self, running: _Running) -> None:
        lines = list(running.lines.values())
        running.lines.clear()
        for line in lines:
            line.close()


classImplements(Resolver, IResolver)
