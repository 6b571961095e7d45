"""The 61-column CSV file of users, as sipXecs writes and reads it.

The first row is the header; a file without it is refused, or its first user would be lost.  The
header says whether commas, semicolons (as spreadsheets of many countries write them) or tabs
separate the columns.  Trailing columns may be missing; a blank cell says nothing.  Columns that
nothing uses yet are kept with the user.  A row that cannot be read is reported with its line,
and the rows after it are read.  No report repeats what is in a cell: it may be a password.

Standard library only: the command line uses it too.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from config.model.user import EXTRA_LIMIT, User, UserEdit

COLUMNS: Final = (
    "User name",
    "PIN",
    "Voicemail PIN",
    "SIP password",
    "First name",
    "Last name",
    "User alias",
    "EMail address",
    "User group",
    "Phone serial number",
    "Phone model",
    "Phone group",
    "Phone description",
    "Im Id",
    "Salutation",
    "Manager",
    "EmployeeId",
    "Job Title",
    "Job department",
    "Company name",
    "Assistant name",
    "Cell phone number",
    "Home phone number",
    "Assistant phone number",
    "Fax number",
    "Did number",
    "Alternate email",
    "Alternate im",
    "Location",
    "Home street",
    "Home city",
    "Home state",
    "Home country",
    "Home zip",
    "Office street",
    "Office city",
    "Office state",
    "Office country",
    "Office zip",
    "Office mail stop",
    "Twitter",
    "Linkedin",
    "Facebook",
    "Xing",
    "Active greeting",
    "Email voicemail notification",
    "Email format",
    "Email attach audio",
    "Alternate email voicemail notification",
    "Alternate email format",
    "Alternate email attach audio",
    "Internal Voicemail Server",
    "Caller ID",
    "Block Caller ID",
    "Additional phone settings",
    "Additional line settings",
    "Auth Account Name",
    "EMail address aliases",
    "Custom 1",
    "Custom 2",
    "Custom 3",
)
NAME, PIN, VOICEMAIL_PIN, PASSWORD, FIRST_NAME, LAST_NAME, ALIASES, EMAIL = range(8)
# Kept sealed, never written: PINs, and settings that hold passwords of phones.
SECRET: Final = (PIN, VOICEMAIL_PIN, 54, 55)
# Kept and shown.
EXTRA: Final = tuple(place for place in range(8, len(COLUMNS)) if place not in SECRET)

FILE_LIMIT: Final = 64 * 1024 * 1024  # octets: 200 000 long rows
ROWS_LIMIT: Final = 200_000  # more users than one node carries
ROW_LIMIT: Final = 64 * 1024  # characters: sixty full cells; a quote that never ends stops here


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file.

    Attributes:
        line: where it begins, 1 is the first line of the file.
        cells: as they are written, without quotes.
    """

    line: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read.

    Attributes:
        line: where it begins.
        reason: why, in words that follow the line.
    """

    line: int
    reason: str


class _RowTooLong(Exception):
    """The row that is being read does not end."""


def read(lines: Iterable[bytes]) -> Iterator[Row | BadRow]:
    """Read the rows of a file, without its header and without empty rows.

    Args:
        lines: of the file, with their line ends.

    Returns:
        The rows in order.  The last one is a BadRow when the file goes past ROWS_LIMIT.
    """
    source = _Lines(lines)
    header = source.take()
    if header is None:
        return
    delimiter = _delimiter(header)
    if not delimiter:
        yield BadRow(
            1,
            "this is not the header, a row that names the columns: put"
            f" {','.join(COLUMNS[:4])},... before the first user; nothing was read",
        )
        return
    rows = csv.reader(source, delimiter=delimiter, strict=True)
    count = 0
    while True:
        source.begin()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except _RowTooLong:
            found: Row | BadRow = BadRow(
                source.first,
                f"the row is longer than {ROW_LIMIT} characters, up to line {source.line}; is a"
                " quote not closed?",
            )
        except csv.Error as error:
            found = BadRow(source.first, _what_is_wrong(error, source))
        else:
            found = _row(source.first, source.line, cells)
        if isinstance(found, Row) and not any(cell.strip() for cell in found.cells):
            continue
        count += 1
        if count > ROWS_LIMIT:
            yield BadRow(
                source.first, f"the file has more than {ROWS_LIMIT} rows; the rest is left out"
            )
            return
        yield found


def read_text(text: str, first_line: int = 1) -> Iterator[Row | BadRow]:
    """Read a file that is in memory as text."""
    octets = io.BytesIO(text.encode("utf-8", "surrogatepass"))
    for found in read(octets):
        if isinstance(found, Row):
            yield Row(found.line + first_line - 1, found.cells)
        else:
            yield BadRow(found.line + first_line - 1, found.reason)


def edit_of(row: Row) -> UserEdit | BadRow:
    """Say what a row asks for; whether that is valid is asked elsewhere."""
    cells = [cell.strip() for cell in row.cells[: len(COLUMNS)]]
    if len(cells) == 1 and (";" in cells[NAME] or "\t" in cells[NAME]):
        return BadRow(
            row.line,
            "its columns are not separated as the header's are: one separator for the whole file",
        )
    if any(cell.strip() for cell in row.cells[len(COLUMNS) :]):
        return BadRow(row.line, f"the row has more than {len(COLUMNS)} columns")
    cells += [""] * (len(COLUMNS) - len(cells))
    if not cells[NAME]:
        if cells[9]:
            return BadRow(
                row.line, "the row has a phone but no user name; phones are not imported yet"
            )
        return BadRow(row.line, "the row has no user name")
    return UserEdit(
        name=cells[NAME],
        first_name=cells[FIRST_NAME] or None,
        last_name=cells[LAST_NAME] or None,
        email=cells[EMAIL] or None,
        aliases=_aliases(cells[NAME], cells[ALIASES]),
        password=_password(row.cells),
        extras={COLUMNS[place]: cells[place] for place in EXTRA if cells[place]},
        secrets={COLUMNS[place]: cells[place] for place in SECRET if cells[place]},
    )


def row_of(user: User) -> list[str]:
    """Write a user as a row; the cells of what is secret are blank."""
    cells = [""] * len(COLUMNS)
    cells[NAME] = user.name
    cells[FIRST_NAME] = user.first_name
    cells[LAST_NAME] = user.last_name
    cells[ALIASES] = " ".join(user.aliases)
    cells[EMAIL] = user.email
    for place in EXTRA:
        cells[place] = user.extras.get(COLUMNS[place], "")
    return cells


def write(users: Iterable[User]) -> Iterator[str]:
    """Write users as a file, header first, a piece of text at a time."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for cells in _with_header(users):
        writer.writerow(cells)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def kept_columns(cells: Sequence[str]) -> Iterator[str]:
    """Name the columns of a row that are kept without being used."""
    for place, cell in enumerate(cells[: len(COLUMNS)]):
        if (place in SECRET or place >= 8) and cell.strip():
            yield COLUMNS[place]


