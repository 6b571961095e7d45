"""What somebody may try so that a call has no record, or a wrong one."""

from __future__ import annotations

from sipx.core.message import Request, Response
from tests.flows.case import TALKING, FlowCase
from tests.support.builders import request, response
from tests.support.calls import Call, End
from tests.support.endpoint import Received
from tests.support.phones import Phone


class Accomplice:
    """A phone that answers whatever it is asked with 200, or with what it is told."""

    def __init__(self, phone: Phone, status: int = 200, tag: str = "made-up") -> None:
        self.phone = phone
        self.status = status
        self.tag = tag
        self.asked: list[Request] = []
        self.received: list[Received] = []
        phone.endpoint.user = self.take

    def take(self, received: Received) -> None:
        self.asked.append(received.request)
        self.received.append(received)
        if received.request.method != "ACK":
            made = response(
                received.request, self.status, to_tag=self.tag, contact=self.phone.contact
            )
            self.phone.endpoint.respond(received, made)


class ByeTests(FlowCase):
    """A call ends on record when it ends, and not before."""

    def setUp(self) -> None:
        super().setUp()
        self.caller = self.phone("200")
        self.callee = self.phone("201")
        self.third = self.phone("202")
        self.call, self.other = self.talk(self.caller, "201", self.callee)

    def bye(self, uri: str, from_tag: str = "", to_tag: str = "", routed: bool = True) -> int:
        """Send a BYE of the call as somebody who knows all of it; gives its status."""
        dialog = self.call.dialog
        assert dialog is not None
        made = request(
            "BYE",
            uri,
            call_id=self.call.call_id,
            tag=from_tag or dialog.local_tag,
            to_tag=to_tag or dialog.remote_tag,
            sender=dialog.local,
            routes=dialog.routes if routed else [],
            cseq=77,
        )
        return self.status(self.peer(f"192.0.2.{60 + len(self.peers)}"), made)

    def assert_goes_on(self) -> None:
        """The record says that the call goes on, and it does until it is ended."""
        self.assertEqual(self.row["result"], "talking")

    def hang_up(self) -> None:
        self.call.hang_up()
        self.clock.advance(1)
        self.assertEqual(self.call.heard[-1], ("BYE", 200))
        self.assertEqual(self.row["result"], "completed")

    def forget(self) -> None:
        """Let the phones know what somebody else did in their name."""
        for one in (self.call, self.other):
            if one.state is TALKING:
                one._finish(End.LEFT)

    def test_bye_to_somebody_else(self) -> None:
        """A BYE of the call that is led to another user of ours, whatever he says to it."""
        for uri in ("sip:202@example.test", "sip:202@10.0.1.3:5060"):
            for routed in (False, True):
                self.assertEqual(self.bye(uri, routed=routed), 481)
                self.assert_goes_on()
        accomplice = Accomplice(self.third)
        for uri in ("sip:202@example.test", "sip:202@10.0.1.3:5060"):
            for routed in (False, True):
                self.assertEqual(self.bye(uri, routed=routed), 200)
                self.assert_goes_on()
        self.assertEqual(len(accomplice.asked), 4)
        self.hang_up()

    def test_bye_that_we_refuse(self) -> None:
        """A BYE that goes nowhere: elsewhere, to nobody, to the node."""
        for uri in ("sip:x@192.0.2.200", "sip:999@example.test", "sip:10.0.0.1"):
            self.assertIn(self.bye(uri), {403, 404, 405}, uri)
            self.assert_goes_on()
        self.hang_up()

    def test_bye_of_another_dialog(self) -> None:
        """A BYE with one tag of the call and another that is made up: 481 of the callee."""
        self.assertEqual(self.bye("sip:201@10.0.1.2:5060", to_tag="made-up"), 481)
        self.assert_goes_on()
        self.assertEqual(self.bye("sip:201@10.0.1.2:5060", to_tag="made-up", routed=False), 481)
        self.assert_goes_on()
        self.hang_up()

    def test_bye_that_the_callee_refuses(self) -> None:
        """A BYE that is not taken, for its CSeq or want of a proof, ends nothing."""
        callee = Accomplice(self.callee, 500)
        for status in (500, 403, 407):
            callee.status = status
            self.assertEqual(self.bye("sip:201@10.0.1.2:5060"), status)
            self.assert_goes_on()
        callee.status = 200
        self.assertEqual(self.bye("sip:201@10.0.1.2:5060"), 200)
        self.assertEqual(self.row["result"], "completed")
        self.forget()

    def test_callee_that_forgot(self) -> None:
        """A callee that was restarted answers 481: the call is over (12.2.1.2)."""
        Accomplice(self.callee, 481)
        self.clock.advance(9)
        self.call.hang_up()
        self.clock.advance(1)
        self.assertEqual(self.row["result"], "completed")
        self.assertApproximates(self.row["duration"], 10, 0.1)
        self.forget()

    def test_callee_that_is_gone(self) -> None:
        """A callee that does not answer: the call ended when the BYE was sent (15.1.1)."""
        self.callee.endpoint.deaf = True
        self.clock.advance(9)
        self.call.hang_up()
        self.clock.advance(60)
        self.assertEqual(self.row["result"], "completed")
        self.assertApproximates(self.row["duration"], 10, 0.1)
        self.forget()

    def test_bye_to_another_phone_of_the_callee(self) -> None:
        """The callee's second phone knows nothing of the call: its 481 says nothing."""
        second = self.phone("201", host="10.0.1.9")
        self.assertEqual(self.bye("sip:201@10.0.1.9:5060"), 481)
        self.assert_goes_on()
        self.assertEqual(second.calls, [])
        self.hang_up()

    def test_phone_that_moved(self) -> None:
        """A phone that has registered a new address is reached there, and its 200 counts."""
        new = self.phone("201", host="10.0.1.9")
        moved = Accomplice(new)
        self.assertEqual(self.bye("sip:201@10.0.1.9:5060"), 200)
        self.assertEqual([one.method for one in moved.asked], ["BYE"])
        self.assertEqual(self.row["result"], "completed")
        self.forget()

    def test_session_timer_of_others(self) -> None:
        """Nobody else changes its session timer, so that it would run out too early."""
        accomplice = Accomplice(self.third)
        dialog = self.call.dialog
        assert dialog is not None
        made = request(
            "UPDATE",
            "sip:202@example.test",
            call_id=self.call.call_id,
            tag=dialog.local_tag,
            to_tag=dialog.remote_tag,
            contact="<sip:x@192.0.2.66>",
        )
        accomplice.phone.endpoint.user = lambda received: accomplice.phone.endpoint.respond(
            received, response(received.request, 200, "", "Session-Expires: 90")
        )
        self.assertEqual(self.status(self.peer(), made), 200)
        self.clock.advance(300)
        self.assert_goes_on()
        self.hang_up()


