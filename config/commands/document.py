"""Everything that is configured as one value of JSON.

A list a kind; of each thing what is not as by default, in the order of its fields.  Two equal
configurations give equal documents.  Passwords travel sealed: only a node with the same
cluster.key opens them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from config.exchange.document import FORMAT, Document
from config.model.entities import KINDS, PLURALS, short
from config.model.useredits import FIELDS, sealed_text
from config.storage.entities import Stored
from config.storage.users import StoredUser

_USUAL: Final[dict[str, Any]] = {
    "first_name": "",
    "last_name": "",
    "email": "",
    "aliases": [],
    "enabled": True,
    "extras": {},
}


def document(people: Iterable[StoredUser], things: Iterable[Stored]) -> Document:
    """Make the document of a configuration; ordered kinds come in their order."""
    found: Document = {"sipx": FORMAT, "users": [_user(one) for one in people]}
    lists: dict[str, list[Any]] = {plural: [] for plural in PLURALS}
    for stored in things:
        kind = KINDS[stored.entity.kind]
        value = short(kind, stored.entity.fields)
        if not kind.single:
            value = {"name": stored.entity.name, **value}
        lists[kind.plural].append(value)
    for plural, values in lists.items():
        if not PLURALS[plural].ordered:
            values.sort(key=lambda value: value.get("name", ""))
        if values:
            found[plural] = values[0] if PLURALS[plural].single else values
    if not found["users"]:
        del found["users"]
    return found


def _user(stored: StoredUser) -> dict[str, Any]:
    user = stored.user
    values = {
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "aliases": list(user.aliases),
        "enabled": user.enabled,
        "extras": dict(sorted(user.extras.items())),
    }
    found: dict[str, Any] = {"name": user.name}
    found |= {name: values[name] for name in FIELDS if values[name] != _USUAL[name]}
    found["password"] = sealed_text(stored.sealed)
    if stored.secrets:
        found["secrets"] = sealed_text(stored.secrets)
    return found
