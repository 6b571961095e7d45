"""Tests of the proxy chain: who may reach whom, and who is asked for what.

A whole node in memory; what is asked is what leaves it, or what it answers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.message import Request, reply
from sipx.core.parser import parse_datagram
from sipx.core.routestate import host_of, scope_of, seal
from sipx.proxy.steps.hops import MOST_SPIRALS
from tests.proxy.house import DOMAIN, HOST, House, ask, bind, binding, credentials

STRANGER = ("198.51.100.9", 5060)
PHONE = ("192.0.2.7", 5060)
US = f"sip:{HOST}:5060"
USER = f"sip:200@{DOMAIN}"
ABSENT = f"sip:202@{DOMAIN}"
NOBODY = f"sip:999@{DOMAIN}"
NODE = f"sip:{DOMAIN}"
ELSEWHERE = "sip:x@203.0.113.5:6060"
CONTACT = "sip:200@192.0.2.7:5060"
CHALLENGED = "407"
Outcome = str


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = self.make()
        self.count = 0

    def make(self, **options: Any) -> House:
        house = House(("200", "201", "202"), **options)
        bind(house, "200", PHONE)
        return house

    def outcome(self, data: bytes) -> Outcome:
        """``407``, or ``INVITE 192.0.2.7`` for what is sent on; empty for silence."""
        self.sent = self.house.ask(data, STRANGER)
        words = []
        for (host, _), message in self.sent:
            if isinstance(message, Request):
                words.append(f"{message.method} {host}")
            else:
                words.append(str(message.status))  # type: ignore[attr-defined]  # a Response
        return ", ".join(words)

    def stranger(self, method: str, uri: str, *lines: str, **more: Any) -> Outcome:
        self.count += 1
        return self.outcome(ask(method, uri, *lines, branch=f"s{self.count}", **more))

    def user(self, method: str, uri: str, *lines: str, name: str = "201", **more: Any) -> Outcome:
        """As a user, who answers the challenge if there is one."""
        more.setdefault("sender", f"sip:{name}@{DOMAIN}")
        first = self.stranger(method, uri, *lines, **more)
        if first not in {"401", "407"}:
            return first
        proof = credentials(self.sent[0][1], name, method, uri)
        return self.stranger(method, uri, *lines, proof, **more)


class MatrixTests(Case):
    """Who may reach whom."""

    def test_strangers_out_of_dialog(self) -> None:
        """A stranger reaches our users, and nobody elsewhere."""
        for method, uri, outcome in (
            ("INVITE", USER, "INVITE 192.0.2.7"),
            ("MESSAGE", USER, "MESSAGE 192.0.2.7"),
            ("FOO", USER, "FOO 192.0.2.7"),
            ("BYE", USER, "BYE 192.0.2.7"),
            ("INVITE", CONTACT, "INVITE 192.0.2.7"),
            ("INVITE", ABSENT, "480"),
            ("INVITE", NOBODY, "404"),
            ("INVITE", "tel:200", "INVITE 192.0.2.7"),
            ("INVITE", "tel:+15550100", "404"),
            ("INVITE", ELSEWHERE, "407"),
            ("MESSAGE", ELSEWHERE, "407"),
            ("BYE", ELSEWHERE, "403"),
            ("ACK", ELSEWHERE, ""),
            ("ACK", NOBODY, ""),
            ("ACK", USER, "ACK 192.0.2.7"),
            ("CANCEL", USER, "481"),
            ("CANCEL", ABSENT, "481"),
            ("CANCEL", NODE, "481"),
            ("OPTIONS", NODE, "200"),
            ("OPTIONS", US, "200"),
            ("OPTIONS", USER, "OPTIONS 192.0.2.7"),
            ("INVITE", NODE, "405"),
            ("FOO", NODE, "405"),
            ("ACK", NODE, ""),
            ("REGISTER", NODE, "401"),
            ("INVITE", f"sip:200@{HOST}:5099", "407"),
            ("INVITE", "sips:200@203.0.113.5", "416"),  # there is no TLS
        ):
            self.assertEqual(self.stranger(method, uri), outcome, (method, uri))

    def test_users_out_of_dialog(self) -> None:
        """A user reaches everybody."""
        for method, uri, outcome in (
            ("INVITE", USER, "INVITE 192.0.2.7"),
            ("INVITE", CONTACT, "INVITE 192.0.2.7"),
            ("INVITE", ABSENT, "480"),
            ("INVITE", NOBODY, "404"),
            ("INVITE", ELSEWHERE, "INVITE 203.0.113.5"),
            ("MESSAGE", ELSEWHERE, "MESSAGE 203.0.113.5"),
            ("OPTIONS", NODE, "200"),
            ("SUBSCRIBE", NODE, "405"),
        ):
            self.assertEqual(self.user(method, uri), outcome, (method, uri))

    def test_register_elsewhere(self) -> None:
        """A REGISTER for a domain that is not ours is refused in words."""
        for sender in (f"sip:201@{DOMAIN}", "sip:201@elsewhere.example"):
            for uri in ("sip:elsewhere.example", ELSEWHERE, f"sip:{HOST}:5099"):
                self.assertEqual(self.user("REGISTER", uri, sender=sender), "403", uri)
                response: Any = self.sent[0][1]
                self.assertEqual(response.reason, "Not A Domain Of This Server")
        onward = "Route: <sip:203.0.113.5;lr>"
        self.assertEqual(
            self.user("REGISTER", "sip:elsewhere.example", onward), "REGISTER 203.0.113.5"
        )

    def test_strangers_kept_out(self) -> None:
        """Where strangers are not allowed they are asked who they are."""
        self.house = self.make(allow_anonymous=False)
        for method, uri, outcome in (
            ("INVITE", USER, "407"),
            ("INVITE", CONTACT, "407"),
            ("INVITE", NOBODY, "407"),
            ("BYE", USER, "403"),
            ("ACK", USER, ""),
            ("OPTIONS", NODE, "200"),
            ("REGISTER", NODE, "401"),
        ):
            self.assertEqual(self.stranger(method, uri), outcome, (method, uri))
        self.assertEqual(self.user("INVITE", USER), "INVITE 192.0.2.7")

    def route(
        self, authenticated: bool = True, scopes: tuple[str, ...] = ("203.0.113.5:6060",)
    ) -> str:
        pairs = [scope.split(":") for scope in scopes]
        state = seal(
            self.house.context.keys.subkey("dialog-state"),
            "call",
            "from",
            authenticated,
            [scope_of(host, int(port)) for host, port in pairs],
        )
        return f"Route: <{US};lr;sx={state}>"

    def test_in_dialog(self) -> None:
        """Inside a dialog whose state is good everybody stays within its scope."""
        away = ("192.0.2.99:5060",)
        for method, uri, line, outcome in (
            ("BYE", ELSEWHERE, self.route(), "BYE 203.0.113.5"),
            ("INVITE", ELSEWHERE, self.route(), "INVITE 203.0.113.5"),
            ("INVITE", ELSEWHERE, self.route(False), "INVITE 203.0.113.5"),
            ("BYE", ELSEWHERE, self.route(True, away), "403"),
            ("ACK", ELSEWHERE, self.route(True, away), ""),
            ("BYE", ELSEWHERE, self.route(False, away), "403"),
            ("ACK", ELSEWHERE, self.route(False, away), ""),
            ("INVITE", ELSEWHERE, self.route(True, away), "407"),
            ("INVITE", ELSEWHERE, self.route(False, away), "407"),
            ("BYE", CONTACT, self.route(), "BYE 192.0.2.7"),
            ("INVITE", CONTACT, self.route(False), "INVITE 192.0.2.7"),
            ("BYE", ELSEWHERE, f"Route: <{US};lr;sx=1forged>", "403"),
            ("INVITE", ELSEWHERE, f"Route: <{US};lr>", "407"),
            ("ACK", ELSEWHERE, f"Route: <{US};lr>", ""),
        ):
            found = self.stranger(method, uri, line, to_tag="to")
            self.assertEqual(found, outcome, (method, uri, line))
            for _, message in self.sent:
                self.assertFalse(message.has("route"))

    def test_state_of_another_call(self) -> None:
        """A state that was copied to another call, or to a request outside one, is nothing."""
        line = self.route()
        self.assertEqual(self.stranger("BYE", ELSEWHERE, line, to_tag="to", call_id="b"), "403")
        self.assertEqual(self.stranger("INVITE", ELSEWHERE, line), "407")
        self.assertEqual(self.stranger("INVITE", ELSEWHERE, line, to_tag="to", call_id="b"), "407")

    def callee(self, authenticated: bool, host: str) -> str:
        """A BYE to the initiator's address, from the callee's side by its tags."""
        state = seal(
            self.house.context.keys.subkey("dialog-state"),
            "call",
            "from",
            authenticated,
            [scope_of("192.0.2.7", 5060), host_of(host), scope_of("203.0.113.5", 6060)],
        )
        route = f"Route: <{US};lr;sx={state}>"
        data = ask("BYE", ELSEWHERE, route, to_tag="from", branch=f"{authenticated}{host}").replace(
            b"mallory@elsewhere.example>;tag=from", b"mallory@elsewhere.example>;tag=to"
        )
        return self.outcome(data)

    def test_callee_side(self) -> None:
        """The callee's requests are of the same dialog, the tags the other way round."""
        self.assertEqual(self.callee(True, "192.0.2.7"), "BYE 203.0.113.5")
        self.assertEqual(self.callee(False, STRANGER[0]), "BYE 203.0.113.5")

    def test_stranger_as_callee(self) -> None:
        """A stranger who turns the tags round is not led to the address that he named as his."""
        self.assertEqual(self.callee(False, "192.0.2.7"), "403")

    def test_no_challenge_inside(self) -> None:
        """A user's re-INVITE within the scope is not challenged again; beyond it, it is."""
        sender = f"sip:201@{DOMAIN}"
        found = self.stranger("INVITE", ELSEWHERE, self.route(), to_tag="to", sender=sender)
        self.assertEqual(found, "INVITE 203.0.113.5")
        away = self.route(True, ("192.0.2.99:5060",))
        found = self.stranger("INVITE", ELSEWHERE, away, to_tag="to", sender=sender)
        self.assertEqual(found, "407")
        self.assertEqual(
            self.user("INVITE", ELSEWHERE, away, to_tag="to", cseq=2), "INVITE 203.0.113.5"
        )

    def test_along_a_route(self) -> None:
        """A Route that is not ours leads on, for those who may leave."""
        line = "Route: <sip:203.0.113.60;lr>"
        self.assertEqual(self.stranger("INVITE", ELSEWHERE, line), "407")
        self.assertEqual(self.stranger("INVITE", USER, line), "407")
        self.assertEqual(self.user("INVITE", ELSEWHERE, line), "INVITE 203.0.113.60")
        state = self.route(False, ("203.0.113.60:5060",))
        self.assertEqual(
            self.stranger("BYE", ELSEWHERE, state, line, to_tag="to"), "BYE 203.0.113.60"
        )

    def test_strict_router_after_us(self) -> None:
        """A next hop without ``lr`` gets the form that it wants (16.6 step 6)."""
        found = self.user("INVITE", ELSEWHERE, "Route: <sip:203.0.113.60>")
        self.assertEqual(found, "INVITE 203.0.113.60")
        message: Any = self.sent[0][1]
        self.assertEqual(message.uri_text, "sip:203.0.113.60")
        self.assertEqual(message.every("route"), [f"<{ELSEWHERE}>"])

    def test_path(self) -> None:
        """A phone behind an edge proxy is reached through it, inside a dialog by the route set."""
        edge = "<sip:192.0.2.70;lr>"
        bind(self.house, "202", ("10.0.0.7", 5060), path=(edge,))
        self.assertEqual(self.stranger("INVITE", ABSENT), "INVITE 192.0.2.70")
        self.assertEqual(self.sent[0][1].every("route"), [edge])
        found = self.stranger(
            "BYE",
            "sip:202@10.0.0.7:5060",
            self.route(scopes=("192.0.2.70:5060",)),
            f"Route: {edge}",
            to_tag="to",
        )
        self.assertIn(found, {"BYE 192.0.2.70"})
        self.assertEqual(self.sent[0][1].every("route"), [edge])