class InviteTests(FlowCase):
    """Every call that is set up has its row."""

    def setUp(self) -> None:
        super().setUp()
        self.caller = self.phone("200")
        self.callee = self.phone("201")
        self.third = self.phone("202")

    def answered(self, made: Request, from_: str = "192.0.2.66") -> Response:
        answer = self.ask(self.peer(from_), made)
        assert answer is not None
        self.assertEqual(answer.status, 200)
        return answer

    def rows(self) -> list[tuple[str, str]]:
        return [(row["dialed"], row["result"]) for row in self.node.journal.rows]

    def end(self, *calls: Call) -> None:
        for call in calls:
            call.hang_up()
        self.clock.advance(1)

    def test_same_call_id_and_tag(self) -> None:
        """A second call with Call-ID and From tag of the first, whatever its CSeq."""
        accomplices = [Accomplice(self.callee, tag="one"), Accomplice(self.third, tag="two")]
        peer = self.peer()
        answers = []
        for cseq, user in ((1, "201"), (1, "202"), (2, "202")):
            made = request(
                "INVITE",
                f"sip:{user}@example.test",
                call_id="same",
                tag="same",
                cseq=cseq,
                contact="<sip:x@192.0.2.66:5060>",
            )
            answer = self.ask(peer, made)
            assert answer is not None
            answers.append(answer)
        self.assertEqual([answer.status for answer in answers], [200] * 3)
        self.assertEqual(self.rows(), [("201", "talking"), ("202", "talking"), ("202", "talking")])
        for answer in answers[:2]:
            made = request(
                "BYE",
                answer.addresses("contact", "Contact")[0].uri_text,
                call_id="same",
                tag="same",
                to_tag=answer.to.tag,
                cseq=9,
                routes=answer.listed("record-route")[::-1],
            )
            self.assertEqual(self.status(peer, made), 200)
        self.assertEqual([result for _, result in self.rows()], ["completed"] * 3)
        self.assertEqual(len(accomplices[0].asked), 2)

    def test_too_many_alike(self) -> None:
        """There is an end to it: 482, and nobody is called."""
        accomplice = Accomplice(self.callee, 180)
        peer = self.peer()
        statuses = []
        for cseq in range(1, 21):
            made = request(
                "INVITE",
                "sip:201@example.test",
                call_id="same",
                cseq=cseq,
                contact="<sip:x@192.0.2.66:5060>",
            )
            peer.send(
                made,
                self.node.address,
                lambda answer: statuses.append(answer.status),
                lambda: None,
            )
        self.clock.advance(1)
        self.assertEqual(statuses.count(482), 4)
        self.assertEqual(len(accomplice.asked), 16)
        self.assertEqual(len(self.rows()), 16)
        accomplice.status = 486
        for received in [*accomplice.received]:
            accomplice.take(received)
        self.clock.advance(1)
        self.assertEqual([result for _, result in self.rows()], ["failed"] * 16)

    def test_made_up_to_tag(self) -> None:
        """An INVITE that says to be in a dialog which was never set up through us is a call."""
        accomplice = Accomplice(self.callee)
        made = request(
            "INVITE",
            "sip:201@example.test",
            to_tag="made-up",
            call_id="odd",
            contact="<sip:x@192.0.2.66:5060>",
        )
        answer = self.answered(made)
        self.assertEqual(self.rows(), [("201", "talking")])
        bye = request(
            "BYE",
            "sip:201@10.0.1.2:5060",
            call_id="odd",
            to_tag="made-up",
            cseq=2,
            routes=answer.listed("record-route")[::-1],
        )
        self.assertEqual(self.status(self.peers[0], bye), 200)
        self.assertEqual(self.rows(), [("201", "completed")])
        self.assertEqual([one.method for one in accomplice.asked], ["INVITE", "BYE"])

    def test_dialog_led_to_another(self) -> None:
        """An INVITE with the state of a call that is led to another user is a call of its own.

        A second one, with the same tags, belongs to that.
        """
        call, _ = self.talk(self.caller, "201", self.callee)
        dialog = call.dialog
        assert dialog is not None
        Accomplice(self.third, tag=dialog.remote_tag)
        for uri in ("sip:202@example.test", "sip:202@10.0.1.3:5060"):
            made = request(
                "INVITE",
                uri,
                call_id=call.call_id,
                tag=dialog.local_tag,
                to_tag=dialog.remote_tag,
                cseq=77,
                routes=dialog.routes,
                contact="<sip:x@192.0.2.66:5060>",
            )
            self.answered(made, f"192.0.2.{70 + len(self.peers)}")
        callees = [(row["callee"], row["result"]) for row in self.node.journal.rows]
        self.assertEqual(callees, [("201", "talking"), ("202", "talking")])
        self.end(call)
        self.assertEqual([result for _, result in self.rows()], ["completed", "talking"])
        self.calls_left = 1

    def test_reinvite_is_no_call(self) -> None:
        """Neither side's re-INVITE is a call."""
        call, other = self.talk(self.caller, "201", self.callee)
        for one in (call, other):
            one.ask("INVITE")
            self.clock.advance(1)
        self.assertEqual(self.rows(), [("201", "talking")])
        self.end(call)


