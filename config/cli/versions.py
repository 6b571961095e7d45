"""The commands on the configuration as a whole: versions, and the YAML file."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any, Final

from config.cli.client import Client, Refused
from config.cli.errors import CommandError
from config.cli.output import Output, local_time, safe

Connect = Callable[[], Client]

_CHANGES: Final = (
    ("VERSION", "version"),
    ("TIME", "time"),
    ("BY", "actor"),
    ("WHAT", "action"),
    ("NAME", "name"),
    ("", "detail"),
)
_DIFFERENCES: Final = (
    ("KIND", "kind"),
    ("NAME", "name"),
    ("FIELD", "field"),
    ("BEFORE", "before"),
    ("AFTER", "after"),
)
ERRORS_SHOWN: Final = 100


def declare(to: Any, command: Callable[..., Any]) -> None:
    """Add the commands on versions to the parser."""
    made = command(to, "history", "list what was changed, the latest first", history)
    made.add_argument("--limit", type=int, default=50, metavar="N", help="how many [50]")
    made.add_argument("--before", type=int, metavar="VERSION", help="only earlier ones")
    made = command(to, "diff", "show what is different between two versions", diff)
    made.add_argument("first", metavar="A", type=int)
    made.add_argument("second", metavar="B", type=int, nargs="?", help="left out: the current one")
    made = command(to, "rollback", "make everything as it was, in a new version", rollback)
    made.add_argument("version", metavar="VERSION", type=int)


def declare_config(to: Any, command: Callable[..., Any]) -> None:
    """Add the commands on the file to the parser."""
    made = command(to, "export", "write everything that is configured", export)
    made.add_argument("file", metavar="FILE", nargs="?", default="-", help="stdout when left out")
    made = command(to, "diff", "show what a file would change", would_change)
    made.add_argument("file", metavar="FILE", help="- is stdin")
    made = command(to, "apply", "make everything as a file says, all of it or nothing", apply)
    made.add_argument("file", metavar="FILE", help="- is stdin")


def history(connect: Connect, output: Output, asked: Namespace) -> None:
    """List changes."""
    query = {"limit": asked.limit, "before": asked.before}
    found = connect().ask("GET", "history", query=query)
    if output.is_json:
        output.json(found)
        return
    rows = [
        {**one, "time": local_time(one["time"]), "detail": _detail(one["detail"])}
        for one in found["changes"]
    ]
    output.table(_CHANGES, rows)
    output.note(f"version {found['version']} is in force; {found['oldest']} is the oldest kept")


def diff(connect: Connect, output: Output, asked: Namespace) -> None:
    """Show the differences of two versions."""
    query = {"from": asked.first, "to": asked.second}
    found = connect().ask("GET", "diff", query=query)["differences"]
    if output.is_json:
        output.json(found)
    else:
        output.table(_DIFFERENCES, [{**one, **_both(one)} for one in found])


def rollback(connect: Connect, output: Output, asked: Namespace) -> None:
    """Go back to a version."""
    show_edited(output, connect().ask("POST", "rollback", body={"version": asked.version}))


def export(connect: Connect, output: Output, asked: Namespace) -> None:
    """Write the file."""
    from config.exchange import config_yaml

    text = config_yaml.write(connect().ask("GET", "config")["config"])
    if asked.file == "-":
        output.raw(text)
        return
    try:
        with open(asked.file, "w", encoding="utf-8", newline="\n", opener=_private) as file:
            file.write(text)
    except OSError as error:
        raise CommandError(f"{asked.file} cannot be written: {error.strerror}.") from error


def would_change(connect: Connect, output: Output, asked: Namespace) -> None:
    """Show what a file would change."""
    _send(connect, output, asked.file, dry_run=True)


def apply(connect: Connect, output: Output, asked: Namespace) -> None:
    """Do what a file says."""
    _send(connect, output, asked.file, dry_run=False)


def _send(connect: Connect, output: Output, name: str, *, dry_run: bool) -> None:
    from config.exchange import config_yaml
    from config.exchange.document import edits

    try:
        read = config_yaml.read(_text(name))
    except config_yaml.BadFile as error:
        raise CommandError(f"{name}: {error}. Nothing was changed.") from error
    client = connect()
    current = client.ask("GET", "config")
    body = {
        "version": current["version"],
        "dry_run": dry_run,
        "edits": edits(current["config"], read.document),
    }
    if not body["edits"]:
        show_edited(output, {"version": None, "changes": []})
        return
    try:
        answer = client.ask("POST", "config", "edits", body=body)
    except Refused as refused:
        # An edit of one thing says no more than the field.
        only = body["edits"][0] if len(body["edits"]) == 1 else None
        wrong = [_placed(error, only, read.lines) for error in refused.errors]
        if not wrong:
            raise
        for line in wrong[:ERRORS_SHOWN]:
            output.note(f"{name}: {line}")
        raise CommandError(f"{name} was refused as a whole; nothing was changed.") from refused
    show_edited(output, answer, dry_run=dry_run)


def _placed(
    error: Mapping[str, Any], only: Mapping[str, Any] | None, lines: Mapping[str, int]
) -> str:
    """Say an error with the line of what it is about."""
    field, message = str(error.get("field")), str(error.get("message"))
    if only is not None:
        from config.exchange.document import section_of

        field = f"{section_of(only['kind'])}/{only['name']}/{field}".rstrip("/")
    where = field
    while where and where not in lines:
        where = where.rpartition("/")[0]
    line = f"line {lines[where]}: " if where in lines else ""
    return safe(f"{line}{field} {message}")


def show_edited(output: Output, answer: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """Say what some edits did, or would do."""
    if output.is_json:
        output.json(answer)
        return
    for change in answer["changes"]:
        detail = _detail(change["detail"])
        output.say(safe(f"{change['action']} {change['name']} {detail}".rstrip()))
    if not answer["changes"]:
        output.say("nothing is different")
    elif not dry_run:
        output.say(f"version {answer['version']} is in force")


def _detail(text: str) -> str:
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, dict) and list(value) == ["fields"]:
        return "(" + ", ".join(value["fields"]) + ")" if value["fields"] else ""
    return "" if not value else text


def _both(one: Mapping[str, Any]) -> dict[str, str]:
    import json

    return {
        side: "" if one[side] is None else json.dumps(one[side], ensure_ascii=False)
        for side in ("before", "after")
    }


def _text(name: str) -> str:
    from config.exchange.config_yaml import FILE_LIMIT

    try:
        if name == "-":
            octets = sys.stdin.buffer.read(FILE_LIMIT + 1)
        else:
            with open(name, "rb") as file:
                octets = file.read(FILE_LIMIT + 1)
        if len(octets) > FILE_LIMIT:
            raise CommandError(f"{name} is larger than {FILE_LIMIT // 1024 // 1024} MiB.")
        return octets.decode("utf-8")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = octets[: error.start].count(b"\n") + 1
        raise CommandError(f"{name}: line {line}: this is not UTF-8.") from error


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner reads: it holds sealed passwords."""
    import os

    return os.open(path, flags, 0o600)
