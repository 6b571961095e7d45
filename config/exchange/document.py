"""The edits that lead from one document of a configuration to another.

A document is everything that is configured, as one value of JSON: a list a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from config.model.entities import ONLY, PLURALS

FORMAT: Final = 1  # of the document; another one is refused
# The parts of a document, in their order.
SECTIONS: Final = ("users", *PLURALS)

Document = dict[str, Any]


def edits(before: Document, after: Document) -> list[dict[str, Any]]:
    """Give the edits that make one document of another, as the API takes them.

    Both have been read or made by this program; ``after`` is what a person wrote, and need not
    be canonical.
    """
    found: list[dict[str, Any]] = []
    for section in SECTIONS:
        kind = "user" if section == "users" else PLURALS[section].name
        old, new = _named(section, before), _named(section, after)
        found += [
            {"do": "remove", "kind": kind, "name": name}
            for name in old
            if name not in new and not _goes_with_user(section, name, after)
        ]
        ordered = section != "users" and PLURALS[section].ordered
        kept = [name for name in new if name in old]
        moved = ordered and kept != [name for name in old if name in new]
        for position, (name, fields) in enumerate(new.items(), 1):
            place = ordered and (moved or name not in old)
            if place or old.get(name) != fields:
                edit = {"do": "put", "kind": kind, "name": name, "fields": fields}
                found.append({**edit, "position": position} if place else edit)
    return found


def _named(section: str, given: Document) -> dict[str, dict[str, Any]]:
    value = given.get(section) or []
    if isinstance(value, Mapping):
        return {ONLY: dict(value)}
    return {one["name"]: {key: part for key, part in one.items() if key != "name"} for one in value}


def _goes_with_user(section: str, name: str, after: Document) -> bool:
    if section == "users" or PLURALS[section].owner != "user":
        return False
    return name not in _named("users", after)


def section_of(kind: str) -> str:
    """Give the section of a document that things of a kind are in."""
    return next((plural for plural, one in PLURALS.items() if one.name == kind), "users")
