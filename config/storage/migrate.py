"""Brings a database to the newest schema: numbered SQL files, each applied once.

``schema/NNNN_name.sql`` holds statements that end in ``;`` at the end of a line.  A line
``-- [sqlite]`` or ``-- [postgresql]`` begins a part for that engine alone, ``-- [all]`` ends
it.  A file that was released is never changed: what comes later is a new file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from config.storage.errors import NewerSchema
from config.storage.interfaces import Transaction

SCHEMA = Path(__file__).parent / "schema"

_PART = re.compile(r"-- \[(\w+)\]")


async def migrate(tx: Transaction, dialect: str, folder: Path = SCHEMA) -> int:
    """Apply what is missing, in one transaction.

    Args:
        tx: the transaction; the engine lets one process at a time do this.
        dialect: of the engine.
        folder: where the SQL files are.

    Returns:
        The number of files that were applied.

    Raises:
        NewerSchema: the database knows a migration that this program does not.
    """
    await tx.execute(
        "create table if not exists schema_version"
        " (n integer primary key, name text not null, applied double precision not null)"
    )
    done = {n for (n,) in await tx.query("select n from schema_version")}
    files = {int(file.name.partition("_")[0]): file for file in folder.glob("[0-9]*_*.sql")}
    if done and max(done) > max(files):
        raise NewerSchema(max(done), max(files))
    missing = sorted(files.keys() - done)
    for n in missing:
        for statement in statements(files[n].read_text(encoding="utf-8"), dialect):
            await tx.execute(statement)
        await tx.execute(
            "insert into schema_version (n, name, applied) values (:n, :name, :applied)",
            n=n,
            name=files[n].name,
            applied=time.time(),
        )
    return len(missing)


def statements(text: str, dialect: str) -> Iterator[str]:
    """Split a file into the statements that an engine is to run."""
    part = "all"
    lines: list[str] = []
    for line in text.splitlines():
        if found := _PART.match(line):
            part = found.group(1)
        elif part in ("all", dialect) and not line.startswith("--"):
            lines.append(line)
    for statement in "\n".join(lines).split(";\n"):
        if statement := statement.strip().rstrip(";"):
            yield statement
