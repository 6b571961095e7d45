"""URIs are read as RFC 3261 section 19.1 and RFC 3966 have them, and compared as they say."""

from __future__ import annotations

import time
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.errors import RemoteError
from sipx.core.uri import (
    LONGEST_URI,
    Uri,
    build,
    comparable,
    equivalent,
    parse_uri,
    unescape,
)
from tests.core import strategies

# Sets of equivalent URIs, RFC 3261 section 19.1.4.
EQUIVALENT = (
    (
        "sip:%61lice@atlanta.com;transport=TCP",
        "sip:alice@AtlanTa.CoM;Transport=tcp",
    ),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    # not from the RFC
    ("SIP:a@h", "sip:a@h"),
    ("sip:a@h;transport=t%63p", "sip:a@h;transport=tcp"),
    ("sip:a%3bb@h", "sip:a%3Bb@h"),
    ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8::1]"),
    ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
    ("tel:7042;phone-context=example.com", "tel:7042;Phone-Context=example.com"),
    ("tel:1a", "tel:1A"),
)
# Pairs that are not, the first seven from the RFC.
DIFFERENT = (
    (
        "SIP:ALICE@AtLanTa.CoM;Transport=udp",
        "sip:alice@AtLanTa.CoM;Transport=UDP",
    ),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    # not from the RFC
    ("sip:a@h", "sips:a@h"),
    ("sip:a@h", "sip:h"),
    ("sip:a@h", "sip:a:@h"),
    ("sip:a:x@h", "sip:a:X@h"),
    ("sip:a@h", "sip:a@h;user=phone"),
    ("sip:a@h", "sip:a@h;ttl=1"),
    ("sip:a@h", "sip:a@h;method=INVITE"),
    ("sip:a@h", "sip:a@h;maddr=192.0.2.1"),
    ("sip:a;b@h", "sip:a%3Bb@h"),
    ("sip:+1@h", "sip:%2B1@h"),
    ("sip:a@h?x=a", "sip:a@h?x=A"),
    ("tel:+1201", "tel:1201"),
    ("tel:7042;phone-context=example.com", "tel:7042;phone-context=example.net"),
    ("mailto:a@h", "mailto:b@h"),
    ("sip:1@h", "tel:1"),
)
MALFORMED = (
    "", "sip", "sip:", ":a@h", "1sip:a@h", "<sip:a@h>", " sip:a@h", "sip:a@h ", "sip:a b@h",
    "sip:@h", "sip:a@", "sip:a@b@c", "sip:a:b:c@h", "sip:a@h:", "sip:a@h:0", "sip:a@h:65536",
    "sip:a@h:5x", "sip:a@h:\u0665", "sip:a@h:123456", "sip:a@-h", "sip:a@.h", "sip:a@h-",
    "sip:a@h/", "sip:a@[::1", "sip:a@[::1]x", "sip:a@[g]", "sip:a@::1", "sip:%4@h", "sip:%zz@h",
    "sip:a\"@h", "sip:a<@h", "sip:a@h;", "sip:a@h;;lr", "sip:a@h;=x", "sip:a@h;lr;LR",
    "sip:a@h;p=%4", "sip:a@h?a b", "sip:a@h\r\n", "sip:a@h\0", "sip:\u00fc@h", "sip:a@h;p=\u00fc",
    "tel:", "tel:+", "tel:xyz", "tel:1;", "tel:12x", "tel:-", "mailto:", "mailto:a b",
)  # fmt: skip


class ReadingTests(SynchronousTestCase):
    def test_parts(self) -> None:
        """A URI is taken apart, and each part is as written."""
        uri = parse_uri("SIPS:a%20b:pw@H.example.com:5061;Transport=TCP;lr;x=%41?Subject=x&y=z")
        self.assertEqual(
            uri,
            Uri(
                scheme="sips",
                user="a%20b",
                password="pw",
                host="H.example.com",
                port=5061,
                params=(("transport", "TCP"), ("lr", None), ("x", "%41")),
                headers="Subject=x&y=z",
                text="SIPS:a%20b:pw@H.example.com:5061;Transport=TCP;lr;x=%41?Subject=x&y=z",
            ),
        )
        self.assertEqual((uri.name, uri.transport, uri.param("lr")), ("a b", "tcp", ""))
        self.assertEqual((uri.param("x"), uri.param("y")), ("%41", None))

    def test_shapes(self) -> None:
        """What the grammar allows is read."""
        for text, user, host, port in (
            ("sip:h", "", "h", None),
            ("sip:h:5060", "", "h", 5060),
            ("sip:192.0.2.1;lr", "", "192.0.2.1", None),
            ("sip:[2001:db8::1]:5060", "", "[2001:db8::1]", 5060),
            ("sip:a@[::ffff:192.0.2.1]", "a", "[::ffff:192.0.2.1]", None),
            ("sip:example.com.", "", "example.com.", None),
            ("sip:a;b?c/d&e=f+g$h,i@h", "a;b?c/d&e=f+g$h,i", "h", None),
            ("sip:h;p=v@x", "h;p=v", "x", None),  # 25.1: a user part may look like this
            ("sip:%00@h", "%00", "h", None),
            ("sip:a@h?", "a", "h", None),
        ):
            uri = parse_uri(text)
            self.assertEqual((uri.user, uri.host, uri.port), (user, host, port), text)
            self.assertEqual(str(uri), text)

    def test_tel(self) -> None:
        """A telephone number keeps its separators and can do without them."""
        uri = parse_uri("tel:+1-(201)-555.0123;ext=7")
        self.assertEqual((uri.user, uri.number), ("+1-(201)-555.0123", "+12015550123"))
        self.assertEqual((uri.param("ext"), uri.host, uri.is_sip), ("7", "", False))

    def test_unknown_scheme(self) -> None:
        """A URI of another scheme is opaque, and no error of syntax."""
        uri = parse_uri("Mailto:a@b.example?x=y")
        self.assertEqual((uri.scheme, uri.user, uri.host), ("mailto", "a@b.example?x=y", ""))

    def test_malformed(self) -> None:
        """What is no URI is 400."""
        for text in MALFORMED:
            error = self.assertRaises(RemoteError, parse_uri, text)
            self.assertEqual(error.status, 400, text)

    def test_too_long(self) -> None:
        """What is longer than anybody needs is 414."""
        error = self.assertRaises(RemoteError, parse_uri, "sip:" + "a" * LONGEST_URI)
        self.assertEqual(error.status, 414)

    def test_cost(self) -> None:
        """No text of the longest length takes long to refuse."""
        for text in (
            "tel:" + "1" * 4000 + "x",
            "tel:" + "-" * 4000,
            "sip:a@" + "h-" * 2000,
            "sip:" + "%41" * 1300 + "%@h",
            "sip:a@h;p=" + "%41" * 1300 + "%",
            "sip:a@h" + ";p" * 2000,
            "a" * 4000,
        ):
            started = time.process_time()
            self.assertRaises(RemoteError, parse_uri, text)
            self.assertLess(time.process_time() - started, 0.02, text[:20])

    @settings(derandomize=True, deadline=None)
    @given(strategies.uris)
    def test_round_trip(self, text: str) -> None:
        """What is well formed is read, and written as it was."""
        self.assertEqual(str(parse_uri(text)), text)

    @settings(derandomize=True, deadline=None)
    @given(st.text(max_size=30))
    def test_garbage(self, text: str) -> None:
        """Anything else raises a RemoteError and nothing else."""
        for prefix in ("", "sip:", "sip:a@", "sip:a@h;", "tel:"):
            try:
                parse_uri(prefix + text)
            except RemoteError as error:
                self.assertEqual(error.status, 400)


