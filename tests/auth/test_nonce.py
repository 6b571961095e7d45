"""Tests of sipx.auth.nonce: what is taken, what is not, and that the table is bounded."""

from __future__ import annotations

import hmac
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.auth.nonce import CLOCK_TOLERANCE, LIFE, Nonces, Verdict

KEY = b"k" * 32
REALM = "sipx-1"
START = 1_700_000_000.5


def make(most: int = 1000, seed: int = 1, key: bytes = KEY, realm: str = REALM) -> Nonces:
    """Make nonces whose randomness repeats."""
    return Nonces(key, realm, most, random.Random(seed).randbytes)


class NonceTests(SynchronousTestCase):
    """Issue and check."""

    def test_valid_for_its_life(self) -> None:
        """A nonce is good from its issue until its life is over."""
        nonces = make()
        nonce = nonces.issue(START)
        for after, verdict in (
            (0.0, Verdict.VALID),
            (LIFE - 1.0, Verdict.VALID),
            (LIFE + 1.0, Verdict.EXPIRED),
            (3600.0, Verdict.EXPIRED),
        ):
            self.assertIs(nonces.check(nonce, START + after), verdict)

    def test_looks(self) -> None:
        """A nonce is a token of hexadecimal digits that begins with its time."""
        nonce = make().issue(START)
        self.assertRegex(nonce, r"^[0-9a-f]{56}$")
        self.assertEqual(int(nonce[:8], 16), int(START))

    def test_is_hmac_sha256(self) -> None:
        """The last 32 digits are half an HMAC-SHA256 of the others."""
        nonce = make().issue(START)
        key = hmac.digest(KEY, REALM.encode(), "sha256")
        expected = hmac.digest(key, nonce[:24].encode(), "sha256").hex()[:32]
        self.assertEqual(nonce[24:], expected)

    def test_no_two_alike(self) -> None:
        """Nonces of the same moment differ, also beyond the pool of random octets."""
        nonces = make()
        self.assertEqual(len({nonces.issue(START) for _ in range(2000)}), 2000)

    def test_forged(self) -> None:
        """Another key, another realm, any digit changed, and what is no nonce at all."""
        nonces = make()
        self.assertIs(make(key=b"l" * 32).check(nonces.issue(START), START), Verdict.FORGED)
        self.assertIs(make(realm="sipx-2").check(nonces.issue(START), START), Verdict.FORGED)
        nonce = nonces.issue(START)
        for position, digit in enumerate(nonce):
            other = "0" if digit != "0" else "1"
            altered = nonce[:position] + other + nonce[position + 1 :]
            self.assertIs(nonces.check(altered, START), Verdict.FORGED)
        for text in ("", "x", nonce[:-1], nonce + "0", nonce.upper(), "ü" + nonce[1:], "g" * 56):
            self.assertIs(nonces.check(text, START), Verdict.FORGED, text)

    def test_altered_after_use(self) -> None:
        """That a nonce is known vouches for none that looks like it."""
        nonces = make()
        nonce = nonces.issue(START)
        nonces.use(nonce, 1, START)
        self.assertIs(nonces.check(nonce, START), Verdict.VALID)
        altered = nonce[:-1] + ("0" if nonce[-1] != "0" else "1")
        self.assertIs(nonces.check(altered, START), Verdict.FORGED)
        self.assertIs(nonces.check(nonce, START + LIFE + 1), Verdict.EXPIRED)

    def test_other_node(self) -> None:
        """Nodes with one key take each other's nonces when their clocks roughly agree."""
        here, there = make(seed=1), make(seed=2)
        nonce = there.issue(START + CLOCK_TOLERANCE - 1)
        self.assertIs(here.check(nonce, START), Verdict.VALID)
        self.assertTrue(here.use(nonce, 7, START))
        self.assertIs(here.check(there.issue(START + CLOCK_TOLERANCE + 1), START), Verdict.EXPIRED)
        self.assertIs(here.check(there.issue(START - LIFE - 1), START), Verdict.EXPIRED)

    @settings(derandomize=True, deadline=None)
    @given(st.text(max_size=60) | st.text("0123456789abcdef+_ ", min_size=56, max_size=56))
    def test_any_text(self, text: str) -> None:
        """Whatever a peer sends as a nonce is forged."""
        self.assertIs(make().check(text, START), Verdict.FORGED)


