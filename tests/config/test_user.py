"""The rules of users: one error a field, in words."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from config.model.password import ALPHABET, LENGTH, random_password
from config.model.user import ALIASES_LIMIT, NAME_LIMIT, User, UserEdit, edited, errors

PASSWORD = "tell-nobody-1"


def wrong(*, new: bool = True, **fields: Any) -> dict[str, str]:
    """Find the errors of an edit that is otherwise good."""
    edit = UserEdit(**{"name": "200", "password": PASSWORD, **fields})
    found = list(errors(edit, new=new))
    assert len({error.field for error in found}) == len(found)
    return {error.field: error.message for error in found}


class UserTests(SynchronousTestCase):
    """What a user may be."""

    def test_good(self) -> None:
        """What a SIP user part may hold unescaped is a name."""
        for name in ("200", "anna", "A.b-c_d!e~f*g'h(i)", "a&=+$,;?", "*97", "+4930123", "~1"):
            self.assertEqual(wrong(name=name), {}, name)

    def test_bad_names(self) -> None:
        """A bad name says what is wrong with it."""
        for name, words in {
            "": "is missing",
            "~~vm~200": "begins with ~~",
            "a b": "may not hold",
            "änna": "without accents",
            "a@b": "may not hold",
            "a%41": "may not hold",
            "200/phone": "slash",
            "a" * (NAME_LIMIT + 1): f"longer than {NAME_LIMIT}",
            "..": "neither a letter nor a digit",
            "a\n": "may not hold",
        }.items():
            self.assertIn(words, wrong(name=name)["name"], name)

    def test_password(self) -> None:
        """A bad password says why, and never itself."""
        for password, words in {
            "short77": "shorter than 8",
            "tab\tinside1": "control character",
            "x" * 129: "longer than 128",
            " leading blank": "blank",
        }.items():
            message = wrong(password=password)["password"]
            self.assertIn(words, message)
            self.assertNotIn(password, message)
        self.assertEqual(wrong(password=None), {"password": "is missing"})
        self.assertEqual(wrong(password=None, new=False), {})

    def test_all_at_once(self) -> None:
        """Every wrong field is named."""
        found = wrong(
            name="",
            first_name="x" * 129,
            last_name="a\x00b",
            email="nobody",
            aliases=("300", "300"),
            password="x",
            extras={"Job Title": "\x1b[2J"},
        )
        self.assertEqual(
            sorted(found),
            ["aliases", "email", "extras", "first_name", "last_name", "name", "password"],
        )

    def test_aliases(self) -> None:
        """Aliases keep the rules of names and are different from each other."""
        for aliases, words in (
            (("a b",), "'a b', which holds"),
            (("~~x",), "begins with ~~"),
            (("200",), "own name"),
            (("1", "1"), "twice"),
            (("",), "empty"),
            (tuple(map(str, range(1000, 1001 + ALIASES_LIMIT))), "more than"),
        ):
            self.assertIn(words, wrong(aliases=aliases)["aliases"])
        self.assertEqual(wrong(aliases=("300", "a/b")), {})

    def test_edited(self) -> None:
        """None leaves a field as it is; extras are put beside those there are."""
        user = User(name="200", first_name="A", aliases=("1",), extras={"x": "1", "y": "1"})
        edit = UserEdit(name="200", last_name="B", enabled=False, extras={"y": "2", "z": "2"})
        self.assertEqual(
            edited(user, edit),
            User(
                name="200",
                first_name="A",
                last_name="B",
                aliases=("1",),
                enabled=False,
                extras={"x": "1", "y": "2", "z": "2"},
            ),
        )

    def test_random_password(self) -> None:
        """A random password can be read aloud, and is valid."""
        drawn = {random_password() for _ in range(100)}
        self.assertEqual(len(drawn), 100)
        for password in drawn:
            self.assertEqual(wrong(password=password), {})
            self.assertEqual(len(password), LENGTH)
            self.assertLessEqual(set(password), set(ALPHABET))
        self.assertFalse(set("il1o0") & set(ALPHABET))

    def test_silent(self) -> None:
        """An edit does not show its secrets."""
        edit = UserEdit(name="200", password=PASSWORD, secrets={"PIN": "98765"})
        self.assertNotIn(PASSWORD, repr(edit))
        self.assertNotIn("98765", repr(edit))

    @given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=20))
    def test_anything(self, name: str, alias: str, text: str) -> None:
        """Whatever is said, the answer is errors in words and nothing else."""
        edit = UserEdit(
            name=name,
            aliases=(alias,),
            first_name=text,
            email=text,
            password=text,
            extras={text: text},
        )
        for error in errors(edit, new=True):
            self.assertTrue(error.message.isprintable(), error)
