"""Former versions: what changed in which, and what was in one.

A version is made again by undoing what the audit remembers, the latest change first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from config.model.errors import NotFound
from config.storage import audit, entities, users
from config.storage.audit import AuditRow
from config.storage.interfaces import Transaction

# Kind and name of each thing that is different, and its value as its table writes it; None
# where it is not there.
Values = Mapping[tuple[str, str], str | None]
# What is sealed is never shown, only that it changed.
_HIDDEN: Final = ("sealed", "secrets")
_LABELS: Final = {"sealed": "password", "secrets": "secret columns"}


class Difference(NamedTuple):
    """One field of one thing that is different between two versions.

    Attributes:
        kind: of the thing.
        name: of the thing.
        field: empty when the thing as a whole is there in one version only.
        before: value of JSON; None when there is none.
        after: the same.
    """

    kind: str
    name: str
    field: str
    before: Any
    after: Any


async def at_version(tx: Transaction, version: int) -> Values:
    """Give the values that things had in a version, of all that changed since.

    Raises:
        NotFound: the audit does not reach back to it.
    """
    return _undone(await _since(tx, version))


async def differences(tx: Transaction, first: int, second: int) -> list[Difference]:
    """Find what is different between two versions, as it was in the first and in the second.

    Raises:
        NotFound: the audit does not reach back to one of them, or it is not there yet.
    """
    early, late = min(first, second), max(first, second)
    rows = await _since(tx, early)
    before = _undone(rows)
    after: dict[tuple[str, str], str | None] = {}
    for row in reversed(rows):  # the earliest first
        if row.version <= late:
            after[row.change.kind, row.change.subject] = row.change.after
    if first > second:
        changed = {key: (after[key], before[key]) for key in after}
    else:
        changed = {key: (before[key], after[key]) for key in after}
    found: list[Difference] = []
    for (kind, name), (old, new) in sorted(changed.items()):
        if old != new:
            found += _fields(kind, name, old, new)
    return found


async def of_thing(tx: Transaction, kind: str, name: str, version: int) -> str | None:
    """Give the value that one thing had in a version, as its table writes it."""
    values = await at_version(tx, version)
    if (kind, name) in values:
        return values[kind, name]
    if kind == "user":
        user = await users.find(tx, name)
        return None if user is None else users.written(user)
    thing = await entities.find(tx, kind, name)
    return None if thing is None else entities.written(thing)


async def _since(tx: Transaction, version: int) -> list[AuditRow]:
    current, oldest = await audit.version(tx), await audit.oldest(tx)
    if not oldest <= version <= current:
        raise NotFound(f"version {version}; there are {oldest} to {current}")
    return await audit.since(tx, version)


def _undone(rows: list[AuditRow]) -> dict[tuple[str, str], str | None]:
    return {(row.change.kind, row.change.subject): row.change.before for row in rows}


def _fields(kind: str, name: str, old: str | None, new: str | None) -> Iterator[Difference]:
    before, after = _shown(kind, old), _shown(kind, new)
    if old is None or new is None:
        for value in (before, after):
            for field in _HIDDEN if kind == "user" else ():
                value.pop(field, None)
        yield Difference(kind, name, "", before if old else None, after if new else None)
        return
    for field in sorted(before.keys() | after.keys()):
        if before.get(field) != after.get(field):
            was, now = before.get(field), after.get(field)
            if kind == "user" and field in _HIDDEN:
                was, now = "(hidden)", "(hidden, another)"
            yield Difference(kind, name, _LABELS.get(field, field), was, now)


def _shown(kind: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    value: dict[str, Any] = json.loads(text)
    if kind == "user":
        return value
    return {**value["fields"], "place": value["place"]}
