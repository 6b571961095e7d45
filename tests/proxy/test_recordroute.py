"""Tests of sipx.proxy.recordroute: our entries, and the scope that they carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.errors import RemoteError
from sipx.core.flowid import FlowId
from sipx.core.message import Request, Response, reply
from sipx.core.nameaddr import parse_nameaddr
from sipx.core.routestate import RouteState, unseal
from sipx.core.target import Target
from sipx.core.uri import parse_uri
from sipx.interfaces import IFlow
from sipx.proxy.recordroute import RecordRoute
from tests.proxy.house import ask, parsed

KEY = b"k" * 32
CALLEE = Target(parse_uri("sip:201@192.0.2.8:5070"))


class Side:
    """Where we listen on one side."""

    def __init__(self, transport: str = "udp", host: str = "192.0.2.1", port: int = 5060) -> None:
        self.transport = transport
        self.address = (host, port)
        self.id = FlowId(transport, host, port, "192.0.2.8", 5070)


def flow(*args: Any) -> IFlow:
    return cast(IFlow, Side(*args))


def reaches(state: RouteState, host: str, port: int | None) -> bool:
    """Whether one of the sides reaches an address by a state."""
    other = replace(state, from_initiator=not state.from_initiator)
    return state.covers(host, port) or other.covers(host, port)


def opened(entry: str) -> RouteState | None:
    """The state in an entry, as the initiator's next request would carry it."""
    value = parse_nameaddr(entry, "Record-Route").uri.param("sx")
    return unseal(KEY, value or "", "call", "from", "to")


class Case(SynchronousTestCase):
    request: Request
    routes: RecordRoute

    def write(
        self, source: IFlow, out: IFlow, *lines: str, target: Target = CALLEE, user: bool = False
    ) -> list[str]:
        """The entries that are there then."""
        request = parsed(ask("INVITE", "sip:201@example.com", *lines))
        assert isinstance(request, Request)
        self.routes = RecordRoute(KEY, request, user)
        self.routes.write(request, source, target, out)
        self.request = request
        return request.every("record-route")


class WriteTests(Case):
    """What is put into the request."""

    def test_one(self) -> None:
        """Where both sides are the same address and transport there is one entry (16.6)."""
        (entry,) = self.write(flow(), flow())
        self.assertTrue(entry.startswith("<sip:192.0.2.1:5060;lr;sx="))
        self.assertEqual(self.request.names[0], "record-route")

    def test_two(self) -> None:
        """Where they differ there are two, the callee's side on top (RFC 5658)."""
        for source, out, top, below in (
            (
                flow("tcp"),
                flow(),
                "<sip:192.0.2.1:5060;lr;",
                "<sip:192.0.2.1:5060;transport=tcp;lr;",
            ),
            (
                flow(),
                flow("tcp"),
                "<sip:192.0.2.1:5060;transport=tcp;lr;",
                "<sip:192.0.2.1:5060;lr;",
            ),
            (flow(), flow("udp", "10.0.0.1"), "<sip:10.0.0.1:5060;lr", "<sip:192.0.2.1:5060;lr"),
        ):
            entries = self.write(source, out)
            self.assertEqual(len(entries), 2)
            self.assertTrue(entries[0].startswith(top), entries)
            self.assertTrue(entries[1].startswith(below), entries)
            self.assertEqual(opened(entries[0]), opened(entries[1]))

    def test_server(self) -> None:
        """A feature server of this node is reached from the caller's side: one entry, that one."""
        (entry,) = self.write(flow("tcp"), flow("local", "localhost", 1))
        self.assertTrue(entry.startswith("<sip:192.0.2.1:5060;transport=tcp;lr;"))

    def test_on_top(self) -> None:
        """Entries of proxies before us stay below ours."""
        entries = self.write(flow(), flow(), "Record-Route: <sip:192.0.2.60;lr>")
        self.assertEqual(len(entries), 2)
        self.assertEqual(entries[1], "<sip:192.0.2.60;lr>")

    def test_state(self) -> None:
        """It says whether the caller authenticated, and covers both ends."""
        for user in (True, False):
            state = opened(self.write(flow(), flow(), user=user)[0])
            assert state is not None
            self.assertIs(state.authenticated, user)
            self.assertTrue(reaches(state, "198.51.100.9", 5060))
            self.assertTrue(reaches(state, "192.0.2.8", 5070))
            self.assertFalse(reaches(state, "192.0.2.8", 5060))
            self.assertEqual(len(state.scope), 3)

    def test_scope_of_hops(self) -> None:
        """The next hop on either side is what counts: a proxy, a Path, a maddr."""
        path = Target(CALLEE.uri, path=("<sip:192.0.2.70:5062;lr>",))
        entries = self.write(flow(), flow(), "Record-Route: <sip:192.0.2.60;lr>", target=path)
        state = opened(entries[0])
        assert state is not None
        self.assertTrue(reaches(state, "192.0.2.60", None))
        self.assertTrue(reaches(state, "192.0.2.70", 5062))
        self.assertFalse(reaches(state, "198.51.100.9", 5060))
        self.assertFalse(reaches(state, "192.0.2.8", 5070))
        maddr = Target(parse_uri("sip:201@h.example;maddr=192.0.2.71"))
        state = opened(self.write(flow(), flow(), target=maddr)[0])
        assert state is not None
        self.assertTrue(reaches(state, "192.0.2.71", 5060))

    def test_malformed(self) -> None:
        """A Contact or Record-Route that cannot be read is 400."""
        for line in ("Record-Route: <nonsense", "Record-Route: <x:y z>"):
            error = self.assertRaises(RemoteError, self.write, flow(), flow(), line)
            self.assertEqual(error.status, 400)

    def test_no_contact(self) -> None:
        """A request without Contact leaves only the far side in scope."""
        request = parsed(ask("SUBSCRIBE", "sip:201@example.com"))
        request.remove("contact")
        RecordRoute(KEY, request, False).write(request, flow(), CALLEE, flow())
        state = opened(request.every("record-route")[0])
        assert state is not None
        self.assertEqual(len(state.scope), 2)


