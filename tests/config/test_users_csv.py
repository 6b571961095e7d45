"""The 61-column CSV file."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from config.exchange import users_csv
from config.exchange.users_csv import COLUMNS, EXTRA, BadRow, Row, edit_of, read, row_of, write
from config.model.user import User, UserEdit, edited, errors


def rows(text: str | bytes) -> list[Row | BadRow]:
    """Read a file behind a header."""
    octets = text if isinstance(text, bytes) else text.encode()
    return list(read((b"User name,PIN\r\n" + octets).splitlines(keepends=True)))


def edits(text: str | bytes) -> list[UserEdit | BadRow]:
    """Read a file behind a header, and what its rows ask for."""
    return [edit_of(row) if isinstance(row, Row) else row for row in rows(text)]


class ReadTests(SynchronousTestCase):
    """What is read."""

    def test_columns(self) -> None:
        """There are 61, and their places are those of sipXecs."""
        self.assertEqual(len(COLUMNS), 61)
        self.assertEqual(len(set(COLUMNS)), 61)
        for place, label in {
            0: "User name",
            3: "SIP password",
            6: "User alias",
            13: "Im Id",
            25: "Did number",
            44: "Active greeting",
            52: "Caller ID",
            56: "Auth Account Name",
            60: "Custom 3",
        }.items():
            self.assertEqual(COLUMNS[place], label)

    def test_short_row(self) -> None:
        """Trailing columns may be missing, and a blank cell says nothing."""
        (edit,) = edits("200,,,,Anna\n")
        self.assertEqual(edit, UserEdit(name="200", first_name="Anna"))

    def test_full_row(self) -> None:
        """Every column ends up in a field, among the extras or among the secrets."""
        cells = ["200", "1234", "5678", "secret-200", "Anna", "B", "1 2  1 200", "a@b.example"]
        cells += [f"v{place}" for place in range(8, 61)]
        (edit,) = edits(",".join(cells))
        assert isinstance(edit, UserEdit)
        self.assertEqual(
            (edit.name, edit.password, edit.first_name, edit.last_name, edit.aliases, edit.email),
            ("200", "secret-200", "Anna", "B", ("1", "2"), "a@b.example"),
        )
        self.assertEqual(
            dict(edit.secrets),
            {
                "PIN": "1234",
                "Voicemail PIN": "5678",
                "Additional phone settings": "v54",
                "Additional line settings": "v55",
            },
        )
        self.assertEqual(edit.extras["Job Title"], "v17")
        self.assertEqual(len(edit.extras) + len(edit.secrets), 61 - 6)
        self.assertEqual(list(errors(edit, new=True)), [])

    def test_header(self) -> None:
        """The header is no user; empty rows are none either."""
        self.assertEqual(list(read([b"USER NAME,Pin\n", b"\n", b",,\n", b" , \n"])), [])
        self.assertEqual(list(read([])), [])

    def test_byte_order_mark(self) -> None:
        """A mark at the beginning is not part of the header, quoted or not."""
        for header in (b"\xef\xbb\xbfUser name\n", b'\xef\xbb\xbf"User name",PIN\n'):
            self.assertEqual(list(read([header, b"200\n"])), [Row(2, ["200"])])

    def test_no_header(self) -> None:
        """A file without its header is refused: its first user would be taken for it."""
        for first in ("200,1234", "User name?,1", '"200', ""):
            (bad,) = read([f"{first}\n".encode(), b"201,1234\n"])
            assert isinstance(bad, BadRow)
            self.assertEqual(bad.line, 1)
            self.assertIn("not the header", bad.reason)
            self.assertNotIn("1234", bad.reason)
        self.assertEqual(list(read([])), [])

    def test_separators(self) -> None:
        """Semicolons and tabs separate as well, when the header is written so."""
        for separator in (",", ";", "\t"):
            lines = [
                separator.join(cells).encode()
                for cells in (["user name", "Pin", "x", "SIP Password\n"], ["200", "", "", "pw\n"])
            ]
            self.assertEqual(list(read(lines)), [Row(2, ["200", "", "", "pw"])], separator)

    def test_another_separator_than_the_header(self) -> None:
        """A row separated otherwise would have a password in its name: refused, not repeated."""
        for separator in (";", "\t"):
            (bad,) = edits(separator.join(["200", "1234", "", "secret-pw"]) + "\n")
            assert isinstance(bad, BadRow)
            self.assertIn("one separator", bad.reason)
            self.assertNotIn("1234", bad.reason)
            self.assertNotIn("secret", bad.reason)

    def test_quotes(self) -> None:
        """Quotes are as the csv module has them; lines are counted in the file."""
        cells = ["201", *[""] * 7, "two\nlines"]
        self.assertEqual(
            rows('"200","a ""b"", c"\r\n201,,,,,,,,"two\nlines"\n202\n'),
            [Row(2, ["200", 'a "b", c']), Row(3, cells), Row(5, ["202"])],
        )

    def test_quote_left_open(self) -> None:
        """What a quote that is not closed took with it is named, to the end of the file or not."""
        (bad,) = rows('200,"1\n201,2\n202,3\n')
        assert isinstance(bad, BadRow)
        self.assertIn("lines 2 to 4 were not read", bad.reason)
        bad, good = rows('200,"1\n201,"\n202,3\n')
        assert isinstance(bad, BadRow)
        self.assertIn("lines 2 to 3 were read as one", bad.reason)
        self.assertEqual(good, Row(4, ["202", "3"]))

    def test_not_utf8(self) -> None:
        """A row that is not UTF-8 is reported, and the next is read."""
        bad, good = rows(b"200,,,,Ren\xe9\n201\n")
        assert isinstance(bad, BadRow)
        self.assertEqual(bad.line, 2)
        self.assertIn("First name is not UTF-8", bad.reason)
        self.assertEqual(good, Row(3, ["201"]))

    def test_no_name(self) -> None:
        """A row needs a user name."""
        for text, words in ((",,,x", "no user name"), ("," * 9 + "0011", "a phone but no user")):
            (bad,) = edits(text)
            assert isinstance(bad, BadRow)
            self.assertIn(words, bad.reason)

    def test_too_many_columns(self) -> None:
        """A row with something in a 62nd column is reported."""
        bad, good = edits("200" + "," * 61 + "x\n201" + "," * 70)
        assert isinstance(bad, BadRow)
        self.assertIn("more than 61", bad.reason)
        self.assertEqual(good, UserEdit(name="201"))

    def test_open_quote(self) -> None:
        """A quote that is not closed costs a bounded number of rows."""
        lines = [
            b"User name,PIN\n",
            b'200,"open\n',
            *(b"%d,%s\n" % (n, b"x" * 90) for n in range(3000)),
        ]
        found = list(read(lines))
        assert isinstance(found[0], BadRow)
        self.assertEqual(found[0].line, 2)
        self.assertIn("is a quote not closed?", found[0].reason)
        self.assertGreater(len([row for row in found if isinstance(row, Row)]), 2000)

    def test_limits(self) -> None:
        """Cells and rows have limits."""
        (bad,) = rows("200,,,," + "x" * 3000)
        assert isinstance(bad, BadRow)
        self.assertIn("First name is longer than", bad.reason)
        self.patch(users_csv, "ROWS_LIMIT", 2)
        found = rows("1\n2\n3\n4\n")
        self.assertEqual([row.line for row in found], [2, 3, 4])
        assert isinstance(found[-1], BadRow)
        self.assertIn("more than 2 rows", found[-1].reason)

    @given(st.lists(st.binary(max_size=60), max_size=8))
    def test_anything(self, lines: Sequence[bytes]) -> None:
        """Whatever a file holds, there are rows and bad rows."""
        for row in read([b"User name\n", *(line + b"\n" for line in lines)]):
            found = edit_of(row) if isinstance(row, Row) else row
            if isinstance(found, UserEdit):
                list(errors(found, new=True))


text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20).map(
    str.strip
)
name = st.text("abc019-_.!*'()&=+$,;?", min_size=1, max_size=8).map(lambda part: "9" + part)
users = st.builds(
    User,
    name=name,
    first_name=text,
    last_name=text,
    email=text,
    aliases=st.lists(name, unique=True, max_size=3).map(tuple),
    extras=st.dictionaries(
        st.sampled_from([COLUMNS[place] for place in EXTRA]), text.filter(bool), max_size=5
    ),
)


class RoundTripTests(SynchronousTestCase):
    """What is written is read again."""

    @given(st.lists(users, max_size=4))
    def test_round_trip(self, given_users: Sequence[User]) -> None:
        """Users come back from their file as they went."""
        octets = "".join(write(given_users)).encode()
        found = []
        for row in read(octets.splitlines(keepends=True)):
            assert isinstance(row, Row)
            edit = edit_of(row)
            assert isinstance(edit, UserEdit), edit
            found.append(edited(User(name=edit.name), edit))
        self.assertEqual(
            found,
            [
                User(
                    name=user.name,
                    first_name=user.first_name,
                    last_name=user.last_name,
                    email=user.email,
                    aliases=tuple(alias for alias in user.aliases if alias != user.name),
                    extras=dict(user.extras),
                )
                for user in given_users
            ],
        )

    def test_no_secrets(self) -> None:
        """What is secret has blank cells."""
        cells = row_of(User(name="200", extras={"PIN": "1", "SIP password": "2", "Custom 1": "3"}))
        self.assertEqual([cell for cell in cells if cell], ["200", "3"])
