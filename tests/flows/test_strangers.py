"""Who may do what: no open relay, nobody in another's name, no believed forgeries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sipx.core.message import Request
from tests.flows.case import TALKING, FlowCase
from tests.support.builders import request
from tests.support.calls import Call

ELSEWHERE = "sip:victim@192.0.2.200"
METHODS = ("INVITE", "BYE", "ACK", "MESSAGE", "SUBSCRIBE", "UPDATE", "INFO", "REFER", "NOTIFY")


class RelayTests(FlowCase):
    """What a stranger sends, and what arrives elsewhere of it: nothing.

    Attributes:
        acks_pass: see ``test_ack_for_our_refusal``.
    """

    acks_pass = False

    def setUp(self) -> None:
        super().setUp()
        self.callee = self.phone("201")
        self.attacker = self.peer()
        self.victim = self.peer("192.0.2.200")
        self.network.names["elsewhere.test"] = "192.0.2.9"

    def assert_not_relayed(self, *made: Request) -> None:
        """Each request is refused, or dropped when it is an ACK, and nothing leaves for it."""
        for one in made:
            status = 0
            if one.method == "ACK":
                self.attacker.send_stateless(one, self.node.address)
                self.clock.advance(1)
            else:
                status = self.status(self.attacker, one)
            expected = {"ACK": {0}, "BYE": {403, 481}}.get(one.method, {401, 403, 407})
            self.assertIn(status, expected, one)
        self.clock.advance(5)
        passed = [one for one in self.victim.received if one != "ACK" or not self.acks_pass]
        self.assertEqual(passed, [])

    def requests(
        self, uri: str = ELSEWHERE, routes: Sequence[str] = (), to_tag: str = "", call_id: str = ""
    ) -> list[Request]:
        """Make a request of each method."""
        return [
            request(
                method,
                uri,
                routes=routes,
                to_tag=to_tag,
                call_id=call_id,
                contact="<sip:a@192.0.2.66>",
            )
            for method in METHODS
        ]

    def test_out_of_dialog(self) -> None:
        """Requests to addresses elsewhere, without and with a To tag."""
        self.assert_not_relayed(*self.requests(), *self.requests(to_tag="x"))

    def test_by_route(self) -> None:
        """Requests to our user that a Route leads elsewhere."""
        routes = ["<sip:10.0.0.1;lr>", "<sip:192.0.2.200;lr>"]
        self.assert_not_relayed(
            *self.requests("sip:201@example.test", routes),
            *self.requests("sip:201@example.test", routes[1:]),
            *self.requests("sip:201@example.test", routes, to_tag="x"),
        )

    def test_by_maddr(self) -> None:
        """Requests to our domain whose maddr names another host."""
        made = self.requests("sip:201@example.test;maddr=192.0.2.200", to_tag="x")
        for one in made:
            self.attacker.send_stateless(one, self.node.address)
        self.clock.advance(40)
        self.assertEqual(self.victim.received, [])

    def test_by_strict_route(self) -> None:
        """A strict router's form: our address as Request-URI, the target as last Route."""
        self.assert_not_relayed(
            *self.requests("sip:10.0.0.1;lr", [f"<{ELSEWHERE}>"]),
            *self.requests("sip:10.0.0.1;lr", [f"<{ELSEWHERE}>"], to_tag="x"),
        )

    def test_forged_state(self) -> None:
        """A Record-Route state that somebody made up."""
        for value in ("1", "1AAAA", "1" + "A" * 48, "1" + "A" * 40, "2xyz", ""):
            routes = [f"<sip:10.0.0.1:5060;lr;sx={value}>"]
            self.assert_not_relayed(*self.requests(routes=routes, to_tag="x"))

    def dialog(self) -> tuple[Call, str, str]:
        """Let a stranger call our user; gives his call and the Route he got."""
        stranger = self.stranger()
        call = stranger.call("sip:201@example.test")
        self.clock.until(lambda: call.state is TALKING)
        assert call.dialog is not None
        (route,) = call.dialog.routes
        return call, route, call.dialog.remote_tag

    def test_altered_state(self) -> None:
        """A state of ours with a character changed."""
        call, route, _ = self.dialog()
        start = route.index("sx=") + 3
        for place in range(start, len(route) - 1, 5):
            other = "A" if route[place] != "A" else "B"
            altered = route[:place] + other + route[place + 1 :]
            made = request(
                "BYE",
                ELSEWHERE,
                routes=[altered],
                call_id=call.call_id,
                tag=call.local_tag,
                to_tag="x",
            )
            self.assert_not_relayed(made)
        call.hang_up()

    def test_copied_state(self) -> None:
        """A state of ours in another call, and in the same call with other tags."""
        call, route, remote_tag = self.dialog()
        self.assert_not_relayed(
            *self.requests("sip:stranger@192.0.2.9:5060", [route], to_tag="x"),
            *self.requests(routes=[route], to_tag=remote_tag, call_id=call.call_id),
        )
        call.hang_up()

    def test_own_address(self) -> None:
        """A stranger named a third party's address as his own: nobody is led there."""
        call, route, remote_tag = self.dialog()
        # The state was made for the stranger's Contact; the victim may as well be there.
        target = "sip:anybody@192.0.2.9:5060"
        for tag, to_tag in ((call.local_tag, "x"), (remote_tag, call.local_tag)):
            for method in METHODS:
                made = request(
                    method,
                    target,
                    routes=[route],
                    call_id=call.call_id,
                    tag=tag,
                    to_tag=to_tag,
                    cseq=77,
                    contact="<sip:a@192.0.2.66>",
                )
                self.assert_not_relayed(made)
        call.hang_up()

    def test_without_to_tag(self) -> None:
        """A state of ours in a request that begins something new."""
        call, route, _ = self.dialog()
        made = request(
            "INVITE",
            ELSEWHERE,
            routes=[route],
            call_id=call.call_id,
            tag=call.local_tag,
            contact="<sip:a@192.0.2.66>",
        )
        self.assert_not_relayed(made)
        call.hang_up()

    def test_same_dialog_other_target(self) -> None:
        """A stranger in a dialog with our user leads it to a third party."""
        call, route, remote_tag = self.dialog()
        for method in METHODS:
            made = request(
                method,
                ELSEWHERE,
                routes=[route],
                call_id=call.call_id,
                tag=call.local_tag,
                to_tag=remote_tag,
                cseq=77,
                contact="<sip:a@192.0.2.66>",
            )
            self.assert_not_relayed(made)
        call.hang_up()

    def test_called_stranger_other_target(self) -> None:
        """A stranger that our user called leads the dialog to a third party."""
        caller, friend = self.phone("200"), self.stranger()
        call, other = self.talk(caller, "sip:stranger@elsewhere.test", friend)
        assert other.dialog is not None
        self.acks_pass = True
        for method in ("INVITE", "UPDATE", "MESSAGE", "REFER"):
            made = request(
                method,
                ELSEWHERE,
                routes=other.dialog.routes,
                sender=other.dialog.local,
                call_id=call.call_id,
                tag=other.dialog.local_tag,
                to_tag=other.dialog.remote_tag,
                cseq=77,
                contact="<sip:a@192.0.2.66>",
            )
            self.assert_not_relayed(made)
        call.hang_up()

    def test_dialog_of_strangers(self) -> None:
        """A stranger's dialog works in both directions, after registrations have expired too."""
        call, _, _ = self.dialog()
        other = self.callee.call_now
        self.clock.advance(400)
        for one in (call, other):
            one.ask("INFO")
            one.ask("INVITE")
            self.clock.advance(2)
            self.assertEqual(sorted(one.heard), [("INFO", 200), ("INVITE", 200)])
        other.hang_up()
        self.clock.advance(1)
        self.assertEqual(other.heard[-1], ("BYE", 200))

    def test_our_user_elsewhere(self) -> None:
        """Our users may call elsewhere; both sides may end it, the stranger unchallenged."""
        caller, friend = self.phone("200"), self.stranger()
        call, other = self.talk(caller, "sip:stranger@elsewhere.test", friend)
        other.ask("INVITE")
        self.clock.advance(1)
        self.assertEqual(other.heard, [("INVITE", 200)])
        other.hang_up()
        self.clock.advance(1)
        self.assert_over(call, other)
        self.assertEqual(other.heard[-1], ("BYE", 200))
        self.assertEqual(self.row["result"], "completed")

    def test_internal_headers(self) -> None:
        """Internal headers, parameters and asserted identities of a stranger are stripped."""
        stranger = self.stranger()
        call = stranger.call(
            "sip:201@example.test;sx=1AAAA;sipxsecret=1;x-sipx-a=2;other=3",
            "X-sipX-Authidentity: <sip:200@example.test>",
            "P-Asserted-Identity: <sip:200@example.test>",
            "X-Other: kept",
        )
        self.clock.advance(1)
        invite = self.callee.call_now.request
        self.assertFalse({"x-sipx-authidentity", "p-asserted-identity"} & {*invite.names})
        self.assertEqual(invite.get("x-other"), "kept")
        self.assertNotIn("sipx", invite.uri_text.lower())
        self.clock.advance(1)
        call.hang_up()

    def test_ack_for_our_refusal(self) -> None:
        """The ACK for a refusal of ours inside a dialog ends here, as it was sent by us."""
        caller, friend = self.phone("200"), self.stranger()
        call, _ = self.talk(caller, "sip:stranger@elsewhere.test", friend)
        assert call.dialog is not None
        invite = call.dialog.request("INVITE", caller.contact, "Max-Forwards: 0")
        invite.set("max-forwards", "0")
        before = friend.endpoint.received.count("ACK")
        caller.ask(invite, call._note)
        self.clock.advance(2)
        after = friend.endpoint.received.count("ACK")
        call.hang_up()
        self.assertEqual(call.heard[0], ("INVITE", 483))
        self.assertEqual(before, after)


