"""A user, an edit of one, and the rules that both keep.

Pure: what other users there are, and so whether a name is still free, is asked elsewhere.
A password is never part of a user: it is in the edit that sets it and then only sealed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from config.model.errors import FieldError

NAME_LIMIT: Final = 64  # characters; phones show fewer and cut longer ones
PERSON_LIMIT: Final = 128  # characters of a first or last name
EMAIL_LIMIT: Final = 254  # RFC 5321: 256 octets of path, two of them the brackets
ALIASES_LIMIT: Final = 64  # each is a row and an entry in the routing snapshot
PASSWORD_MINIMUM: Final = 8  # what a stranger may try at a node without being its user
PASSWORD_LIMIT: Final = 128  # longer than any phone can store
EXTRAS_LIMIT: Final = 64  # as many columns as a CSV file can have that are not modeled
EXTRA_NAME_LIMIT: Final = 64  # characters of such a column's label
EXTRA_LIMIT: Final = 2048  # characters of such a cell

# RFC 3261 section 25.1: unreserved and user-unreserved, that is what a user part may hold
# without an escape.
_USER_PART = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/]+").fullmatch
_LETTER_OR_DIGIT = re.compile(r"[A-Za-z0-9]").search
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]").search
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can be called and who can register phones.

    Attributes:
        name: user part of the address of record, and the authentication name.
        first_name: of the person.
        last_name: of the person.
        email: address, empty when unknown.
        aliases: more names that reach this user.
        enabled: a user who is not cannot register, call or be called.
        extras: label and text of imported columns that nothing uses yet.
    """

    name: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    aliases: tuple[str, ...] = ()
    enabled: bool = True
    extras: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserEdit:
    """What is to change about a user; None leaves a field as it is.

    Attributes:
        name: which user.
        first_name: new first name.
        last_name: new last name.
        email: new address.
        aliases: all aliases from now on.
        enabled: whether the user may use the node.
        password: the SIP password; a new user needs one.
        extras: put beside and over those that the user has.
        secrets: the same for columns that are kept sealed, because they are secret.
        sealed: the password as this cluster's key sealed it, in place of a password.
        sealed_secrets: the same of the secret columns.
        whole: the extras are all that the user has from now on.
    """

    name: str
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    aliases: tuple[str, ...] | None = None
    enabled: bool | None = None
    password: str | None = field(default=None, repr=False)
    extras: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    sealed: bytes | None = field(default=None, repr=False)
    sealed_secrets: bytes | None = field(default=None, repr=False)
    whole: bool = False


def edited(user: User, edit: UserEdit) -> User:
    """Give the user as an edit leaves him; the edit must be valid."""
    return User(
        name=user.name,
        first_name=_or(edit.first_name, user.first_name),
        last_name=_or(edit.last_name, user.last_name),
        email=_or(edit.email, user.email),
        aliases=user.aliases if edit.aliases is None else edit.aliases,
        enabled=user.enabled if edit.enabled is None else edit.enabled,
        extras=_extras(user, edit),
    )


def errors(edit: UserEdit, *, new: bool) -> Iterator[FieldError]:
    """Find what is wrong with an edit: at most one error a field.

    Args:
        edit: the edit.
        new: the user is to be made by it.
    """
    if new and (message := name_error(edit.name)):
        yield FieldError("name", message)
    for label, text in (("first_name", edit.first_name), ("last_name", edit.last_name)):
        if text is not None and (message := _text_error(text, PERSON_LIMIT)):
            yield FieldError(label, message)
    if edit.email and (message := _email_error(edit.email)):
        yield FieldError("email", message)
    if edit.aliases is not None and (message := _aliases_error(edit.name, edit.aliases)):
        yield FieldError("aliases", message)
    if edit.password is not None:
        if message := password_error(edit.password):
            yield FieldError("password", message)
    elif new and edit.sealed is None:
        yield FieldError("password", "is missing")
    if message := _extras_error(edit.extras) or _extras_error(edit.secrets):
        yield FieldError("extras", message)


def name_error(name: str) -> str:
    """Say what is wrong with a user's name; empty when nothing is."""
    if not name:
        return "is missing"
    if "/" in name:
        return "holds a slash, which separates a user from a phone in authentication names"
    return _user_part_error(name)


def password_error(password: str) -> str:
    """Say what is wrong with a SIP password, without repeating any of it."""
    if len(password) < PASSWORD_MINIMUM:
        return f"is shorter than {PASSWORD_MINIMUM} characters"
    if len(password) > PASSWORD_LIMIT:
        return f"is longer than {PASSWORD_LIMIT} characters"
    if _CONTROL(password):
        return "holds a control character"
    if password != password.strip():
        return "begins or ends with a blank, which no phone shows"
    return ""


def _extras(user: User, edit: UserEdit) -> Mapping[str, str]:
    if edit.whole:
        return dict(edit.extras)
    return {**user.extras, **edit.extras} if edit.extras else user.extras


def _or(new: str | None, old: str) -> str:
    return old if new is None else new


def _user_part_error(text: str) -> str:
    if len(text) > NAME_LIMIT:
        return f"is longer than {NAME_LIMIT} characters"
    if not _USER_PART(text):
        return (
            "holds a character that the user part of a SIP address may not hold: only letters"
            " and digits without accents and any of -_.!~*'()&=+$,;?/ are allowed"
        )
    if text.startswith("~~"):
        return "begins with ~~, which is for the node's own services"
    if not _LETTER_OR_DIGIT(text):
        return "holds neither a letter nor a digit"
    return ""


def _text_error(text: str, limit: int) -> str:
    if len(text) > limit:
        return f"is longer than {limit} characters"
    if _CONTROL(text):
        return "holds a control character"
    return ""


def _email_error(email: str) -> str:
    if message := _text_error(email, EMAIL_LIMIT):
        return message
    return "" if _EMAIL(email) else "is not an e-mail address like name@example.com"


def _aliases_error(name: str, aliases: Sequence[str]) -> str:
    if len(aliases) > ALIASES_LIMIT:
        return f"are more than {ALIASES_LIMIT}"
    seen: set[str] = set()
    for alias in aliases:
        if not alias:
            return "hold an empty one"
        if message := _user_part_error(alias):
            return f"hold {_shown(alias)}, which {message}"
        if alias == name:
            return f"hold {alias}, which is the user's own name"
        if alias in seen:
            return f"hold {alias} twice"
        seen.add(alias)
    return ""


def _extras_error(extras: Mapping[str, str]) -> str:
    if len(extras) > EXTRAS_LIMIT:
        return f"are more than {EXTRAS_LIMIT}"
    for label, text in extras.items():
        if not label or _text_error(label, EXTRA_NAME_LIMIT):
            return f"hold a label that is empty, or longer than {EXTRA_NAME_LIMIT} characters"
        if len(text) > EXTRA_LIMIT:
            return f"hold {label}, which is longer than {EXTRA_LIMIT} characters"
        if _CONTROL_BUT_LINES(text):
            return f"hold {label}, which holds a control character"
    return ""


def _shown(text: str) -> str:
    """A wrong value in an error: short, and without anything that a terminal obeys."""
    return ascii(text[:NAME_LIMIT])
