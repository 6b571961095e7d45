"""Tests of sipx.auth.authenticator: who a request is from, and what strangers can find out."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipx.auth import authenticator as module
from sipx.auth.authenticator import (
    LONGEST_USERNAME,
    MOST_VALUES,
    Authenticator,
    Identity,
    Refusal,
)
from sipx.auth.interfaces import IAuthenticator
from sipx.auth.nonce import LIFE, Nonces
from sipx.auth.snapshot import Account, AccountSnapshot
from sipx.core import digest
from sipx.core.digest import MD5, SHA256, Challenge, answer, compute_ha1, parse_challenge
from sipx.core.errors import RemoteError
from sipx.core.grammar import quote

REALM = "sipx-1"
START = 1_700_000_000.5
FOREIGN = str(answer(Challenge("elsewhere", "n"), "200", "x", "INVITE", "sip:x", "c"))


def account(user: str, password: str) -> Account:
    """An account whose sealed password is the password backwards."""
    return Account(
        user,
        compute_ha1(MD5, user, REALM, password),
        compute_ha1(SHA256, user, REALM, password),
        password[::-1].encode(),
    )


class House:
    """An authenticator with the users 200 and 201, and all that can be seen of its work."""

    def __init__(
        self, algorithms: tuple[str, ...] = ("md5", "sha-256"), most_derived: int = 3
    ) -> None:
        self.accounts = {"200": account("200", "secret"), "201": account("201", "geheim")}
        self.unsealed: list[str] = []
        self.nonces = Nonces(b"k" * 32, REALM, random=random.Random(1).randbytes)
        self.auth = Authenticator(
            REALM,
            algorithms,
            self.nonces,
            lambda: AccountSnapshot(1, self.accounts),
            self.unseal,
            most_derived=most_derived,
        )

    def unseal(self, sealed: bytes, context: str) -> str:
        self.unsealed.append(context)
        return sealed.decode()[::-1]

    def challenge(self, index: int = 0, stamp: float = START) -> Challenge:
        challenge = parse_challenge(self.auth.challenges(False, stamp)[index])
        assert challenge is not None
        return challenge

    def value(
        self,
        username: str = "200",
        password: str = "secret",
        count: int = 1,
        challenge: Challenge | None = None,
    ) -> str:
        return str(
            answer(
                challenge or self.challenge(),
                username,
                password,
                "INVITE",
                "sip:pbx",
                "c",
                count,
            )
        )

    def verify(self, values: Sequence[str], stamp: float = START) -> Identity | Refusal:
        return self.auth.verify(values, "INVITE", stamp)


class VerifyTests(SynchronousTestCase):
    """Credentials and what they prove."""

    def test_interface(self) -> None:
        """It is an IAuthenticator."""
        self.assertTrue(verifyObject(IAuthenticator, House().auth))

    def test_right(self) -> None:
        """The right password, with either algorithm, is known by the account's HA1 alone."""
        house = House()
        for index in (0, 1):
            value = house.value(challenge=house.challenge(index))
            self.assertEqual(house.verify([value]), Identity("200", "", 0))
        self.assertEqual(house.auth.verified, 2)
        self.assertEqual(house.unsealed, [])

    def test_order_of_challenges(self) -> None:
        """Algorithms are offered as configured, stale or not."""
        for names, wire in (
            (("md5", "sha-256"), ["MD5", "SHA-256"]),
            (("sha-256", "md5"), ["SHA-256", "MD5"]),
            (("sha-256",), ["SHA-256"]),
        ):
            house = House(names)
            for stale in (False, True):
                read = [parse_challenge(each) for each in house.auth.challenges(stale, START)]
                self.assertEqual([each.algorithm for each in read if each], wire)
                self.assertEqual([each.stale for each in read if each], [stale] * len(wire))
                self.assertEqual(len({each.nonce for each in read if each}), 1)

    def test_missing(self) -> None:
        """What does not answer one of our challenges counts as no credentials."""
        house = House()
        nothing: list[list[str]] = [
            [],
            ["Basic YTpi"],
            [FOREIGN],
            ['Digest username="200", realm="sipx-1", nonce="", uri="sip:x", response=""'],
            [house.value().replace("algorithm=MD5", "algorithm=MD5-sess")],
            [house.value().replace("algorithm=MD5", "algorithm=SHA-512-256")],
            [house.value().replace("qop=auth, nc=00000001", "opaque=x")],
            [house.value().replace("qop=auth", "qop=auth-int")],
            [house.value().replace(REALM, REALM.upper())],
        ]
        for values in nothing:
            self.assertIs(house.verify(values), Refusal.MISSING, values)
        auth = house.auth
        self.assertEqual((auth.verified, auth.wrong, auth.stale), (0, 0, 0))

    def test_algorithm_not_offered(self) -> None:
        """A right answer with an algorithm that was not offered is refused."""
        house = House(("sha-256",))
        challenge = house.challenge()
        for name in ("MD5", "md5"):
            weak = Challenge(REALM, challenge.nonce, name)
            self.assertIs(house.verify([house.value(challenge=weak)]), Refusal.MISSING)
        silent = house.value(challenge=Challenge(REALM, challenge.nonce)).replace(
            "algorithm=MD5, ", ""
        )
        self.assertIs(house.verify([silent]), Refusal.MISSING)
        self.assertEqual(house.verify([house.value(challenge=challenge)]), Identity("200", "", 0))

    def test_algorithm_as_clients_write_it(self) -> None:
        """No algorithm means MD5; its name is compared without regard to case."""
        house = House()
        value = house.value().replace("algorithm=MD5, ", "")
        self.assertNotIn("algorithm", value)
        self.assertEqual(house.verify([value]), Identity("200", "", 0))
        for name in ("md5", "Sha-256"):
            challenge = Challenge(REALM, house.challenge().nonce, name)
            self.assertEqual(
                house.verify([house.value(challenge=challenge)]), Identity("200", "", 0)
            )

    def test_which_value(self) -> None:
        """The value for our realm is found among others, and said which it was."""
        house = House()
        self.assertEqual(
            house.verify([FOREIGN, "Basic YTpi", house.value(), FOREIGN]), Identity("200", "", 2)
        )
        unknown = house.value().replace("algorithm=MD5", "algorithm=SHA-512-256")
        self.assertEqual(house.verify([unknown, house.value()]), Identity("200", "", 1))

    def test_first_value_decides(self) -> None:
        """A request gets one guess, however many values for our realm it carries."""
        house = House()
        self.assertIs(house.verify([house.value(password="x"), house.value()]), Refusal.WRONG)
        self.assertEqual(house.auth.wrong, 1)

    def test_wrong(self) -> None:
        """Password, method, digest-uri: each one changed is wrong."""
        house = House()
        self.assertIs(house.verify([house.value(password="Secret")]), Refusal.WRONG)
        self.assertIs(house.auth.verify([house.value()], "REGISTER", START), Refusal.WRONG)
        self.assertIs(house.verify([house.value().replace("sip:pbx", "sip:other")]), Refusal.WRONG)
        self.assertIs(
            house.verify([house.value().replace('username="200"', 'username="201"')]),
            Refusal.WRONG,
        )
        self.assertEqual(house.auth.wrong, 4)

    def test_account_without_hash(self) -> None:
        """An account that lacks the HA1 of an algorithm lets nobody in with it."""
        house = House()
        house.accounts["202"] = Account("202", "", "", b"")
        challenge = house.challenge()
        params = dict(
            answer(challenge, "202", "", "INVITE", "sip:pbx", "c").params,
        )
        params["response"] = digest.compute_response(MD5, digest.Credentials(params), "", "INVITE")
        self.assertIs(house.verify([str(digest.Credentials(params))]), Refusal.WRONG)

    def test_malformed(self) -> None:
        """Malformed, too long, too many: 400."""
        house = House()
        for values in (
            ["Digest x"],
            [house.value(), 'Digest realm="sipx-1'][::-1],
            [FOREIGN] * (MOST_VALUES + 1),
            [house.value(username="2" * (LONGEST_USERNAME + 1))],
            [house.value(username="200/\udcff")],
            [house.value(username="200/\t")],
        ):
            error = self.assertRaises(RemoteError, house.verify, values)
            self.assertEqual(error.status, 400)

    def test_change_of_password(self) -> None:
        """The next request after a change of the snapshot needs the new password."""
        house = House()
        house.accounts = {"200": account("200", "new")}
        self.assertIs(house.verify([house.value()]), Refusal.WRONG)
        self.assertEqual(house.verify([house.value(password="new")]), Identity("200", "", 0))
        house.accounts = {}
        self.assertIs(house.verify([house.value(password="new")]), Refusal.WRONG)

    @settings(derandomize=True, deadline=None)
    @given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=20))
    def test_any_text(self, rest: str, username: str, nonce: str) -> None:
        """Whatever comes, it raises RemoteError or nothing, and lets nobody in."""
        house = House()
        value = house.value().replace('"200"', quote(username))
        for values in ([f"Digest {rest}"], [value], [value.replace("nonce=", f"nonce={nonce}")]):
            try:
                self.assertIsInstance(house.verify(values), Refusal)
            except RemoteError as error:
                self.assertEqual(error.status, 400)