class ReasonTests(FlowCase):
    """Why a call elsewhere failed."""

    def test_reasons(self) -> None:
        """The row has who was called, with the host, and what was wrong."""
        caller = self.phone("200")
        self.network.names["silent.test"] = "192.0.2.200"
        for uri, code, dialed, reason in (
            (
                "sip:x@nowhere.test",
                480,
                "x@nowhere.test",
                "The host name nowhere.test cannot be resolved",
            ),
            (
                "sip:x@silent.test:5070",
                408,
                "x@silent.test:5070",
                "192.0.2.200:5070 Did Not Answer",
            ),
            ("sips:x@silent.test", 416, "x@silent.test", "No TLS Here For SIPS"),
        ):
            call = caller.call(uri)
            self.clock.advance(40)
            self.assertEqual(call.state.name, "ENDED")
            row = self.node.journal.rows[-1]
            self.assertEqual(
                (row["failure_code"], row["dialed"], row["failure_reason"]), (code, dialed, reason)
            )
            self.assertIn("@", row["callee"])

    def test_busy_server(self) -> None:
        """A 503 of another server is 500 for the caller; the record says which it was."""
        caller, friend = self.phone("200"), self.stranger()
        self.network.names["elsewhere.test"] = "192.0.2.9"
        Accomplice(friend, 503)
        call = caller.call("sip:stranger@elsewhere.test")
        self.clock.advance(1)
        self.assertEqual(call.status, 500)
        row = self.row
        self.assertEqual((row["failure_code"], row["failure_reason"]), (500, "503 Whatever"))
        self.assertEqual(row["dialed"], "stranger@elsewhere.test")