class CorrectTests(Case):
    """What is changed in the response."""

    def correct(self, contact: str, *before: str, source: IFlow | None = None) -> list[str]:
        """Let the callee answer; the entries upstream."""
        entries = self.write(source or flow(), flow())
        response = reply(self.request, 200, "", "to")
        for entry in [*before, *entries]:
            response.add("record-route", entry)
        if contact:
            response.add("contact", contact)
        assert isinstance(response, Response)
        self.routes.correct(response)
        return response.every("record-route")

    def covers(self, entry: str, host: str, port: int) -> bool:
        state = opened(entry)
        assert state is not None
        self.assertTrue(reaches(state, "198.51.100.9", 5060))
        return reaches(state, host, port)

    def test_same_contact(self) -> None:
        """A callee who is where it was called leaves it as it is."""
        self.assertEqual(
            self.correct("<sip:201@192.0.2.8:5070>"), self.request.every("record-route")
        )

    def test_other_contact(self) -> None:
        """A callee who says it is elsewhere is covered there, in all our entries."""
        for source, count in ((flow(), 1), (flow("tcp"), 2)):
            entries = self.correct("<sip:phone@203.0.113.5:6060;ob>", source=source)
            self.assertEqual(len(entries), count)
            for entry in entries:
                self.assertTrue(self.covers(entry, "203.0.113.5", 6060))
                self.assertFalse(self.covers(entry, "192.0.2.8", 5070))

    def test_proxy_behind_us(self) -> None:
        """A proxy between us and the callee is where the caller's requests go next."""
        entries = self.correct("<sip:phone@203.0.113.5:6060>", "<sip:192.0.2.80;lr>")
        self.assertEqual(entries[0], "<sip:192.0.2.80;lr>")
        self.assertTrue(self.covers(entries[1], "192.0.2.80", 5060))
        self.assertFalse(self.covers(entries[1], "203.0.113.5", 6060))

    def test_nothing_to_correct(self) -> None:
        """Without Contact, with one that cannot be read, or without our entry nothing changes."""
        for contact in ("", "nonsense", "*"):
            self.assertEqual(self.correct(contact), self.request.every("record-route"), contact)
        self.write(flow(), flow())
        response = reply(self.request, 200, "", "to")
        response.add("contact", "<sip:x@203.0.113.5>")
        self.routes.correct(response)
        self.assertFalse(response.has("record-route"))
        response.add("record-route", "<sip:192.0.2.1:5060;lr;sx=1forged>")
        self.routes.correct(response)
        self.assertEqual(response.every("record-route"), ["<sip:192.0.2.1:5060;lr;sx=1forged>"])

    def test_listed(self) -> None:
        """Entries in one line are read like several lines."""
        self.write(flow("tcp"), flow())
        response = reply(self.request, 200, "", "to")
        response.add("record-route", ", ".join(self.request.every("record-route")))
        response.add("contact", "<sip:phone@203.0.113.5:6060>")
        self.routes.correct(response)
        entries = response.every("record-route")
        self.assertEqual(len(entries), 2)
        for entry in entries:
            self.assertTrue(self.covers(entry, "203.0.113.5", 6060))

    def test_forked(self) -> None:
        """Each branch has its own state, and each is corrected by its own callee."""
        request = parsed(ask("INVITE", "sip:201@example.com"))
        routes = RecordRoute(KEY, request, False)
        for host in ("192.0.2.8", "192.0.2.9"):
            branch = request.copy()
            routes.write(branch, flow(), Target(parse_uri(f"sip:201@{host}")), flow())
            response = reply(branch, 200, "", "to")
            response.add("record-route", branch.every("record-route")[0])
            response.add("contact", f"<sip:201@{host}:6060>")
            routes.correct(response)
            state = opened(response.every("record-route")[0])
            assert state is not None
            self.assertTrue(reaches(state, host, 6060))