class CredentialTests(Case):
    """Who is asked, and what becomes of the answer."""

    def test_claims(self) -> None:
        """Whoever says to be one of ours is asked for a proof, whatever the request is."""
        sender = f"sip:201@{DOMAIN}"
        for method, uri, outcome in (
            ("INVITE", USER, "407"),
            ("MESSAGE", USER, "407"),
            ("OPTIONS", NODE, "407"),
            ("REGISTER", NODE, "401"),
            ("ACK", USER, "ACK 192.0.2.7"),
            ("BYE", USER, "BYE 192.0.2.7"),
            ("CANCEL", USER, "481"),
        ):
            self.assertEqual(self.stranger(method, uri, sender=sender), outcome, method)

    def test_spellings(self) -> None:
        """However he spells our domain, and whatever port he gives it, it is ours."""
        for sender in (
            f"sip:201@{HOST}:5060",
            f"sip:201@{DOMAIN}:5099",
            f"sips:201@{DOMAIN}",
            f"sip:201@{DOMAIN.upper()}.",
            f"sip:201@{DOMAIN}..:5060",
            "sip:201@localhost",
            "sip:201@127.1",
            "sip:201@127.0.0.77",
            "sip:201@0x7f000001",
            "sip:201@2130706433",
            "sip:201@0300.0.2.1",
            "sip:201@192.513",
            "sip:201@[::ffff:192.0.2.1]",
            "sip:201@[::1]",
            "sip:201@0",
            "tel:201",
            "tel:2-0-1",
            "tel:201;phone-context=elsewhere.example",
            f"im:201@{DOMAIN}",
            f"pres:201@{DOMAIN}:5099;x=y",
        ):
            given = {"sender": sender, "call_id": sender}
            self.assertEqual(self.stranger("INVITE", USER, **given), "407", sender)
            self.assertEqual(self.user("INVITE", USER, **given), "INVITE 192.0.2.7", sender)
        for sender in (
            "tel:+15550100",
            "sip:201@elsewhere.example",
            "sip:201@192.0.2.2",
            "sip:201@1.2.3.4.5",
            "sip:201@300.1.1.1",
            f"sip:201@not-{DOMAIN}",
            "urn:service:sos",
            "im:201@elsewhere.example",
        ):
            outcome = self.stranger("INVITE", USER, sender=sender)
            self.assertEqual(outcome, "INVITE 192.0.2.7", sender)

    def test_our_domain_spelled_otherwise(self) -> None:
        """A Request-URI with the dot of the root, or a short address, is for us too."""
        for uri in (f"sip:200@{DOMAIN}.", f"sip:200@{DOMAIN}.:5060", "sip:200@127.1"):
            self.assertEqual(self.stranger("INVITE", uri), "INVITE 192.0.2.7", uri)

    def test_require_of_a_register(self) -> None:
        """A registrar looks at Require before it asks who sends it; others after it (10.3, 8.2)."""
        unknown = "Require: gruu, path, x"
        self.assertEqual(self.stranger("REGISTER", NODE, unknown), "420")
        self.assertEqual(self.sent[0][1].every("unsupported"), ["gruu, x"])
        self.assertEqual(self.stranger("REGISTER", NODE, "Require: path"), "401")
        self.assertEqual(self.stranger("REGISTER", "sip:elsewhere.example", unknown), "401")
        ours = f"sip:201@{DOMAIN}"
        self.assertEqual(self.stranger("OPTIONS", NODE, unknown, sender=ours), "407")
        self.assertEqual(self.stranger("OPTIONS", NODE, unknown), "420")

    def test_challenges(self) -> None:
        """Each algorithm that is offered is a challenge of its own, in their order."""
        self.stranger("INVITE", ELSEWHERE)
        values = self.sent[0][1].every("proxy-authenticate")
        self.assertEqual(["MD5" in value for value in values], [True, False])
        self.stranger("REGISTER", NODE)
        self.assertEqual(len(self.sent[0][1].every("www-authenticate")), 2)

    def test_own_name(self) -> None:
        """A user may use its own names in From, not another's."""
        self.assertEqual(
            self.user("INVITE", USER, name="200", sender=f"sip:reception@{DOMAIN}"),
            "INVITE 192.0.2.7",
        )
        self.assertEqual(self.user("INVITE", USER, name="201", sender=USER), "403")
        self.assertEqual(self.user("INVITE", USER, name="201", sender=f"sip:999@{DOMAIN}"), "403")

    def test_consumed(self) -> None:
        """Credentials that we used are removed, those for others stay."""
        foreign = (
            'Proxy-Authorization: Digest username="a", realm="other", nonce="n", uri="sip:x",'
            ' response="0"'
        )
        self.assertEqual(self.user("INVITE", USER), "INVITE 192.0.2.7")
        self.assertFalse(self.sent[0][1].has("proxy-authorization"))
        self.assertEqual(self.user("INVITE", USER, foreign), "INVITE 192.0.2.7")
        (left,) = self.sent[0][1].every("proxy-authorization")
        self.assertIn('realm="other"', left)
        self.assertEqual(self.stranger("INVITE", USER, foreign), "INVITE 192.0.2.7")
        self.assertEqual(self.sent[0][1].every("proxy-authorization"), [left])

    def test_consumed_wherever(self) -> None:
        """Credentials of our realm go nowhere, in which header and request ever they are."""
        self.stranger("INVITE", ELSEWHERE)
        proof = credentials(self.sent[0][1], "201", "INVITE", USER)
        value = proof.partition(": ")[2]
        spelled = value.replace("sipx-test", "SIPX\\-Test")
        other = value.replace("sipx-test", "elsewhere")
        lines = [f"Authorization: {text}" for text in (value, other, spelled)]
        for method in ("INVITE", "MESSAGE", "BYE", "ACK"):
            self.assertEqual(self.stranger(method, USER, *lines), f"{method} 192.0.2.7")
            self.assertEqual(self.sent[0][1].every("authorization"), [other], method)
        self.assertEqual(self.user("INVITE", USER, *lines), "INVITE 192.0.2.7")
        request = self.sent[0][1]
        self.assertEqual(request.every("authorization"), [other])
        self.assertFalse(request.has("proxy-authorization"))
        self.assertEqual(self.stranger("BYE", USER, proof), "BYE 192.0.2.7")
        self.assertFalse(self.sent[0][1].has("proxy-authorization"))

    def test_wrong(self) -> None:
        """A wrong answer is challenged again, also of a stranger who would not need one."""
        self.stranger("INVITE", ELSEWHERE)
        proof = credentials(self.sent[0][1], "201", "INVITE", USER).replace("201", "200")
        self.assertEqual(self.stranger("INVITE", USER, proof), "407")
        self.assertEqual(self.stranger("INVITE", USER, "Proxy-Authorization: Digest x"), "400")

    def test_replay(self) -> None:
        """The same credentials in another transaction get a fresh challenge with stale=true."""
        sender = f"sip:201@{DOMAIN}"
        self.stranger("INVITE", USER, sender=sender)
        proof = credentials(self.sent[0][1], "201", "INVITE", USER)
        self.assertEqual(self.stranger("INVITE", USER, proof, sender=sender), "INVITE 192.0.2.7")
        self.assertEqual(self.stranger("INVITE", USER, proof, sender=sender), "407")
        self.assertIn("stale=true", self.sent[0][1].get("proxy-authenticate") or "")

    def test_no_state(self) -> None:
        """A challenge costs no memory, and its ACK ends here."""
        self.assertEqual(self.stranger("INVITE", ELSEWHERE), "407")
        self.assertEqual(self.house.layer.transactions, 0)
        tag = self.sent[0][1].to.tag
        self.assertEqual(self.stranger("ACK", ELSEWHERE, to_tag=tag), "")
        self.assertEqual(self.stranger("ACK", USER, to_tag=tag), "")


