"""Phones that send the caller elsewhere (RFC 3261 sections 16.5 and 16.7 step 4)."""

from __future__ import annotations

from tests.flows.case import ENDED, TALKING, FlowCase
from tests.support.calls import BUSY, Plan, redirects


class RedirectionTests(FlowCase):
    """A call to 201, whose phone answers 302."""

    def setUp(self) -> None:
        super().setUp()
        self.caller = self.phone("200")
        self.callee = self.phone("201")
        self.network.names["elsewhere.test"] = "192.0.2.9"

    def test_to_our_user(self) -> None:
        """To another user: that one's phones ring; the record names who answered."""
        third = self.phone("202")
        self.callee.plan = redirects("<sip:202@example.test>")
        call, _ = self.talk(self.caller, "201", third)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual((self.row["callee"], self.row["dialed"]), ("202", "201"))

    def test_elsewhere(self) -> None:
        """To another domain: our users may be sent there."""
        friend = self.stranger()
        self.callee.plan = redirects("<sip:stranger@elsewhere.test>")
        call, _ = self.talk(self.caller, "201", friend)
        call.hang_up()
        self.clock.advance(1)
        self.assertEqual(friend.call_now.state, ENDED)

    def test_elsewhere_for_a_stranger(self) -> None:
        """A stranger is not relayed elsewhere, even if the phone says so."""
        friend = self.phone("friend", False, host="192.0.2.10", domain="third.test")
        self.network.names["third.test"] = "192.0.2.10"
        self.callee.plan = redirects("<sip:friend@third.test>")
        call = self.stranger().call("sip:201@example.test")
        self.clock.advance(5)
        self.assertEqual(friend.calls, [])
        self.assertEqual(call.status, 302, "he may go there himself")

    def test_to_our_user_for_a_stranger(self) -> None:
        """A stranger is sent on to another user."""
        third = self.phone("202")
        self.callee.plan = redirects("<sip:202@example.test>")
        call, _ = self.talk(self.stranger(), "sip:201@example.test", third)
        call.hang_up()

    def test_several(self) -> None:
        """Several contacts are tried in the order of their q."""
        second, third = self.phone("202"), self.phone("203")
        second.plan = Plan(486, 2.0)
        self.callee.plan = redirects(
            "<sip:203@example.test>;q=0.3", "<sip:202@example.test>;q=0.9", status=300
        )
        call = self.caller.call("201")
        self.clock.advance(1)
        self.assertEqual((len(second.calls), len(third.calls)), (1, 0))
        self.clock.advance(3)
        self.assertEqual((len(second.calls), len(third.calls)), (1, 1))
        self.assertEqual(call.state, TALKING)
        call.hang_up()

    def test_each_other(self) -> None:
        """Two users forward to each other: each rings once, then it is over."""
        second = self.phone("202")
        self.callee.plan = redirects("<sip:202@example.test>")
        second.plan = redirects("<sip:201@example.test>")
        call = self.caller.call("201")
        self.clock.advance(5)
        self.assert_over(call)
        self.assertEqual((len(self.callee.calls), len(second.calls)), (1, 1))
        self.assertEqual(len(self.node.journal.rows), 1)

    def test_itself(self) -> None:
        """A user forwards to himself."""
        self.callee.plan = redirects("<sip:201@example.test>")
        call = self.caller.call("201")
        self.clock.advance(5)
        self.assert_over(call)
        self.assertEqual(len(self.callee.calls), 1)

    def test_to_nobody(self) -> None:
        """To a name that nobody has: there is no way on."""
        self.callee.plan = redirects("<sip:999@example.test>")
        call = self.caller.call("201")
        self.clock.advance(5)
        self.assert_over(call)
        self.assertEqual(len(self.node.journal.rows), 1)

    def test_to_busy(self) -> None:
        """To somebody busy: the caller gets the 486, not the 302."""
        second = self.phone("202")
        second.plan = BUSY
        self.callee.plan = redirects("<sip:202@example.test>")
        call = self.caller.call("201")
        self.clock.advance(5)
        self.assertEqual(call.status, 486)

    def test_malformed_contact(self) -> None:
        """A contact that is none, and none at all."""
        for plan in (redirects("<nonsense"), redirects("*"), redirects()):
            self.callee.plan = plan
            call = self.caller.call("201")
            self.clock.advance(5)
            self.assertEqual(call.status, 302)

    def test_many(self) -> None:
        """Sent on to one phone by thirty contacts, again and again: it ends."""
        ring = self.phone("202")
        contacts = [f"<sip:202@10.0.1.3:5060;x={number}>" for number in range(30)]
        ring.plan = redirects(*contacts, status=300)
        self.callee.plan = redirects("<sip:202@example.test>")
        call = self.caller.call("201")
        self.clock.advance(40)
        self.assert_over(call)
        self.assertLess(len(ring.calls), 100)
