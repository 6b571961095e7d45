"""Calls to domains with several servers, some of which are not well (RFC 3263 section 4.3)."""

from __future__ import annotations

from sipx.core.locating import Srv
from sipx.core.message import Request, Response
from sipx.core.parser import parse_datagram
from sipx.net.ways import AVOIDED_LIFE
from sipx.proxy.failover import INVITE_PATIENCE, LONGEST_RETRY_AFTER, OTHER_PATIENCE
from tests.flows.case import CALLING, ENDED, RINGING, TALKING, FlowCase
from tests.support.builders import request
from tests.support.calls import BUSY, RINGS, Call, Plan, answers
from tests.support.phones import Phone
from tests.support.vnet import Datagram

THERE = "there.test"
FIRST, SECOND = "192.0.2.21", "192.0.2.22"


class FailoverTests(FlowCase):
    """Our user 200 calls somebody of a domain that has two servers."""

    def setUp(self) -> None:
        super().setUp()
        self.caller = self.phone("200")
        self.network.records[f"_sip._udp.{THERE}", "SRV"] = [
            Srv(1, 0, 5060, f"one.{THERE}"),
            Srv(2, 0, 5060, f"two.{THERE}"),
        ]
        self.network.names |= {f"one.{THERE}": FIRST, f"two.{THERE}": SECOND}
        self.second = self.server(SECOND)

    def server(self, host: str) -> Phone:
        """A server of that domain, which is a phone too."""
        return self.phone("friend", False, host=host, domain=THERE)

    def call(self) -> Call:
        """Call there."""
        return self.caller.call(f"sip:friend@{THERE}")

    def invites(self, host: str) -> list[Request]:
        """The INVITEs that were sent to a server, each once."""
        found: dict[str, Request] = {}
        for datagram in self.network.sent:
            if datagram.destination[0] == host and datagram.data.startswith(b"INVITE"):
                message = parse_datagram(datagram.data)
                assert isinstance(message, Request)
                found[message.via.branch] = message
        return list(found.values())

    def hang_up(self, call: Call) -> None:
        call.hang_up()
        self.clock.advance(1)
        self.assert_over(call)

    def test_first_is_dead(self) -> None:
        """The second is called when the first is silent, with another branch; then it is first."""
        call = self.call()
        self.clock.advance(INVITE_PATIENCE - 0.1)
        self.assertEqual((call.state, self.second.calls), (CALLING, []))
        self.clock.advance(2)
        self.assertEqual(call.state, TALKING, self.network.show())
        (one,), (two,) = self.invites(FIRST), self.invites(SECOND)
        self.assertNotEqual(one.via.branch, two.via.branch)
        self.assertEqual(len(one.vias()), len(two.vias()))
        for message in (one, two):  # what names the hop is the hop's own
            message.remove("via")
            message.remove("record-route")
        self.assertEqual((one.lines, one.body), (two.lines, two.body))
        self.assertEqual(len(self.node.hops.avoided), 1)
        self.hang_up(call)
        call = self.call()
        self.clock.advance(2)
        self.assertEqual(call.state, TALKING)
        self.assertEqual((len(self.invites(FIRST)), len(self.invites(SECOND))), (1, 2))
        self.hang_up(call)

    def test_first_comes_back(self) -> None:
        """What is avoided is tried again after a while."""
        call = self.call()
        self.clock.advance(INVITE_PATIENCE + 2)
        self.hang_up(call)
        first = self.server(FIRST)
        self.clock.advance(AVOIDED_LIFE)
        call = self.call()
        self.clock.advance(2)
        self.assertEqual(first.call_now.state, TALKING)
        self.hang_up(call)

    def test_overloaded(self) -> None:
        """A 503 goes on to the next at once; for as long as it says, the server is left alone."""
        first = self.server(FIRST)
        first.plan = Plan(503, 0.0, None, headers=("Retry-After: 120 (busy);duration=3600",))
        for calls in (1, 1):
            call = self.call()
            self.clock.advance(1.5)
            self.assertEqual((call.state, len(first.calls)), (TALKING, calls))
            self.hang_up(call)
        first.plan = answers(0.0)
        self.clock.advance(120)
        call = self.call()
        self.clock.advance(1)
        self.assertEqual(first.call_now.state, TALKING)
        self.hang_up(call)

    def test_unavailable(self) -> None:
        """A 503 without a time speaks of this request alone; one of years is not believed."""
        first = self.server(FIRST)
        first.plan = Plan(503, 0.0, None)
        for calls in (1, 2):
            call = self.call()
            self.clock.advance(1.5)
            self.assertEqual((call.state, len(first.calls)), (TALKING, calls))
            self.hang_up(call)
        first.plan = Plan(503, 0.0, None, headers=("Retry-After: 99999999999",))
        self.hang_up(self.call_through())
        self.clock.advance(LONGEST_RETRY_AFTER)
        self.hang_up(self.call_through())
        self.assertEqual(len(first.calls), 4)

    def call_through(self) -> Call:
        """Call and be answered by the second server."""
        call = self.call()
        self.clock.advance(1.5)
        self.assertEqual(call.state, TALKING)
        return call

    def test_other_answers(self) -> None:
        """Any other answer is the answer: no other server is asked."""
        first = self.server(FIRST)
        for plan, status in ((BUSY, 486), (Plan(500, 0.0, None), 500), (Plan(404, 0.0, None), 404)):
            first.plan = plan
            call = self.call()
            self.clock.advance(INVITE_PATIENCE + 1)
            self.assertEqual((call.state, call.status), (ENDED, status))
        self.assertEqual(self.second.calls, [])

    def test_slow_to_answer(self) -> None:
        """Who has said anything may take his time."""
        first = self.server(FIRST)
        first.plan = answers(20)
        call = self.call()
        self.clock.advance(21)
        self.assertEqual((call.state, self.second.calls), (TALKING, []))
        self.hang_up(call)

    def test_rings_late(self) -> None:
        """A server that wakes up after it was given up does not ring on."""
        first = self.server(FIRST)
        first.plan = RINGS
        self.second.plan = answers(10)
        self.deafen(FIRST, INVITE_PATIENCE)
        call = self.call()
        self.clock.advance(INVITE_PATIENCE + 5)
        self.assertEqual((first.call_now.state, call.state), (ENDED, RINGING))
        self.assertIn("CANCEL", first.endpoint.received)
        self.clock.advance(8)
        self.assertEqual((call.state, self.second.call_now.state), (TALKING, TALKING))
        self.hang_up(call)

    def test_answers_late(self) -> None:
        """If it answers, that is taken, and the other one does not ring on."""
        first = self.server(FIRST)
        first.plan = Plan(200, 0.0, None)
        self.second.plan = RINGS
        self.deafen(FIRST, INVITE_PATIENCE)
        call = self.call()
        self.clock.advance(INVITE_PATIENCE + 5)
        self.assertEqual((call.state, first.call_now.state), (TALKING, TALKING))
        self.assertEqual(self.second.call_now.state, ENDED)
        self.hang_up(call)

    def deafen(self, host: str, seconds: float) -> None:
        """Let nothing arrive at a host for some time."""
        until = self.clock.now + seconds

        def lose(datagram: Datagram) -> bool:
            return datagram.destination[0] == host and self.clock.now < until

        self.network.lose = lose

    def test_both_are_dead(self) -> None:
        """Where nobody answers, the caller hears of it; none of them is passed over for that."""
        self.second.endpoint.deaf = True
        call = self.call()
        self.clock.advance(INVITE_PATIENCE + 33)
        self.assertEqual((call.state, call.status), (ENDED, 408))
        call = self.call()
        self.clock.advance(INVITE_PATIENCE + 33)
        self.assertEqual((len(self.invites(FIRST)), len(self.invites(SECOND))), (2, 2))

    def test_canceled(self) -> None:
        """A caller who gives up while a silent server is being tried starts no other."""
        call = self.call()
        self.clock.advance(2)
        call.cancel()
        self.clock.advance(40)
        self.assertEqual((call.state, self.second.calls), (ENDED, []))

    def test_other_methods(self) -> None:
        """Requests other than INVITE go on as well, later."""
        made = request("MESSAGE", f"sip:friend@{THERE}", sender="<sip:200@example.test>")
        finals: list[Response | None] = []
        self.caller.ask(made, lambda _, message: finals.append(message))
        self.clock.advance(OTHER_PATIENCE - 0.5)
        self.assertEqual(self.second.endpoint.received, [])
        self.clock.advance(1)
        self.assertEqual(self.second.endpoint.received, ["MESSAGE"])

    def test_no_such_domain(self) -> None:
        """A domain that is nowhere is said to be so."""
        call = self.caller.call("sip:friend@nowhere.test")
        self.clock.advance(1)
        self.assertEqual((call.state, call.status), (ENDED, 480))
