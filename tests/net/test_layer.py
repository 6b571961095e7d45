"""Tests of sipx.net.layer: what belongs to which transaction, and what comes of it."""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipx.core.message import Request, Response, reply
from sipx.core.parser import parse_datagram
from sipx.net import answers
from sipx.net import layer as module
from sipx.net.interfaces import ISignaling
from tests.net.station import HOST, PEER, ListTransport, Station, answer, request


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.station = Station()
        self.layer = self.station.layer


class AnswerTests(Case):
    """Requests that are answered at once, without a machine."""

    def setUp(self) -> None:
        super().setUp()
        self.station.accepting = False
        self.station.advance(0.1)

    def answered(self, reliable: bool = False) -> None:
        station = self.station
        flow = station.flow(reliable)
        station.receive(request("REGISTER"), flow)
        ((received, _),) = station.user.requests
        self.layer.answer(received, flow, reply(received, 200, "", "to"))
        self.layer.outbox.flush()
        self.assertEqual(station.sent(), ["200"])

    def test_again(self) -> None:
        """What comes again within 64*T1 gets the same answer, and nobody is asked."""
        self.answered()
        for _ in range(31):
            self.station.advance(1)
            self.assertEqual(self.station.receive(request("REGISTER")), [])
            self.assertEqual(self.station.sent(), ["200"])

    def test_forgotten(self) -> None:
        """After twice that time it is forgotten."""
        self.answered()
        self.assertEqual(self.layer.transactions, 1)
        self.station.advance(64.3)
        self.assertEqual(self.layer.transactions, 0)
        self.assertEqual(self.station.receive(request("REGISTER")), ["request REGISTER"])

    def test_forgotten_in_portions(self) -> None:
        """Many are freed a few at a time: the node answers meanwhile."""
        with patch.object(answers, "FORGOTTEN_A_TICK", 1):
            self.answered()
            given = self.layer.answers.get("z9hG4bKone|192.0.2.7:5060|REGISTER")
            assert given is not None
            for number in range(5):
                self.layer.answers.keep(str(number), given)
            counts = []
            for _ in range(650):
                self.station.advance(0.1)
                counts.append(self.layer.transactions)
        self.assertEqual(list(dict.fromkeys(counts)), [6, 5, 4, 3, 2, 1, 0])

    def test_most_octets(self) -> None:
        """However long what peers send, answers take no more than their octets.

        The oldest go; what was answered lately is given again all the same.
        """
        station, kept = self.station, self.layer.answers
        with patch.object(answers, "MOST_OCTETS", 20_000):
            for number in range(100):
                data = request("REGISTER", f"z9hG4bK{number}", call_id="x" * 3000)
                station.user.requests.clear()
                station.receive(data)
                ((received, flow),) = station.user.requests
                self.layer.answer(received, flow, reply(received, 200, "", "to"))
                self.assertLessEqual(kept.octets, 20_000)
                self.assertEqual(station.receive(data), [])
        self.assertEqual(station.receive(request("REGISTER", "z9hG4bK0")), ["request REGISTER"])
        self.assertGreater(kept.hurried, 20)
        station.advance(0.1)
        self.assertLess(self.layer.transactions, 7)

    def test_octets_of_many(self) -> None:
        """Usual answers stay until their time, and their octets go with them."""
        self.answered()
        self.assertGreater(self.layer.answers.octets, 200)
        self.station.advance(64.3)
        self.assertEqual((self.layer.answers.octets, self.layer.answers.hurried), (0, 0))

    def test_stream(self) -> None:
        """Nothing comes again over a stream, so nothing is kept."""
        self.answered(reliable=True)
        self.assertEqual(self.layer.transactions, 0)

    def test_not_written(self) -> None:
        """An answer that could not be journaled is not given when the request comes again."""
        station = self.station
        station.receive(request("REGISTER"))
        ((received, flow),) = station.user.requests
        station.journal.failing = True
        self.layer.answer(received, flow, reply(received, 200, "", "to"))
        self.layer.outbox.flush()
        self.assertEqual(station.sent(), [])
        self.assertEqual(station.receive(request("REGISTER")), ["request REGISTER"])


