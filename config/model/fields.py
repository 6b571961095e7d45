"""Fields of what can be configured: how a JSON value is read, and what a wrong one is told.

A reader takes a value of JSON and gives it back in its one canonical form, again of JSON: so
that equal configurations look equal in the database, in the audit and in a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

NAME_LIMIT: Final = 64  # characters of a name or of anything that is dialed
TEXT_LIMIT: Final = 255  # characters of a description
LIST_LIMIT: Final = 256  # members of a list: gateways, patterns, rings, holidays are more
HOLIDAYS_LIMIT: Final = 2000  # days: 100 years of 20
URI_LIMIT: Final = 512  # characters of an address that is dialed

Reader = Callable[[Any], Any]
Link = tuple[str, str]  # kind and name of what is referred to

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
_USER_PART = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/#]+").fullmatch
_HOST = re.compile(
    r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*\.?"
).fullmatch
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})").fullmatch
# Left to right as a pattern is: escapes, sets, and single characters.
_PATTERN = re.compile(r"(?:\\.|\[[^\[\]\\]+\]|[^\\\[\]\s])+").fullmatch
_TOKEN = re.compile(r"\{([^{}]*)\}")
TOKENS: Final = (
    "user",
    "user-escaped",
    "digits",
    "digits-escaped",
    "vdigits",
    "vdigits-escaped",
    "host",
)
DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_SETS: Final = {
    "weekdays": range(5),
    "weekend": range(5, 7),
    "every day": range(7),
}


class Wrong(Exception):
    """A value that a field does not take.

    Its text finishes the sentence that begins with the field.
    """


class _Required:
    """Says that a field has no default."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


def no_links(_value: Any) -> Iterable[Link]:
    """The links of a field that refers to nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind of things.

    Attributes:
        name: as API and files call it.
        read: gives the canonical value, or raises Wrong.
        default: what it is when nothing is said; REQUIRED where something must be.
        example: a value that is right, for errors.
        links: what a canonical value refers to by name.
    """

    name: str
    read: Reader
    default: Any = REQUIRED
    example: str = ""
    links: Callable[[Any], Iterable[Link]] = no_links

    def wrong(self, message: str) -> str:
        """Finish a message with an example of what is right."""
        return f"{message}; right is, for example, {self.example}" if self.example else message


def shown(value: Any) -> str:
    """A wrong value in an error: short, and without anything that a terminal obeys."""
    return ascii(value if isinstance(value, str) else str(value))[:NAME_LIMIT]


def text(limit: int = TEXT_LIMIT) -> Reader:
    """One line of anything."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong("must be text")
        if len(value) > limit:
            raise Wrong(f"is longer than {limit} characters")
        if _CONTROL(value):
            raise Wrong("holds a control character")
        return value

    return read


def entity_name(value: Any) -> str:
    """The name of a thing: what people call it, blanks included."""
    found: str = text(NAME_LIMIT)(value)
    if not found:
        raise Wrong("is missing")
    if found != found.strip():
        raise Wrong("begins or ends with a blank")
    return found


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def whole(low: int, high: int) -> Reader:
    """A whole number within bounds."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Wrong(f"must be a whole number from {low} to {high}")
        return value

    return read


def choice(*values: str) -> Reader:
    """One of some words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in values:
            listed = ", ".join(one or "(empty)" for one in values)
            raise Wrong(f"is {shown(value)}, but must be one of: {listed}")
        return value

    return read


def optional(reader: Reader) -> Reader:
    """The empty text, or what another reader takes."""
    return lambda value: "" if value == "" else reader(value)


def listed(reader: Reader, limit: int = LIST_LIMIT, *, ordered: bool = True) -> Reader:
    """A list without doubles; one whose order says nothing is sorted."""

    def read(value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise Wrong("must be a list")
        if len(value) > limit:
            raise Wrong(f"has more than {limit} members")
        found: list[Any] = []
        for place, one in enumerate(value, 1):
            try:
                member = reader(one)
            except Wrong as wrong:
                raise Wrong(f"has a member, number {place}, that {wrong}") from None
            if member in found:
                raise Wrong(f"has {shown(member)} twice")
            found.append(member)
        return found if ordered else sorted(found)

    return read


def names_of(kind: str) -> Callable[[Any], Iterable[Link]]:
    """The links of a field that is a name, or a list of names, of some kind."""

    def links(value: Any) -> Iterable[Link]:
        if isinstance(value, str):
            return [(kind, value)] if value else []
        return [(kind, one) for one in value]

    return links


def user_part(value: Any) -> str:
    """What can be dialed, and stand before the @ of an address."""
    found: str = text(NAME_LIMIT)(value)
    if not found:
        raise Wrong("is empty")
    if not _USER_PART(found):
        raise Wrong(
            f"is {shown(found)}: what is dialed has letters and digits without accents and any of"
            " -_.!~*'()&=+$,;?/#"
        )
    if found.startswith("~~"):
        raise Wrong("begins with ~~, which is for the node's own services")
    return found


def dialed(value: Any) -> str:
    """A number or name of ours, or an address user@host."""
    found: str = text(URI_LIMIT)(value)
    user, at, host = found.partition("@")
    user_part(user)
    if at and not _HOST(host.partition(":")[0]):
        raise Wrong(f"is {shown(found)}, whose part after the @ is no host")
    return found


def digits(limit: int = NAME_LIMIT) -> Reader:
    """What keys of a phone can dial: digits, *, #, +; it may be empty."""

    def read(value: Any) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            raise Wrong("must be text: a number in quotes, so that no zero is lost")
        found: str = text(limit)(value)
        if not re.fullmatch(r"[0-9*#+]*", found):
            raise Wrong(f"is {shown(found)}, but may hold only digits, *, # and +")
        return found

    return read


