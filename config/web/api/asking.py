"""Reads what a request asks for: numbers of a query, members of a body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from config.model.errors import FieldError, Invalid
from config.model.user import UserEdit
from config.web.problems import Problem

_TEXTS = ("first_name", "last_name", "email", "password")


def number(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Read a whole number of a query.

    Raises:
        Problem: 400; it is none, or outside its bounds.
    """
    text = query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high:
        return int(text)
    raise Problem(400, f"{name} is a whole number from {low} to {high}.")


def yes_no(query: Mapping[str, str], name: str) -> bool:
    """Read a yes or no of a query, where no is assumed.

    Raises:
        Problem: 400; it is neither.
    """
    text = query.get(name, "no")
    if text not in ("yes", "no"):
        raise Problem(400, f"{name} is yes or no.")
    return text == "yes"


def members(body: Any, known: Sequence[str]) -> Mapping[str, Any]:
    """Take a body for an object with some of the known members.

    Raises:
        Problem: 400; it is no object.
        Invalid: it has others.
    """
    if not isinstance(body, dict):
        raise Problem(400, "The body must be a JSON object.")
    unknown = [FieldError(name[:40], "is not a field here") for name in body if name not in known]
    if unknown:
        raise Invalid(unknown)
    return body


def user_edit(name: str | None, body: Any, known: Sequence[str]) -> UserEdit:
    """Read an edit of a user from a body.

    Args:
        name: of the user, when the address says it; None when the body does.
        body: a JSON value.
        known: the fields that it may have.

    Raises:
        Problem: 400; it is no object.
        Invalid: a field is of the wrong kind, or unknown.
    """
    given = members(body, known)
    wrong = []
    for field in given:
        if field in ("name", *_TEXTS) and not isinstance(given[field], str):
            wrong.append(FieldError(field, "must be text"))
    enabled = given.get("enabled")
    if "enabled" in given and not isinstance(enabled, bool):
        wrong.append(FieldError("enabled", "must be true or false"))
    aliases = given.get("aliases")
    if "aliases" in given and not (
        isinstance(aliases, list) and all(isinstance(alias, str) for alias in aliases)
    ):
        wrong.append(FieldError("aliases", "must be a list of texts"))
    if wrong:
        raise Invalid(wrong)
    return UserEdit(
        name=given.get("name", "") if name is None else name,
        aliases=None if aliases is None else tuple(aliases),
        enabled=enabled,
        first_name=given.get("first_name"),
        last_name=given.get("last_name"),
        email=given.get("email"),
        password=given.get("password"),
    )
