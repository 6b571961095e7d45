"""One call between two phones."""

from __future__ import annotations

from sipx.core.message import Response
from tests.flows.case import ENDED, RINGING, TALKING, FlowCase
from tests.support.builders import request
from tests.support.calls import BUSY, DECLINES, RINGS, End, answers
from tests.support.vnet import Datagram


class CallTests(FlowCase):
    """Register and call."""

    def setUp(self) -> None:
        super().setUp()
        self.caller = self.phone("200")
        self.callee = self.phone("201")

    def test_call(self) -> None:
        """A user calls another, who answers; the caller hangs up."""
        call, other = self.talk(self.caller, "201", self.callee)
        self.assertEqual(call.statuses, [180, 200])
        self.clock.advance(10)
        call.hang_up()
        self.clock.advance(1)
        self.assert_over(call, other)
        self.assertEqual((call.end, other.end), (End.HUNG_UP, End.LEFT))
        self.assertEqual(call.heard, [("BYE", 200)])
        row = self.row
        self.assertEqual((row["caller"], row["callee"], row["dialed"]), ("200", "201", "201"))
        self.assertEqual((row["result"], row["failure_code"]), ("completed", 0))
        self.assertApproximates(row["duration"], 11, 0.2)

    def test_challenge(self) -> None:
        """A caller without credentials is challenged; that leaves no state and no record."""
        self.clock.advance(70)  # registrations are remembered for 64 s
        caller = self.phone("200", register=False)
        call = caller.call("201")
        self.clock.advance(0.0025)
        self.assertEqual(call.statuses, [407])
        self.assertEqual(self.node.layer.transactions, 0)
        self.clock.until(lambda: call.state is TALKING)
        self.assertEqual(call.statuses, [407, 180, 200])
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(self.row["result"], "completed")

    def test_wrong_password(self) -> None:
        """A caller with a wrong password is challenged until it gives up; there is no call."""
        caller = self.phone("200", register=False, password="wrong")
        call = caller.call("201")
        self.clock.advance(5)
        self.assertEqual(call.statuses, [407] * 5)
        self.assertEqual(self.callee.calls, [])
        self.assertEqual(self.node.journal.rows, [])

    def test_sha256(self) -> None:
        """A phone that prefers SHA-256 answers that challenge."""
        caller = self.phone("202", algorithm="SHA-256")
        call, _ = self.talk(caller, "201", self.callee)
        call.hang_up()

    def test_instrument(self) -> None:
        """A phone that authenticates as user/instrument is the user's."""
        phone = self.phone("202", name="202/desk")
        (binding,) = self.node.location.bindings("202", self.clock.now)
        self.assertEqual(binding.instrument, "desk")
        call, _ = self.talk(phone, "201", self.callee)
        call.hang_up()

    def test_alias(self) -> None:
        """A call to an alias reaches its user; the record says what was dialed."""
        call, _ = self.talk(self.caller, "sales", self.callee)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual((self.row["callee"], self.row["dialed"]), ("201", "sales"))

    def test_callee_hangs_up(self) -> None:
        """The called side hangs up."""
        call, other = self.talk(self.caller, "201", self.callee)
        other.hang_up()
        self.clock.advance(1)
        self.assertEqual((call.end, other.end), (End.LEFT, End.HUNG_UP))
        self.assertEqual(other.heard, [("BYE", 200)])
        self.assertEqual(self.row["result"], "completed")

    def test_both_hang_up(self) -> None:
        """Both hang up at once: the BYEs cross, and it is one call that completed."""
        call, other = self.talk(self.caller, "201", self.callee)
        call.hang_up()
        other.hang_up()
        self.clock.advance(1)
        self.assert_over(call, other)
        self.assertEqual(self.row["result"], "completed")

    def test_busy(self) -> None:
        """The called phone is busy."""
        self.callee.plan = BUSY
        call = self.caller.call("201")
        self.clock.advance(1)
        self.assertEqual((call.end, call.status), (End.FAILED, 486))
        self.assertEqual(self.results(), [("failed", 486)])
        self.assertEqual(self.callee.endpoint.received, ["INVITE"], "ACK is hop by hop")

    def test_declined(self) -> None:
        """The called user declines."""
        self.callee.plan = DECLINES
        call = self.caller.call("201")
        self.clock.advance(1)
        self.assertEqual(call.status, 603)
        self.assertEqual(self.results(), [("failed", 603)])

    def test_unknown_number(self) -> None:
        """A number that nobody has."""
        call = self.caller.call("999")
        self.clock.advance(1)
        self.assertEqual(call.status, 404)
        self.assertEqual(self.results(), [("failed", 404)])

    def test_not_registered(self) -> None:
        """A user without phones."""
        call = self.caller.call("203")
        self.clock.advance(1)
        self.assertEqual(call.status, 480)
        self.assertEqual(self.results(), [("failed", 480)])

    def test_canceled(self) -> None:
        """The caller gives up while it rings."""
        self.callee.plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(5)
        other = self.callee.call_now
        self.assertEqual((call.state, other.state), (RINGING, RINGING))
        call.cancel()
        self.clock.advance(1)
        self.assertEqual((call.end, other.end, call.status), (End.CANCELED, End.CANCELED, 487))
        self.assertEqual(self.results(), [("canceled", 487)])

    def test_canceled_at_once(self) -> None:
        """The caller gives up before the called phone has said anything: it stops when it does."""
        self.callee.plan = RINGS
        self.callee.endpoint.deaf = True
        call = self.caller.call("201")
        self.clock.advance(1)  # our 100 came
        call.cancel()
        self.clock.advance(2)
        self.callee.endpoint.deaf = False
        self.clock.advance(10)
        self.assert_over(call, self.callee.call_now)
        self.assertEqual(call.status, 487)

    def test_cancel_crosses_200(self) -> None:
        """CANCEL meets the 200 on the way: the call stands, and the caller ends it with BYE."""
        self.callee.plan = answers(2.0)
        call = self.caller.call("201")
        # The 200 leaves the phone 2 s after the INVITE came, and takes a millisecond to us.
        self.clock.advance(2.0028)
        call.cancel()
        self.clock.advance(2)
        other = self.callee.call_now
        self.assert_over(call, other)
        self.assertEqual((call.status, call.end, other.end), (200, End.HUNG_UP, End.LEFT))
        self.assertEqual(self.row["result"], "completed")

    def test_cancel_crosses_200_behind_us(self) -> None:
        """CANCEL passes us, and meets the 200 between us and the called phone."""
        self.callee.plan = answers(2.0)
        call = self.caller.call("201")
        self.clock.advance(2.0015)
        call.cancel()
        self.clock.advance(2)
        other = self.callee.call_now
        self.assert_over(call, other)
        self.assertEqual((call.status, other.end), (200, End.LEFT))
        self.assertEqual(self.row["result"], "completed")

    def test_silent_phone(self) -> None:
        """A phone that is gone: the caller learns it when Timer B has run out."""
        self.network.detach(self.callee.endpoint.address)
        call = self.caller.call("201")
        self.clock.advance(31)
        self.assertNotEqual(call.state, ENDED)
        self.clock.advance(3)
        self.assertEqual(call.status, 408)
        self.assertEqual(self.results(), [("failed", 408)])

    def test_no_ack(self) -> None:
        """The caller never acknowledges: the called phone sends its 200 again, then BYE."""
        self.caller.acknowledges = False
        call = self.caller.call("201")
        self.clock.advance(60)
        other = self.callee.call_now
        self.assertEqual(other.end, End.UNACKNOWLEDGED)
        self.assertEqual(call.end, End.LEFT)
        self.assertEqual(self.row["result"], "completed")

    def test_early_media(self) -> None:
        """A call that only rings for three minutes goes on ringing: 180 stirs Timer C."""
        self.callee.plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(150)
        self.callee.call_now._send_ringing()
        self.clock.advance(150)
        self.assertEqual(call.state, RINGING)
        call.cancel()
        self.clock.advance(1)
        self.assert_over(call)

    def test_timer_c(self) -> None:
        """Nothing is heard of a ringing call for three minutes: it ends (16.8)."""
        self.callee.plan = RINGS
        call = self.caller.call("201")
        self.clock.advance(179)
        self.assertEqual(call.state, RINGING)
        self.clock.advance(2)
        self.assert_over(call, self.callee.call_now)
        self.assertEqual(call.status, 408)
        self.assertEqual(self.callee.call_now.end, End.CANCELED)
        self.assertEqual(self.results(), [("failed", 408)])

    def test_retransmissions_double_nothing(self) -> None:
        """Every datagram comes twice, or three times: one call, one ring, one record."""
        caller, callee = self.caller, self.callee
        twice: list[Datagram] = []

        def double(datagram: Datagram) -> bool:
            if datagram not in twice and len(twice) < 1000:
                twice.append(datagram)
                for later in (0.0, 0.05):
                    self.clock.after(later, lambda: self.network._carry(datagram))
            return False

        self.network.lose = double
        call, other = self.talk(caller, "201", callee)
        self.assertEqual(len(callee.calls), 1)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(callee.endpoint.received.count("INVITE"), 1)
        self.assertEqual(callee.endpoint.received.count("BYE"), 1)
        self.assert_over(call, other)
        records = [record for record in self.node.journal.records if record[0] == "call"]
        self.assertEqual([record[9] for record in records], ["ringing", "talking", "completed"])

    def test_ack_with_the_branch_of_its_invite(self) -> None:
        """An ACK for a 2xx that wrongly has the INVITE's branch passes all the same (RFC 6026)."""
        answers_: list[Response] = []
        peer = self.peer()
        invite = request(
            "INVITE", "sip:201@example.test", contact="<sip:x@192.0.2.66>", call_id="same"
        )
        sent = peer.send(invite, self.node.address, answers_.append, lambda: None)
        self.clock.until(lambda: any(answer.status == 200 for answer in answers_), 10)
        ok = answers_[-1]
        ack = request(
            "ACK",
            "sip:201@10.0.1.2:5060",
            call_id="same",
            to="<sip:201@example.test>",
            to_tag=ok.to.tag,
            via=str(sent.request.via),
            routes=ok.listed("record-route")[::-1],
        )
        peer.again(ack.to_bytes(), self.node.address)
        self.clock.advance(1)
        other = self.callee.call_now
        self.assertTrue(other.acknowledged)
        other.hang_up()
        self.clock.advance(1)
        self.assertEqual(peer.received, ["BYE"])


