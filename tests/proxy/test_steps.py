"""Tests of sipx.proxy.steps, each rule for itself."""

from __future__ import annotations

from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.errors import RemoteError
from sipx.core.message import Request
from sipx.core.routestate import scope_of, seal
from sipx.node.identity import make_identity
from sipx.proxy.passage import Passage, Rejection, Step
from sipx.proxy.steps.admission import Admission, Reserved
from sipx.proxy.steps.extensions import ProxyRequire
from sipx.proxy.steps.hops import DEFAULT_MAX_BREADTH, Loops, MaxForwards
from sipx.proxy.steps.ingress import Ingress
from sipx.proxy.steps.routeset import RouteSet
from sipx.proxy.steps.sanity import Sanity
from tests.proxy.house import DOMAIN, HOST, Wire, ask, parsed

KEY = b"k" * 32
TAG = "stateless"
US = f"sip:{HOST}:5060"
USER = f"sip:200@{DOMAIN}"
IDENTITY = make_identity("realm", DOMAIN, [HOST], 5060)


def passage(data: bytes, uri: bool = True) -> Passage:
    """A request at the beginning of the chain; with its URI read, as ``sanity`` leaves it."""
    request = parsed(data)
    assert isinstance(request, Request)
    made = Passage(request, Wire().to(("198.51.100.9", 5060)), 1000.0)
    if uri:
        made.uri = request.uri
        made.in_dialog = bool(request.to.tag)
    return made


def run(step: Step, made: Passage) -> int | None:
    """What a step says: a status, None when it lets the request pass."""
    try:
        return verdict(step.check(made))
    except RemoteError as error:  # the chain answers with it
        return error.status


def verdict(rejection: Rejection | None) -> int | None:
    return None if rejection is None else rejection.status


