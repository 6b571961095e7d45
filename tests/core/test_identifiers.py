"""Tests of sipx.core.identifiers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.grammar import is_token
from sipx.core.identifiers import Identifiers
from sipx.core.via import MAGIC_COOKIE, parse_via


class IdentifiersTests(SynchronousTestCase):
    """Tags and branches."""

    def test_unique(self) -> None:
        """No two are alike, tags and branches of one node or of two."""
        one, other = Identifiers(b"12345678"), Identifiers(b"12345679")
        made = [maker() for _ in range(500) for maker in (one.tag, one.branch, other.tag)]
        self.assertEqual(len(set(made)), len(made))

    def test_tokens(self) -> None:
        """They are tokens, as tags and branches must be."""
        identifiers = Identifiers(b"\0\xff345678")
        self.assertTrue(is_token(identifiers.tag()))
        self.assertTrue(is_token(identifiers.branch("ab12")))

    def test_length(self) -> None:
        """A tag has at least 32 random bits (RFC 3261 section 19.3)."""
        self.assertTrue(Identifiers(b"12345678").tag().startswith(b"12345678".hex()))

    def test_loop(self) -> None:
        """A branch has the magic cookie in front and ends with what it carries, after a dot."""
        branch = Identifiers(b"12345678").branch("c0ffee")
        self.assertTrue(branch.startswith(MAGIC_COOKIE))
        self.assertEqual(branch.rpartition(".")[2], "c0ffee")
        self.assertEqual(parse_via(f"SIP/2.0/UDP x;branch={branch}").branch, branch)
        self.assertEqual(Identifiers(b"12345678").branch().rpartition(".")[2], "")
