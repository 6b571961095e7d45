"""Who the node is."""

from __future__ import annotations

import json
import socket

from twisted.trial.unittest import SynchronousTestCase

from sipx.node.addresses import machine_addresses
from sipx.node.identity import kept_realm, make_identity
from tests.node.parts import folder, sentence


class IdentityTests(SynchronousTestCase):
    """Domain, hosts and ports."""

    def test_ours(self) -> None:
        """The domain, the addresses and localhost, at no port or ours."""
        identity = make_identity("r", "Pbx.Example", ["192.0.2.5", "127.0.0.1"], 5070)
        for host, port in (
            ("pbx.example", None),
            ("PBX.EXAMPLE", 5070),
            ("192.0.2.5", 5070),
            ("localhost", None),
            ("LocalHost", 5070),
            ("127.0.0.1", None),
        ):
            self.assertTrue(identity.is_ours(host, port), (host, port))
        for host, port in (
            ("pbx.example", 5060),
            ("example", None),
            ("a.pbx.example", None),
            ("192.0.2.6", None),
            ("", None),
        ):
            self.assertFalse(identity.is_ours(host, port), (host, port))

    def test_domain_by_default(self) -> None:
        """The first address that is not loopback, else 127.0.0.1."""
        for listen, domain in (
            (["127.0.0.1", "192.0.2.5", "192.0.2.6"], "192.0.2.5"),
            (["127.0.0.2"], "127.0.0.1"),
        ):
            self.assertEqual(make_identity("r", None, listen, 5060).domain, domain)

    def test_realm_is_kept(self) -> None:
        """It is drawn once."""
        state = folder()
        realm = kept_realm(state)
        self.assertRegex(realm, r"^sipx-[0-9a-f]{8}$")
        self.assertEqual(kept_realm(state), realm)
        self.assertEqual((state / "node.json").stat().st_mode & 0o777, 0o600)
        self.assertNotEqual(kept_realm(folder()), realm)

    def test_damaged(self) -> None:
        """A damaged file is not replaced in silence."""
        state = folder()
        for text in ("", "{", "[]", "{}", json.dumps({"realm": 3}), '{"realm": ""}', "\xff"):
            (state / "node.json").write_text(text, "latin-1")
            with sentence(self, "node.json is damaged"):
                kept_realm(state)


class AddressTests(SynchronousTestCase):
    """The machine's own addresses."""

    def test_loopback_last(self) -> None:
        """Loopback is among them, after the others, and none is a wildcard."""
        found = machine_addresses()
        self.assertIn("127.0.0.1", found)
        self.assertNotIn("0.0.0.0", found)
        loopback = [address.startswith("127.") for address in found]
        self.assertEqual(loopback, sorted(loopback))

    def test_usable(self) -> None:
        """Each can be bound."""
        for address in machine_addresses():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((address, 0))