class SanityTests(SynchronousTestCase):
    """Is it a request that can be processed?"""

    def check(self, data: bytes) -> Rejection | None:
        try:
            return Sanity(TAG).check(passage(data, uri=False))
        except RemoteError as error:  # the chain answers with it
            return Rejection(error.status, error.reason)

    def test_good(self) -> None:
        """What is right passes, with its URI read and known to be in a dialog or not."""
        for method in ("INVITE", "FOO", "ACK", "BYE"):
            made = passage(ask(method, USER), uri=False)
            self.assertIsNone(Sanity(TAG).check(made))
            self.assertEqual((made.uri.text, made.in_dialog), (USER, False))
        made = passage(ask("BYE", USER, to_tag="to"), uri=False)
        Sanity(TAG).check(made)
        self.assertTrue(made.in_dialog)
        made = passage(ask("REGISTER", USER, to_tag="to"), uri=False)
        Sanity(TAG).check(made)
        self.assertFalse(made.in_dialog)

    def test_defects(self) -> None:
        """Whatever is wrong is answered with words that say what."""
        good = ask("INVITE", USER)
        for old, new, status, reason in (
            (b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia", 505, "Version Not Supported"),
            (b"From:", b"X-From:", 400, "Missing From header"),
            (b"To:", b"X-To:", 400, "Missing To header"),
            (b"Call-ID:", b"X-Call-ID:", 400, "Missing Call-ID header"),
            (b"CSeq:", b"X-CSeq:", 400, "Missing CSeq header"),
            (b"CSeq: 1 INVITE", b"CSeq: 1", 400, "Malformed CSeq"),
            (b"CSeq: 1 INVITE", b"CSeq: -1 INVITE", 400, ""),
            (b"CSeq: 1 INVITE", b"CSeq: 4294967296 INVITE", 400, ""),
            (b"CSeq: 1 INVITE", b"CSeq: 1 BYE", 400, "The CSeq method is not"),
            (b"CSeq:", b"CSeq: 1 INVITE\r\nCSeq:", 400, "More than one"),
            (b"From:", b"From: <sip:x@y>;tag=1\r\nFrom:", 400, "More than one From header"),
            (b"To:", b"t: <sip:x@y>\r\nTo:", 400, "More than one To header"),
            (b"Call-ID:", b"i: other\r\nCall-ID:", 400, "More than one"),
            (b"Max-Forwards:", b"Max-Forwards: 1\r\nMax-Forwards:", 400, "More than one"),
            (b"Call-ID: call", b"Call-ID: ", 400, "Malformed Call-ID"),
            (b"Call-ID: call", b"Call-ID: a b", 400, "Malformed Call-ID"),
            (b"From: <sip:", b"From: <<sip:", 400, "Malformed From"),
            (b"To: <sip:", b"To: <sip: ", 400, "Malformed To"),
            (b"INVITE sip:200@example.com", b"INVITE <sip:200@x>", 400, "Malformed URI"),
            (b"INVITE sip:200@example.com", b"INVITE sip:200@x:0", 400, "bad port"),
            (b"INVITE sip:200@", b"INVITE sip:" + b"2" * 4100 + b"@", 414, "Request-URI Too Long"),
            (b"INVITE sip:200@example.com", b"INVITE http://x", 416, "Unsupported URI Scheme"),
            (b"INVITE sip:200@example.com", b"INVITE urn:x:y", 416, "Unsupported URI Scheme urn"),
            (b"INVITE sip:200@", b"INVITE  sip:200@", 400, "The Request-Line has white space"),
            (b"Content-Length: 0", b"Content-Length: 5", 400, "Content-Length is larger"),
            (b"Content-Length: 0", b"Content-Length: x", 400, "Content-Length is not a number"),
            (b"Contact:", b"Contact\r\nContact:", 400, "A header line has no name and colon"),
            (b"Contact:", b"X: a\0b\r\nContact:", 400, "A NUL in the headers"),
            (b"Contact:", b"X: a\nContact:", 400, "A CR without LF"),
        ):
            data = good.replace(old, new, 1)
            self.assertNotEqual(data, good)
            found = self.check(data)
            assert found is not None, new
            self.assertEqual(found.status, status, (new, found.reason))
            self.assertIn(reason.lower(), found.reason.lower(), new)

    def test_too_large(self) -> None:
        """A message above the limit is 513."""
        made = passage(ask("INVITE", USER), uri=False)
        made.request.defects += ("Message Too Large",)
        self.assertEqual(verdict(Sanity(TAG).check(made)), 513)

    def test_ack_of_our_own(self) -> None:
        """The ACK of an answer that we sent without a transaction ends here."""
        found = self.check(ask("ACK", USER, to_tag=TAG))
        self.assertEqual(verdict(found), 0)
        self.assertIsNone(self.check(ask("ACK", USER, to_tag="other")))
        self.assertIsNone(self.check(ask("BYE", USER, to_tag=TAG)))


class AdmissionTests(SynchronousTestCase):
    """Is there room?"""

    full = False

    def test_table(self) -> None:
        """While it is full only what belongs to calls passes; while it stops no new call does."""
        for full, draining, method, tag, status in (
            (False, False, "INVITE", "", None),
            (True, False, "INVITE", "", 503),
            (True, False, "REGISTER", "", 503),
            (True, False, "INVITE", "to", None),
            (True, False, "BYE", "to", None),
            (True, False, "ACK", "", None),
            (True, False, "CANCEL", "", None),
            (False, True, "INVITE", "", 503),
            (False, True, "INVITE", "to", None),
            (False, True, "REGISTER", "", None),
            (False, True, "BYE", "to", None),
            (True, True, "OPTIONS", "", 503),
            (True, True, "INVITE", "to", None),
        ):
            self.full = full
            admission = Admission(cast(Any, self))
            admission.draining = draining
            found = admission.check(passage(ask(method, USER, to_tag=tag)))
            self.assertEqual(verdict(found), status, (full, draining, method, tag))
            if found is not None:
                self.assertEqual(found.headers, [("retry-after", "60")])


class ReservedTests(SynchronousTestCase):
    """The room that is kept for calls is for those that show one."""

    full = False

    def test_table(self) -> None:
        """While it is full a To tag alone opens nothing; ACK and CANCEL make no transaction."""
        for full, method, opened, status in (
            (False, "INVITE", False, None),
            (True, "INVITE", False, 503),
            (True, "BYE", False, 503),
            (True, "ACK", False, None),
            (True, "CANCEL", False, None),
            (True, "INVITE", True, None),
            (True, "BYE", True, None),
        ):
            self.full = full
            made = passage(ask(method, USER, to_tag="to"))
            if opened:
                made.state = cast(Any, object())
            found = Reserved(cast(Any, self)).check(made)
            self.assertEqual(verdict(found), status, (full, method, opened))


class IngressTests(SynchronousTestCase):
    """What only our nodes may say is stripped."""

    def check(self, uri: str, *lines: str) -> Request:
        made = passage(ask("INVITE", uri, *lines))
        self.assertIsNone(Ingress().check(made))
        self.assertEqual(made.uri.text, made.request.uri_text)
        return made.request

    def test_headers(self) -> None:
        """Internal headers and asserted identities go, each one; others stay."""
        request = self.check(
            USER,
            "X-sipX-Authidentity: <sip:200@x>",
            "x-SIPX-other: 1",
            "X-sipX-Authidentity: <sip:201@x>",
            "P-Asserted-Identity: <sip:boss@x>",
            "X-Sip: stays",
            "P-Preferred-Identity: <sip:200@x>",
        )
        self.assertFalse([name for name in request.names if name.startswith("x-sipx")])
        self.assertFalse(request.has("p-asserted-identity"))
        self.assertTrue(request.has("x-sip"))
        self.assertTrue(request.has("p-preferred-identity"))

    def test_parameters(self) -> None:
        """So do internal parameters of the Request-URI; others stay in their order."""
        for before, after in (
            (USER, USER),
            (f"{USER};user=phone", f"{USER};user=phone"),
            (f"{USER};sipX-route=x;a=1;x-sipx-nat;b", f"{USER};a=1;b"),
            (f"{USER};SIPXECS-CallDest=x", USER),
            (f"{USER};sx=1abc", USER),
            (f"{USER};sxx=1", f"{USER};sxx=1"),
        ):
            self.assertEqual(self.check(before).uri_text, after)


class MaxForwardsTests(SynchronousTestCase):
    """Hops and breadth are counted."""

    def check(self, forwards: str, *lines: str) -> tuple[int | None, Passage]:
        made = passage(ask("OPTIONS", USER, *lines, forwards=forwards))
        return run(MaxForwards(), made), made

    def test_table(self) -> None:
        """One less; 70 when there was none; 483 at zero; 400 when it is no number."""
        for line, status, left in (
            ("Max-Forwards: 70", None, "69"),
            ("Max-Forwards: 1", None, "0"),
            ("Max-Forwards: 255", None, "254"),
            ("", None, "70"),
            ("Max-Forwards: 0", 483, None),
            ("Max-Forwards: 256", 400, None),
            ("Max-Forwards: -1", 400, None),
            ("Max-Forwards: many", 400, None),
            ("Max-Forwards:", 400, None),
        ):
            found, made = self.check(line)
            self.assertEqual(found, status, line)
            if left is not None:
                self.assertEqual(made.request.every("max-forwards"), [left])

    def test_breadth(self) -> None:
        """Max-Breadth is read; without one there is the RFC's (RFC 5393)."""
        self.assertEqual(self.check("", "Max-Breadth: 7")[1].breadth, 7)
        self.assertEqual(self.check("")[1].breadth, DEFAULT_MAX_BREADTH)
        self.assertEqual(self.check("", "Max-Breadth: x")[0], 400)


class LoopTests(SynchronousTestCase):
    """A request that was here before (RFC 5393)."""

    def check(self, uri: str, vias: list[str], *lines: str) -> tuple[int | None, str]:
        headers = [f"Via: SIP/2.0/UDP {via}" for via in vias]
        made = passage(ask("INVITE", uri, *headers, *lines))
        return run(Loops(IDENTITY.is_ours), made), made.loop

    def test_table(self) -> None:
        """A loop is the same way again; a spiral, with another target, is none."""
        _, loop = self.check(USER, [])
        self.assertTrue(loop)
        ours = f"{HOST}:5060;branch=z9hG4bKabc.{loop}"
        for uri, vias, lines, status in (
            (USER, [], (), None),
            (USER, [ours], (), 482),
            (USER, ["192.0.2.50;branch=z9hG4bK9", ours], (), 482),
            (USER, [f"192.0.2.50;branch=z9hG4bK9, SIP/2.0/UDP {ours}"], (), 482),
            (USER, [f"{HOST}:5060;branch=z9hG4bKabc.{loop[:-1]}0x"], (), None),
            (USER, [f"192.0.2.50:5060;branch=z9hG4bKabc.{loop}"], (), None),
            (f"sip:201@{DOMAIN}", [ours], (), None),
            (USER, [ours], ("Route: <sip:192.0.2.50;lr>",), None),
            (USER, ["not a via"], (), 400),
        ):
            self.assertEqual(self.check(uri, vias, *lines)[0], status, (uri, vias, lines))

    def test_topmost(self) -> None:
        """Our own Via on top, the only one, is looked at too."""
        _, loop = self.check(USER, [])
        data = ask("INVITE", USER, via=f"{HOST}:5060", branch=f"x.{loop}")
        self.assertEqual(verdict(Loops(IDENTITY.is_ours).check(passage(data))), 482)

    def test_same_digest(self) -> None:
        """The digest depends on the way alone."""
        first = self.check(USER, [], "Subject: a")[1]
        self.assertEqual(self.check(USER, [], "Subject: b")[1], first)
        self.assertNotEqual(self.check(USER + ";a", [])[1], first)
        self.assertNotEqual(self.check(USER, [], "Route: <sip:a;lr>")[1], first)


class ProxyRequireTests(SynchronousTestCase):
    """Extensions that a proxy must know."""

    def test_table(self) -> None:
        """All that are asked for are unknown, and named; ACK and CANCEL are not asked."""
        for method, lines, status, unsupported in (
            ("INVITE", (), None, ""),
            ("INVITE", ("Proxy-Require: foo",), 420, "foo"),
            ("REGISTER", ("Proxy-Require: Foo, bar", "Proxy-Require: baz"), 420, "Foo, bar, baz"),
            ("ACK", ("Proxy-Require: foo",), None, ""),
            ("CANCEL", ("Proxy-Require: foo",), None, ""),
            ("INVITE", ("Proxy-Require:",), None, ""),
            ("INVITE", ("Require: foo",), None, ""),
        ):
            found = ProxyRequire().check(passage(ask(method, USER, *lines)))
            self.assertEqual(verdict(found), status, (method, lines))
            if found is not None:
                self.assertEqual(found.headers, [("unsupported", unsupported)])


class RouteSetTests(SynchronousTestCase):
    """Our own Routes are taken off, and the state in them is opened."""

    def setUp(self) -> None:
        self.state = seal(KEY, "call", "from", True, [scope_of("192.0.2.9", 5060)])
        self.ours = f"<{US};lr;sx={self.state}>"

    def check(self, uri: str, *routes: str, tag: str = "to", **more: Any) -> Passage:
        made = passage(
            ask("BYE", uri, *(f"Route: {route}" for route in routes), to_tag=tag, **more)
        )
        self.status = run(RouteSet(IDENTITY, KEY), made)
        return made

    def test_table(self) -> None:
        """Ours go, as many as there are on top; the others stay."""
        tcp = f"<{US};transport=tcp;lr;sx={self.state}>"
        other = "<sip:192.0.2.50;lr>"
        for routes, left, state in (
            ((), [], False),
            ((self.ours,), [], True),
            ((self.ours, tcp), [], True),
            ((f"{self.ours}, {tcp}",), [], True),
            ((f"{self.ours},{other}",), [other], True),
            ((self.ours, other), [other], True),
            ((other, self.ours), [other, self.ours], False),
            ((f"<sip:{DOMAIN};lr>",), [], False),
            ((f"<sip:{DOMAIN};lr>", self.ours, other, self.ours), [other, self.ours], True),
            ((f"<sip:{HOST};lr>",), [], False),
            ((f"<sip:{HOST}:5070;lr>",), [f"<sip:{HOST}:5070;lr>"], False),
            ((f"<sip:200@{DOMAIN};lr>",), [f"<sip:200@{DOMAIN};lr>"], False),
            ((f'"us" <{US};sx={self.state};lr>;x=1',), [], True),
            ((f"<{US};lr;sx={self.state}x>",), [], False),
            ((f"<{US};lr;sx=>",), [], False),
            ((f"<{US};lr;sx={self.state}x>", self.ours), [], True),
        ):
            made = self.check("sip:a@192.0.2.9", *routes)
            self.assertIsNone(self.status, routes)
            self.assertEqual(made.request.listed("route"), left, routes)
            self.assertEqual("route" in made.request.names, bool(left))
            self.assertEqual(made.routed, bool(left), routes)
            self.assertEqual(made.state is not None, state, routes)

    def test_not_in_a_dialog(self) -> None:
        """Without a To tag the state says nothing."""
        made = self.check("sip:a@192.0.2.9", self.ours, tag="")
        self.assertIsNone(made.state)
        self.assertFalse(made.routed)

    def test_other_call(self) -> None:
        """Nor does it in another call; the Route is ours all the same."""
        made = self.check("sip:a@192.0.2.9", self.ours, call_id="other")
        self.assertIsNone(made.state)
        self.assertEqual(made.request.every("route"), [])

    def test_malformed(self) -> None:
        """A malformed Route is 400."""
        for route in ("sip:", "<<", f"{self.ours}, <sip:>", "x" * 5):
            self.check("sip:a@192.0.2.9", route)
            self.assertEqual(self.status, 400, route)

    def test_empty(self) -> None:
        """A Route header without a value is malformed, wherever it stands."""
        other = "<sip:192.0.2.50;lr>"
        for routes in (
            ("",),
            (" , ",),
            ("", self.ours),
            (self.ours, ""),
            ("", self.ours, "", other, ""),
            (",", f"{self.ours}, {other}"),
        ):
            self.check("sip:a@192.0.2.9", *routes)
            self.assertEqual(self.status, 400, routes)

    def test_strict_router_before_us(self) -> None:
        """Our URI as Request-URI: the target is the last Route (16.4)."""
        strict = f"{US};lr;sx={self.state}"
        made = passage(
            ask(
                "BYE", strict, "Route: <sip:192.0.2.50;lr>", "Route: <sip:a@192.0.2.9>", to_tag="to"
            )
        )
        self.assertIsNone(Ingress().check(made))
        self.assertIsNone(RouteSet(IDENTITY, KEY).check(made))
        self.assertEqual(made.request.uri_text, "sip:a@192.0.2.9")
        self.assertEqual(made.uri.text, "sip:a@192.0.2.9")
        self.assertEqual(made.request.every("route"), ["<sip:192.0.2.50;lr>"])
        self.assertTrue(made.routed)
        self.assertIsNotNone(made.state)

    def test_strict_router_and_empty_route(self) -> None:
        """Our URI as Request-URI without a target behind it is malformed."""
        self.check(f"{US};lr", "")
        self.assertEqual(self.status, 400)

    def test_strict_router_and_nonsense(self) -> None:
        """A last Route that is none is 400."""
        self.check(f"{US};lr", "<sip:192.0.2.50;lr>", "nonsense")
        self.assertEqual(self.status, 400)
