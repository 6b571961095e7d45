"""The table of single values that a node remembers, such as when it was first started."""

from __future__ import annotations

from config.storage.interfaces import Transaction


async def get(tx: Transaction, name: str) -> str | None:
    """Read a value; None when it was never set."""
    rows = await tx.query("select value from node_values where name = :name", name=name)
    return str(rows[0][0]) if rows else None


async def put(tx: Transaction, name: str, value: str) -> None:
    """Set a value."""
    await tx.put("node_values", ("name", "value"), ("name",), [(name, value)])
