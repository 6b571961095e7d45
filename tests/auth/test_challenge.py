"""Tests of sipx.auth.challenge: what is offered, in which order."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.auth.challenge import ChallengeWriter, parse_algorithms
from sipx.core.digest import MD5, SHA256, Challenge, parse_challenge


class ChallengeTests(SynchronousTestCase):
    """Challenges and the option that orders them."""

    def test_option(self) -> None:
        """``--digest`` takes each algorithm once, in any order."""
        self.assertEqual(parse_algorithms("md5,sha-256"), ("md5", "sha-256"))
        self.assertEqual(parse_algorithms("SHA-256, MD5"), ("sha-256", "md5"))
        self.assertEqual(parse_algorithms("md5"), ("md5",))
        for text in ("", "md5,", "md5,md5", "sha-512-256", "md5-sess", "md5 sha-256"):
            error = self.assertRaises(ValueError, parse_algorithms, text)
            self.assertEqual(str(error), "a list, separated by commas, of md5 and sha-256")

    def test_write(self) -> None:
        """One value per algorithm, with the same nonce."""
        writer = ChallengeWriter("sipx-1", (MD5, SHA256))
        self.assertEqual(
            writer.write("abc", False),
            [
                'Digest realm="sipx-1", nonce="abc", algorithm=MD5, qop="auth"',
                'Digest realm="sipx-1", nonce="abc", algorithm=SHA-256, qop="auth"',
            ],
        )

    def test_as_core_writes_it(self) -> None:
        """What is prepared is what Challenge writes, whatever the realm."""
        for realm in ("r", 'a "quoted" \\ one', 'nonce="x", algorithm=MD5', "ü"):
            for stale in (False, True):
                (value,) = ChallengeWriter(realm, (SHA256,)).write("abc", stale)
                challenge = Challenge(realm, "abc", "SHA-256", stale=stale)
                self.assertEqual(value, str(challenge))
                self.assertEqual(parse_challenge(value), challenge)