def pattern(value: Any) -> str:
    """A pattern in sipXecs' language: x a digit, [..] a set, . the rest."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise Wrong("must be text: a pattern in quotes, so that no zero is lost")
    found: str = text(NAME_LIMIT)(value)
    if not found:
        raise Wrong("is empty")
    if not _PATTERN(found):
        why = "a blank" if " " in found else "a [, ] or \\ without its other half"
        raise Wrong(f"is {shown(found)}, which holds {why}")
    return found


def call(value: Any) -> str:
    """What a rule makes of the number: text with tokens such as {vdigits}."""
    found: str = text(URI_LIMIT)(value)
    for token in _TOKEN.findall(found):
        if token not in TOKENS:
            known = " ".join(f"{{{one}}}" for one in TOKENS)
            raise Wrong(f"holds {{{shown(token)[1:-1]}}}; there are only {known}")
    rest = _TOKEN.sub("", found)
    if "{" in rest or "}" in rest:
        raise Wrong("holds a { or } without its other half")
    if rest and not _USER_PART(rest):
        raise Wrong(f"is {shown(found)}, which holds a character that cannot be dialed")
    return found


def host(value: Any) -> str:
    """A host name, or an IP address; IPv6 in brackets."""
    found: str = text(253)(value)
    if not _HOST(found):
        raise Wrong(f"is {shown(found)}, which is neither a host name nor an IP address")
    if re.fullmatch(r"[0-9.]+", found):
        _network(found)
    return found.lower()


def network(value: Any) -> str:
    """An IP network, or one address."""
    found: str = text(64)(value)
    return _network(found)


def _network(given: str) -> str:
    try:
        return str(ip_network(given, strict=False))
    except ValueError:
        raise Wrong(f"is {shown(given)}, which is no IP network") from None


@lru_cache(1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zone(value: Any) -> str:
    """An IANA time zone."""
    found: str = text(NAME_LIMIT)(value)
    if found not in _zones():
        raise Wrong(f"is {shown(found)}, which is no time zone of the IANA")
    ZoneInfo(found)
    return found


def day(value: Any) -> str:
    """A date."""
    if isinstance(value, date):  # as YAML reads it
        value = value.isoformat()
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        raise Wrong(f"is {shown(value)}, which is no date") from None


def minutes(clock: str) -> int:
    """Minutes since midnight of a canonical time of day, 24:00 included."""
    hours, rest = clock.split(":")
    return int(hours) * 60 + int(rest)


def clock(value: Any) -> str:
    """A time of day, from 00:00 to 24:00."""
    found = _CLOCK(value) if isinstance(value, str) else None
    if found is None or int(found[2]) > 59 or int(found[1]) * 60 + int(found[2]) > 1440:
        raise Wrong(f"is {shown(value)}, which is no time of day in quotes, such as '08:30'")
    return f"{int(found[1]):02}:{found[2]}"


def days(value: Any) -> list[str]:
    """Days of the week, in their order; also weekdays, weekend and every day."""
    given: Sequence[Any] = [value] if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)) or not given:
        raise Wrong("must be a list of days")
    found: set[int] = set()
    for one in given:
        name = one.lower() if isinstance(one, str) else one
        if name in _DAY_SETS:
            found.update(_DAY_SETS[name])
        elif name in DAYS:
            found.add(DAYS.index(name))
        else:
            raise Wrong(f"has {shown(one)}, which is no day such as monday or weekdays")
    return [DAYS[number] for number in sorted(found)]


def record(*fields: Field) -> Reader:
    """An object with some fields, all of them in its canonical form."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Wrong("must be an object with " + ", ".join(one.name for one in fields))
        known = {one.name for one in fields}
        for name in value:
            if name not in known:
                raise Wrong(f"has {shown(name)}, which is no field there")
        found = {}
        for one in fields:
            if one.name in value:
                try:
                    found[one.name] = one.read(value[one.name])
                except Wrong as wrong:
                    raise Wrong(f"has a {one.name} that {one.wrong(str(wrong))}") from None
            elif one.default is REQUIRED:
                raise Wrong(f"has no {one.name}")
            else:
                found[one.name] = one.default
        return found

    return read


def grants(value: Any) -> dict[str, bool]:
    """Names of permissions, each granted or not."""
    if not isinstance(value, dict):
        raise Wrong("must be an object of names and true or false")
    if len(value) > LIST_LIMIT:
        raise Wrong(f"has more than {LIST_LIMIT} members")
    for name, granted in value.items():
        if not isinstance(name, str) or not isinstance(granted, bool):
            raise Wrong(f"says of {shown(name)} neither true nor false")
        try:
            entity_name(name)
        except Wrong as wrong:
            raise Wrong(f"has a name, {shown(name)}, that {wrong}") from None
    return dict(sorted(value.items()))
