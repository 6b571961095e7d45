"""The operations on everything that is configured beside users: the same for each kind.

``/api/v1/rules`` and the like list and add, ``/api/v1/rules/NAME`` shows, changes (PATCH), puts
(PUT: what is not said is as by default) and removes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from config.commands.interfaces import IPlanCommands
from config.model.edits import Do, Edit
from config.model.entities import KINDS, ONLY, Entity, Kind, entity
from config.model.errors import FieldError, Invalid, NotFound
from config.model.permissions import BUILT_IN
from config.storage import entities
from config.storage.entities import Stored
from config.storage.interfaces import IDatabase, Transaction
from config.web.api.asking import number
from config.web.problems import Problem
from config.web.routes import JSON, Access, Answer, Asked, operation

PAGE: Final = 100
PAGE_LIMIT: Final = 1000  # things in one answer: 20 ms of work


def resources(database: IDatabase, commands: IPlanCommands) -> Iterator[object]:
    """Make the operations of every kind."""
    for kind in KINDS.values():
        if kind.single:
            yield _single(kind, database, commands)
        else:
            yield _many(kind, database, commands)
    yield _of_user(KINDS["telephony"], database, commands)


class _Things:
    """What all operations on a kind do."""

    def __init__(self, kind: Kind, database: IDatabase, commands: IPlanCommands) -> None:
        self.kind = kind
        self._database = database
        self._commands = commands

    async def found(self, name: str) -> Any:
        """Read a thing, and show it."""
        kind = self.kind

        async def work(tx: Transaction) -> Stored | None:
            stored = await entities.find(tx, kind.name, name)
            if stored is not None:
                return stored
            if kind.single or (kind.owner and await entities.exists(tx, kind.owner, name)):
                return Stored(_as_by_default(kind, name))
            return None

        stored = await self._database.read(work)
        if stored is None:
            owner = kind.owner if kind.owner else kind.name
            raise NotFound(f"{owner} {name}")
        return thing_value(stored)

    async def edit(self, do: Do, name: str, asked: Asked) -> Any:
        """Edit a thing, and show it as it is then."""
        fields, position = _said(asked.body)
        edit = Edit(do=do, kind=self.kind.name, name=name, fields=fields, position=position)
        await self._commands.edit([edit], asked.actor)
        return await self.found(name)

    async def remove(self, name: str, asked: Asked) -> Answer:
        """Remove a thing."""
        await self._commands.edit([Edit(do=Do.REMOVE, kind=self.kind.name, name=name)], asked.actor)
        return Answer(None, 204)


def _many(kind: Kind, database: IDatabase, commands: IPlanCommands) -> object:
    path = f"/api/v1/{kind.plural}"

    class Many(_Things):
        @operation("GET", path, access=Access.ADMIN, query=("limit", "after"))
        async def all(self, asked: Asked) -> Any:
            """List things, in their order or in that of their names, a page at a time."""
            limit = number(asked.query, "limit", PAGE, 1, PAGE_LIMIT)
            after = asked.query.get("after", "")

            async def work(tx: Transaction) -> tuple[list[Stored], int]:
                total = await entities.count(tx, kind.name)
                if not kind.ordered:
                    return await entities.page(tx, kind.name, after, limit + 1), total
                every = await entities.of_kind(tx, kind.name)
                names = [one.entity.name for one in every]
                start = names.index(after) + 1 if after in names else 0
                return every[start : start + limit + 1], total

            found, total = await database.read(work)
            page = found[:limit]
            answer: dict[str, Any] = {
                kind.plural: [thing_value(stored) for stored in page],
                "next": page[-1].entity.name if len(found) > limit else None,
                "total": total,
            }
            if kind.name == "permission":
                answer["built_in"] = BUILT_IN
            return answer

        @operation("POST", path, access=Access.ADMIN, body=(JSON,))
        async def add(self, asked: Asked) -> Any:
            """Make a thing."""
            body = _object(asked.body)
            name = body.get("name")
            if not isinstance(name, str):
                raise Invalid([FieldError("name", "must be text" if name else "is missing")])
            value = await self.edit(Do.ADD, name, asked)
            return Answer(value, 201, {"Location": f"{path}/{quote(name, safe='')}"})

        @operation("GET", f"{path}/<name>", access=Access.ADMIN)
        async def one(self, asked: Asked, name: str) -> Any:
            """Show a thing."""
            return await self.found(name)

        @operation("PATCH", f"{path}/<name>", access=Access.ADMIN, body=(JSON,))
        async def change(self, asked: Asked, name: str) -> Any:
            """Change some fields."""
            return await self.edit(Do.CHANGE, name, asked)

        @operation("PUT", f"{path}/<name>", access=Access.ADMIN, body=(JSON,))
        async def put(self, asked: Asked, name: str) -> Any:
            """Put a thing."""
            return await self.edit(Do.PUT, name, asked)

        @operation("DELETE", f"{path}/<name>", access=Access.ADMIN)
        async def take_away(self, asked: Asked, name: str) -> Any:
            """Remove a thing."""
            return await self.remove(name, asked)

    return Many(kind, database, commands)


def _single(kind: Kind, database: IDatabase, commands: IPlanCommands) -> object:
    path = f"/api/v1/{kind.plural}"

    class Single(_Things):
        @operation("GET", path, access=Access.ADMIN)
        async def one(self, asked: Asked) -> Any:
            """Show it."""
            return await self.found(ONLY)

        @operation("PATCH", path, access=Access.ADMIN, body=(JSON,))
        async def change(self, asked: Asked) -> Any:
            """Change some fields."""
            return await self.edit(Do.CHANGE, ONLY, asked)

        @operation("DELETE", path, access=Access.ADMIN)
        async def take_away(self, asked: Asked) -> Any:
            """Make it as by default."""
            return await self.remove(ONLY, asked)

    return Single(kind, database, commands)


def _of_user(kind: Kind, database: IDatabase, commands: IPlanCommands) -> object:
    path = "/api/v1/users/<name>/telephony"

    class OfUser(_Things):
        @operation("GET", path, access=Access.ADMIN)
        async def one(self, asked: Asked, name: str) -> Any:
            """Show how a user is called."""
            return await self.found(name)

        @operation("PATCH", path, access=Access.ADMIN, body=(JSON,))
        async def change(self, asked: Asked, name: str) -> Any:
            """Change some fields."""
            return await self.edit(Do.CHANGE, name, asked)

    return OfUser(kind, database, commands)


def thing_value(stored: Stored) -> dict[str, Any]:
    """Show a thing."""
    kind = KINDS[stored.entity.kind]
    value: dict[str, Any] = {"name": stored.entity.name}
    if kind.numbered:
        value["id"] = stored.id
    return {**value, **stored.entity.fields}


def _as_by_default(kind: Kind, name: str) -> Entity:
    found, _ = entity(kind, name, {})
    assert found is not None
    return found


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise Problem(400, "The body must be a JSON object.")
    return body


def _said(body: Any) -> tuple[Mapping[str, Any], int | None]:
    """Read fields and position; the name and the number are elsewhere, and given back as shown."""
    given = dict(_object(body))
    given.pop("name", None)
    given.pop("id", None)
    position = given.pop("position", None)
    if position is not None and (
        isinstance(position, bool) or not isinstance(position, int) or position < 1
    ):
        raise Invalid([FieldError("position", "must be a whole number, 1 for the first place")])
    return given, position
