"""Tests of sipx.proxy.core and forking: what goes to phones, and what comes back of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipx.core.errors import RemoteError
from sipx.core.locating import NextHop
from sipx.core.message import Message, Request, Response, reply
from sipx.interfaces import IRequestServer
from sipx.net.interfaces import ITransactionUser
from sipx.net.ways import Avoided, Ways
from sipx.proxy import core as module
from sipx.ua.incoming import IncomingRequest
from tests.proxy.house import DOMAIN, HOST, House, Peer, ask, bind, credentials, parsed

CALLER = ("198.51.100.9", 5060)
PHONES = [("192.0.2.7", 5060), ("192.0.2.8", 5060), ("192.0.2.9", 5060)]
USER = f"sip:200@{DOMAIN}"


@implementer(IRequestServer)
class Server:
    """Answers with what it is told to."""

    events = ()

    def __init__(self, methods: Sequence[str] = (), users: Sequence[str] = ()) -> None:
        self.name = "robot"
        self.methods = methods
        self.users = users
        self.got: list[IncomingRequest] = []
        self.problem: Exception | None = None

    def handle(self, incoming: IncomingRequest) -> None:
        self.got.append(incoming)
        if self.problem is not None:
            raise self.problem
        incoming.respond(incoming.reply(200), incoming.now)


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House(("200", "201"))
        location: Any = self.house.location
        for place, peer in enumerate(PHONES):
            bind(self.house, "200", peer)
            self.assertEqual(location.count(), place + 1)

    def call(self, method: str = "INVITE", *lines: str) -> dict[Peer, Request]:
        """Ask for the user; what each phone gets."""
        sent = self.house.ask(ask(method, USER, *lines), CALLER)
        return {peer: message for peer, message in sent if isinstance(message, Request)}

    def answer(
        self, request: Message, status: int, *headers: tuple[str, str], peer: Peer = PHONES[0]
    ) -> list[str]:
        """Let a phone answer; what is sent then, first words and hosts."""
        assert isinstance(request, Request)
        response = reply(request, status, "", f"to-{peer[0]}" if status > 100 else "")
        for name, value in headers:
            response.add(name, value)
        self.sent = self.house.ask(response.to_bytes(), peer)
        return words(self.sent)

    def assertEmpty(self) -> None:
        """After the last timer nothing is left."""
        self.house.advance(200)
        layer = self.house.layer
        self.assertEqual((layer.transactions, layer.timers), (0, 0))
        self.assertEqual(len(self.house.proxy.wheel), 0)


def words(sent: Sequence[tuple[Peer, Message]]) -> list[str]:
    found = []
    for (host, _), message in sent:
        word = message.method if isinstance(message, Request) else str(message.status)  # type: ignore[attr-defined]  # a Response
        found.append(f"{word} {host}")
    return found


class ForkTests(Case):
    """One request, several phones."""

    def test_interface(self) -> None:
        """The proxy takes what the transaction layer gives."""
        self.assertTrue(verifyObject(ITransactionUser, self.house.proxy))

    def test_what_phones_get(self) -> None:
        """Each phone gets its own URI, our Via, one hop less, and a share of the breadth."""
        got = self.call("INVITE", "Max-Breadth: 9", "Subject: hello")
        self.assertEqual(sorted(got), PHONES)
        for peer, request in got.items():
            self.assertEqual(request.uri_text, f"sip:200@{peer[0]}:5060")
            self.assertEqual(request.get("max-forwards"), "69")
            self.assertEqual(request.get("max-breadth"), "3")
            self.assertEqual([via.host for via in request.vias()], [HOST, CALLER[0]])
            self.assertEqual(request.get("subject"), "hello")
            self.assertEqual(len(request.every("record-route")), 1)

    def test_answer(self) -> None:
        """The first 2xx goes to the caller, the others are canceled."""
        got = self.call()
        first, second, third = (got[peer] for peer in PHONES)
        self.assertEqual(self.answer(second, 180, peer=PHONES[1]), [f"180 {CALLER[0]}"])
        self.assertEqual(self.answer(third, 180, peer=PHONES[2]), [f"180 {CALLER[0]}"])
        contact = ("contact", "<sip:200@192.0.2.8:5060>")
        self.assertEqual(
            self.answer(second, 200, contact, peer=PHONES[1]),
            [f"200 {CALLER[0]}", f"CANCEL {PHONES[2][0]}"],
        )
        self.assertEqual(self.sent[0][1].to.tag, "to-192.0.2.8")
        self.assertEqual(self.answer(third, 487, peer=PHONES[2]), [f"ACK {PHONES[2][0]}"])
        self.assertEqual(self.answer(first, 486, peer=PHONES[0]), [f"ACK {PHONES[0][0]}"])
        self.assertEmpty()

    def test_challenges(self) -> None:
        """Challenges of all phones go upstream together (16.7 step 7)."""
        got = self.call()
        for peer, status, value in (
            (PHONES[0], 407, ("proxy-authenticate", 'Digest realm="a", nonce="1"')),
            (PHONES[1], 401, ("www-authenticate", 'Digest realm="b", nonce="2"')),
            (PHONES[2], 486, ("x", "y")),
        ):
            last = self.answer(got[peer], status, value, peer=peer)
        self.assertEqual(last, [f"ACK {PHONES[2][0]}", f"401 {CALLER[0]}"])
        message = self.sent[-1][1]
        self.assertEqual(message.every("proxy-authenticate"), ['Digest realm="a", nonce="1"'])
        self.assertEqual(message.every("www-authenticate"), ['Digest realm="b", nonce="2"'])

    def test_challenge_of_our_realm(self) -> None:
        """A challenge in our name, or for the password itself, is not passed on."""
        got = self.call()
        good = 'Digest realm="a", nonce="1"'
        for peer, value in (
            (PHONES[0], 'Digest realm="sipx-test", nonce="1"'),
            (PHONES[1], "Basic realm=x"),
            (PHONES[2], good),
        ):
            last = self.answer(
                got[peer],
                407,
                ("proxy-authenticate", value),
                ("www-authenticate", value),
                peer=peer,
            )
        self.assertEqual(last, [f"ACK {PHONES[2][0]}", f"407 {CALLER[0]}"])
        message = self.sent[-1][1]
        self.assertEqual(message.every("proxy-authenticate"), [good])
        self.assertEqual(message.every("www-authenticate"), [good])

    def test_only_challenges_of_our_realm(self) -> None:
        """When no other challenge is left, the call has failed: 502, and a better answer wins."""
        ours = ("www-authenticate", 'Digest Realm = "SIPX-\\test", nonce="1"')
        for status, outcome in ((401, "502"), (486, "486")):
            self.setUp()
            got = self.call()
            for peer in PHONES[:2]:
                self.answer(got[peer], 401, ours, peer=peer)
            last = self.answer(got[PHONES[2]], status, ours, peer=PHONES[2])
            self.assertEqual(last[-1], f"{outcome} {CALLER[0]}")
            self.assertFalse(self.sent[-1][1].has("www-authenticate"))
            self.assertEmpty()

    def test_challenge_in_a_provisional(self) -> None:
        """Nor does one travel in a response where none belongs."""
        got = self.call()
        ours = ("proxy-authenticate", 'Digest realm="sipx-test", nonce="1"')
        for status in (183, 200):
            self.assertIn(f"{status} {CALLER[0]}", self.answer(got[PHONES[0]], status, ours))
            self.assertFalse(self.sent[0][1].has("proxy-authenticate"))

    def test_503(self) -> None:
        """A 503 of a phone is not one of ours: 500 goes upstream (16.7 step 6)."""
        got = self.call()
        for peer in PHONES:
            last = self.answer(got[peer], 503, ("retry-after", "3600"), peer=peer)
        self.assertEqual(last[-1], f"500 {CALLER[0]}")
        self.assertFalse(self.sent[-1][1].has("retry-after"))

    def test_cancel(self) -> None:
        """The caller gives up: 200 for its CANCEL, phones are canceled, 487."""
        got = self.call()
        for peer in PHONES[:2]:
            self.answer(got[peer], 180, peer=peer)
        sent = self.house.ask(ask("CANCEL", USER), CALLER)
        self.assertEqual(
            sorted(words(sent)),
            [f"200 {CALLER[0]}", *(f"CANCEL {peer[0]}" for peer in PHONES[:2])],
        )
        self.assertEqual(
            self.answer(got[PHONES[2]], 180, peer=PHONES[2])[0], f"CANCEL {PHONES[2][0]}"
        )
        for peer in PHONES:
            last = self.answer(got[peer], 487, peer=peer)
        self.assertEqual(last[-1], f"487 {CALLER[0]}")
        self.house.receive(ask("ACK", USER), CALLER)
        self.assertEmpty()

    def test_silence(self) -> None:
        """Phones that say nothing: the caller of INVITE gets 408, of others nothing (RFC 4320)."""
        for method, expected in (("INVITE", ["100", "408"]), ("MESSAGE", ["100"])):
            self.setUp()
            self.call(method)
            self.house.advance(35)
            sent = [data for peer, data in self.house.take() if peer == CALLER]
            statuses = [data.split(b" ")[1].decode() for data in sent]
            self.assertEqual(list(dict.fromkeys(statuses)), expected)
            self.assertEmpty()

    def test_redirection(self) -> None:
        """A 3xx of a phone: our users are reached, others only by callers who are ours."""
        got = self.call()
        for peer in PHONES[1:]:
            self.answer(got[peer], 486, peer=peer)
        bind(self.house, "201", ("192.0.2.20", 5060))
        contact = ("contact", f"<sip:201@{DOMAIN}>, <sip:x@203.0.113.5>")
        sent = self.answer(got[PHONES[0]], 302, contact)
        self.assertEqual(sent, [f"ACK {PHONES[0][0]}", "INVITE 192.0.2.20"])

    def test_redirection_of_a_user(self) -> None:
        """A user's call may be led elsewhere."""
        sender = f"sip:201@{DOMAIN}"
        ((_, challenge),) = self.house.ask(ask("INVITE", USER, sender=sender), CALLER)
        proof = credentials(challenge, "201", "INVITE", USER)
        sent = self.house.ask(ask("INVITE", USER, proof, sender=sender, branch="2"), CALLER)
        self.assertEqual(len(sent), 3)
        for peer, message in sent[:2]:
            self.answer(message, 486, peer=peer)
        last = self.answer(sent[2][1], 302, ("contact", "<sip:x@203.0.113.5>"), peer=sent[2][0])
        self.assertEqual(last[-1], "INVITE 203.0.113.5")

    def test_malformed_redirection(self) -> None:
        """A 3xx whose contacts cannot be read goes upstream as it is."""
        got = self.call()
        for peer in PHONES:
            last = self.answer(got[peer], 302, ("contact", "<<"), peer=peer)
        self.assertEqual(last[-1], f"302 {CALLER[0]}")

    def test_no_breadth(self) -> None:
        """With a breadth of one the phones are tried one after the other (RFC 5393)."""
        got = self.call("INVITE", "Max-Breadth: 1")
        self.assertEqual(len(got), 1)
        ((peer, request),) = got.items()
        self.assertEqual(request.get("max-breadth"), "1")
        self.assertTrue(self.answer(request, 486, peer=peer)[1].startswith("INVITE "))

    def test_strict_ack(self) -> None:
        """An ACK to a strict router gets the form that it wants, like any request."""
        got = self.call()
        state = got[PHONES[0]].every("record-route")[0]
        contact = ("contact", "<sip:200@203.0.113.5>")
        self.answer(got[PHONES[0]], 200, contact, ("record-route", f"<sip:203.0.113.60>, {state}"))
        routes = self.sent[0][1].listed("record-route")[::-1]
        lines = [f"Route: {route}" for route in routes]
        data = ask("ACK", "sip:200@203.0.113.5", *lines, to_tag="to-192.0.2.7", branch="ack")
        ((peer, ack),) = self.house.ask(data, CALLER)
        self.assertEqual(peer, ("203.0.113.60", 5060))
        assert isinstance(ack, Request)
        self.assertEqual(ack.uri_text, "sip:203.0.113.60")
        self.assertEqual(ack.every("route"), ["<sip:200@203.0.113.5>"])

    def test_ack_of_the_caller(self) -> None:
        """An ACK of the caller is absorbed after a failure, and sent on after a 2xx."""
        got = self.call()
        contact = ("contact", f"<sip:200@{PHONES[0][0]}:5060>")
        routes = got[PHONES[0]].every("record-route")
        self.answer(got[PHONES[0]], 200, contact, ("record-route", routes[0]))
        data = ask("ACK", f"sip:200@{PHONES[0][0]}:5060", f"Route: {routes[0]}",
                   to_tag="to-192.0.2.7", branch="ack")  # fmt: skip
        ((peer, ack),) = self.house.ask(data, CALLER)
        self.assertEqual(peer, PHONES[0])
        self.assertFalse(ack.has("route"))
        self.assertEqual(len(ack.vias()), 2)