class CountTests(SynchronousTestCase):
    """The nonce count."""

    def test_rises(self) -> None:
        """A count must be higher than all before; the first may be any."""
        nonces = make()
        nonce = nonces.issue(START)
        taken = [nonces.use(nonce, count, START) for count in (3, 3, 2, 4, 9, 8, 9, 10)]
        self.assertEqual(taken, [True, False, False, True, True, False, False, True])

    def test_kept_as_long_as_the_nonce_lives(self) -> None:
        """An answer cannot be repeated while its nonce is valid, nor after."""
        nonces = make()
        nonce = nonces.issue(START)
        for after in range(0, LIFE, 10):
            stamp = START + after
            self.assertIs(nonces.check(nonce, stamp), Verdict.VALID)
            self.assertEqual(nonces.use(nonce, 1, stamp), after == 0)
            nonces.use(nonces.issue(stamp), 1, stamp)
        self.assertIs(nonces.check(nonce, START + LIFE + 1), Verdict.EXPIRED)

    def test_forgotten_with_the_nonce(self) -> None:
        """Nothing stays when all nonces have expired."""
        nonces = make()
        for after in range(100):
            nonces.use(nonces.issue(START + after), 1, START + after)
        self.assertEqual(nonces.counted(START + 100), 100)
        self.assertEqual(nonces.counted(START + LIFE + 49), 50)
        self.assertEqual(nonces.counted(START + LIFE + 101), 0)

    def test_eviction(self) -> None:
        """A full table closes the second it knows longest: those nonces are dead, not fresh."""
        nonces = make(most=10)
        used = [nonces.issue(START + index // 2) for index in range(10)]
        unused = nonces.issue(START)
        for nonce in used:
            self.assertTrue(nonces.use(nonce, 1, START + 5))
        self.assertEqual(nonces.counted(START + 5), 10)
        self.assertTrue(nonces.use(nonces.issue(START + 5), 1, START + 5))
        self.assertEqual(nonces.counted(START + 5), 9)
        self.assertEqual(nonces.evicted, 2)
        for nonce in (*used[:2], unused):
            self.assertIs(nonces.check(nonce, START + 5), Verdict.EXPIRED)
        for nonce in used[2:]:
            self.assertIs(nonces.check(nonce, START + 5), Verdict.VALID)
            self.assertFalse(nonces.use(nonce, 1, START + 5))

    def test_eviction_of_the_same_second(self) -> None:
        """A nonce of the second that has to go is not taken, and the table stays bounded."""
        nonces = make(most=10)
        taken = [nonces.use(nonces.issue(START), 1, START) for _ in range(11)]
        self.assertEqual(taken, [True] * 10 + [False])
        self.assertEqual(nonces.counted(START), 0)
        self.assertIs(nonces.check(nonces.issue(START), START), Verdict.EXPIRED)
        self.assertIs(nonces.check(nonces.issue(START + 1), START + 1), Verdict.VALID)

    def test_a_node_whose_clock_is_ahead(self) -> None:
        """Its nonces are closed in their turn: they do not crowd out our own."""
        here, there = make(most=10), make(seed=2)
        for index in range(100):
            stamp = START + index
            self.assertTrue(here.use(there.issue(stamp + 30), 1, stamp))
            nonce = here.issue(stamp)
            self.assertIs(here.check(nonce, stamp), Verdict.VALID)
            self.assertTrue(here.use(nonce, 1, stamp))
            self.assertLessEqual(here.counted(stamp), 10)

    def test_never_above_the_limit(self) -> None:
        """Whatever happens in whatever order, no answer is taken twice."""
        chance = random.Random(5)
        nonces = make(most=50)
        seen: set[tuple[str, int]] = set()
        alive: list[str] = []
        stamp = START
        for _ in range(5000):
            stamp += chance.choice((0, 0, 0.2, 1)) if chance.random() < 0.99 else 200
            alive.append(nonces.issue(stamp))
            nonce = chance.choice(alive[-80:])
            count = chance.randrange(1, 4)
            if nonces.check(nonce, stamp) is Verdict.VALID and nonces.use(nonce, count, stamp):
                self.assertNotIn((nonce, count), seen)
                seen.add((nonce, count))
            self.assertLessEqual(nonces.counted(stamp), 50)
        self.assertGreater(nonces.evicted, 0)
