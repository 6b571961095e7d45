"""Tests of sipx.routing: a name to targets, with and without somebody who takes notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.binding import Binding
from sipx.core.flowid import FlowId
from sipx.core.target import Target
from sipx.core.uri import parse_uri
from sipx.routing.redirectors.features import FeatureServers
from sipx.routing.redirectors.registrations import Registrations
from sipx.routing.resolve import REDIRECTORS, Decision, Lookup, resolve
from sipx.routing.snapshot import RoutingSnapshot
from tests.proxy.house import binding

NOW = 1000.0
SNAPSHOT = RoutingSnapshot(7, {"200": "200", "reception": "200", "a b": "200", "201": "201"})
FLOW = FlowId("udp", "192.0.2.1", 5060, "192.0.2.7", 5060)


class Picture:
    """A view of lists."""

    def __init__(
        self, bindings: Mapping[str, Sequence[Binding]], servers: Mapping[str, str]
    ) -> None:
        self._bindings = bindings
        self._servers = servers

    def bindings(self, user: str, now: float) -> Sequence[Binding]:
        return [one for one in self._bindings.get(user, ()) if one.expires > now]

    def server(self, user_part: str) -> str:
        return self._servers.get(user_part, "")


VIEW = Picture(
    {
        "200": [
            binding("200", ("192.0.2.7", 5060), 0.9, ("<sip:192.0.2.60;lr>",), FLOW),
            binding("200", ("192.0.2.8", 5060), 0.5),
            binding("200", ("192.0.2.9", 5060), 0.1, expires=NOW),
        ]
    },
    {"~~vm": "voicemail", "200": "never", "9196": "echo"},
)


class ResolveTests(SynchronousTestCase):
    """What a name leads to."""

    def resolve(self, uri: str) -> Decision:
        return resolve(SNAPSHOT, VIEW, parse_uri(uri), NOW)

    def test_registered(self) -> None:
        """A user's phones, with all that a binding knows; aliases and escapes are the user's."""
        for uri in (
            "sip:200@example.com",
            "sip:reception@example.com",
            "sip:%32%30%30@example.com",
            "sip:a%20b@example.com",
            "tel:2-0-0",
        ):
            decision = self.resolve(uri)
            self.assertEqual(
                decision.targets,
                (
                    Target(
                        parse_uri("sip:200@192.0.2.7:5060"),
                        0.9,
                        "200",
                        FLOW,
                        ("<sip:192.0.2.60;lr>",),
                    ),
                    Target(parse_uri("sip:200@192.0.2.8:5060"), 0.5, "200"),
                ),
                uri,
            )
            self.assertEqual((decision.status, decision.user), (0, "200"))

    def test_server(self) -> None:
        """A feature server, unless the name is a user's."""
        (found,) = self.resolve("sip:~~vm@example.com").targets
        self.assertEqual(found.server, "voicemail")
        self.assertEqual(found.uri.text, "sip:~~vm@example.com")
        self.assertEqual(self.resolve("tel:9196").targets[0].server, "echo")

    def test_nobody(self) -> None:
        """404 for a name that is nobody's, 480 for a user who is not registered."""
        for uri, status, user in (
            ("sip:999@example.com", 404, ""),
            ("sip:example.com", 404, ""),
            ("sip:RECEPTION@example.com", 404, ""),
            ("sip:201@example.com", 480, "201"),
        ):
            decision = self.resolve(uri)
            self.assertEqual((decision.targets, decision.status, decision.user), ((), status, user))
            self.assertTrue(decision.reason)

    def test_order(self) -> None:
        """Redirectors are asked in their order."""
        orders = [redirector.order for redirector in REDIRECTORS]
        self.assertEqual(orders, sorted(orders))
        self.assertEqual(len({redirector.name for redirector in REDIRECTORS}), len(orders))

    def test_recorder(self) -> None:
        """Somebody who takes notes learns who did what."""
        notes: list[tuple[str, str]] = []

        def note(redirector: str, what: str) -> None:
            notes.append((redirector, what))

        for uri, expected in (
            ("sip:~~vm@x", ("features", "~~vm is served by voicemail")),
            ("sip:201@x", ("registrations", "201 is not registered")),
            ("sip:999@x", ("registrations", "the name is no user's")),
        ):
            notes.clear()
            resolve(SNAPSHOT, VIEW, parse_uri(uri), NOW, note)
            self.assertIn(expected, notes)

    def test_other_redirectors(self) -> None:
        """Others can be asked instead, and what they say is put together."""

        class Fixed:
            name = "fixed"
            order = 1

            def targets(self, lookup: Lookup) -> Iterable[Target]:
                lookup.note(self.name, lookup.name)
                yield Target(parse_uri("sip:x@192.0.2.99"))

        decision = resolve(
            SNAPSHOT, VIEW, parse_uri("sip:999@x"), NOW, None, [Fixed(), Registrations(), Fixed()]
        )
        self.assertEqual(len(decision.targets), 2)
        decision = resolve(SNAPSHOT, VIEW, parse_uri("sip:200@x"), NOW, None, [FeatureServers()])
        self.assertEqual((decision.targets, decision.status), ((), 480))


names = st.sampled_from(["200", "201", "reception", "~~vm", "9196", "999", "%32", "a%20b"])
peers = st.tuples(st.sampled_from(["192.0.2.7", "192.0.2.8", "10.0.0.1"]), st.integers(1, 65535))
phones = st.builds(
    binding,
    st.sampled_from(["200", "201"]),
    peers,
    st.sampled_from([1.0, 0.5, 0.0]),
    st.sampled_from([(), ("<sip:192.0.2.60;lr>",)]),
    st.sampled_from([None, FLOW]),
    st.sampled_from([NOW, NOW + 1]),
)


class RecorderTests(SynchronousTestCase):
    """Explaining is resolving."""

    @settings(derandomize=True, deadline=None)
    @given(
        st.dictionaries(names, st.sampled_from(["200", "201"])),
        st.dictionaries(st.sampled_from(["200", "201"]), st.lists(phones, max_size=4)),
        st.dictionaries(names, st.sampled_from(["voicemail", "echo"])),
        st.one_of(
            st.builds("sip:{}@example.com".format, names),
            st.builds("tel:{}".format, st.from_regex(r"[0-9]{1,4}", fullmatch=True)),
        ),
    )
    def test_equal(
        self,
        owners: dict[str, str],
        bindings: dict[str, list[Binding]],
        servers: dict[str, str],
        uri: str,
    ) -> None:
        """With a recorder and without one the decision is the same, and nothing is changed."""
        snapshot, view = RoutingSnapshot(1, owners), Picture(bindings, servers)
        before = (dict(owners), {user: list(found) for user, found in bindings.items()})
        notes: list[str] = []
        first = resolve(snapshot, view, parse_uri(uri), NOW)
        explained = resolve(
            snapshot, view, parse_uri(uri), NOW, lambda name, what: notes.append(name + what)
        )
        self.assertEqual(first, explained)
        self.assertEqual(first, resolve(snapshot, view, parse_uri(uri), NOW))
        self.assertEqual(before, (owners, bindings))
        self.assertEqual(bool(first.targets), first.status == 0)
