"""The commands that read and write sipXecs' rule files."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.cli.client import Client
from config.cli.errors import CommandError
from config.cli.output import Output, safe
from config.cli.versions import show_edited

Connect = Callable[[], Client]


def declare(to: Any, command: Callable[..., Any]) -> None:
    """Add the commands to the parser."""
    made = command(to, "import", "add what rule files say, all of it or nothing", take_in)
    made.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="mappingrules.xml, fallbackrules.xml, authrules.xml, forwardingrules.xml",
    )
    made.add_argument("--dry-run", action="store_true", help="say what would happen")
    made = command(to, "export", "write the four rule files", give_out)
    made.add_argument("folder", metavar="FOLDER")


def take_in(connect: Connect, output: Output, asked: Namespace) -> None:
    """Import rule files."""
    from config.exchange.sipxecs_import import edits
    from config.exchange.sipxecs_xml import FILE_LIMIT, Inexpressible, read

    read_files = []
    name = ""
    for name in asked.files:
        try:
            with open(name, "rb") as file:
                read_files.append((name, *read(file.read(FILE_LIMIT + 1))))
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
        except Inexpressible as error:
            raise CommandError(f"{name}: {error}. Nothing was changed.") from error
    try:
        imported = edits((kind, root) for _, kind, root in read_files)
    except Inexpressible as error:
        named = next((one for one, kind, _ in read_files if kind == error.kind), name)
        raise CommandError(f"{named}: {error}. Nothing was changed.") from error
    for note in imported.notes:
        output.note(safe(note))
    body = {"edits": imported.edits, "dry_run": asked.dry_run}
    answer = connect().ask("POST", "config", "edits", body=body)
    show_edited(output, answer, dry_run=asked.dry_run)


def give_out(connect: Connect, output: Output, asked: Namespace) -> None:
    """Export rule files."""
    from config.compile.plan import parts
    from config.exchange.sipxecs_export import Unwritable, export
    from config.model.entities import KINDS, entity
    from sipx.routing.snapshot import RoutingSnapshot

    client = connect()
    things: dict[str, list[Any]] = {}
    for kind in (KINDS["gateway"], KINDS["schedule"], KINDS["rule"]):
        things[kind.name] = []
        for one in client.every(kind.plural, kind.plural, query={}, page="after"):
            name, number = one.pop("name"), one.pop("id", 0)
            found, wrong = entity(kind, name, one)
            if found is None:
                raise CommandError(f"{kind.name} {name} {wrong[0]}: the node is a newer one.")
            things[kind.name].append((found, number))
    try:
        files = export(RoutingSnapshot(**parts(things, things)), time.time())
    except Unwritable as error:
        raise CommandError(f"{error}. Nothing was written.") from error
    folder = Path(asked.folder)
    try:
        folder.mkdir(exist_ok=True)
        for name, octets in files.items():
            (folder / f"{name}.xml").write_bytes(octets)
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}.") from error
    for name in files:
        output.say(str(folder / f"{name}.xml"))