class ComparingTests(SynchronousTestCase):
    def test_equivalent(self) -> None:
        """URIs are equivalent both ways, and share their key."""
        for first, second in EQUIVALENT:
            one, two = parse_uri(first), parse_uri(second)
            self.assertTrue(equivalent(one, two), (first, second))
            self.assertTrue(equivalent(two, one), (second, first))
            self.assertEqual(one.key(), two.key(), (first, second))

    def test_different(self) -> None:
        """URIs differ both ways."""
        for first, second in DIFFERENT:
            one, two = parse_uri(first), parse_uri(second)
            self.assertFalse(equivalent(one, two), (first, second))
            self.assertFalse(equivalent(two, one), (second, first))

    @settings(derandomize=True, deadline=None)
    @given(strategies.uris)
    def test_itself(self, text: str) -> None:
        """A URI is equivalent to itself, however host, scheme and parameters are spelled."""
        uri = parse_uri(text)
        self.assertTrue(equivalent(uri, uri))
        if uri.is_sip:
            shouted = build(
                uri.scheme,
                uri.user,
                uri.password,
                uri.host.upper(),
                uri.port,
                tuple((name, value and value.upper()) for name, value in reversed(uri.params)),
            )
            self.assertTrue(equivalent(uri.without(), shouted))
            self.assertEqual(uri.key(), shouted.key())

    @settings(derandomize=True, deadline=None)
    @given(st.lists(strategies.sip_uris, min_size=2, max_size=4))
    def test_key(self, texts: list[str]) -> None:
        """Equivalent URIs have the same key, whatever else they have."""
        for one, two in combinations(map(parse_uri, texts), 2):
            if equivalent(one, two):
                self.assertEqual(one.key(), two.key())


class ChangingTests(SynchronousTestCase):
    def test_escapes(self) -> None:
        """Escapes are octets of UTF-8; others survive; what is no escape stays."""
        for text, plain in (
            ("a", "a"),
            ("%61%20", "a "),
            ("%C3%BC", "\u00fc"),
            ("%ff", "\udcff"),
            ("%", "%"),
            ("%4", "%4"),
            ("%+1%1 %zz", "%+1%1 %zz"),
            ("%2541", "%41"),
            ("\udcff%41", "\udcffA"),
        ):
            self.assertEqual(unescape(text), plain)

    def test_comparable(self) -> None:
        """Only escapes of unreserved characters make no difference."""
        self.assertEqual(comparable("%61%2b%3B%c3%20"), "a%2B%3B%C3%20")

    def test_as_target(self) -> None:
        """A Request-URI has neither headers nor a method parameter (19.1.1)."""
        for text, target in (
            ("sip:a@h;method=INVITE;lr?x=y", "sip:a@h;lr"),
            ("sip:a@h?x=y", "sip:a@h"),
            ("sip:a:b@h:5070;lr", "sip:a:b@h:5070;lr"),
        ):
            self.assertEqual(str(parse_uri(text).as_target()), target)
            self.assertEqual(parse_uri(text).as_target(), parse_uri(target))

    def test_without(self) -> None:
        """Parameters are taken out by name."""
        uri = parse_uri("sip:a@h;x;transport=tcp;y=1")
        self.assertEqual(str(uri.without("x", "y", "z")), "sip:a@h;transport=tcp")
        self.assertIs(uri.without("z"), uri)

    @settings(derandomize=True, deadline=None)
    @given(strategies.sip_uris)
    def test_build(self, text: str) -> None:
        """What is made of parts is read as these parts."""
        uri = parse_uri(text)
        made = build(uri.scheme, uri.user, uri.password, uri.host, uri.port, uri.params)
        self.assertEqual(parse_uri(str(made)), made)
