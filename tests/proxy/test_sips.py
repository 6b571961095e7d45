"""Tests of the sips rules: RFC 3261 section 26.2, RFC 5630 section 5.3."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.flowid import FlowId
from sipx.core.message import Request
from tests.net.station import ListTransport
from tests.proxy.house import DOMAIN, House, Wire, WireFlow, ask, bind, parsed

CALLEE = ("192.0.2.77", 5061)
CALLER = ("198.51.100.9", 5061)


class SecureFlow(WireFlow):
    """A TLS connection of a house."""

    transport = "tls"
    reliable = True

    def __init__(self, wire: Wire, peer: tuple[str, int]) -> None:
        super().__init__(wire, peer)
        self.sent_by = "SIP/2.0/TLS 192.0.2.1:5061;branch="
        self.address = ("192.0.2.1", 5061)
        self.id = FlowId("tls", "192.0.2.1", 5061, *peer)


class Tls(ListTransport):
    """TLS that has a connection to everybody."""

    def __init__(self, wire: Wire) -> None:
        super().__init__("tls")
        self.wire = wire

    def reach(self, host: str, port: int, done: Any, name: str = "") -> None:
        self.asked.append((host, port, done))
        done(SecureFlow(self.wire, (host, port)))


class SipsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.tls = Tls(self.house.wire)

    def invite(self, uri: str, secure: bool, method: str = "INVITE") -> Any:
        """Send a request of a stranger; the first message that is no 100."""
        house = self.house
        via = "198.51.100.9:5061"
        data = ask(method, uri, via=via).replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS")
        flow: Any = (SecureFlow if secure else WireFlow)(house.wire, CALLER)
        house.layer.message(parsed(data), data, flow, house.now)
        house.layer.outbox.flush()
        sent = [message for _, message in house.take()]
        found = [one for one in map(_read, sent) if getattr(one, "status", 0) != 100]
        return found[0] if found else None

    def with_tls(self) -> None:
        self.house.layer.add_transport(self.tls)

    def test_no_tls(self) -> None:
        """A node without TLS says that it does not take the scheme."""
        self.assertEqual(self.invite(f"sips:200@{DOMAIN}", secure=True).status, 416)

    def test_not_over_tls(self) -> None:
        """What comes without TLS is refused; an ACK in silence."""
        self.with_tls()
        self.assertEqual(self.invite(f"sips:200@{DOMAIN}", secure=False).status, 403)
        self.assertIsNone(self.invite(f"sips:200@{DOMAIN}", secure=False, method="ACK"))

    def test_nobody_with_sips(self) -> None:
        """A callee who registered with sip only is not reached: 480 with Warning 380."""
        self.with_tls()
        bind(self.house, "200", ("192.0.2.77", 5060))
        response = self.invite(f"sips:200@{DOMAIN}", secure=True)
        self.assertEqual(response.status, 480)
        self.assertEqual(response.get("warning"), f'380 {DOMAIN} "SIPS Not Allowed"')

    def test_forwarded(self) -> None:
        """One who registered with sips is, over TLS, and the route says sips too."""
        self.with_tls()
        self.bind_sips()
        request = self.invite(f"sips:200@{DOMAIN}", secure=True)
        assert isinstance(request, Request)
        self.assertEqual(request.uri_text, "sips:200@192.0.2.77:5061")
        self.assertTrue(request.every("via")[0].startswith("SIP/2.0/TLS "))
        (route,) = request.every("record-route")
        self.assertTrue(route.startswith("<sips:192.0.2.1:5061;lr;sx="), route)
        self.assertEqual([asked[:2] for asked in self.tls.asked], [CALLEE])

    def test_from_sip(self) -> None:
        """A caller who asked for sip reaches that one over TLS; the scheme stays sip."""
        self.with_tls()
        self.bind_sips()
        request = self.invite(f"sip:200@{DOMAIN}", secure=False)
        assert isinstance(request, Request)
        self.assertEqual(request.uri_text, "sip:200@192.0.2.77:5061")
        self.assertTrue(request.every("via")[0].startswith("SIP/2.0/TLS "))
        routes = request.every("record-route")
        self.assertEqual(len(routes), 2)
        self.assertIn(":5061;transport=tls;lr;sx=", routes[0])

    def bind_sips(self) -> None:
        bind(self.house, "200", CALLEE, scheme="sips")


def _read(data: Any) -> Any:
    return parsed(data) if isinstance(data, bytes) else data
