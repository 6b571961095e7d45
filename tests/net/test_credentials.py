"""Tests of sipx.net.credentials and peername: files that are good, and such that are not."""

from __future__ import annotations

import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from twisted.trial.unittest import SynchronousTestCase

from sipx.net.credentials import CertificateError, Credentials
from sipx.net.peername import covers, is_address, names_of
from tests.support.certificates import Authority, key_pem, write


class CredentialTests(SynchronousTestCase):
    """What is read, and what is refused with which sentence."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = Authority()

    def load(self, *files: tuple[Path, Path], trust: str = "system") -> Credentials:
        return Credentials(files, trust, "no", time.time)

    def refused(self, *files: tuple[Path, Path], trust: str = "system") -> str:
        with self.assertRaises(CertificateError) as caught:
            self.load(*files, trust=trust)
        sentence = str(caught.exception)
        self.assertTrue(sentence.endswith("."), sentence)
        return sentence

    def test_chain(self) -> None:
        """A certificate with those between it and its authority is taken; so is one file."""
        between = Authority("Between", self.authority)
        files = write(self.folder, "a", between.issue("pbx.test"), between.pem)
        (pair,) = self.load(files).pairs
        self.assertEqual(len(pair.chain), 2)
        self.assertEqual(pair.names, {"pbx.test"})
        both = self.folder / "both.pem"
        both.write_bytes(files[0].read_bytes() + files[1].read_bytes())
        self.assertEqual(self.load((both, both)).pairs[0].names, {"pbx.test"})

    def test_faults(self) -> None:
        """Each fault is said in one sentence that names the file."""
        good = self.authority.issue("pbx.test")
        other = self.authority.issue("pbx.test")
        private = serialization.load_pem_private_key(good[1], None)
        for pair, chain, words in (
            ((b"nothing", good[1]), b"", "holds no certificate in PEM form"),
            ((good[0], b"nothing"), b"", "holds no private key in PEM form"),
            ((good[0], other[1]), b"", "does not belong to the first certificate"),
            ((good[0], key_pem(private, b"secret")), b"", "locked with a passphrase"),
            (self.authority.issue("x", days=(-9, -1)), b"", "expired on"),
            (self.authority.issue("x", days=(1, 9)), b"", "is not valid before"),
            (good, Authority("Stranger").pem, "did not issue the one before it"),
            (good, self.authority.pem * 10, "holds 11 certificates"),
        ):
            sentence = self.refused(write(self.folder, "bad", pair, chain))
            self.assertIn(words, sentence)
            self.assertIn(str(self.folder / "bad"), sentence)
        missing = self.folder / "missing.pem"
        self.assertIn("cannot be read: No such file", self.refused((missing, missing)))

    def test_trust(self) -> None:
        """A trust store that holds no authority is a fault too."""
        files = write(self.folder, "a", self.authority.issue("pbx.test"))
        empty = self.folder / "empty.pem"
        empty.write_bytes(b"nothing")
        self.assertIn("no certificates of authorities", self.refused(files, trust=str(empty)))
        empty.write_bytes(self.authority.pem)
        self.assertTrue(self.load(files, trust=str(empty)).verifies)
        self.assertFalse(self.load(files, trust="any").verifies)

    def test_reload(self) -> None:
        """Another file is taken up; a bad one leaves the former in use, and says why."""
        files = write(self.folder, "a", self.authority.issue("old.test"))
        credentials = self.load(files)
        self.assertFalse(credentials.changed())
        write(self.folder, "a", self.authority.issue("new.test"))
        self.assertTrue(credentials.changed())
        self.assertTrue(credentials.reload())
        self.assertEqual(credentials.pairs[0].names, {"new.test"})
        files[0].write_bytes(b"nothing")
        self.assertTrue(credentials.changed())
        self.assertFalse(credentials.reload())
        self.assertFalse(credentials.changed())
        self.assertIn("holds no certificate", credentials.problem)
        self.assertEqual(credentials.pairs[0].names, {"new.test"})
        write(self.folder, "a", self.authority.issue("third.test"))
        self.assertTrue(credentials.reload())
        self.assertEqual(credentials.problem, "")


class PeerNameTests(SynchronousTestCase):
    """Who a certificate is for (RFC 5922 section 7)."""

    def names(self, *names: str, common: str = "") -> frozenset[str]:
        pem, _ = Authority().issue(*names, common=common)
        return names_of(x509.load_pem_x509_certificate(pem))

    def test_identities(self) -> None:
        """SIP URIs before DNS names before the common name; a user part makes no domain."""
        for names, common, expected in (
            (("sip:Example.COM", "other.test"), "", {"example.com"}),
            (("sip:alice@example.com", "dns.test"), "", {"dns.test"}),
            (("sips:example.com", "dns.test"), "", {"dns.test"}),
            (("one.test", "two.test"), "three.test", {"one.test", "two.test"}),
            ((), "common.test", {"common.test"}),
            (("sip:example.com", "192.0.2.1", "::1"), "", {"example.com", "192.0.2.1", "[::1]"}),
        ):
            self.assertEqual(self.names(*names, common=common), expected)

    def test_match(self) -> None:
        """Names match whole: a wildcard names nobody (7.2), nor does a domain its hosts."""
        names = self.names("*.example.com", "example.com", "2001:db8::1")
        self.assertTrue(covers(names, "example.com"))
        self.assertTrue(covers(names, "2001:db8::1"))
        self.assertTrue(covers(names, "[2001:db8::1]"))
        self.assertFalse(covers(names, "a.example.com"))
        self.assertFalse(covers(names, "com"))

    def test_addresses(self) -> None:
        """Addresses are told from names."""
        for host, is_one in (("192.0.2.1", 1), ("::1", 1), ("[::1]", 1), ("a.test", 0), ("", 0)):
            self.assertEqual(is_address(host), bool(is_one))
