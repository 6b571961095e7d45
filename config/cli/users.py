"""The commands on users."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from config.cli.client import Client
from config.cli.errors import CommandError
from config.cli.output import Output, cell_text, safe
from config.model.password import random_password

Connect = Callable[[], Client]

BATCH_ROWS: Final = 250  # in one request: 15 ms of work for the node, and then others' turn
BATCH_LETTERS: Final = 100_000  # as JSON at most six octets each; a request may have a MiB
ERRORS_SHOWN: Final = 100  # bad rows on a terminal

_COLUMNS: Final = (
    ("NAME", "name"),
    ("FIRST NAME", "first_name"),
    ("LAST NAME", "last_name"),
    ("ALIASES", "aliases"),
    ("EMAIL", "email"),
    ("ENABLED", "enabled"),
)


def add(connect: Connect, output: Output, asked: Namespace) -> None:
    """Add a user."""
    password, drawn = _password(output, asked)
    body = {"name": asked.name, "password": password, **_person(asked)}
    user = connect().ask("POST", "users", body=body)
    _tell(output, user, drawn, "added")


def change(connect: Connect, output: Output, asked: Namespace) -> None:
    """Change a user."""
    body = _person(asked)
    if asked.no_alias:
        body["aliases"] = []
    if asked.enable and asked.disable:
        raise CommandError("--enable and --disable cannot both be meant.")
    if asked.enable or asked.disable:
        body["enabled"] = asked.enable
    if not body:
        raise CommandError("Nothing to change was said; `sipx user change --help` says what.")
    _tell(output, connect().ask("PATCH", "users", asked.name, body=body), None, "changed")


def passwd(connect: Connect, output: Output, asked: Namespace) -> None:
    """Give a user another password."""
    password, drawn = _password(output, asked)
    connect().ask("PUT", "users", asked.name, "password", body={"password": password})
    _tell(output, {"name": asked.name}, drawn, "has another password")


def list_all(connect: Connect, output: Output, asked: Namespace) -> None:
    """List all users."""
    users = connect().every("users", "users", query={}, page="after")
    if output.is_json:
        output.json(list(users))
    else:
        output.table(_COLUMNS, users)


def show(connect: Connect, output: Output, asked: Namespace) -> None:
    """Show one user."""
    user = connect().ask("GET", "users", asked.name)
    if output.is_json:
        output.json(user)
        return
    rows = [(heading.lower(), user[member]) for heading, member in _COLUMNS]
    rows += sorted(user["extras"].items())
    output.table(
        (("FIELD", "field"), ("VALUE", "value")),
        [{"field": field, "value": value} for field, value in rows],
    )


def remove(connect: Connect, output: Output, asked: Namespace) -> None:
    """Remove a user."""
    connect().ask("DELETE", "users", asked.name)
    _tell(output, {"name": asked.name}, None, "removed")


def take_in(connect: Connect, output: Output, asked: Namespace) -> int:
    """Import a file, in portions."""
    client = connect()
    total: dict[str, Any] = {
        "dry_run": asked.dry_run,
        "created": 0,
        "updated": 0,
        "unchanged": 0,
        "generated_passwords": 0,
        "kept_columns": [],
        "failed": [],
    }
    query = {"dry_run": "yes" if asked.dry_run else None}
    progress = output.progress()
    with _opened(asked.file) as file:
        lines = _Lines(file)
        for portion in _portions(lines, total["failed"]):
            answer = client.ask("POST", "users", "import", query=query, body={"rows": portion})
            for name in ("created", "updated", "unchanged", "generated_passwords"):
                total[name] += answer[name]
            total["failed"] += answer["failed"]
            total["kept_columns"] += [
                label for label in answer["kept_columns"] if label not in total["kept_columns"]
            ]
            progress(lines.part)
    progress(1.0)
    total["failed"].sort(key=lambda failed: failed["line"])
    if output.is_json:
        output.json(total)
    else:
        _summary(output, total)
    return 1 if total["failed"] else 0


def give_out(connect: Connect, output: Output, asked: Namespace) -> None:
    """Export all users."""
    from config.exchange import users_csv
    from config.model.user import User

    fields = ("name", "first_name", "last_name", "email", "enabled", "extras")
    users = (
        User(**{field: user[field] for field in fields}, aliases=tuple(user["aliases"]))
        for user in connect().every("users", "users", query={}, page="after")
    )
    text = users_csv.write(users)
    if asked.file == "-":
        for piece in text:
            output.raw(piece)
        return
    try:
        with open(asked.file, "w", encoding="utf-8", newline="") as file:
            file.writelines(text)
    except OSError as error:
        raise CommandError(f"{asked.file} cannot be written: {error.strerror}.") from error


def _password(output: Output, asked: Namespace) -> tuple[str, str | None]:
    """Find the password to set.

    Returns:
        The password, and the same again when it was drawn and has to be shown.
    """
    if asked.password is None:
        if not (output.is_json or output.on_terminal):
            raise CommandError(
                "A random password is shown only on a terminal or with -o json; give one with"
                " --password - on stdin."
            )
        drawn = random_password()
        return drawn, drawn
    if asked.password != "-":
        raise CommandError(
            "--password takes only -, and then a line of stdin: others see what is typed here."
        )
    if sys.stdin.isatty():
        from getpass import getpass

        try:
            return getpass("SIP password: "), None
        except EOFError as error:
            raise CommandError("No password was given; nothing was changed.") from error
    return sys.stdin.readline().rstrip("\r\n"), None


def _person(asked: Namespace) -> dict[str, Any]:
    fields = ("first_name", "last_name", "email", "aliases")
    return {field: getattr(asked, field) for field in fields if getattr(asked, field) is not None}


def _tell(output: Output, user: dict[str, Any], drawn: str | None, done: str) -> None:
    if output.is_json:
        output.json({**user, **({} if drawn is None else {"password": drawn})})
        return
    output.say(f"{safe(user['name'])}: {done}")
    if drawn is not None:
        output.say(f"password: {drawn}   (shown only now)")


class _Lines:
    """The lines of a file, and how much of it has been read."""

    def __init__(self, file: BinaryIO) -> None:
        from config.exchange.users_csv import FILE_LIMIT

        self._file = file
        self._limit = FILE_LIMIT
        self._size = os.fstat(file.fileno()).st_size
        self._read = 0
        if self._size > FILE_LIMIT:
            raise CommandError(f"The file is larger than {FILE_LIMIT // 1024 // 1024} MiB.")

    @property
    def part(self) -> float:
        """From 0.0 to 1.0; the end is not reported."""
        return min(0.99, self._read / self._size) if self._size else 0.0

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(self._limit):
            self._read += len(line)
            if self._read > self._limit:
                raise CommandError(f"The file is larger than {self._limit // 1024 // 1024} MiB.")
            yield line


def _opened(name: str) -> BinaryIO:
    try:
        return open(sys.stdin.fileno() if name == "-" else Path(name), "rb", closefd=name != "-")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error


def _portions(lines: Iterable[bytes], failed: list[dict[str, Any]]) -> Iterator[list[Any]]:
    """Read rows and give portions of them for one request each."""
    from config.exchange.users_csv import BadRow, read

    portion: list[Any] = []
    letters = 0
    for row in read(lines):
        if isinstance(row, BadRow):
            failed.append({"line": row.line, "reason": row.reason})
            continue
        portion.append([row.line, list(row.cells)])
        letters += sum(map(len, row.cells))
        if len(portion) >= BATCH_ROWS or letters >= BATCH_LETTERS:
            yield portion
            portion, letters = [], 0
    if portion:
        yield portion


def _summary(output: Output, total: dict[str, Any]) -> None:
    for failed in total["failed"][:ERRORS_SHOWN]:
        output.note(f"line {failed['line']}: {safe(failed['reason'])}")
    if (more := len(total["failed"]) - ERRORS_SHOWN) > 0:
        output.note(f"and {more} more; -o json has them all")
    output.say(
        f"{'would be ' if total['dry_run'] else ''}added {total['created']},"
        f" changed {total['updated']}, unchanged {total['unchanged']},"
        f" left out {len(total['failed'])}"
    )
    if total["generated_passwords"]:
        output.say(
            f"{total['generated_passwords']} new users had no SIP password and have a random one;"
            " `sipx user passwd NAME` gives another"
        )
    if total["kept_columns"]:
        output.say(f"kept, but not used yet: {cell_text(', '.join(total['kept_columns']))}")
