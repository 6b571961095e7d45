"""One question on its way through the name servers: whom to ask, how long, and when to give up.

Knows nothing of sockets: inputs are method calls that carry ``now``, consequences come back as
actions, and ``deadline`` says when to call ``expired``.  Source: RFC 1035 section 7, RFC 7766
(TCP when an answer is cut).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from sipx.core.locating import Question
from sipx.net.resolver.wire import MOST_ALIASES, Answer, Reply

PATIENCE: Final = 2.0  # seconds for which a name server may think before the next one is asked
ROUNDS: Final = 2  # times that each is asked
FAILED: Final = Answer((), 0.0, failed=True)

Server = tuple[str, int]


class Ask(NamedTuple):
    """Send the question to a server."""

    server: Server
    question: Question
    stream: bool


class Finished(NamedTuple):
    """It is over: this is the answer."""

    answer: Answer


Action = Ask | Finished


class Query:
    """The search for one answer.

    Attributes:
        question: as it was asked; aliases are followed.
        deadline: monotonic seconds at which ``expired`` wants to be called.
        silent: servers that did not answer.
    """

    __slots__ = (
        "_aliases",
        "_asked",
        "_current",
        "_left",
        "_life",
        "_servers",
        "deadline",
        "question",
        "silent",
    )

    def __init__(self, question: Question, servers: Sequence[Server]) -> None:
        """Take a question.

        Args:
            question: what is asked.
            servers: in the order to ask them.
        """
        self.question = question
        self.deadline = math.inf
        self.silent: list[Server] = []
        self._servers = servers
        self._current = question
        self._aliases = {question.name}
        self._life = math.inf
        self._left: list[Server] = []
        self._asked: Server | None = None

    def start(self, now: float) -> Action:
        """Ask the first server."""
        self._left = [*self._servers] * ROUNDS
        return self._next(now)

    def replied(self, server: Server, reply: Reply, now: float) -> Action:
        """A server spoke."""
        if reply.truncated:
            self.deadline = now + PATIENCE
            return Ask(server, self._current, True)
        if reply.alias:
            return self._follow(reply, now)
        if reply.answer is None:
            self._left = [other for other in self._left if other != server]
            return self._next(now)
        self.deadline = math.inf
        answer = reply.answer
        return Finished(answer._replace(life=min(self._life, answer.life)))

    def unreachable(self, server: Server, now: float) -> Action:
        """A server cannot be reached: nobody is there."""
        self.silent.append(server)
        self._left = [other for other in self._left if other != server]
        return self._next(now)

    def expired(self, now: float) -> Action:
        """The server that was asked last thinks for too long; it may still answer."""
        if self._asked is not None:
            self.silent.append(self._asked)
        return self._next(now)

    def _next(self, now: float) -> Action:
        if not self._left:
            self.deadline = math.inf
            return Finished(FAILED)
        server = self._asked = self._left.pop(0)
        self.deadline = now + PATIENCE
        return Ask(server, self._current, False)

    def _follow(self, reply: Reply, now: float) -> Action:
        """Ask for the records of the name that this one is an alias of."""
        if reply.alias in self._aliases or len(self._aliases) > MOST_ALIASES:
            self.deadline = math.inf
            return Finished(FAILED)
        self._aliases.add(reply.alias)
        self._life = min(self._life, reply.life)
        self._current = Question(reply.alias, self._current.kind)
        return self.start(now)