class StaleTests(SynchronousTestCase):
    """Nonces that cannot be used, or not again."""

    def test_expired(self) -> None:
        """After its life a nonce is stale, with the right password and with a wrong one."""
        house = House()
        for password in ("secret", "x"):
            value = house.value(password=password)
            self.assertIs(house.verify([value], START + LIFE + 1), Refusal.STALE)
        self.assertEqual(house.auth.stale, 2)

    def test_not_ours(self) -> None:
        """A nonce of another key or none of a node's is stale: the phone shall try again."""
        house = House()
        for nonce in ("abc", Nonces(b"l" * 32, REALM).issue(START)):
            value = house.value(challenge=Challenge(REALM, nonce))
            self.assertIs(house.verify([value]), Refusal.STALE)

    def test_repeated(self) -> None:
        """The same answer again is stale, a higher count is right, a lower one stale."""
        house = House()
        challenge = house.challenge()
        results = [
            house.verify([house.value(count=count, challenge=challenge)])
            for count in (1, 1, 2, 5, 4, 6)
        ]
        right = Identity("200", "", 0)
        self.assertEqual(results, [right, Refusal.STALE, right, right, Refusal.STALE, right])
        self.assertEqual((house.auth.verified, house.auth.stale), (4, 2))

    def test_wrong_answers_spoil_nothing(self) -> None:
        """A stranger who sees a nonce cannot use up its counts."""
        house = House()
        challenge = house.challenge()
        stranger = house.value(password="x", count=0xFFFFFFFF, challenge=challenge)
        self.assertIs(house.verify([stranger]), Refusal.WRONG)
        self.assertEqual(house.nonces.counted(START), 0)
        self.assertEqual(house.verify([house.value(challenge=challenge)]), Identity("200", "", 0))

    def test_first_seen_elsewhere(self) -> None:
        """A phone that used a nonce at another node goes on counting at this one."""
        house, other = House(), House()
        challenge = other.challenge()
        self.assertEqual(
            house.verify([house.value(count=17, challenge=challenge)]), Identity("200", "", 0)
        )