class NameTests(FlowCase):
    """Nobody speaks in another's name."""

    def setUp(self) -> None:
        super().setUp()
        self.callee = self.phone("201")

    def test_spoofed_from(self) -> None:
        """A user with a From of another user is refused."""
        caller = self.phone("200")
        caller.sender = "<sip:202@example.test>"
        call = caller.call("201")
        self.clock.advance(1)
        self.assertEqual(call.status, 403)
        self.assertEqual(self.callee.calls, [])

    def test_alias_as_from(self) -> None:
        """A user with a From of his own alias is not."""
        caller = self.phone("200")
        caller.sender = "<sip:reception@example.test>"
        call, _ = self.talk(caller, "201", self.callee)
        call.hang_up()

    def test_our_domain_by_address(self) -> None:
        """A From with the node's address, or localhost, is our domain too."""
        for host in ("10.0.0.1", "localhost", "EXAMPLE.test", "10.0.0.1:5060"):
            made = request("INVITE", "sip:201@example.test", sender=f"<sip:200@{host}>")
            self.assertEqual(self.status(self.peer(f"192.0.2.{len(self.peers) + 70}"), made), 407)
        self.assertEqual(self.callee.calls, [])

    def test_stranger_claims_nobody(self) -> None:
        """A From of our domain that is nobody's is challenged as well."""
        made = request("INVITE", "sip:201@example.test", sender="<sip:nobody@example.test>")
        self.assertEqual(self.status(self.peer(), made), 407)

    def test_credentials_do_not_travel(self) -> None:
        """The called phone sees no credentials."""
        caller = self.phone("200")
        call, other = self.talk(caller, "201", self.callee)
        self.assertFalse(other.request.has("proxy-authorization"))
        call.hang_up()

    def test_replayed_credentials(self) -> None:
        """Credentials that somebody overheard are good for nothing: challenged as stale."""
        caller = self.phone("200")
        call, _ = self.talk(caller, "201", self.callee)
        call.hang_up()
        invites = [
            datagram.data
            for datagram in self.network.sent
            if datagram.data.startswith(b"INVITE") and datagram.source == caller.endpoint.address
        ]
        self.clock.advance(60)
        replayed = invites[-1].replace(b"z9hG4bK-10-0-1-2", b"z9hG4bK-replay")
        self.network.sent.clear()
        self.network.send(replayed, caller.endpoint.address, self.node.address)
        self.clock.advance(1)
        sent = self.network.sent
        answer = next(one.data for one in sent if one.source == self.node.address)
        self.assertTrue(answer.startswith(b"SIP/2.0 407"), answer)
        self.assertIn(b"stale=true", answer)
        self.assertEqual(len(self.callee.calls), 1)

    def test_register_another(self) -> None:
        """A user cannot register another's address."""
        phone = self.phone("200", register=False)
        phone.register(to="<sip:201@example.test>")
        self.clock.advance(1)
        self.assertEqual(phone.registered, [403])


