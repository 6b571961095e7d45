"""Tests of sipx.auth.component: the authenticator as a node builds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from twisted.application.service import IService
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipx.auth.authenticator import Identity, Refusal
from sipx.auth.challenge import parse_algorithms
from sipx.auth.component import auth
from sipx.auth.interfaces import IAuthenticator
from sipx.auth.snapshot import Account, AccountSnapshot
from sipx.core.digest import MD5, SHA256, answer, compute_ha1, parse_challenge
from sipx.interfaces import IConfiguration, IJournal
from sipx.node.context import NodeContext
from sipx.node.health import Health
from sipx.node.identity import make_identity
from sipx.node.keys import KeyRing
from sipx.node.repeats import Repeats
from sipx.routing.snapshot import RoutingSnapshot

REALM = "sipx-1"


@implementer(IConfiguration)
class Configuration:
    """A configuration whose accounts a test sets."""

    accounts = AccountSnapshot()
    routing = cast(RoutingSnapshot, None)

    def changed(self, listener: Callable[[], None]) -> None:
        """Nobody asks here."""


class Clocks:
    """Wall clock and monotonic clock, each for itself."""

    utc = 1_700_000_000.0
    monotonic = 1000.0


def node(clocks: Clocks, configuration: Configuration, key: bytes = b"k" * 32) -> NodeContext:
    """A node's context in which the component has been built."""
    context = NodeContext(
        reactor=None,
        state=Path(),
        options={"digest": parse_algorithms("md5,sha-256")},
        identity=make_identity(REALM, "pbx", ["127.0.0.1"], 5060),
        keys=KeyRing(key),
        journal=cast(IJournal, None),
        health=Health(),
        repeats=cast(Repeats, None),
        monotonic=lambda: clocks.monotonic,
        utc=lambda: clocks.utc,
    )
    context.provide(IConfiguration, configuration)
    assert IService.providedBy(auth(context))
    return context


class ComponentTests(SynchronousTestCase):
    """Made of the node's realm, keys, clocks and configuration."""

    def setUp(self) -> None:
        self.clocks = Clocks()
        self.configuration = Configuration()
        self.context = node(self.clocks, self.configuration)
        sealed = self.context.keys.seal("secret", "password:200")
        self.configuration.accounts = AccountSnapshot(
            1,
            {
                "200": Account(
                    "200",
                    compute_ha1(MD5, "200", REALM, "secret"),
                    compute_ha1(SHA256, "200", REALM, "secret"),
                    sealed,
                )
            },
        )

    def challenge(self, context: NodeContext) -> str:
        authenticator = context.get(IAuthenticator)
        stamp = authenticator.epoch + context.monotonic()
        value: str = authenticator.challenges(False, stamp)[0]
        return value

    def verify(
        self, context: NodeContext, challenge: str, username: str = "200", count: int = 1
    ) -> Identity | Refusal:
        read = parse_challenge(challenge)
        assert read is not None
        value = str(answer(read, username, "secret", "INVITE", "sip:pbx", "c", count))
        authenticator = context.get(IAuthenticator)
        stamp = authenticator.epoch + context.monotonic()
        result: Identity | Refusal = authenticator.verify([value], "INVITE", stamp)
        return result

    def test_verifies(self) -> None:
        """Users of the current snapshot are known, instruments by the sealed password."""
        for username, instrument in (("200", ""), ("200/x", "x")):
            self.assertEqual(
                self.verify(self.context, self.challenge(self.context), username),
                Identity("200", instrument, 0),
            )

    def test_steps_of_the_wall_clock(self) -> None:
        """An hour forward or back under a running node changes nothing."""
        for step in (3600.0, -3600.0, -3600.0):
            before = self.challenge(self.context)
            self.clocks.utc += step
            self.clocks.monotonic += 1
            self.assertEqual(self.verify(self.context, before), Identity("200", "", 0))
            self.assertIs(self.verify(self.context, before), Refusal.STALE)
            after = self.challenge(self.context)
            self.assertEqual(self.verify(self.context, after), Identity("200", "", 0))

    def test_another_node(self) -> None:
        """Nodes of a cluster take each other's nonces, whenever each was started."""
        clocks = Clocks()
        clocks.monotonic = 5.0
        clocks.utc += 10.0
        other = node(clocks, self.configuration)
        self.assertEqual(
            self.verify(self.context, self.challenge(other), count=7), Identity("200", "", 0)
        )
        stranger = node(clocks, self.configuration, b"l" * 32)
        self.assertIs(self.verify(self.context, self.challenge(stranger)), Refusal.STALE)

    def test_gauges(self) -> None:
        """Health knows the tables, their limits and the counters."""
        challenge = self.challenge(self.context)
        self.verify(self.context, challenge, "200/x")
        self.verify(self.context, challenge, "200/x")
        self.verify(self.context, challenge, "201")
        gauges = self.context.health.report()["gauges"]
        self.assertEqual(
            {name: gauge["value"] for name, gauge in gauges.items()},
            {
                "auth_nonces": 1,
                "auth_nonces_evicted": 0,
                "auth_derived": 1,
                "auth_verified": 1,
                "auth_wrong": 1,
                "auth_stale": 1,
            },
        )
        self.assertEqual(gauges["auth_nonces"]["limit"], 100_000)
        self.clocks.monotonic += 301
        gauges = self.context.health.report()["gauges"]
        self.assertEqual(gauges["auth_nonces"]["value"], 0)
