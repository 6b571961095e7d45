"""Tests of sipx.core.routestate: what opens a dialog state, and what does not."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.routestate import MOST_SCOPES, RouteState, host_of, scope_of, seal, unseal

KEY = b"k" * 32
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SCOPES = [scope_of("192.0.2.7", 5060), scope_of("192.0.2.8", 5070)]


def sealed(authenticated: bool = True, scopes: list[bytes] = SCOPES) -> str:
    return seal(KEY, "call@x", "from", authenticated, scopes)


def opened(value: str, key: bytes = KEY, call: str = "call@x", **tags: str) -> RouteState | None:
    return unseal(key, value, call, tags.get("ours", "from"), tags.get("theirs", "to"))


class OpenTests(SynchronousTestCase):
    """A state that is ours."""

    def test_both_directions(self) -> None:
        """It opens for requests of either side, and says from which."""
        for authenticated in (True, False):
            value = sealed(authenticated)
            self.assertEqual(opened(value), RouteState(authenticated, tuple(SCOPES), True))
            self.assertEqual(
                opened(value, ours="to", theirs="from"),
                RouteState(authenticated, tuple(SCOPES), False),
            )

    def test_scope(self) -> None:
        """Addresses within its scope are covered; host case and default port do not matter."""
        state = opened(sealed(scopes=[scope_of("Phone.Example.COM", None)]))
        assert state is not None
        for host, port, covered in (
            ("phone.example.com", 5060, True),
            ("PHONE.example.com", None, True),
            ("phone.example.com", 5061, False),
            ("phone.example.co", None, False),
        ):
            self.assertIs(state.covers(host, port), covered, (host, port))

    def test_sides(self) -> None:
        """Each side reaches the other one, and never itself."""
        scopes = [scope_of("callee", 5060), host_of("callee"), scope_of("caller", 5060)]
        ours = opened(sealed(scopes=scopes))
        theirs = opened(sealed(scopes=scopes), ours="to", theirs="from")
        assert ours is not None
        assert theirs is not None
        for state, host, covered in (
            (ours, "callee", True),
            (ours, "caller", False),
            (theirs, "callee", False),
            (theirs, "caller", True),
        ):
            self.assertIs(state.covers(host, 5060), covered, (state, host))

    def test_trust(self) -> None:
        """Only the callee's host leads a dialog to an initiator who did not authenticate."""
        scopes = [scope_of("callee", 5060), host_of("callee"), scope_of("caller", 5060)]
        for authenticated, host, trusted in (
            (False, "CALLEE", True),
            (False, "caller", False),
            (False, "other", False),
            (True, "other", True),
        ):
            value = sealed(authenticated, scopes)
            ours, theirs = opened(value), opened(value, ours="to", theirs="from")
            assert ours is not None
            assert theirs is not None
            self.assertTrue(ours.trusts(host))
            self.assertIs(theirs.trusts(host), trusted, (authenticated, host))

    def test_no_scope(self) -> None:
        """A state without scopes covers nothing."""
        state = opened(sealed(scopes=[]))
        assert state is not None
        self.assertEqual(state.scope, ())

    def test_most_scopes(self) -> None:
        """No more scopes than the limit are kept, and such a state still opens."""
        many = [scope_of(f"h{number}", None) for number in range(MOST_SCOPES + 3)]
        state = opened(sealed(scopes=many))
        assert state is not None
        self.assertEqual(state.scope, tuple(many[:MOST_SCOPES]))

    def test_uri_parameter(self) -> None:
        """It is made of characters that a URI parameter may have as they are."""
        self.assertLessEqual(set(sealed()), set(ALPHABET))

    @settings(derandomize=True, deadline=None)
    @given(st.text(max_size=30), st.text(max_size=30), st.booleans())
    def test_any_dialog(self, call_id: str, tag: str, authenticated: bool) -> None:
        """Whatever Call-ID and tag are, the state opens in its dialog."""
        value = seal(KEY, call_id, tag, authenticated, SCOPES)
        state = unseal(KEY, value, call_id, tag, "to")
        self.assertEqual(state, RouteState(authenticated, tuple(SCOPES), True))


class ClosedTests(SynchronousTestCase):
    """A state that is not, or not of this dialog."""

    def test_other_dialog(self) -> None:
        """Copied to another call, with other tags, or outside a dialog, it does not open."""
        value = sealed()
        self.assertIsNone(opened(value, call="other@x"))
        self.assertIsNone(opened(value, ours="else"))
        self.assertIsNone(opened(value, ours="to", theirs="else"))
        self.assertIsNone(opened(value, theirs=""))

    def test_tag_and_call_id_are_apart(self) -> None:
        """What is moved from the Call-ID into the tag is another dialog."""
        value = seal(KEY, "ab", "c", True, SCOPES)
        self.assertIsNone(unseal(KEY, value, "a", "bc", "to"))
        value = seal(KEY, "a|1|b", "c", True, SCOPES)
        self.assertIsNone(unseal(KEY, value, "a", "b|1|c", "to"))

    def test_other_key(self) -> None:
        """Another cluster's state does not open."""
        self.assertIsNone(opened(sealed(), key=b"K" * 32))

    def test_every_character_counts(self) -> None:
        """No character can be changed, left out or put in, the last one included."""
        for value in (sealed(), sealed(scopes=SCOPES[:1]), sealed(scopes=[])):
            for place in range(len(value)):
                for char in f"{ALPHABET}=!~ ":
                    if char != value[place]:
                        altered = value[:place] + char + value[place + 1 :]
                        self.assertIsNone(opened(altered), (place, char))
                self.assertIsNone(opened(value[:place] + value[place + 1 :]), place)
                self.assertIsNone(opened(f"{value[:place]}!{value[place:]}"), place)
            self.assertIsNone(opened(value + "="))
            self.assertIsNone(opened(value + "A"))

    def test_garbage(self) -> None:
        """Garbage does not open, and does not raise."""
        for value in (
            "",
            "1",
            "1=",
            "1A",
            "1" + "A" * 500,
            "\u00e9",
            "1\udcff",
            "2" + sealed()[1:],
        ):
            self.assertIsNone(opened(value), value)

    @settings(derandomize=True, deadline=None)
    @given(st.text(max_size=120))
    def test_any_text(self, text: str) -> None:
        """No text opens that we did not make."""
        self.assertIsNone(opened(text))
        self.assertIsNone(opened("1" + text))
