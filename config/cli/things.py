"""The commands on everything that is configured beside users: the same for each kind."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from config.cli.client import Client
from config.cli.errors import CommandError
from config.cli.output import Output, safe

Connect = Callable[[], Client]

# Each noun, its plural in the API, and what they are.
NOUNS: Final = (
    ("permission", "permissions", "permissions of your own"),
    ("branch", "branches", "branches"),
    ("group", "groups", "groups of users"),
    ("schedule", "schedules", "schedules"),
    ("gateway", "gateways", "gateways"),
    ("rule", "rules", "dial rules"),
    ("huntgroup", "huntgroups", "hunt groups"),
    ("telephony", "telephony", "how users are called: groups, forwarding, caller id"),
)
ORDERED: Final = frozenset({"rule"})
WIDEST: Final = 48  # columns of a cell of a list; `show` has the rest
_YES_NO: Final = {"yes": True, "true": True, "no": False, "false": False}
# What lists show beside the name.
_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "permission": ("default", "description"),
    "branch": ("networks", "elin", "fallback", "description"),
    "group": ("weight", "branch", "permissions", "description"),
    "schedule": ("timezone", "periods", "on_holidays", "description"),
    "gateway": ("id", "address", "port", "transport", "prefix", "enabled", "branch"),
    "rule": ("id", "kind", "enabled", "schedule", "permissions", "gateways"),
    "huntgroup": ("extension", "did", "enabled", "rings", "fallback"),
    "telephony": ("groups", "branch", "ring_seconds", "rings", "dnd"),
}


def declare(to: Any, command: Callable[..., Any], noun: str, plural: str) -> None:
    """Add the commands on one kind to the parser."""

    def add(word: str, text: str, run: Callable[..., None]) -> Any:
        made = command(to, word, text, run)
        made.set_defaults(noun=noun, plural=plural)
        if word != "list":
            made.add_argument("name", metavar="NAME")
        return made

    add("list", "list them", list_all)
    add("show", "show one", show)
    if noun != "telephony":
        _fields(add("add", "add one", add_one))
    _fields(add("set", "change fields of one", change))
    if noun in ORDERED:
        made = add("move", "give one another place in the order", move)
        made.add_argument("position", metavar="PLACE", type=int, help="1 is the first")
    if noun == "schedule":
        made = add("holidays", "take the holidays from an iCalendar file", holidays)
        made.add_argument("file", metavar="FILE", help="of type text/calendar")
    add("remove", "remove one", remove)


def _fields(to: Any) -> None:
    to.add_argument(
        "fields",
        metavar="FIELD=VALUE",
        nargs="*",
        help="a list is a,b,c; what has parts of its own is JSON",
    )


def list_all(connect: Connect, output: Output, asked: Namespace) -> None:
    """List things."""
    found = connect().every(asked.plural, asked.plural, query={}, page="after")
    if output.is_json:
        output.json(list(found))
        return
    columns = [("NAME", "name"), *((name.upper(), name) for name in _SHOWN[asked.noun])]
    rows = ({name: _cell(value) for name, value in one.items()} for one in found)
    output.table(columns, rows)


def show(connect: Connect, output: Output, asked: Namespace) -> None:
    """Show one thing."""
    _tell(output, connect().ask("GET", asked.plural, asked.name))


def add_one(connect: Connect, output: Output, asked: Namespace) -> None:
    """Add a thing."""
    body = {"name": asked.name, **values(asked.noun, asked.fields)}
    _tell(output, connect().ask("POST", asked.plural, body=body))


def change(connect: Connect, output: Output, asked: Namespace) -> None:
    """Change some fields of a thing."""
    body = values(asked.noun, asked.fields)
    if not body:
        raise CommandError(
            f"Nothing to change was said: `sipx {asked.noun} set {asked.name} FIELD=VALUE`;"
            f" `sipx {asked.noun} show {asked.name}` shows the fields."
        )
    _tell(output, connect().ask("PATCH", asked.plural, asked.name, body=body))


def move(connect: Connect, output: Output, asked: Namespace) -> None:
    """Give a thing another place."""
    body = {"position": asked.position}
    _tell(output, connect().ask("PATCH", asked.plural, asked.name, body=body))


def remove(connect: Connect, output: Output, asked: Namespace) -> None:
    """Remove a thing."""
    connect().ask("DELETE", asked.plural, asked.name)
    if output.is_json:
        output.json({"name": asked.name})
    else:
        output.say(f"{safe(asked.name)}: removed")


def holidays(connect: Connect, output: Output, asked: Namespace) -> None:
    """Take the holidays of a schedule from a file."""
    from config.exchange.holidays import BadCalendar, dates

    try:
        with open(asked.file, "rb") as file:
            found = dates(file.read())
    except OSError as error:
        raise CommandError(f"{asked.file} cannot be read: {error.strerror}.") from error
    except BadCalendar as error:
        raise CommandError(f"{asked.file}: {error}. Nothing was changed.") from error
    body = {"holidays": found}
    _tell(output, connect().ask("PATCH", asked.plural, asked.name, body=body))


def values(noun: str, words: Sequence[str]) -> dict[str, Any]:
    """Read ``FIELD=VALUE``: each value as the field is.

    Raises:
        CommandError: a word is none, or its value cannot be read.
    """
    from config.model.entities import KINDS
    from config.model.rules import KINDS as RULES

    fields = list(KINDS[noun].fields_of({}))
    if noun == "rule":
        fields += [one for own in RULES.values() for one in own]
    usual = {one.name: one.default for one in fields}
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise CommandError(f"{word!a} is not FIELD=VALUE, such as enabled=no.")
        found[name] = _value(name, text, usual.get(name, ""))
    return found


def _value(name: str, text: str, usual: Any) -> Any:
    if text[:1] in ("[", "{") and name not in ("call", "pattern"):
        try:
            return json.loads(text)
        except ValueError:
            if name != "patterns":
                raise CommandError(
                    f"{name} is no JSON; right is, for example,"
                    ' \'[{"number": "201", "seconds": 20}]\'.'
                ) from None
    if isinstance(usual, bool):
        if text not in _YES_NO:
            raise CommandError(f"{name} must be yes or no.")
        return _YES_NO[text]
    if isinstance(usual, int):
        try:
            return int(text)
        except ValueError:
            raise CommandError(f"{name} must be a whole number.") from None
    # Required lists have no default that would say so.
    if isinstance(usual, tuple) or name in ("patterns", "orbits", "domains"):
        return [one.strip() for one in text.split(",") if one.strip()]
    return text


def _tell(output: Output, value: dict[str, Any]) -> None:
    if output.is_json:
        output.json(value)
        return
    rows = [{"field": name, "value": _text(one)} for name, one in value.items()]
    output.table((("FIELD", "field"), ("VALUE", "value")), rows)


def _cell(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "number" in value[0]:
        value = [one["number"] for one in value]
    text = _text(value)
    if isinstance(text, str) and len(text) > WIDEST:
        return text[: WIDEST - 3] + "..."
    return text


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return " ".join(f"{name}={_text(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(str(_text(one)) for one in value)
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
