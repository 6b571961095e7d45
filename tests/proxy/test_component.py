"""Tests of sipx.proxy.component: how the proxy is put together, and how it stops."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.message import Request, reply
from sipx.proxy.component import DRAIN_PATIENCE, proxy
from tests.proxy.house import DOMAIN, House, ask, bind, parsed

CALLER = ("198.51.100.9", 5060)
PHONE = ("192.0.2.7", 5060)
USER = f"sip:200@{DOMAIN}"


class StopTests(SynchronousTestCase):
    """The end of a node."""

    def setUp(self) -> None:
        self.house = House(("200",))
        self.service = proxy(self.house.context)  # takes the place of the house's own
        self.service.startService()
        bind(self.house, "200", PHONE)

    def test_idle(self) -> None:
        """With nothing open it stops at once."""
        self.successResultOf(self.service.stopService())

    def test_open_call(self) -> None:
        """A call that rings may be answered; new ones are refused meanwhile."""
        ((_, invite),) = self.house.ask(ask("INVITE", USER), CALLER)
        assert isinstance(invite, Request)
        stopped = self.service.stopService()
        self.assertNoResult(stopped)
        ((_, refusal),) = self.house.ask(ask("INVITE", USER, branch="2", call_id="2"), CALLER)
        self.assertEqual(parsed(refusal.to_bytes()).status, 503)
        self.house.receive(reply(invite, 200, "", "to").to_bytes(), PHONE)
        self.successResultOf(stopped)

    def test_patience(self) -> None:
        """A call that goes on ringing is waited for so long and no longer."""
        self.house.ask(ask("INVITE", USER), CALLER)
        stopped = self.service.stopService()
        self.house.advance(DRAIN_PATIENCE - 0.3)
        self.assertNoResult(stopped)
        self.house.advance(0.6)
        self.successResultOf(stopped)