class _Lines:
    """Lines as text, with the bound that keeps an open quote from eating the file."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.line = 0  # the last one that was read
        self.first = 1  # the first one of the row
        self._taken = 0

    def take(self) -> str | None:
        """Take the header; None when the file is empty."""
        try:
            return next(self)
        except StopIteration:
            return None
        except _RowTooLong:
            return ""

    def begin(self) -> None:
        """A new row begins with the next line."""
        self.first = self.line + 1
        self._taken = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        octets = next(self._lines)
        self.line += 1
        # What is not UTF-8 is found again in the cells.
        text = octets.decode("utf-8-sig" if self.line == 1 else "utf-8", "surrogateescape")
        self._taken += len(text)
        if self._taken > ROW_LIMIT:
            raise _RowTooLong
        return text


def _delimiter(header: str) -> str:
    """Find what separates the columns; empty when this is no header."""
    known = {_plain(name) for name in COLUMNS}
    for delimiter in (",", ";", "\t"):
        try:
            cells = next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:
            continue
        if not cells or _plain(cells[0]) != _plain(COLUMNS[NAME]):
            continue
        # A file may have the names of users and nothing else.
        if len(cells) == 1 or any(_plain(cell) in known for cell in cells[1:]):
            return delimiter
    return ""


def _plain(name: str) -> str:
    return name.replace(" ", "").replace("-", "").strip().lower()


def _what_is_wrong(error: csv.Error, source: _Lines) -> str:
    if "unexpected end" in str(error):
        return (
            f"a quote that is opened in this row is never closed: lines {source.first} to"
            f" {source.line} were not read"
        )
    return f"{error}; a quote inside a quoted cell is written twice"


def _row(line: int, last: int, cells: list[str]) -> Row | BadRow:
    if last > line and any("\n" in cell for cell in cells[:8]):
        return BadRow(
            line, f"a quote is not closed: lines {line} to {last} were read as one, and left out"
        )
    for place, cell in enumerate(cells[: len(COLUMNS)]):
        if not cell.isascii() and any("\ud800" <= letter <= "\udfff" for letter in cell):
            return BadRow(line, f"{COLUMNS[place]} is not UTF-8 text; save the file as UTF-8")
        if len(cell) > EXTRA_LIMIT:
            return BadRow(line, f"{COLUMNS[place]} is longer than {EXTRA_LIMIT} characters")
    return Row(line, cells)


def _aliases(name: str, cell: str) -> tuple[str, ...] | None:
    """The aliases of a cell.  Files in the field repeat some, or the user's own name."""
    if not cell:
        return None
    return tuple(alias for alias in dict.fromkeys(cell.split()) if alias != name)


def _password(cells: Sequence[str]) -> str | None:
    """A password is taken as it is, blanks and all, unless there is nothing else to it."""
    password = cells[PASSWORD] if len(cells) > PASSWORD else ""
    return password if password.strip() else None


def _with_header(users: Iterable[User]) -> Iterator[Sequence[str]]:
    yield COLUMNS
    for user in users:
        yield row_of(user)