class NodeTests(Case):
    """Requests to the node itself."""

    def test_options(self) -> None:
        """OPTIONS is answered with what the node offers."""
        self.stranger("OPTIONS", NODE)
        message = self.sent[0][1]
        self.assertEqual(message.get("allow"), "ACK, CANCEL, OPTIONS, REGISTER")
        self.assertTrue(message.has("supported"))
        self.assertTrue(message.has("accept"))

    def test_not_offered(self) -> None:
        """What it does not offer is 405 with Allow."""
        self.stranger("PUBLISH", NODE)
        self.assertEqual(self.sent[0][1].get("allow"), "ACK, CANCEL, OPTIONS, REGISTER")

    def test_require(self) -> None:
        """An extension that is required of us and not known is 420, on REGISTER too."""
        self.assertEqual(self.stranger("OPTIONS", NODE, "Require: 100rel, path"), "420")
        self.assertEqual(self.sent[0][1].get("unsupported"), "100rel")
        self.assertEqual(self.user("REGISTER", NODE, "Require: gruu"), "420")
        self.assertEqual(self.stranger("REGISTER", NODE, "Proxy-Require: gruu"), "420")
        self.assertEqual(self.stranger("INVITE", USER, "Require: 100rel"), "INVITE 192.0.2.7")

    def test_bad_requests(self) -> None:
        """What is malformed is answered with the reason, and leaves nothing behind."""
        good = ask("INVITE", USER)
        for old, new, status in (
            (b"From:", b"X-From:", "400"),
            (b"Max-Forwards: 70", b"Max-Forwards: 0", "483"),
            (b"Max-Forwards: 70", b"Max-Forwards: x", "400"),
            (b";tag=from", b";tag=a;tag=b", "400"),
            (b"Contact: <sip:me", b"Contact: <<sip:me", "400"),
            (b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia", "505"),
            (b"sip:200@example.com SIP", b"ftp:200 SIP", "416"),
            (b"Contact:", b"Route: nonsense\r\nContact:", "400"),
            (b"Contact:", b"Route:\r\nContact:", "400"),
            (b"Contact:", b"Max-Breadth: 0\r\nContact:", "440"),
        ):
            data = good.replace(old, new, 1)
            self.assertNotEqual(data, good)
            self.assertEqual(self.outcome(data), status, new)
            self.assertEqual(self.house.layer.transactions, 0, new)

    def test_loop(self) -> None:
        """A request that comes back to us with nothing changed is 482."""
        bind(self.house, "202", (HOST, 5060))
        sent = self.house.ask(ask("MESSAGE", ABSENT), STRANGER)
        statuses = []
        for _ in range(5):
            message: Any = sent[0][1]
            if not isinstance(message, Request):
                break
            statuses.append(message.uri_text)
            sent = self.house.ask(message.to_bytes(), (HOST, 5060))
        self.assertEqual(getattr(sent[0][1], "status", None), 482)
        self.assertLessEqual(len(statuses), 2)

    def test_circle(self) -> None:
        """Contacts that name users of ours are resolved here: a circle ends, at once."""
        location: Any = self.house.location
        found = [
            replace(binding("202", PHONE), contact=f"sip:202@{HOST}:5060;x={number}")
            for number in range(9)
        ]
        location.change("202", (), found)
        self.assertEqual(self.stranger("INVITE", ABSENT), "482")
        self.assertEqual(self.house.layer.transactions, 0)

    def test_address_of_ours_as_contact(self) -> None:
        """A contact that names another user of ours rings that user's phones."""
        bind(self.house, "202", (HOST, 5060))
        location: Any = self.house.location
        (old,) = location.held("202")
        to_200 = replace(old, contact=f"sip:200@{HOST}:5060")
        location.change("202", [old], [to_200])
        self.assertEqual(self.stranger("INVITE", ABSENT), "INVITE 192.0.2.7")

    def test_spirals(self) -> None:
        """A request that comes back again and again by other ways is refused some day."""
        own = f"Via: SIP/2.0/UDP {HOST}:5060;branch=z9hG4bKx"
        for visits, status in ((MOST_SPIRALS, "INVITE 192.0.2.7"), (MOST_SPIRALS + 1, "482")):
            lines = [f"{own}{number}.{number}" for number in range(visits)]
            found = self.stranger("INVITE", USER, *lines)
            self.assertEqual(found, status, visits)

    def test_fork_that_comes_back(self) -> None:
        """A request that comes back may fork no wider than it is allowed to (RFC 5393: 440)."""
        bind(self.house, "200", ("192.0.2.71", 5060))
        lines = (f"Via: SIP/2.0/UDP {HOST}:5060;branch=z9hG4bKx.1", "Max-Breadth: 1")
        self.assertEqual(self.stranger("INVITE", USER, *lines), "440")

    def test_full(self) -> None:
        """While the node stops new calls are refused with 503."""
        self.house.chain.admission.draining = True
        self.assertEqual(self.stranger("INVITE", USER), "503")
        self.assertEqual(self.sent[0][1].get("retry-after"), "60")
        self.assertEqual(self.stranger("OPTIONS", NODE), "200")


class RingTimeTests(SynchronousTestCase):
    """How long phones ring."""

    def test_ring_time(self) -> None:
        """The node's ring time holds for each phone; then the caller gets 408."""
        house = House(("200",), ring_time=20)
        bind(house, "200", PHONE)
        ((_, sent),) = house.ask(ask("INVITE", USER), STRANGER)
        assert isinstance(sent, Request)
        house.receive(reply(sent, 180, "", "to").to_bytes(), PHONE)
        house.take()
        house.advance(20.2)
        methods = [getattr(parse_datagram(data), "method", "") for _, data in house.take()]
        self.assertEqual(methods, ["CANCEL"])
