"""Tests of sipx.proxy.serving: requests that end at a server of this node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipx.core.message import Message, Request
from sipx.interfaces import ICallServer
from sipx.ua.incoming import IncomingRequest
from tests.proxy.house import DOMAIN, House, Peer, ask

CALLER = ("198.51.100.9", 5060)
ROBOT = f"sip:robot@{DOMAIN}"
NODE = f"sip:{DOMAIN}"


@implementer(ICallServer)
class Robot:
    """Takes calls, and answers when it is told to."""

    name = "robot"
    events = ()

    def __init__(self, methods: Sequence[str] = (), users: Sequence[str] = ()) -> None:
        self.methods = methods
        self.users = users
        self.got: list[IncomingRequest] = []
        self.ends: list[IncomingRequest] = []
        self.acks: list[Request] = []
        self.problem: Exception | None = None

    def handle(self, incoming: IncomingRequest) -> None:
        self.got.append(incoming)

    def canceled(self, incoming: IncomingRequest, now: float) -> None:
        self.ends.append(incoming)
        if self.problem is not None:
            raise self.problem

    def acknowledged(self, request: Request, now: float) -> None:
        self.acks.append(request)
        if self.problem is not None:
            raise self.problem


class Case(SynchronousTestCase):
    def make(self, **what: Any) -> None:
        self.robot = Robot(**what)
        self.assertTrue(verifyObject(ICallServer, self.robot))
        self.house = House(("200",), servers=[self.robot])

    def tearDown(self) -> None:
        """Nothing is left."""
        self.house.advance(200)
        layer = self.house.layer
        self.assertEqual((layer.transactions, layer.timers), (0, 0))

    def respond(self, incoming: IncomingRequest, status: int) -> None:
        """Let the robot answer later."""
        incoming.respond(incoming.reply(status), self.house.now)
        self.house.layer.outbox.flush()

    def words(self, sent: Sequence[tuple[Peer, Message]]) -> list[str]:
        found = []
        for _, message in sent:
            status: Any = message
            found.append(f"{status.status} {message.cseq[1]}")
        return found


class CallTests(Case):
    """What follows an INVITE, whichever way the server got it."""

    ways = (({"users": ["robot"]}, ROBOT), ({"methods": ["INVITE"]}, NODE))

    def test_cancel(self) -> None:
        """A pending INVITE is given up: the caller gets 487, the server learns which it was."""
        for what, uri in self.ways:
            self.make(**what)
            self.house.receive(ask("INVITE", uri), CALLER)
            (incoming,) = self.robot.got
            self.respond(incoming, 180)
            sent = self.house.ask(ask("CANCEL", uri), CALLER)
            self.assertEqual(sorted(self.words(sent)), ["200 CANCEL", "487 INVITE"])
            self.assertEqual(self.robot.ends, [incoming])
            self.house.take()
            self.respond(incoming, 200)
            self.assertEqual(self.house.take(), [], "it comes too late")
            self.house.receive(ask("ACK", uri), CALLER)
            self.assertEqual(self.robot.acks, [], "the ACK of a failure is the transaction's")

    def test_ack(self) -> None:
        """The ACK of its answer, each time it comes, with what is in it."""
        for what, uri in self.ways:
            self.make(**what)
            self.house.receive(ask("INVITE", uri), CALLER)
            (incoming,) = self.robot.got
            self.respond(incoming, 200)
            for number in range(2):
                ack = ask("ACK", uri, "Subject: here", branch=f"ack{number}", to_tag="x")
                self.house.receive(ack, CALLER)
            self.assertEqual([ack.get("subject") for ack in self.robot.acks], ["here"] * 2)
            self.assertEqual((len(self.robot.got), self.robot.ends), (1, []))

    def test_cancel_after_the_answer(self) -> None:
        """Too late: it was answered, and nobody tells the server otherwise."""
        for what, uri in self.ways:
            self.make(**what)
            self.house.receive(ask("INVITE", uri), CALLER)
            (incoming,) = self.robot.got
            self.respond(incoming, 200)
            self.house.receive(ask("CANCEL", uri), CALLER)
            self.assertEqual(self.robot.ends, [])

    def test_defects(self) -> None:
        """A server that fails at it harms nobody."""
        for what, uri in self.ways:
            self.make(**what)
            self.robot.problem = ValueError("ours")
            self.house.receive(ask("INVITE", uri, branch="a"), CALLER)
            self.respond(self.robot.got[0], 180)
            sent = self.house.ask(ask("CANCEL", uri, branch="a"), CALLER)
            self.assertIn("487 INVITE", self.words(sent))
            self.house.receive(ask("ACK", uri, branch="b", to_tag="x"), CALLER)
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)


class StopTests(Case):
    """The node stops while a server has not answered."""

    def test_stop(self) -> None:
        """Whoever waits for a server gets 503, and it learns that its call is over."""
        for what, uri in CallTests.ways:
            for method in ("INVITE", "MESSAGE"):
                self.make(**{**what, **({"methods": [method]} if uri == NODE else {})})
                self.house.receive(ask(method, uri), CALLER)
                self.house.take()
                self.house.proxy.end_open_calls(self.house.now)
                (sent,) = [data for _, data in self.house.take()]
                self.assertTrue(sent.startswith(b"SIP/2.0 503 The Server Is Stopping"), sent)
                ended = self.robot.got if method == "INVITE" else []
                self.assertEqual(self.robot.ends, ended, (method, uri))
