"""Reads an edit of a user from values of JSON, as the API and files have them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from typing import Any, Final

from config.model.errors import FieldError, Invalid
from config.model.user import UserEdit

_TEXTS: Final = ("first_name", "last_name", "email", "password")
FIELDS: Final = ("first_name", "last_name", "email", "aliases", "enabled", "extras")
# Before what the cluster's key has sealed, in a file that travels.
SEALED: Final = "sealed:"


def edit_of(name: str, given: Mapping[str, Any], *, whole: bool) -> UserEdit:
    """Read an edit.

    Args:
        name: of the user.
        given: fields; ``password`` and ``secrets`` may be sealed.
        whole: what is not said is as by default; else it stays.

    Raises:
        Invalid: a field is of the wrong kind, or unknown.
    """
    known = (*FIELDS, "password", "secrets")
    wrong = [FieldError(one[:40], "is not a field here") for one in given if one not in known]
    wrong += [
        FieldError(one, "must be text")
        for one in (*_TEXTS, "secrets")
        if one in given and not isinstance(given[one], str)
    ]
    if not isinstance(given.get("enabled", True), bool):
        wrong.append(FieldError("enabled", "must be true or false"))
    aliases = given.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(one, str) for one in aliases):
        wrong.append(FieldError("aliases", "must be a list of texts, numbers in quotes"))
    extras = given.get("extras", {})
    if not isinstance(extras, dict) or not all(isinstance(one, str) for one in extras.values()):
        wrong.append(FieldError("extras", "must be an object of texts"))
    if wrong:
        raise Invalid(wrong)
    password = given.get("password")
    sealed = sealed_value("password", password)
    secrets = sealed_value("secrets", given.get("secrets"))
    if "secrets" in given and secrets is None:
        raise Invalid([FieldError("secrets", f"must begin with {SEALED}, as an export writes it")])
    missing: Any = (lambda default: default) if whole else (lambda default: None)
    return UserEdit(
        name=name,
        first_name=given.get("first_name", missing("")),
        last_name=given.get("last_name", missing("")),
        email=given.get("email", missing("")),
        aliases=tuple(aliases) if whole or "aliases" in given else None,
        enabled=given.get("enabled", missing(True)),
        extras=extras,
        password=None if sealed is not None else password,
        sealed=sealed,
        sealed_secrets=secrets,
        whole=whole,
    )


def sealed_value(field: str, text: str | None) -> bytes | None:
    """Read what a file has sealed; None when it is not sealed.

    Raises:
        Invalid: it is damaged.
    """
    if text is None or not text.startswith(SEALED):
        return None
    try:
        return b64decode(text.removeprefix(SEALED), validate=True)
    except (Error, ValueError):
        raise Invalid([FieldError(field, "is damaged: take it from the export anew")]) from None


def sealed_text(octets: bytes) -> str:
    """Write what is sealed for a file."""
    return SEALED + b64encode(octets).decode()