class InstrumentTests(SynchronousTestCase):
    """``user/instrument`` authentication names."""

    def test_derived_once(self) -> None:
        """The password is unsealed when a name is first right, for both algorithms."""
        house = House()
        for index in (0, 1, 0):
            value = house.value("200/0004f2abcdef", challenge=house.challenge(index))
            self.assertEqual(house.verify([value]), Identity("200", "0004f2abcdef", 0))
        self.assertEqual(house.unsealed, ["password:200"])

    def test_first_slash_divides(self) -> None:
        """What follows the first slash is the instrument, more slashes included."""
        house = House()
        self.assertEqual(house.verify([house.value("200/a/b")]), Identity("200", "a/b", 0))
        self.assertEqual(house.verify([house.value("200/")]), Identity("200", "", 0))
        self.assertIs(house.verify([house.value("/200")]), Refusal.WRONG)

    def test_wrong_is_not_remembered(self) -> None:
        """Strangers do not fill the table of derived values, and always cost the same."""
        house = House()
        for _ in range(5):
            self.assertIs(house.verify([house.value("200/x", "bad")]), Refusal.WRONG)
        self.assertEqual(house.auth.remembered(), 0)
        self.assertEqual(len(house.unsealed), 5)

    def test_bounded(self) -> None:
        """The table drops what was used least lately."""
        house = House(most_derived=3)
        for name in ("200/a", "200/b", "200/c", "200/a", "200/d"):
            self.assertEqual(
                house.verify([house.value(name)]), Identity("200", name.partition("/")[2], 0)
            )
        self.assertEqual(house.auth.remembered(), 3)
        self.assertEqual(len(house.unsealed), 4)
        house.verify([house.value("200/a")])
        self.assertEqual(len(house.unsealed), 4)
        house.verify([house.value("200/b")])
        self.assertEqual(len(house.unsealed), 5)

    def test_change_of_password(self) -> None:
        """A derived value dies with the sealed password that it came from."""
        house = House()
        house.verify([house.value("200/a")])
        house.accounts = {"200": account("200", "new")}
        self.assertIs(house.verify([house.value("200/a")]), Refusal.WRONG)
        self.assertEqual(house.verify([house.value("200/a", "new")]), Identity("200", "a", 0))
        house.accounts = {"201": account("201", "geheim")}
        self.assertIs(house.verify([house.value("200/a", "new")]), Refusal.WRONG)


