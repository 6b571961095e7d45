"""The registrar as the node runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipx.core.message import Request, Response
from sipx.core.parser import parse_datagram
from sipx.interfaces import (
    IBindingStore,
    IConfiguration,
    IFlow,
    ILocation,
    IRequestServer,
)
from sipx.node.context import NodeContext
from sipx.node.errors import StartError
from sipx.node.health import Health
from sipx.node.identity import make_identity
from sipx.node.repeats import Repeats
from sipx.registrar.component import registrar
from sipx.registrar.interfaces import IRegistrations
from sipx.ua.incoming import IncomingRequest
from tests.registrar.desk import FLOW, KeptJournal, Users, listed

REGISTER = (
    b"REGISTER sip:example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK1\r\n"
    b"From: <sip:200@example.com>;tag=1\r\n"
    b"To: <sip:200@example.com>\r\n"
    b"Call-ID: a\r\n"
    b"CSeq: 1 REGISTER\r\n"
    b"Contact: <sip:200@192.0.2.77>\r\n"
    b"Expires: 60\r\n\r\n"
)


@implementer(IBindingStore)
class Rows:
    """A store with rows in it."""

    def __init__(self, rows: Sequence[Mapping[str, Any]] = ()) -> None:
        self.rows = rows

    def load(self) -> Sequence[Mapping[str, Any]]:
        return self.rows


@implementer(IFlow)
class Flow:
    """A flow that nothing is sent over."""

    id = FLOW
    transport = "udp"
    reliable = False
    alive = True
    sent_by = "SIP/2.0/UDP 192.0.2.1:5060;branch="
    address = ("192.0.2.1", 5060)

    def at(self, port: int) -> IFlow:
        raise AssertionError("nobody asks for another port")

    def send(self, message: Any) -> None:
        raise AssertionError("answers go through the transaction")


class ComponentTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 50.0
        self.utc = 1_800_000_000.0
        self.journal = KeptJournal()
        self.users = Users({"200": "200"})
        self.repeats = Repeats()
        self.health = Health()
        self.store = Rows()
        self.options = {"min-expires": 30, "max-expires": 7200}
        self.answers: list[Response] = []

    def make(self) -> IService:
        """Make and start the component."""
        self.context = NodeContext(
            None,
            Path(),
            self.options,
            make_identity("realm", "example.com", ["192.0.2.1"], 5060),
            None,  # type: ignore[arg-type]  # the registrar has no use for keys
            self.journal,
            self.health,
            self.repeats,
            lambda: self.now,
            lambda: self.utc,
        )
        self.context.provide(IConfiguration, self.users)
        self.context.provide(IBindingStore, self.store)
        service = registrar(self.context)
        service.startService()
        return service

    def register(self) -> Response:
        """Let a request in."""
        request = parse_datagram(REGISTER)
        assert isinstance(request, Request)
        server = self.context.get(IRequestServer)
        server.handle(
            IncomingRequest(
                request, Flow(), "200", "", "ours", self.now,
                lambda response, now: self.answers.append(response),
            )
        )  # fmt: skip
        return self.answers[-1]

    def test_interfaces(self) -> None:
        """It provides what it says."""
        verifyObject(IService, self.make())
        for interface in (ILocation, IRequestServer, IRegistrations):
            verifyObject(interface, self.context.get(interface))
        self.assertEqual(self.context.get(IRequestServer).methods, ("REGISTER",))

    def test_register(self) -> None:
        """A request is answered once, and the binding is found with its flow."""
        self.make()
        self.assertEqual(listed(self.register()), {"sip:200@192.0.2.77": 60})
        (binding,) = self.context.get(ILocation).bindings("200", self.now)
        self.assertEqual((binding.flow, binding.expires), (FLOW, 110.0))
        self.assertEqual(len(self.answers), 1)

    def test_sweep(self) -> None:
        """What has ended is swept in time, and the gauge says so."""
        self.make()
        self.register()
        self.assertEqual(self.health.report()["gauges"]["registrations"]["value"], 1)
        for _ in range(65):
            self.now += 1
            self.repeats.tick(self.now)
        self.assertEqual(self.context.get(ILocation).count(), 0)
        self.assertEqual(self.journal.rows, {})

    def test_start(self) -> None:
        """Stored bindings are there at start; the journal's rows are what a store gives."""
        self.make()
        self.register()
        self.store = Rows(list(self.journal.rows.values()))
        self.now = 7.0
        self.make()
        (binding,) = self.context.get(ILocation).bindings("200", self.now)
        self.assertEqual(binding.expires, 67.0)
        self.assertTrue(self.health.report()["parts"]["registrar"]["ok"])

    def test_damaged_store(self) -> None:
        """Rows that cannot be read are said in health and in the log."""
        self.make()
        self.register()
        self.store = Rows([dict(row, contact="x") for row in self.journal.rows.values()])
        self.make()
        self.assertFalse(self.health.report()["parts"]["registrar"]["ok"])

    def test_user_removed(self) -> None:
        """A user who is gone from the configuration is gone from location."""
        self.make()
        self.register()
        self.users.swap({"201": "201"})
        self.assertEqual(self.context.get(ILocation).count(), 0)
        self.assertEqual(self.journal.rows, {})

    def test_forget(self) -> None:
        """Others may ask to forget a user."""
        self.make()
        self.register()
        self.assertEqual(self.context.get(IRegistrations).forget("200"), 1)

    def test_options(self) -> None:
        """Limits that contradict each other are a clear start-up error."""
        self.options = {"min-expires": 100, "max-expires": 60}
        error = self.assertRaises(StartError, self.make)
        self.assertEqual(
            str(error),
            "Registrations cannot last at least 100 and at most 60 s:"
            " see --min-expires and --max-expires.",
        )
