"""The table of aliases: more names that reach a user."""

from __future__ import annotations

from collections.abc import Sequence

from config.storage.interfaces import Row, Transaction


async def of_user(tx: Transaction, user: str) -> tuple[str, ...]:
    """Read a user's aliases, in their order."""
    rows = await tx.query(
        "select alias from aliases where user_name = :name order by place", name=user
    )
    return tuple(alias for (alias,) in rows)


async def of_users(tx: Transaction, first: str, last: str) -> dict[str, tuple[str, ...]]:
    """Read the aliases of the users from one name to another."""
    return _by_user(
        await tx.query(
            "select user_name, alias from aliases where user_name between :first and :last"
            " order by user_name, place",
            first=first,
            last=last,
        )
    )


async def of_all(tx: Transaction) -> dict[str, tuple[str, ...]]:
    """Read all aliases."""
    return _by_user(
        await tx.query("select user_name, alias from aliases order by user_name, place")
    )


async def owner(tx: Transaction, name: str) -> str | None:
    """Find whose a name is, be it his own or an alias; None when it is free."""
    rows = await tx.query(
        "select user_name from aliases where alias = :name"
        " union all select name from users where name = :name",
        name=name,
    )
    return str(rows[0][0]) if rows else None


async def replace(tx: Transaction, user: str, before: Sequence[str], after: Sequence[str]) -> None:
    """Give a user other aliases; they must be free or his own."""
    if tuple(before) == tuple(after):
        return
    if before:
        await tx.execute("delete from aliases where user_name = :name", name=user)
    for place, alias in enumerate(after):
        await tx.execute(
            "insert into aliases (alias, user_name, place) values (:alias, :name, :place)",
            alias=alias,
            name=user,
            place=place,
        )


def _by_user(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for user, alias in rows:
        found.setdefault(user, []).append(alias)
    return {user: tuple(names) for user, names in found.items()}
