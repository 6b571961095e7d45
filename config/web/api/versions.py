"""The configuration as a whole: its versions, their differences, edits of many things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from config.commands import history
from config.commands.document import document
from config.commands.interfaces import Edited, IPlanCommands
from config.model.edits import Do, Edit
from config.model.entities import KINDS
from config.model.errors import FieldError, Invalid
from config.storage import audit, entities, users
from config.storage.audit import AuditRow, Change
from config.storage.interfaces import IDatabase, Transaction
from config.web.api.asking import members, number
from config.web.api.values import time_text
from config.web.problems import Problem
from config.web.routes import JSON, Access, Asked, operation

PAGE: Final = 100
PAGE_LIMIT: Final = 1000
EDITS_LIMIT: Final = 20_000  # in one request; the limit of a body comes first
LATEST: Final = 2**53


class Versions:
    """Versions of the configuration."""

    def __init__(self, database: IDatabase, commands: IPlanCommands) -> None:
        self._database = database
        self._commands = commands

    @operation("GET", "/api/v1/history", access=Access.ADMIN, query=("limit", "before"))
    async def changes(self, asked: Asked) -> Any:
        """List what was changed, the latest first."""
        limit = number(asked.query, "limit", PAGE, 1, PAGE_LIMIT)
        before = number(asked.query, "before", 0, 0, 999_999_999) or None

        async def work(tx: Transaction) -> tuple[list[AuditRow], int, int]:
            found = await audit.rows(tx, limit, before)
            return found, await audit.version(tx), await audit.oldest(tx)

        found, version, oldest = await self._database.read(work)
        return {
            "version": version,
            "oldest": oldest,
            "changes": [
                {
                    "version": row.version,
                    "time": time_text(row.at),
                    "actor": row.actor,
                    **_change_value(row.change),
                }
                for row in found
            ],
        }

    @operation("GET", "/api/v1/diff", access=Access.ADMIN, query=("from", "to"))
    async def diff(self, asked: Asked) -> Any:
        """Say what is different between two versions."""
        first = number(asked.query, "from", 0, 0, 999_999_999)

        async def work(tx: Transaction) -> tuple[list[history.Difference], int]:
            current = await audit.version(tx)
            second = number(asked.query, "to", current, 0, 999_999_999)
            return await history.differences(tx, first, second), second

        found, second = await self._database.read(work)
        return {"from": first, "to": second, "differences": [one._asdict() for one in found]}

    @operation("POST", "/api/v1/rollback", access=Access.ADMIN, body=(JSON,))
    async def rollback(self, asked: Asked) -> Any:
        """Make everything as it was in a version, in a new version."""
        version = members(asked.body, ("version",)).get("version")
        if isinstance(version, bool) or not isinstance(version, int) or version < 0:
            raise Invalid([FieldError("version", "must be the number of a version")])
        return _edited_value(await self._commands.rollback(version, asked.actor))

    @operation("GET", "/api/v1/config", access=Access.ADMIN)
    async def whole(self, asked: Asked) -> Any:
        """Give everything that is configured, what is secret sealed."""

        async def work(tx: Transaction) -> dict[str, Any]:
            version = await audit.version(tx)
            return {
                "version": version,
                "config": document(await users.every(tx), await entities.every(tx)),
            }

        return await self._database.read(work)

    @operation("POST", "/api/v1/config/edits", access=Access.ADMIN, body=(JSON,))
    async def edit(self, asked: Asked) -> Any:
        """Do many edits, all of them or none.

        ``{"edits": [{"do": "put", "kind": "rule", "name": "Local", "fields": {...},
        "position": 1}, ...], "version": 12, "dry_run": false}``
        """
        body = members(asked.body, ("edits", "version", "dry_run"))
        version, dry_run = body.get("version"), body.get("dry_run", False)
        if isinstance(version, bool) or not isinstance(version, int | None):
            raise Invalid([FieldError("version", "must be the number of a version")])
        if not isinstance(dry_run, bool):
            raise Invalid([FieldError("dry_run", "must be true or false")])
        given = body.get("edits")
        if not isinstance(given, list) or len(given) > EDITS_LIMIT:
            raise Problem(400, f"The body must have `edits`, a list of at most {EDITS_LIMIT}.")
        edits = [_edit(place, one) for place, one in enumerate(given)]
        return _edited_value(await self._commands.edit(edits, asked.actor, version, dry_run))


def _edit(place: int, given: Any) -> Edit:
    match given:
        case {"do": str(do), "kind": str(kind), "name": str(name)} if (
            kind == "user" or kind in KINDS
        ) and do in {one.value for one in Do}:
            fields, position = given.get("fields", {}), given.get("position")
            right = isinstance(fields, dict) and isinstance(position, int | None)
            if right and not given.keys() - {"do", "kind", "name", "fields", "position"}:
                return Edit(do=Do(do), kind=kind, name=name, fields=fields, position=position)
    kinds = ", ".join(("user", *KINDS))
    raise Problem(
        400,
        f"Edit {place} must have do (add, change, put or remove), kind ({kinds}) and name, and"
        " may have fields and position.",
    )


def _change_value(change: Change) -> Mapping[str, Any]:
    return {
        "action": change.action,
        "kind": change.kind,
        "name": change.subject,
        "detail": change.detail,
    }


def _edited_value(edited: Edited) -> dict[str, Any]:
    return {
        "version": edited.version,
        "changes": [_change_value(change) for change in edited.changes],
    }