class LateAckTests(FlowCase):
    """What happens after 64*T1."""

    def test_callee_waits_long(self) -> None:
        """A phone that answers after two minutes is connected like any other."""
        caller, callee = self.phone("200"), self.phone("201")
        callee.plan = answers(120)
        call = caller.call("201")
        self.clock.advance(125)
        self.assertEqual((call.state, callee.call_now.acknowledged), (TALKING, True))
        call.hang_up()
        self.clock.advance(1)
        self.assertApproximates(self.row["duration"], 5, 0.2)


class DialogTests(FlowCase):
    """Requests inside a dialog."""

    def setUp(self) -> None:
        super().setUp()
        self.caller = self.phone("200")
        self.callee = self.phone("201")
        self.call, self.other = self.talk(self.caller, "201", self.callee)

    def tearDown(self) -> None:
        self.call.hang_up()
        self.clock.advance(1)
        self.assertEqual(self.row["result"], "completed")
        super().tearDown()

    def test_reinvite(self) -> None:
        """Either side changes the session by re-INVITE, without a challenge."""
        for one, far in ((self.call, self.other), (self.other, self.call)):
            one.ask("INVITE", body="v=0\r\n")
            self.clock.advance(1)
            self.assertEqual(one.heard, [("INVITE", 200)])
            self.assertEqual(far.asked, ["INVITE"])
            self.assertEqual(far._answers, {}, "it was acknowledged")

    def test_update(self) -> None:
        """Either side refreshes by UPDATE."""
        for one, far in ((self.call, self.other), (self.other, self.call)):
            one.ask("UPDATE")
            self.clock.advance(1)
            self.assertEqual((one.heard, far.asked), ([("UPDATE", 200)], ["UPDATE"]))

    def test_info_after_expiry(self) -> None:
        """A dialog outlives the registration that it began with."""
        self.clock.advance(400)
        self.assertFalse(self.node.location.bindings("201", self.clock.now))
        for one in (self.call, self.other):
            one.ask("INFO")
            self.clock.advance(1)
            self.assertEqual(one.heard, [("INFO", 200)])

    def test_reinvite_twice(self) -> None:
        """A session refreshed again and again keeps one record."""
        for _ in range(5):
            self.call.ask("INVITE")
            self.clock.advance(20)
        self.assertEqual(self.call.heard, [("INVITE", 200)] * 5)
        self.assertEqual(len(self.node.journal.rows), 1)
