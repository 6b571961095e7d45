"""Tests of sipx.core.mac."""

from __future__ import annotations

import hmac

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.mac import Mac


class MacTests(SynchronousTestCase):
    """HMAC-SHA256."""

    def test_rfc_4231(self) -> None:
        """It gives the second test vector of RFC 4231."""
        found = Mac(b"Jefe").digest(b"what do ya want for nothing?")
        self.assertEqual(
            found.hex(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        )

    @given(st.binary(max_size=200), st.lists(st.binary(max_size=300), max_size=3))
    @settings(derandomize=True, deadline=None)
    def test_same(self, key: bytes, texts: list[bytes]) -> None:
        """It gives what the standard library gives, for one text after the other."""
        mac = Mac(key)
        for text in texts:
            self.assertEqual(mac.digest(text), hmac.digest(key, text, "sha256"))
