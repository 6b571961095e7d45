"""Keys, seals, private files and the certificate."""

from __future__ import annotations

import os
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.node.certificate import keep_certificate
from sipx.node.files import keep, lock_state, prepare_state, write_private
from sipx.node.identity import make_identity
from sipx.node.keys import KeyRing, SealBroken, kept_keys
from tests.node.parts import folder, sentence

IDENTITY = make_identity("r", "pbx.example", ["192.0.2.5"], 5060)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


class SealTests(SynchronousTestCase):
    """What is sealed opens with the same key and context only."""

    keys = KeyRing(bytes(range(32)))

    @settings(derandomize=True, deadline=None)
    @given(st.text(), st.text())
    def test_round_trip(self, text: str, context: str) -> None:
        """Any text comes back."""
        self.assertEqual(self.keys.unseal(self.keys.seal(text, context), context), text)

    def test_surrogates(self) -> None:
        """What came as octets that are no UTF-8 comes back too."""
        self.assertEqual(self.keys.unseal(self.keys.seal("a\udcff", "c"), "c"), "a\udcff")

    def test_never_the_same(self) -> None:
        """Two seals of one text differ, and neither shows it."""
        one, two = self.keys.seal("secret", "c"), self.keys.seal("secret", "c")
        self.assertNotEqual(one, two)
        self.assertNotIn(b"secret", one)

    def test_tampering(self) -> None:
        """No octet can be changed or left out."""
        sealed = self.keys.seal("secret", "user 200")
        for index in range(len(sealed)):
            changed = bytearray(sealed)
            changed[index] ^= 1
            with self.assertRaises(SealBroken):
                self.keys.unseal(bytes(changed), "user 200")
            with self.assertRaises(SealBroken):
                self.keys.unseal(sealed[:index], "user 200")

    def test_another_context_or_key(self) -> None:
        """It opens for what it was sealed for."""
        sealed = self.keys.seal("secret", "user 200")
        with self.assertRaises(SealBroken):
            self.keys.unseal(sealed, "user 201")
        with self.assertRaises(SealBroken):
            KeyRing(bytes(32)).unseal(sealed, "user 200")

    def test_subkeys(self) -> None:
        """One for each purpose, always the same, never the key itself."""
        other = KeyRing(bytes(range(32)))
        self.assertEqual(self.keys.subkey("nonce"), other.subkey("nonce"))
        self.assertEqual(len(self.keys.subkey("nonce")), 32)
        found = {self.keys.subkey("nonce"), self.keys.subkey("flow"), bytes(range(32))}
        self.assertEqual(len(found), 3)
        self.assertNotIn("1", repr(self.keys))

    def test_wrong_length(self) -> None:
        """A key has 32 octets."""
        self.assertRaises(ValueError, KeyRing, b"short")


class KeptKeyTests(SynchronousTestCase):
    """The cluster key's file."""

    def test_kept(self) -> None:
        """It is drawn once and private."""
        state = folder()
        nonce = kept_keys(state).subkey("nonce")
        self.assertEqual(kept_keys(state).subkey("nonce"), nonce)
        self.assertEqual(mode(state / "cluster.key"), 0o600)
        self.assertNotEqual(kept_keys(folder()).subkey("nonce"), nonce)

    def test_wrong_length(self) -> None:
        """One sentence."""
        state = folder()
        (state / "cluster.key").write_bytes(b"short")
        with sentence(self, "cluster.key is damaged", "5 octets instead of 32"):
            kept_keys(state)

    def test_unreadable(self) -> None:
        """One sentence."""
        state = folder()
        (state / "cluster.key").mkdir()
        with sentence(self, "cluster.key cannot be used: Is a directory"):
            kept_keys(state)


class FileTests(SynchronousTestCase):
    """The state folder and what is in it."""

    def test_made_private(self) -> None:
        """The folder is made, with those above it, for its owner only."""
        state = folder() / "a" / "b"
        prepare_state(state)
        self.assertEqual(mode(state), 0o700)

    def test_made_private_later(self) -> None:
        """A folder of ours that others could read is closed to them."""
        state = folder()
        (state / "node.json").write_text("{}")
        state.chmod(0o755)
        prepare_state(state)
        self.assertEqual(mode(state), 0o700)

    def test_not_ours(self) -> None:
        """A folder with other things in it is left alone."""
        state = folder()
        state.chmod(0o755)
        (state / "letter.txt").write_text("dear")
        with sentence(self, "holds other things"):
            prepare_state(state)
        self.assertEqual(mode(state), 0o755)

    def test_not_a_folder(self) -> None:
        """One sentence."""
        state = folder() / "file"
        state.write_text("")
        with sentence(self, "state folder", "cannot be used: File exists"):
            prepare_state(state)

    def test_locked(self) -> None:
        """One node at a time."""
        state = folder()
        lock = lock_state(state)
        with sentence(self, "Another node runs on the state folder"):
            lock_state(state)
        os.close(lock)
        os.close(lock_state(state))

    def test_lock_cannot_be_made(self) -> None:
        """One sentence."""
        state = folder()
        (state / "lock").mkdir()
        with sentence(self, "lock cannot be opened: Is a directory"):
            lock_state(state)

    def test_written_whole(self) -> None:
        """A file is replaced, private, and nothing is left beside it."""
        path = folder() / "secret"
        (path.parent / "secret.new").write_text("half of an attempt that was killed")
        path.write_text("old")
        path.chmod(0o644)
        write_private(path, b"new")
        self.assertEqual(path.read_bytes(), b"new")
        self.assertEqual(mode(path), 0o600)
        self.assertEqual(os.listdir(path.parent), ["secret"])

    def test_kept(self) -> None:
        """What is there is not made again."""
        path = folder() / "secret"
        self.assertEqual(keep(path, lambda: b"one"), b"one")
        self.assertEqual(keep(path, lambda: b"two"), b"one")


class CertificateTests(SynchronousTestCase):
    """The self-signed certificate."""

    def test_made_once(self) -> None:
        """It names our hosts, fits its key, is valid now, and is kept."""
        state = folder()
        keep_certificate(state, IDENTITY, 1_800_000_000.0)
        pem = (state / "certificate.pem").read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(
            sorted(names.get_values_for_type(x509.DNSName)), ["localhost", "pbx.example"]
        )
        self.assertIn(IPv4Address("192.0.2.5"), names.get_values_for_type(x509.IPAddress))
        key = load_pem_private_key((state / "private.key").read_bytes(), None)
        self.assertEqual(certificate.public_key(), key.public_key())
        self.assertLess(certificate.not_valid_before_utc.timestamp(), 1_800_000_000)
        self.assertGreater(certificate.not_valid_after_utc.timestamp(), 1_900_000_000)
        self.assertEqual(mode(state / "private.key"), 0o600)
        keep_certificate(state, IDENTITY, 1_800_000_001.0)
        self.assertEqual((state / "certificate.pem").read_bytes(), pem)

    def test_half_of_a_pair(self) -> None:
        """A certificate without key is not overwritten; a key without certificate gets one."""
        state = folder()
        keep_certificate(state, IDENTITY, 1_800_000_000.0)
        (state / "certificate.pem").unlink()
        keep_certificate(state, IDENTITY, 1_800_000_000.0)
        (state / "private.key").unlink()
        with sentence(self, "certificate.pem has no private.key"):
            keep_certificate(state, IDENTITY, 1_800_000_000.0)

    def test_damaged_key(self) -> None:
        """One sentence."""
        state = folder()
        (state / "private.key").write_text("nonsense")
        with sentence(self, "private.key is damaged"):
            keep_certificate(state, IDENTITY, 1_800_000_000.0)