class StrangerTests(SynchronousTestCase):
    """An unknown user looks like a known one with a wrong password."""

    def work(self, house: House, username: str, index: int) -> tuple[object, ...]:
        """What verifying a wrong password comes to: result, hashes made, passwords opened."""
        hashed: list[str] = []
        value = house.value(username, "bad", challenge=house.challenge(index))

        def count(kept: digest.Algorithm) -> digest.Algorithm:
            def counted(text: str) -> str:
                hashed.append(kept.name)
                return kept.digest(text)

            return digest.Algorithm(kept.name, counted, kept.length)

        md5, sha256 = count(MD5), count(SHA256)
        self.patch(module, "MD5", md5)
        self.patch(module, "SHA256", sha256)
        self.patch(house.auth, "_offered", {"MD5": md5, "SHA-256": sha256})
        house.unsealed.clear()
        result = house.verify([value])
        return result, hashed, len(house.unsealed), house.auth.remembered()

    def test_same_work(self) -> None:
        """Result, number of hashes and of opened passwords do not tell who exists."""
        for index in (0, 1):
            for suffix in ("", "/x"):
                house = House()
                known = self.work(house, f"200{suffix}", index)
                unknown = self.work(house, f"999{suffix}", index)
                self.assertEqual(known, unknown)
                self.assertIs(unknown[0], Refusal.WRONG)

    def test_nobody_at_all(self) -> None:
        """A node without accounts refuses in the same way."""
        house = House()
        house.accounts = {}
        for username in ("200", "200/x", "", "/"):
            self.assertIs(house.verify([house.value(username)]), Refusal.WRONG)

    def test_the_dummy_opens_nothing(self) -> None:
        """Who knows the dummy HA1 is still nobody."""
        house = House()
        for username in ("999", "999/x"):
            for index in (0, 1):
                challenge = house.challenge(index)
                algorithm = digest.ALGORITHMS[challenge.algorithm]
                params = dict(answer(challenge, username, "", "INVITE", "sip:pbx", "c").params)
                params["response"] = digest.compute_response(
                    algorithm, digest.Credentials(params), "0" * algorithm.length, "INVITE"
                )
                self.assertIs(house.verify([str(digest.Credentials(params))]), Refusal.WRONG)

    def test_somebody_elses_password(self) -> None:
        """An unknown name with the password that it is tried against gets nowhere."""
        house = House()
        for password in ("secret", "geheim"):
            self.assertIs(house.verify([house.value("999/x", password)]), Refusal.WRONG)