class ServerTests(Case):
    """Requests that come in."""

    def test_interface(self) -> None:
        """The layer is what others are told it is."""
        self.assertTrue(verifyObject(ISignaling, self.layer))

    def test_new_request(self) -> None:
        """A request goes to the user once; what comes again is absorbed until it is answered."""
        station = self.station
        self.assertEqual(station.receive(request("OPTIONS")), ["request OPTIONS"])
        self.assertEqual(station.receive(request("OPTIONS")), [])
        self.assertEqual(station.sent(), [])
        self.assertEqual(station.respond(200), ["200"])
        self.assertEqual(station.receive(request("OPTIONS")), [])
        self.assertEqual(station.sent(), ["200"])
        station.advance(32.2)
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))

    def test_matching(self) -> None:
        """Branch, sent-by and method make a transaction (17.2.3), the host without its case."""
        station = self.station
        self.assertEqual(
            station.receive(request("OPTIONS", via="Host.x:5060")), ["request OPTIONS"]
        )
        for data, new in (
            (request("OPTIONS", via="hOST.X:5060"), False),
            (request("OPTIONS", "z9hG4bKtwo", via="host.x:5060"), True),
            (request("OPTIONS", via="host.x:5062"), True),
            (request("OPTIONS", via="other.x:5060"), True),
            (request("MESSAGE", via="host.x:5060"), True),
        ):
            self.assertEqual(bool(station.receive(data)), new, data)

    def test_same_branch_other_peer(self) -> None:
        """Where it came from does not matter: a NAT may change its mind."""
        station = self.station
        station.receive(request("OPTIONS"))
        other = station.flow(peer=("192.0.2.7", 1024))
        self.assertEqual(station.receive(request("OPTIONS"), other), [])

    def test_old_clients(self) -> None:
        """Without the magic cookie it is URI, From tag, Call-ID, CSeq number and Via."""
        for branch in (None, "one"):
            station = Station()
            self.assertEqual(station.receive(request("INVITE", branch)), ["request INVITE"])
            self.assertEqual(station.receive(request("INVITE", branch)), [])
            station.respond(486)
            tag = station.user.served[-1].to_tag
            self.assertEqual(station.receive(request("ACK", branch, to_tag=tag)), [])
            station.advance(6)
            self.assertEqual(station.layer.transactions, 0)
            self.assertEqual(
                station.receive(request("INVITE", branch, call_id="other@x")), ["request INVITE"]
            )

    def test_malformed_old_client(self) -> None:
        """A malformed request without magic cookie reaches the user, who can answer 400."""
        station = self.station
        station.accepting = False
        data = request("OPTIONS", None).replace(b"From: <sip:201", b"From: <<sip:201")
        self.assertEqual(station.receive(data), ["request OPTIONS"])

    def test_trying(self) -> None:
        """An INVITE that is not answered in 200 ms gets 100, a retransmission then the same."""
        station = self.station
        station.receive(request("INVITE"))
        station.advance(0.3)
        self.assertEqual(station.sent(), ["100"])
        station.receive(request("INVITE"))
        self.assertEqual(station.sent(), ["100"])

    def test_timestamp(self) -> None:
        """The 100 gives the Timestamp back with the delay; no other response has one (8.2.6.1)."""
        station = self.station
        for number, (sent, given) in enumerate(
            (("54.5", r"54\.5 0\.[23]00"), ("54 .1", r"54 \.1"))
        ):
            station.receive(request("INVITE", f"z9hG4bK{number}", f"Timestamp: {sent}"))
            station.advance(0.3)
            (trying,) = station.messages()
            self.assertRegex(trying.get("timestamp") or "", f"^{given}$")
            station.respond(486)
            self.assertFalse(station.latest[-1].has("timestamp"))

    def test_ack(self) -> None:
        """The ACK of a final response is absorbed, and ends its retransmission."""
        station = self.station
        station.receive(request("INVITE"))
        self.assertEqual(station.respond(486), ["486"])
        station.advance(0.7)
        self.assertEqual(station.sent(), ["486"])
        self.assertEqual(station.receive(request("ACK")), [])
        self.assertEqual(station.receive(request("ACK")), [])
        station.advance(5.2)
        self.assertEqual(station.sent(), [])
        self.assertEqual(self.layer.transactions, 0)

    def test_no_ack(self) -> None:
        """Who never acknowledges is given up after 32 s, and the user is told."""
        station = self.station
        station.receive(request("INVITE"))
        station.respond(486)
        self.assertEqual(station.advance(32.2), ["unanswered"])
        self.assertEqual(self.layer.transactions, 0)

    def test_ack_of_2xx(self) -> None:
        """The ACK of a 2xx goes to the user: a new branch, or the INVITE's by mistake."""
        station = self.station
        station.receive(request("INVITE"))
        station.respond(200)
        self.assertEqual(station.receive(request("ACK", "z9hG4bKtwo")), ["request ACK"])
        self.assertEqual(station.receive(request("ACK")), ["request ACK"])

    def test_unknown_ack_and_cancel(self) -> None:
        """An ACK or CANCEL of no transaction goes to the user."""
        self.assertEqual(self.station.receive(request("ACK")), ["request ACK"])
        self.assertEqual(self.station.receive(request("CANCEL")), ["request CANCEL"])

    def test_cancel(self) -> None:
        """CANCEL is answered 200 with the INVITE's To tag, and the user learns of it."""
        station = self.station
        station.receive(request("INVITE"))
        self.assertEqual(station.receive(request("CANCEL")), ["canceled"])
        (ok,) = station.messages()
        assert isinstance(ok, Response)
        self.assertEqual((ok.status, ok.cseq), (200, (1, "CANCEL")))
        self.assertEqual(ok.to.tag, station.user.served[0].to_tag)
        self.assertEqual(station.respond(487), ["487"])

    def test_late_cancel(self) -> None:
        """After a final response CANCEL is answered 200 and changes nothing (9.2)."""
        for status in (200, 486):
            station = Station()
            station.receive(request("INVITE"))
            station.respond(status)
            self.assertEqual(station.receive(request("CANCEL")), [])
            self.assertEqual(station.sent(), ["200 CANCEL"])

    def test_second_2xx(self) -> None:
        """Each 2xx of an INVITE is sent; nothing else is after the first."""
        station = self.station
        station.receive(request("INVITE"))
        self.assertEqual(station.respond(180), ["180"])
        self.assertEqual(station.respond(200), ["200"])
        self.assertEqual(station.respond(200), ["200"])
        self.assertEqual(station.respond(486), [])
        self.assertEqual(station.receive(request("INVITE")), [])
        self.assertEqual(station.sent(), [])
        station.advance(32.2)
        self.assertEqual(self.layer.transactions, 0)

    def test_give_up(self) -> None:
        """A request that is not INVITE can be left without an answer (RFC 4320)."""
        station = self.station
        for waits in (0.0, 5.0):
            station.receive(request("MESSAGE"))
            station.advance(waits)
            station.sent()
            self.layer.give_up(station.user.served[-1], station.now)
            self.assertEqual(self.layer.transactions, 0)
            self.assertEqual(station.sent(), [])

    def test_nobody_answers(self) -> None:
        """A request that the user never answers ends when its client's does."""
        station = self.station
        station.receive(request("MESSAGE"))
        self.assertEqual(station.advance(32.2), ["unanswered"])
        self.assertEqual(station.sent(), ["100"])
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))

    def test_stream(self) -> None:
        """Over a reliable transport nothing is sent again and nothing lingers."""
        station = self.station
        flow = station.flow(True)
        station.receive(request("OPTIONS", transport="TCP"), flow)
        self.assertEqual(station.respond(200), ["200"])
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))
        station.receive(request("INVITE", transport="TCP"), flow)
        station.respond(486)
        station.advance(1.0)
        self.assertEqual(station.sent(), [])
        station.receive(request("ACK", transport="TCP"), flow)
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))