class RefusalTests(Case):
    """INVITEs inside dialogs that we refused: their ACK ends here."""

    def test_bounded(self) -> None:
        """Of too many the oldest is forgotten, none of the others; a gauge counts them."""
        self.patch(module, "MOST_REFUSED", 2)
        stranger = f"sip:201@{DOMAIN}"
        for name in ("a", "b", "c"):
            made = ask("INVITE", USER, to_tag="x", sender=stranger, branch=name)
            self.assertEqual(words(self.house.ask(made, CALLER)), [f"407 {CALLER[0]}"])
        self.assertEqual(self.house.proxy.refusals(), 2)
        for name, sent in (("a", 1), ("b", 0), ("c", 0)):
            made = ask("ACK", f"sip:200@{PHONES[0][0]}:5060", to_tag="x", branch=name)
            self.assertEqual(len(self.house.ask(made, CALLER)), sent, name)


class RecordTests(Case):
    """What the call records see."""

    def results(self) -> list[tuple[str, int]]:
        return [(row[9], row[10]) for row in self.house.journal.records if row[0] == "call"]

    def test_refused(self) -> None:
        """A call that nobody takes is recorded with its failure; a challenge is no call."""
        self.house.receive(ask("INVITE", "sip:x@203.0.113.5", branch="a"), CALLER)
        self.assertEqual(self.results(), [])
        self.house.receive(ask("INVITE", f"sip:999@{DOMAIN}", branch="b"), CALLER)
        self.assertEqual([code for _, code in self.results()], [0, 404])

    def test_answered(self) -> None:
        """One that is answered, once, whichever phone it was."""
        got = self.call()
        for peer in PHONES[:2]:
            self.answer(got[peer], 200, peer=peer)
        self.assertEqual([result for result, _ in self.results()], ["ringing", "talking"])

    def test_journal_fails(self) -> None:
        """While the journal cannot be written, a call is not passed on as if it were."""
        self.house.journal.failing = True
        self.assertEqual(self.house.ask(ask("INVITE", USER), CALLER), [])
        self.assertGreater(self.house.layer.outbox.withheld, 0)


