"""Tests of sipx.core.hosts: one spelling for each host."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.hosts import canonical_host, is_loopback


class HostTests(SynchronousTestCase):
    """Names and addresses."""

    def test_table(self) -> None:
        """Case, dots at the end, and the ways to write an IPv4 address."""
        for host, expected in (
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1.", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("127.0.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7F.1", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("010.8.8.8", "8.8.8.8"),
            ("10.65793", "10.1.1.1"),
            ("4294967295", "255.255.255.255"),
            ("4294967296", "4294967296"),
            ("256.1.1.1", "256.1.1.1"),
            ("1.2.3.256", "1.2.3.256"),
            ("1.2.3.4.5", "1.2.3.4.5"),
            ("1..2", "1..2"),
            ("0x.1", "0x.1"),
            ("089.1.1.1", "89.1.1.1"),
            ("1e1.example", "1e1.example"),
            ("[::FFFF:127.0.0.1]", "127.0.0.1"),
            ("[::ffff:7f00:1]", "127.0.0.1"),
            ("[2001:DB8:0::1]", "[2001:db8::1]"),
            ("[nonsense]", "[nonsense]"),
            ("", ""),
            ("...", ""),
        ):
            self.assertEqual(canonical_host(host), expected, host)

    def test_loopback(self) -> None:
        """All of 127/8 is this machine, and so is no address at all."""
        for host in ("127.0.0.1", "127.255.0.9", "0.0.0.0", "[::1]", "localhost"):
            self.assertTrue(is_loopback(host), host)
        for host in ("128.0.0.1", "127.example", "127.0.0.1.example", "[::2]", ""):
            self.assertFalse(is_loopback(host), host)

    @given(st.text(max_size=20) | st.from_regex(r"[0-9a-fxX.]{1,20}", fullmatch=True))
    @settings(derandomize=True, deadline=None)
    def test_once_is_enough(self, host: str) -> None:
        """The one spelling of a spelling is itself, and nothing raises."""
        once = canonical_host(host)
        self.assertEqual(canonical_host(once), once)