class AddressTests(Case):
    """Where responses go: received and rport (18.2.1, 18.2.2, RFC 3581)."""

    def via(self, via: str, source: tuple[str, int]) -> tuple[str, int]:
        """Answer a request; the Via in the response, and the port it goes to."""
        station = Station()
        station.receive(request("OPTIONS", via=via), station.flow(peer=source))
        station.respond(200)
        ((_, port),) = station.ways
        (message,) = station.latest
        return (message.get("via") or "").partition(" ")[2], port

    def test_stamping(self) -> None:
        """The response's Via says where the request came from when that is asked or differs."""
        for via, source, stamped, port in (
            ("192.0.2.7:5060", PEER, "192.0.2.7:5060;branch=z9hG4bKone", 5060),
            ("192.0.2.7", PEER, "192.0.2.7;branch=z9hG4bKone", 5060),
            ("192.0.2.7:5070", PEER, "192.0.2.7:5070;branch=z9hG4bKone", 5070),
            ("phone.x", PEER, "phone.x;branch=z9hG4bKone;received=192.0.2.7", 5060),
            (
                "10.0.0.7:5066",
                ("192.0.2.7", 1024),
                "10.0.0.7:5066;branch=z9hG4bKone;received=192.0.2.7",
                5066,
            ),
            (
                "10.0.0.7:5066;rport",
                ("192.0.2.7", 1024),
                "10.0.0.7:5066;rport=1024;branch=z9hG4bKone;received=192.0.2.7",
                1024,
            ),
            (
                "192.0.2.7:5060;rport",
                PEER,
                "192.0.2.7:5060;rport=5060;branch=z9hG4bKone;received=192.0.2.7",
                5060,
            ),
        ):
            self.assertEqual(self.via(via, source), (stamped, port), via)

    def test_forged(self) -> None:
        """A received or rport that the sender wrote itself is not believed."""
        stamped, port = self.via("192.0.2.7:5060;rport=9;received=203.0.113.9", PEER)
        self.assertIn("rport=5060", stamped)
        self.assertIn("received=192.0.2.7", stamped)
        self.assertEqual(port, 5060)
        stamped, _ = self.via("192.0.2.7:5060;received=203.0.113.9", PEER)
        self.assertNotIn("203.0.113.9", stamped)

    def test_other_vias(self) -> None:
        """Only the topmost Via is changed."""
        station = self.station
        data = request("OPTIONS", via="a.x;branch=z9hG4bK1, SIP/2.0/UDP b.x")
        station.receive(data)
        station.respond(200)
        (message,) = station.latest
        self.assertEqual(
            [str(via) for via in message.vias()],
            [
                "SIP/2.0/UDP a.x;branch=z9hG4bK1;received=192.0.2.7",
                "SIP/2.0/UDP b.x;branch=z9hG4bKone",
            ],
        )

    def test_stream(self) -> None:
        """Over a connection the response goes back on it, whatever the Via says."""
        station = self.station
        flow = station.flow(True, ("192.0.2.7", 40000))
        station.receive(request("OPTIONS", via="192.0.2.7:5070", transport="TCP"), flow)
        station.respond(200)
        self.assertEqual(station.ways, [("tcp", 40000)])

    def test_connection_lost(self) -> None:
        """When its connection is gone, the response goes over a new one to the sent-by (18.2.2)."""
        station = self.station
        transport = ListTransport("tcp")
        self.layer.add_transport(transport)
        for via, host, port in (
            ("10.0.0.7:5070;rport", "192.0.2.7", 5070),
            ("192.0.2.7", "192.0.2.7", 5060),
        ):
            flow = station.flow(True, ("192.0.2.7", 40000))
            station.receive(request("MESSAGE", f"z9hG4bK{port}", via=via, transport="TCP"), flow)
            flow.alive = False
            self.assertEqual(station.respond(200), [])
            asked_host, asked_port, done = transport.asked.pop()
            self.assertEqual((asked_host, asked_port), (host, port))
            done(station.flow(True, (host, port)))
            self.assertEqual(station.sent(), ["200"])
            self.assertEqual(station.ways, [("tcp", port)])

    def test_connection_lost_for_good(self) -> None:
        """When nobody is there either, the host in the Via is looked for (RFC 3263 section 5)."""
        station = self.station
        transport = ListTransport("tcp")
        self.layer.add_transport(transport)
        looked: list[tuple] = []
        self.layer.back = lambda *asked: looked.append(asked)
        for via, port in (("h.example:5070", 5070), ("h.example", None)):
            flow = station.flow(True, ("192.0.2.7", 40000))
            branch = f"z9hG4bK{port}"
            station.receive(request("MESSAGE", branch, via=via, transport="TCP"), flow)
            flow.alive = False
            self.assertEqual(station.respond(200), [])
            _, _, done = transport.asked.pop()
            done(ConnectionError())
            name, host, asked_port, done = looked.pop()
            self.assertEqual((name, host, asked_port), ("tcp", "h.example", port))
            done(station.flow(True, ("192.0.2.8", 5099)))
            self.assertEqual((station.sent(), station.ways[-1:]), (["200"], [("tcp", 5099)]))
        station.receive(request("MESSAGE", "z9hG4bKx", via="h.example", transport="TCP"), flow)
        station.respond(200)
        transport.asked.pop()[2](ConnectionError())
        looked.pop()[3](ConnectionError())  # then that is all: no circle
        self.assertEqual((looked, transport.asked, station.sent()), ([], [], []))

    def test_no_new_connection(self) -> None:
        """If that cannot be had either, the client has to ask again."""
        station = self.station
        transport = ListTransport("tcp")
        self.layer.add_transport(transport)
        flow = station.flow(True)
        station.receive(request("MESSAGE", transport="TCP"), flow)
        flow.alive = False
        station.respond(200)
        transport.asked.pop()[2](ConnectionError())
        self.assertEqual(station.sent(), [])
        self.assertEqual(self.layer.transactions, 0)


