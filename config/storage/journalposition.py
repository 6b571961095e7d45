"""The one row that says up to where the journal has been applied."""

from __future__ import annotations

from config.storage.interfaces import Transaction


async def get(tx: Transaction) -> tuple[int, int]:
    """Read (segment, offset); (0, 0) before anything was applied."""
    rows = await tx.query("select segment, byte_offset from journal_position where id = 1")
    return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)


async def put(tx: Transaction, position: tuple[int, int]) -> None:
    """Set it; in the transaction that applies what it stands for."""
    await tx.put("journal_position", ("id", "segment", "byte_offset"), ("id",), [(1, *position)])
