"""The tables of what is configured beside users.

A thing is one row; its dialable names and what it refers to are rows of their own, because
the database holds that no name has two owners and finds who refers to what.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from config.model.entities import KINDS, Entity, complete
from config.storage.interfaces import Row, Transaction

_COLUMNS: Final = "kind, name, id, place, fields"


class Stored(NamedTuple):
    """A thing as it is stored.

    Attributes:
        entity: its values.
        id: its number, 0 where its kind has none.
        place: of an ordered kind, in ascending order; 0.0 of others.
    """

    entity: Entity
    id: int = 0
    place: float = 0.0


class Owner(NamedTuple):
    """Whose a dialable name is."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


async def find(tx: Transaction, kind: str, name: str) -> Stored | None:
    """Read one thing; None when there is none of that name."""
    rows = await tx.query(
        f"select {_COLUMNS} from entities where kind = :kind and name = :name",  # noqa: S608 - constants
        kind=kind,
        name=name,
    )
    return _stored(rows[0]) if rows else None


async def of_kind(tx: Transaction, kind: str) -> list[Stored]:
    """Read all things of a kind, in their order."""
    rows = await tx.query(
        f"select {_COLUMNS} from entities where kind = :kind order by place, name",  # noqa: S608 - constants
        kind=kind,
    )
    return [_stored(row) for row in rows]


async def page(tx: Transaction, kind: str, after: str, limit: int) -> list[Stored]:
    """Read things of a kind in the order of their names, those that come after one."""
    rows = await tx.query(
        f"select {_COLUMNS} from entities where kind = :kind and name > :after"  # noqa: S608 - constants
        " order by name limit :limit",
        kind=kind,
        after=after,
        limit=limit,
    )
    return [_stored(row) for row in rows]


async def count(tx: Transaction, kind: str) -> int:
    """Count the things of a kind."""
    ((number,),) = await tx.query("select count(*) from entities where kind = :kind", kind=kind)
    return int(number)


async def every(tx: Transaction) -> list[Stored]:
    """Read everything, kind by kind in their order."""
    rows = await tx.query(f"select {_COLUMNS} from entities order by kind, place, name")  # noqa: S608 - constants
    return [_stored(row) for row in rows]


async def put(tx: Transaction, stored: Stored) -> None:
    """Store a thing in place of what has its name; what it is called must be free."""
    entity = stored.entity
    await tx.put(
        "entities",
        ("kind", "name", "id", "place", "fields"),
        ("kind", "name"),
        [(entity.kind, entity.name, stored.id, stored.place, _json(entity.fields))],
    )
    kind = KINDS[entity.kind]
    own: dict[str, Any] = {"kind": entity.kind, "name": entity.name}
    await tx.execute("delete from entity_names where kind = :kind and name = :name", **own)
    await tx.execute("delete from entity_links where kind = :kind and name = :name", **own)
    for dialed in {dialed for _, dialed in kind.dialed(entity)}:
        await tx.execute(
            "insert into entity_names (dialed, kind, name) values (:dialed, :kind, :name)",
            dialed=dialed,
            **own,
        )
    for field, target_kind, target in set(kind.links(entity)):
        await tx.execute(
            "insert into entity_links (kind, name, field, target_kind, target)"
            " values (:kind, :name, :field, :target_kind, :target)",
            field=field,
            target_kind=target_kind,
            target=target,
            **own,
        )


async def delete(tx: Transaction, kind: str, name: str) -> None:
    """Remove a thing."""
    await tx.execute(
        "delete from entities where kind = :kind and name = :name", kind=kind, name=name
    )


async def owner(tx: Transaction, dialed: str) -> Owner | None:
    """Find whose a dialable name is; None when no thing here has it."""
    rows = await tx.query(
        "select kind, name from entity_names where dialed = :dialed", dialed=dialed
    )
    return Owner(*rows[0]) if rows else None


async def referrers(tx: Transaction, kind: str, name: str, limit: int) -> list[tuple[Owner, str]]:
    """Find what refers to a thing, each with the field, as far as a limit."""
    rows = await tx.query(
        "select kind, name, field from entity_links"
        " where target_kind = :kind and target = :name order by kind, name limit :limit",
        kind=kind,
        name=name,
        limit=limit,
    )
    return [(Owner(row[0], row[1]), row[2]) for row in rows]


async def exists(tx: Transaction, kind: str, name: str) -> bool:
    """Say whether there is a thing, or a user, of that name."""
    if kind == "user":
        return bool(await tx.query("select 1 from users where name = :name", name=name))
    return bool(
        await tx.query(
            "select 1 from entities where kind = :kind and name = :name", kind=kind, name=name
        )
    )


async def next_id(tx: Transaction) -> int:
    """Give a number that was never given before."""
    ((number,),) = await tx.query(
        "update configuration set next_id = next_id + 1 where id = 1 returning next_id"
    )
    return int(number) - 1


def written(stored: Stored) -> str:
    """Write a thing for the audit."""
    return _json({"id": stored.id, "place": stored.place, "fields": dict(stored.entity.fields)})


def read(kind: str, name: str, text: str) -> Stored:
    """Read a thing back from the audit."""
    value = json.loads(text)
    return Stored(_entity(kind, name, value["fields"]), value["id"], value["place"])


def _stored(row: Row) -> Stored:
    kind, name, number, place, fields = row
    return Stored(_entity(kind, name, json.loads(fields)), int(number), float(place))


def _entity(kind: str, name: str, fields: Mapping[str, Any]) -> Entity:
    return Entity(kind, name, MappingProxyType(dict(complete(KINDS[kind], fields))))


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, separators=(",", ":"))