class ClientTests(Case):
    """Requests that go out."""

    def test_via(self) -> None:
        """Our Via is on top, with the address of the flow and a branch of our own."""
        station = self.station
        station.send(request("OPTIONS"))
        (message,) = station.messages()
        self.assertEqual(message.via.sent_by, f"{HOST}:5060")
        self.assertTrue(message.via.branch.startswith("z9hG4bK"))

    def test_retransmission(self) -> None:
        """It is sent again until it is answered, in vain for 32 s."""
        station = self.station
        station.send(request("OPTIONS"))
        station.advance(1.6)
        self.assertEqual(station.sent(), ["OPTIONS"] * 3)
        self.assertEqual(station.advance(31), ["failed 408"])
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))

    def test_response(self) -> None:
        """The response goes to the user without our Via; the same one again does not."""
        station = self.station
        station.send(request("OPTIONS"))
        (sent,) = station.messages()
        self.assertEqual(station.receive(answer(sent, 200)), ["response 200"])
        self.assertFalse(station.user.responses[0].has("via"))
        self.assertEqual(station.receive(answer(sent, 200)), [])
        station.advance(5.2)
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))
        self.assertEqual(station.receive(answer(sent, 200)), [])
        self.assertEqual(self.layer.counters.orphan_responses, 1)

    def test_invite(self) -> None:
        """Provisional responses stop retransmission; each is told, and each 2xx that comes."""
        station = self.station
        station.send(request("INVITE"))
        (sent,) = station.messages()
        self.assertEqual(station.receive(answer(sent, 100)), ["response 100"])
        self.assertEqual(station.receive(answer(sent, 180)), ["response 180"])
        station.advance(40)
        self.assertEqual(station.sent(), [])
        for _ in range(2):
            self.assertEqual(station.receive(answer(sent, 200)), ["response 200"])
        self.assertEqual(station.sent(), [])
        station.advance(32.2)
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))

    def test_ack(self) -> None:
        """A refused INVITE is acknowledged, each time; the user is told once (17.1.1.3)."""
        station = self.station
        station.send(request("INVITE", "z9hG4bKx", "Route: <sip:192.0.2.9;lr>", "X-Other: 1"))
        (sent,) = station.messages()
        self.assertEqual(station.receive(answer(sent, 486)), ["response 486"])
        self.assertEqual(station.receive(answer(sent, 486)), [])
        first, second = station.messages()
        assert isinstance(first, Request)
        self.assertEqual(first.to_bytes(), second.to_bytes())
        self.assertEqual(first.method, "ACK")
        self.assertEqual(first.get("via"), sent.get("via"))
        self.assertEqual(first.cseq, (1, "ACK"))
        self.assertEqual(first.to.tag, "to")
        self.assertEqual(first.get("from"), sent.get("from"))
        self.assertEqual(first.call_id, sent.call_id)
        self.assertEqual(first.get("route"), "<sip:192.0.2.9;lr>")
        self.assertFalse(first.has("x-other"))
        station.advance(32.2)
        self.assertEqual(self.layer.transactions, 0)

    def test_cancel(self) -> None:
        """CANCEL has the INVITE's Via, Route and numbers, and is a transaction of its own."""
        station = self.station
        client = station.send(request("INVITE", "z9hG4bKx", "Route: <sip:192.0.2.9;lr>"))
        (sent,) = station.messages()
        station.receive(answer(sent, 180))
        self.layer.cancel(client, station.now)
        self.layer.outbox.flush()
        (cancel,) = station.messages()
        assert isinstance(cancel, Request)
        self.assertEqual(cancel.method, "CANCEL")
        for name in ("via", "route", "from", "to", "call-id"):
            self.assertEqual(cancel.get(name), sent.get(name), name)
        self.assertEqual(cancel.cseq, (1, "CANCEL"))
        self.assertEqual(station.receive(answer(cancel, 200)), [])
        self.assertEqual(station.receive(answer(sent, 487)), ["response 487"])
        self.assertEqual(station.sent(), ["ACK"])
        station.advance(33)
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))

    def test_cancel_ignored(self) -> None:
        """A peer that does not even answer the CANCEL is given up 32 s later."""
        station = self.station
        client = station.send(request("INVITE"))
        station.receive(answer(station.messages()[0], 180))
        self.layer.cancel(client, station.now)
        self.assertEqual(station.advance(32.2), ["failed 408"])
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))

    def test_cancel_too_late(self) -> None:
        """What has ended is not canceled."""
        station = self.station
        client = station.send(request("INVITE"))
        station.receive(answer(station.messages()[0], 486))
        station.advance(33)
        station.sent()
        self.layer.cancel(client, station.now)
        self.layer.outbox.flush()
        self.assertEqual(station.sent(), [])

    def test_unknown_branch(self) -> None:
        """A response with a branch that is not ours is counted and dropped."""
        station = self.station
        sent = parse_datagram(request("OPTIONS", "z9hG4bKnone"))
        self.assertEqual(station.receive(answer(sent, 200)), [])
        self.assertEqual(self.layer.counters.orphan_responses, 1)

    def test_other_method(self) -> None:
        """A response whose CSeq has another method is not the answer."""
        station = self.station
        station.send(request("OPTIONS"))
        (sent,) = station.messages()
        for method in ("INVITE", "CANCEL"):
            self.assertEqual(station.receive(answer(sent, 200, method)), [])
        self.assertEqual(station.receive(answer(sent, 200)), ["response 200"])

    def test_malformed_response(self) -> None:
        """A response with defects is counted and dropped; the good one still counts."""
        station = self.station
        station.send(request("OPTIONS"))
        (sent,) = station.messages()
        good = answer(sent, 200)
        for bad in (
            good.replace(b"Content-Length: 0", b"Content-Length: 10"),
            good.replace(b"CSeq: 1 ", b"CSeq: x "),
            good.replace(b"Via: ", b"X-Via: "),
        ):
            self.assertEqual(station.receive(bad), [], bad)
        self.assertEqual(self.layer.counters.malformed, 3)
        self.assertEqual(station.receive(good), ["response 200"])

    def test_lost_connection(self) -> None:
        """When a connection is lost, requests that wait for their first answer on it fail."""
        station = self.station
        flow, other = station.flow(True), station.flow(True, ("192.0.2.8", 5060))
        station.send(request("OPTIONS"), flow)
        station.send(request("INVITE"), flow)
        station.send(request("OPTIONS"), other)
        station.user.told.clear()
        self.layer.lost(flow, station.now)
        self.assertEqual(station.user.told, ["failed 503", "failed 503"])
        self.assertEqual(self.layer.transactions, 1)

    def test_lost_while_it_rings(self) -> None:
        """An INVITE that rings goes on: its answer may come over another connection."""
        station = self.station
        flow = station.flow(True)
        station.send(request("INVITE"), flow)
        (sent,) = station.messages()
        station.receive(answer(sent, 180), flow)
        station.user.told.clear()
        self.layer.lost(flow, station.now)
        self.assertEqual(station.user.told, [])
        self.assertEqual(station.receive(answer(sent, 200), station.flow(True)), ["response 200"])

    def test_unreachable(self) -> None:
        """A request that could not be sent has failed."""
        station = self.station
        client = station.send(request("OPTIONS"))
        station.user.told.clear()
        self.layer.unreachable(client, station.now)
        self.assertEqual(station.user.told, ["failed 503"])
        self.assertEqual((self.layer.transactions, self.layer.timers), (0, 0))

    def test_stateless(self) -> None:
        """An ACK of a 2xx is sent with a Via of its own and no transaction."""
        station = self.station
        message = parse_datagram(request("ACK"))
        assert isinstance(message, Request)
        self.layer.send_stateless(message, station.flow(), "c0ffee")
        self.layer.outbox.flush()
        (sent,) = station.messages()
        self.assertEqual([via.host for via in sent.vias()], [HOST, PEER[0]])
        self.assertTrue(sent.via.branch.endswith(".c0ffee"))
        self.assertEqual(self.layer.transactions, 0)

    def test_stateless_answer(self) -> None:
        """A request is answered without a transaction when its user says so."""
        station = self.station
        station.accepting = False
        station.receive(request("OPTIONS"))
        ((message, flow),) = station.user.requests
        self.layer.reply(message, flow, reply(message, 407, "", "tag"))
        self.layer.outbox.flush()
        self.assertEqual(station.sent(), ["407"])
        self.assertEqual(self.layer.transactions, 0)