class ChallengeTests(FlowCase):
    """A server elsewhere that wants our users' digests."""

    def setUp(self) -> None:
        super().setUp()
        self.network.names["elsewhere.test"] = "192.0.2.9"
        self.caller = self.phone("200")
        self.friend = self.stranger()

    def harvest(self, status: int, header: str) -> tuple[Call, list[Request]]:
        """Call somebody who challenges with a nonce of ours; gives what he got."""
        challenge = self.ask(self.peer(), request("REGISTER", "sip:example.test"))
        assert challenge is not None
        value = challenge.every("www-authenticate")[0]
        got: list[Request] = []

        def take(received: Received) -> None:
            got.append(received.request)
            if received.request.method != "ACK":
                made = response(received.request, status, "", f"{header}: {value}", to_tag="x")
                self.friend.endpoint.respond(received, made)

        self.friend.endpoint.user = take
        call = self.caller.call("sip:stranger@elsewhere.test")
        self.clock.advance(2)
        return call, got

    def test_harvest(self) -> None:
        """Its challenge in our name reaches nobody: 502, and it gets no answer to it."""
        for status, header in ((407, "Proxy-Authenticate"), (401, "WWW-Authenticate")):
            call, got = self.harvest(status, header)
            self.assertEqual(call.status, 502)
            self.assertNotIn(status, call.statuses[1:])
            self.assertEqual([one.method for one in got], ["INVITE"])
            self.assertFalse({"authorization", "proxy-authorization"} & {*got[0].names})
            row = self.node.journal.rows[-1]
            reason = "Challenged In The Name Of This Server"
            self.assertEqual((row["failure_code"], row["failure_reason"]), (502, reason))

    def test_inside_a_dialog(self) -> None:
        """Nor does the answer to one that comes inside a dialog."""
        call, other = self.talk(self.caller, "sip:stranger@elsewhere.test", self.friend)
        _, got = self.harvest(407, "Proxy-Authenticate")
        got.clear()
        call.ask("INFO")
        self.clock.advance(2)
        self.assertEqual(call.heard, [("INFO", 502)])
        self.assertEqual([one.method for one in got], ["INFO"])
        self.friend.endpoint.user = self.friend._request
        self.assertEqual(call.state, TALKING)
        call.hang_up()
        self.clock.advance(1)
        self.assert_over(call, other)
