"""What fuzzing found, and other bad input, through a whole node."""

from __future__ import annotations

from tests.flows.case import FlowCase
from tests.support.builders import request
from tests.support.calls import BUSY


class MalformedTests(FlowCase):
    """Answered with words or not at all; nothing raises, nothing is left."""

    def setUp(self) -> None:
        super().setUp()
        self.callee = self.phone("201")
        self.attacker = self.peer()

    def test_empty_route(self) -> None:
        """A Route header without a value, alone and among others: 400, and silence for ACK."""
        for routes in ([""], ["<sip:10.0.0.1;lr>", ""], [" , "], ["", "<sip:10.0.0.1;lr>"]):
            for uri in ("sip:201@example.test", "sip:10.0.0.1;lr"):
                for method in ("INVITE", "OPTIONS", "BYE"):
                    made = request(method, uri, routes=routes, contact="<sip:a@192.0.2.66>")
                    status = self.status(self.attacker, made)
                    if "@" in uri:
                        self.assertEqual(status, 400, (method, routes))
                    else:  # a strict router's: without the empty ones it may be whole
                        self.assertTrue(200 <= status < 500, (method, routes, status))
                ack = request("ACK", uri, routes=routes, to_tag="x")
                self.attacker.send_stateless(ack, self.node.address)
        self.clock.advance(1)
        self.assertEqual(self.callee.endpoint.received, [])

    def test_fault_of_ours(self) -> None:
        """Where we fail ourselves: 500, a traceback for us, no state, and no call that rings."""
        hops = self.node.proxy.hops
        find, hops.find = hops.find, lambda uri, flow, size: 1 / 0  # type: ignore[assignment,method-assign,return-value]  # a defect
        made = request("INVITE", "sip:201@example.test", contact="<sip:a@192.0.2.66>")
        self.assertEqual(self.status(self.attacker, made), 500)
        hops.find = find  # type: ignore[method-assign]  # mended
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.callee.calls, [])
        self.assertEqual(self.results(), [("failed", 500)])

    def test_empty_contact(self) -> None:
        """An INVITE with an empty Contact is not carried on as if it had one, or is: no crash."""
        made = request("INVITE", "sip:201@example.test", "Contact: ", "Record-Route: ")
        self.callee.plan = BUSY
        self.callee.endpoint.deaf = True
        self.assertIn(self.status(self.attacker, made), {400, 408})