class WholeTests(Case):
    """The layer as a whole."""

    def test_no_sip(self) -> None:
        """What is no SIP is counted; keep-alives are nothing."""
        station = self.station
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 40, b"hello", b"x" * 20, b"\xff" * 3000):
            self.assertEqual(station.receive(data), [], data)
        self.assertEqual(self.layer.counters.not_sip, 5)
        for data in (b"", b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0", b" "):
            self.assertEqual(station.receive(data), [])
        self.assertEqual(self.layer.counters.not_sip, 5)

    def test_no_via(self) -> None:
        """A request that nobody can be answered for is counted and dropped."""
        data = request("OPTIONS").replace(b"Via:", b"X-Via:")
        self.assertEqual(self.station.receive(data), [])
        self.assertEqual(self.layer.counters.malformed, 1)

    def test_user_fails(self) -> None:
        """A defect of ours met by one message is logged and stops nothing."""

        def fail(*_: object) -> None:
            raise ValueError("ours")

        with patch.object(self.station.user, "request", fail):
            self.station.receive(request("OPTIONS"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(self.station.receive(request("OPTIONS")), ["request OPTIONS"])

    def test_full(self) -> None:
        """It says when there is no room for more."""
        self.assertFalse(self.layer.full)
        with patch.object(module, "MOST_TRANSACTIONS", 2):
            self.station.receive(request("OPTIONS"))
            self.assertFalse(self.layer.full)
            self.station.send(request("OPTIONS"))
            self.layer.tick(1000.0)
            self.assertTrue(self.layer.full)

    def test_drained(self) -> None:
        """Who waits for the end is told once every request has its final answer."""
        station, layer = self.station, self.layer
        calls: list[str] = []
        layer.drained(lambda: calls.append("at once"))
        self.assertEqual(calls, ["at once"])
        station.receive(request("INVITE", "z9hG4bK1"))
        station.receive(request("MESSAGE", "z9hG4bK2"))
        station.receive(request("MESSAGE", "z9hG4bK3"))
        layer.drained(lambda: calls.append("then"))
        first, second, third = station.user.served
        station.respond(180, first)
        station.respond(200, first)
        station.respond(200, first)
        station.respond(404, second)
        self.assertEqual(calls, ["at once"])
        station.advance(5)  # it has got 100 by then
        layer.give_up(third, station.now)
        self.assertEqual(calls, ["at once", "then"])
        station.advance(40)
        self.assertEqual(calls, ["at once", "then"])

    def test_drained_by_time(self) -> None:
        """A request that is never answered does not hold up the end for good."""
        station = self.station
        station.receive(request("MESSAGE"))
        calls: list[str] = []
        self.layer.drained(lambda: calls.append("then"))
        station.advance(33)
        self.assertEqual(calls, ["then"])

    def test_transports(self) -> None:
        """Transports are found by name."""
        tcp = ListTransport("tcp")
        self.layer.add_transport(tcp)
        self.assertIs(self.layer.transport("tcp"), tcp)
        self.assertIsNone(self.layer.transport("tls"))
        self.assertEqual(self.layer.transports(), [tcp])