class ClosedTests(FlowCase):
    """A node that lets no strangers in."""

    options: ClassVar = {"allow_anonymous": False}

    def test_stranger(self) -> None:
        """A stranger cannot call our users, by name or by contact."""
        callee = self.phone("201")
        stranger = self.stranger()
        for uri in ("sip:201@example.test", "sip:201@10.0.1.1:5060"):
            call = stranger.call(uri, routes=["<sip:10.0.0.1;lr>"])
            self.clock.advance(1)
            self.assertEqual(call.status, 407)
        self.assertEqual(callee.calls, [])

    def test_requests_of_strangers(self) -> None:
        """Nor can he send them anything else."""
        callee = self.phone("201")
        peer = self.peer()
        for uri in ("sip:201@example.test", "sip:201@10.0.1.1:5060"):
            for method in METHODS:
                made = request(method, uri, to_tag="x", contact="<sip:a@192.0.2.66>")
                if method == "ACK":
                    peer.send_stateless(made, self.node.address)
                    self.clock.advance(1)
                else:
                    self.assertIn(self.status(peer, made), {403, 407}, (method, uri))
        self.assertEqual(callee.endpoint.received, [])

    def test_called_stranger(self) -> None:
        """A stranger that was called may do what belongs to that call."""
        self.network.names["elsewhere.test"] = "192.0.2.9"
        caller, friend = self.phone("200"), self.stranger()
        call, other = self.talk(caller, "sip:stranger@elsewhere.test", friend)
        other.ask("INVITE")
        self.clock.advance(1)
        other.hang_up()
        self.clock.advance(1)
        self.assertEqual(other.heard, [("INVITE", 200), ("BYE", 200)])
        self.assert_over(call, other)

    def test_users(self) -> None:
        """Our users call each other as ever."""
        caller, callee = self.phone("200"), self.phone("201")
        call, _ = self.talk(caller, "201", callee)
        call.hang_up()
