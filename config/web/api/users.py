"""The operations on users."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from config.commands.interfaces import IUserCommands
from config.exchange import users_csv
from config.exchange.users_csv import BadRow, Row
from config.model.errors import NotFound
from config.storage import users
from config.storage.interfaces import IDatabase, Transaction
from config.web.api.asking import members, number, user_edit, yes_no
from config.web.api.values import user_value
from config.web.problems import Problem
from config.web.routes import CSV, JSON, Access, Answer, Asked, operation

PAGE: Final = 100
PAGE_LIMIT: Final = 1000  # users in one answer: 20 ms of work
IMPORT_LIMIT: Final = 1000  # rows in one request; the next requests get their turn in between

_FIELDS: Final = ("first_name", "last_name", "email", "aliases", "enabled")


class Users:
    """The users of the node."""

    def __init__(self, database: IDatabase, commands: IUserCommands) -> None:
        self._database = database
        self._commands = commands

    @operation("GET", "/api/v1/users", access=Access.ADMIN, query=("limit", "after"))
    async def all(self, asked: Asked) -> Any:
        """List users in the order of their names, a page at a time."""
        limit = number(asked.query, "limit", PAGE, 1, PAGE_LIMIT)
        after = asked.query.get("after", "")

        async def work(tx: Transaction) -> tuple[list[Any], int]:
            return await users.page(tx, after, limit + 1), await users.count(tx)

        found, total = await self._database.read(work)
        page = found[:limit]
        return {
            "users": [user_value(user) for user in page],
            "next": page[-1].name if len(found) > limit else None,
            "total": total,
        }

    @operation("POST", "/api/v1/users", access=Access.ADMIN, body=(JSON,))
    async def add(self, asked: Asked) -> Any:
        """Make a user."""
        edit = user_edit(None, asked.body, ("name", "password", *_FIELDS))
        user = await self._commands.add_user(edit, asked.actor)
        where = f"/api/v1/users/{quote(user.name, safe='')}"
        return Answer(user_value(user), 201, {"Location": where})

    @operation("GET", "/api/v1/users/<name>", access=Access.ADMIN)
    async def one(self, asked: Asked, name: str) -> Any:
        """Show a user."""
        found = await self._database.read(lambda tx: users.find(tx, name))
        if found is None:
            raise NotFound(f"user {name}")
        return user_value(found.user)

    @operation("PATCH", "/api/v1/users/<name>", access=Access.ADMIN, body=(JSON,))
    async def change(self, asked: Asked, name: str) -> Any:
        """Change a user."""
        edit = user_edit(name, asked.body, _FIELDS)
        return user_value(await self._commands.update_user(edit, asked.actor))

    @operation("DELETE", "/api/v1/users/<name>", access=Access.ADMIN)
    async def remove(self, asked: Asked, name: str) -> Any:
        """Remove a user."""
        await self._commands.remove_user(name, asked.actor)
        return Answer(None, 204)

    @operation("PUT", "/api/v1/users/<name>/password", access=Access.ADMIN, body=(JSON,))
    async def password(self, asked: Asked, name: str) -> Any:
        """Give a user another password."""
        edit = user_edit(name, asked.body, ("password",))
        await self._commands.set_password(name, edit.password or "", asked.actor)
        return Answer(None, 204)

    @operation(
        "POST", "/api/v1/users/import", access=Access.ADMIN, query=("dry_run",), body=(CSV, JSON)
    )
    async def take_in(self, asked: Asked) -> Any:
        """Make or change many users, from a CSV file or a portion of one.

        A whole file is sent as text/csv.  A portion is sent as JSON: ``{"rows": [[line,
        [cell, ...]], ...]}``, without the header.
        """
        dry_run = yes_no(asked.query, "dry_run")
        if isinstance(asked.body, str):
            rows: Iterable[Row | BadRow] = users_csv.read_text(asked.body)
        else:
            rows = _portion(asked.body)
        edits = []
        failed: list[tuple[int, str]] = []
        kept: set[str] = set()
        for count, row in enumerate(rows):
            if count >= IMPORT_LIMIT:
                raise Problem(
                    413,
                    f"One request takes {IMPORT_LIMIT} rows; `sipx users import` sends larger"
                    " files in portions.",
                )
            edit = users_csv.edit_of(row) if isinstance(row, Row) else row
            if isinstance(edit, BadRow):
                failed.append((edit.line, edit.reason))
            else:
                edits.append((row.line, edit))
                kept.update(edit.extras, edit.secrets)
        done = await self._commands.import_users(edits, asked.actor, dry_run)
        failed += [(error.line, error.message) for error in done.failed]
        return {
            "dry_run": dry_run,
            "created": done.created,
            "updated": done.updated,
            "unchanged": done.unchanged,
            "generated_passwords": done.generated,
            "kept_columns": [label for label in users_csv.COLUMNS if label in kept],
            "failed": [{"line": line, "reason": reason} for line, reason in sorted(failed)],
        }


def _portion(body: Any) -> Iterable[Row]:
    rows = members(body, ("rows",)).get("rows")
    if not isinstance(rows, list):
        raise Problem(400, "The body must have a member `rows`, a list.")
    found = []
    for row in rows:
        match row:
            case [int(line), list(cells)] if all(isinstance(cell, str) for cell in cells):
                found.append(Row(line, cells))
            case _:
                raise Problem(400, "Each of the rows must be a line number and a list of texts.")
    return found