class ServerTests(SynchronousTestCase):
    """Feature servers."""

    def make(self, **what: Any) -> tuple[House, Server]:
        server = Server(**what)
        self.assertTrue(verifyObject(IRequestServer, server))
        return House(("200",), servers=[server]), server

    def test_by_method(self) -> None:
        """A method for our domain is answered inside the proxy's own transaction."""
        house, server = self.make(methods=["PUBLISH"])
        ((_, response),) = house.ask(ask("PUBLISH", f"sip:{DOMAIN}"), CALLER)
        assert isinstance(response, Response)
        self.assertEqual((response.status, response.to.tag), (200, server.got[0].to_tag))
        self.assertEqual(server.got[0].flow.id.host, CALLER[0])
        self.assertEqual(len(house.ask(ask("PUBLISH", f"sip:{DOMAIN}"), CALLER)), 1)
        self.assertEqual(len(server.got), 1)

    def test_by_user(self) -> None:
        """A target that names a server is reached over the local transport, and answers back."""
        house, server = self.make(users=["~~robot.*"])
        for method in ("MESSAGE", "INVITE"):
            server.got.clear()
            sent = house.ask(ask(method, f"sip:~~robot@{DOMAIN}", branch=method), CALLER)
            self.assertEqual(words(sent), [f"200 {CALLER[0]}"], method)
            (incoming,) = server.got
            self.assertEqual(incoming.request.uri_text, f"sip:~~robot@{DOMAIN}")
            self.assertEqual(len(incoming.request.vias()), 2)
        house.receive(ask("ACK", f"sip:~~robot@{DOMAIN}", branch="ack"), CALLER)
        house.advance(200)
        self.assertEqual((house.layer.transactions, house.layer.timers), (0, 0))

    def test_not_over_the_wire(self) -> None:
        """Nobody outside can ask for the local transport."""
        house, server = self.make(users=["~~robot.*"])
        sent = house.ask(ask("MESSAGE", "sip:robot;transport=local"), CALLER)
        self.assertEqual(words(sent), [f"407 {CALLER[0]}"])
        self.assertEqual(server.got, [])

    def test_failing(self) -> None:
        """A server's own defect is 500 and logged; what it refuses has the status it says."""
        house, server = self.make(methods=["PUBLISH"])
        server.problem = ValueError("ours")
        sent = house.ask(ask("PUBLISH", f"sip:{DOMAIN}", branch="a"), CALLER)
        self.assertEqual(words(sent), [f"500 {CALLER[0]}"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        server.problem = RemoteError(489, "Bad Event")
        sent = house.ask(ask("PUBLISH", f"sip:{DOMAIN}", branch="b"), CALLER)
        self.assertEqual(words(sent), [f"489 {CALLER[0]}"])

    def test_gone(self) -> None:
        """A local request for a server that is not there is 480."""
        house, _ = self.make()
        local: Any = house.layer.transport("local")
        request = ask("MESSAGE", "sip:x")
        told: list[int] = []

        class User:
            def response(self, transaction: Any, response: Response, now: float) -> None:
                told.append(response.status)

            def failed(self, transaction: Any, status: int, now: float) -> None:
                told.append(-status)

        user: Any = User()
        house.layer.send(parsed(request), local.open("nobody"), user, house.now)
        house.layer.outbox.flush()
        self.assertEqual(told, [480])


class TroubleTests(Case):
    """When something of ours is wrong."""

    def test_chain(self) -> None:
        """A step that fails is 500, logged, and the next request goes its way."""

        class Broken:
            def bindings(self, user: str, now: float) -> Any:
                raise ValueError("ours")

        destination: Any = self.house.chain._destination
        good, destination._location = destination._location, Broken()
        sent = self.house.ask(ask("INVITE", USER), CALLER)
        self.assertEqual(words(sent), [f"500 {CALLER[0]}"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        destination._location = good
        self.assertEqual(len(self.house.ask(ask("INVITE", USER, branch="2"), CALLER)), 3)

    def test_cancel_while_connecting(self) -> None:
        """A phone that can only be reached after the caller gave up is not called any more."""
        reached: list[Any] = []

        class Hops:
            def find(self, *_: object) -> None:
                return None

            def ways(self, uri: Any, size: int, done: Any) -> None:
                reached.append(done)

        self.house.proxy.hops = Hops()  # type: ignore[assignment]  # what it needs of it
        self.assertEqual(self.call(), {})
        self.house.receive(ask("CANCEL", USER), CALLER)
        self.house.take()
        for place, done in enumerate(reached):
            hop = NextHop("udp", *PHONES[place])
            done(Ways([hop], self.house.layer, Avoided(), lambda: self.house.now))
        self.assertEqual([data[:11] for _, data in self.house.take()], [b"SIP/2.0 487"])
        self.house.receive(ask("ACK", USER), CALLER)
        self.assertEmpty()

    def test_nobody_reachable(self) -> None:
        """When no phone can be reached the caller learns that nobody is there."""

        class Hops:
            def find(self, *_: object) -> None:
                return None

            def ways(self, uri: Any, size: int, done: Any) -> None:
                done(ConnectionError())

        self.house.proxy.hops = Hops()  # type: ignore[assignment]  # what it needs of it
        sent = self.house.ask(ask("INVITE", USER), CALLER)
        self.assertEqual(words(sent), [f"480 {CALLER[0]}"])
