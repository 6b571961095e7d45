"""What the node itself does: feature servers, OPTIONS, its end, its disk, its clocks."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.flows.case import ENDED, RINGING, TALKING, FlowCase
from tests.support.builders import request
from tests.support.calls import RINGS, End, answers


class ServerTests(FlowCase):
    """Request servers over the local transport."""

    def test_call(self) -> None:
        """A call to a server's number: answered, acknowledged, changed, ended."""
        caller = self.phone("200")
        call = caller.call("9196")
        self.clock.advance(1)
        self.assertEqual((call.state, call.statuses), (TALKING, [200]))
        call.ask("INVITE")
        self.clock.advance(1)
        call.ask("UPDATE")
        self.clock.advance(1)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(call.heard, [("INVITE", 200), ("UPDATE", 200), ("BYE", 200)])
        self.assertEqual(self.node.echo.requests, ["INVITE", "INVITE", "UPDATE", "BYE"])
        self.assertEqual((self.row["dialed"], self.row["result"]), ("9196", "completed"))

    def test_stranger(self) -> None:
        """A stranger may call a server, and end the call."""
        call = self.stranger().call("sip:9196@example.test")
        self.clock.advance(1)
        self.assertEqual(call.state, TALKING)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(call.heard, [("BYE", 200)])

    def test_refused(self) -> None:
        """A server that is busy: the caller gets that."""
        self.node.echo.status = 486
        call = self.phone("200").call("9196")
        self.clock.advance(1)
        self.assertEqual(call.status, 486)
        self.assertEqual(self.results(), [("failed", 486)])

    def test_failing(self) -> None:
        """A server that fails: 500, a traceback for us, and everything goes on."""
        self.node.echo.contact = None  # type: ignore[assignment]  # a defect
        caller = self.phone("200")
        self.node.echo.handle = lambda incoming: 1 / 0  # type: ignore[assignment,method-assign]  # a defect
        call = caller.call("9196")
        self.clock.advance(1)
        self.assertEqual(call.status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_silent(self) -> None:
        """A server that never answers is given up by Timer C."""
        caller = self.phone("200")
        self.node.echo.handle = lambda incoming: None  # type: ignore[method-assign]  # says nothing
        call = caller.call("9196")
        self.clock.advance(179)
        self.assertNotEqual(call.state, ENDED)
        self.clock.advance(2)
        self.assertEqual((call.state, call.status), (ENDED, 408))

    def test_canceled(self) -> None:
        """The caller of a server that never answers gives up."""
        caller = self.phone("200")
        self.node.echo.handle = lambda incoming: None  # type: ignore[method-assign]  # says nothing
        call = caller.call("9196")
        self.clock.advance(5)
        call.cancel()
        self.clock.advance(1)
        self.assertEqual((call.end, call.status), (End.CANCELED, 487))

    def test_options(self) -> None:
        """OPTIONS to the node is answered with what it offers, in its own transaction."""
        peer = self.peer()
        for uri in ("sip:example.test", "sip:10.0.0.1:5060", "sip:localhost"):
            answer = self.ask(peer, request("OPTIONS", uri))
            assert answer is not None
            self.assertEqual(answer.status, 200)
            self.assertEqual(
                answer.tokens("allow"),
                ["ack", "cancel", "options", "publish", "register", "subscribe"],
            )

    def test_options_to_a_user(self) -> None:
        """OPTIONS to a user goes to the phone."""
        callee = self.phone("201")
        self.assertEqual(self.status(self.peer(), request("OPTIONS", "sip:201@example.test")), 200)
        self.assertEqual(callee.endpoint.received, ["OPTIONS"])

    def test_unknown_method(self) -> None:
        """An unknown method: 405 at the node, forwarded to a user."""
        callee = self.phone("201")
        peer = self.peer()
        answer = self.ask(peer, request("FOO", "sip:example.test"))
        assert answer is not None
        self.assertEqual((answer.status, answer.has("allow")), (405, True))
        self.assertEqual(self.status(peer, request("FOO", "sip:201@example.test")), 501)
        self.assertEqual(callee.endpoint.received, ["FOO"])

    def test_message_to_a_gone_phone(self) -> None:
        """A MESSAGE that nobody answers gets no 408 from us, and leaves nothing (RFC 4320)."""
        callee = self.phone("201")
        callee.endpoint.deaf = True
        made = request("MESSAGE", "sip:201@example.test")
        self.assertEqual(self.status(self.peer(), made), 0)

    def test_message_to_a_slow_phone(self) -> None:
        """A MESSAGE to a phone that comes back after some seconds is answered."""
        callee = self.phone("201")
        callee.endpoint.deaf = True
        self.clock.after(6, lambda: setattr(callee.endpoint, "deaf", False))
        made = request("MESSAGE", "sip:201@example.test")
        self.assertEqual(self.status(self.peer(), made), 200)


class StopTests(FlowCase):
    """SIGTERM."""

    def setUp(self) -> None:
        super().setUp()
        self.caller, self.callee = self.phone("200"), self.phone("201")

    def drain(self) -> list[float]:
        """Stop; gives when the node says it may end."""
        ends: list[float] = []
        stopped: Deferred[None] = self.node.drain()
        stopped.addCallback(lambda result: ends.append(self.clock.now))
        return ends

    def test_idle(self) -> None:
        """A node without open transactions ends at once, calls or not."""
        call, _ = self.talk(self.caller, "201", self.callee)
        self.clock.advance(60)
        self.assertEqual(self.drain(), [self.clock.now])
        call.hang_up()

    def test_drain(self) -> None:
        """New calls get 503, what stands goes on, and it waits 5 s for what rings."""
        call, _ = self.talk(self.caller, "201", self.callee)
        self.callee.plan = RINGS
        third = self.phone("202")
        ringing = third.call("201")
        self.clock.advance(1)
        start = self.clock.now
        ends = self.drain()
        refused = self.caller.call("201")
        self.clock.advance(1)
        self.assertEqual(refused.status, 503)
        assert refused.response is not None
        self.assertTrue(refused.response.has("retry-after"))
        call.ask("INVITE")
        self.clock.advance(1)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(call.heard, [("INVITE", 200), ("BYE", 200)])
        self.assertEqual((ringing.state, ends), (RINGING, []))
        ringing.cancel()
        self.clock.advance(0.5)
        self.assertEqual(ringing.status, 487)
        self.assertEqual(len(ends), 1)
        self.assertLess(ends[0] - start, 4)

    def test_patience(self) -> None:
        """Who still rings after 5 s is told that the node stops, and no phone rings on."""
        self.callee.plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(1)
        start = self.clock.now
        ends = self.drain()
        self.clock.advance(10)
        self.assertApproximates(ends[0] - start, 5, 0.3)
        self.assertEqual(call.status, 503)
        self.assertEqual([ring.state for ring in self.callee.calls], [ENDED])

    def test_after_a_lost_request(self) -> None:
        """A request that was never answered is no reason to wait."""
        self.callee.endpoint.deaf = True
        self.status(self.peer(), request("MESSAGE", "sip:201@example.test"))
        self.clock.advance(60)
        self.assertEqual(self.drain(), [self.clock.now])


class DiskTests(FlowCase):
    """The journal cannot be written."""

    def setUp(self) -> None:
        super().setUp()
        self.caller, self.callee = self.phone("200"), self.phone("201")

    def test_registrations(self) -> None:
        """REGISTER gets 503 while calls go on; when it works again, all is written."""
        self.node.journal.broken = True
        call, _ = self.talk(self.caller, "201", self.callee)
        third = self.phone("202", register=False)
        third.register()
        self.clock.advance(1)
        self.assertEqual(third.registered, [503])
        call.hang_up()
        self.clock.advance(1)
        self.node.journal.broken = False
        self.clock.advance(1)
        third.register()
        self.clock.advance(1)
        self.assertEqual(third.registered[-1], 200)
        self.assertEqual(self.row["result"], "completed")

    def test_first_registration(self) -> None:
        """The REGISTER that meets the full disk first is not confirmed either."""
        self.node.journal.broken = True
        third = self.phone("202", register=False)
        third.register()
        self.clock.advance(10)
        self.assertNotIn(200, third.registered)

    def test_calls(self) -> None:
        """Calls are made and ended with the disk full all the time; none is lost."""
        self.node.journal.broken = True
        for _ in range(3):
            call, _ = self.talk(self.caller, "201", self.callee)
            call.hang_up()
            self.clock.advance(2)
        self.node.journal.broken = False
        self.clock.advance(2)
        call, _ = self.talk(self.caller, "201", self.callee)
        call.hang_up()
        self.clock.advance(2)
        self.assertEqual([row["result"] for row in self.node.journal.rows], ["completed"] * 4)


class ClockTests(FlowCase):
    """The wall clock is stepped under a running node."""

    def call_across(self, step: float) -> None:
        """Step in the middle of registrations, of ringing, and of a call."""
        caller, callee = self.phone("200"), self.phone("201")
        self.clock.step(step)
        self.assertEqual(len(self.node.location.bindings("201", self.clock.now)), 1)
        callee.plan = answers(10)
        call = caller.call("201")
        self.clock.advance(5)
        self.clock.step(step)
        self.clock.advance(6)
        self.assertEqual((call.state, callee.call_now.state), (TALKING, TALKING))
        self.clock.advance(20)
        self.clock.step(-3 * step)
        self.clock.advance(20)
        self.assertEqual(len(self.node.calls), 1)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual((call.end, callee.call_now.end), (End.HUNG_UP, End.LEFT))
        self.assertEqual(self.row["result"], "completed")
        self.assertApproximates(self.row["duration"], 41, 0.2)
        caller.register()
        self.clock.advance(1)
        self.assertEqual((caller.registered, caller.challenges), ([200, 200], 1))

    def test_forward(self) -> None:
        """An hour forward."""
        self.call_across(3600.0)

    def test_back(self) -> None:
        """An hour back."""
        self.call_across(-3600.0)

    def test_expiry(self) -> None:
        """Registrations end when their seconds have passed, whatever the wall clock says."""
        self.phone("201")
        self.clock.step(3600)
        self.clock.advance(290)
        self.assertEqual(len(self.node.location.bindings("201", self.clock.now)), 1)
        self.clock.step(-7200)
        self.clock.advance(12)
        self.assertFalse(self.node.location.bindings("201", self.clock.now))
        self.assertEqual(self.node.location.count(), 0)
