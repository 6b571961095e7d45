"""The tables of users and their aliases.

A password is stored sealed only, and so is what else of a user is secret.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from config.model.user import User
from config.storage import aliases
from config.storage.interfaces import Row, Transaction

_COLUMNS: Final = "name, first_name, last_name, email, enabled, extras, sealed, secrets"


class StoredUser(NamedTuple):
    """A user with what is sealed."""

    user: User
    sealed: bytes
    secrets: bytes


class StoredAccount(NamedTuple):
    """What the snapshots are made of."""

    name: str
    sealed: bytes
    aliases: tuple[str, ...]


async def find(tx: Transaction, name: str) -> StoredUser | None:
    """Read one user; None when there is none of that name."""
    rows = await tx.query(f"select {_COLUMNS} from users where name = :name", name=name)  # noqa: S608 - constants
    if not rows:
        return None
    return _stored(rows[0], await aliases.of_user(tx, name))


async def page(tx: Transaction, after: str, limit: int) -> list[User]:
    """Read users in the order of their names, those that come after one."""
    rows = await tx.query(
        f"select {_COLUMNS} from users where name > :after order by name limit :limit",  # noqa: S608 - constants
        after=after,
        limit=limit,
    )
    if not rows:
        return []
    owned = await aliases.of_users(tx, rows[0][0], rows[-1][0])
    return [_stored(row, owned.get(row[0], ())).user for row in rows]


async def count(tx: Transaction) -> int:
    """Count the users."""
    ((number,),) = await tx.query("select count(*) from users")
    return int(number)


async def accounts(tx: Transaction) -> Iterable[StoredAccount]:
    """Read what the snapshots need of all users that are enabled."""
    rows = await tx.query("select name, sealed from users where enabled order by name")
    owned = await aliases.of_all(tx)
    return [StoredAccount(name, bytes(sealed), owned.get(name, ())) for name, sealed in rows]


async def insert(tx: Transaction, stored: StoredUser) -> None:
    """Store a new user; name and aliases must be free."""
    await tx.execute(
        "insert into users (name, first_name, last_name, email, enabled, extras, sealed, secrets)"
        " values (:name, :first_name, :last_name, :email, :enabled, :extras, :sealed, :secrets)",
        **_values(stored),
    )
    await aliases.replace(tx, stored.user.name, (), stored.user.aliases)


async def update(tx: Transaction, before: User, stored: StoredUser) -> None:
    """Store a user anew; the aliases must be free or his own."""
    await tx.execute(
        "update users set first_name = :first_name, last_name = :last_name, email = :email,"
        " enabled = :enabled, extras = :extras, sealed = :sealed, secrets = :secrets"
        " where name = :name",
        **_values(stored),
    )
    await aliases.replace(tx, before.name, before.aliases, stored.user.aliases)


async def delete(tx: Transaction, name: str) -> None:
    """Remove a user with all aliases."""
    await tx.execute("delete from aliases where user_name = :name", name=name)
    await tx.execute("delete from users where name = :name", name=name)


def _values(stored: StoredUser) -> dict[str, str | bool | bytes]:
    user = stored.user
    return {
        "name": user.name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "enabled": user.enabled,
        "extras": json.dumps(dict(user.extras), ensure_ascii=False) if user.extras else "{}",
        "sealed": stored.sealed,
        "secrets": stored.secrets,
    }


def _stored(row: Row, owned: tuple[str, ...]) -> StoredUser:
    name, first_name, last_name, email, enabled, extras, sealed, secrets = row
    user = User(
        name=name,
        first_name=first_name,
        last_name=last_name,
        email=email,
        aliases=owned,
        enabled=bool(enabled),
        extras=_extras(extras),
    )
    return StoredUser(user, bytes(sealed), bytes(secrets))


def _extras(text: str) -> Mapping[str, str]:
    return {} if text == "{}" else json.loads(text)


def written(stored: StoredUser) -> str:
    """Write a user for the audit, what is secret sealed as it is stored."""
    user = stored.user
    value = {
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "aliases": list(user.aliases),
        "enabled": user.enabled,
        "extras": dict(user.extras),
        "sealed": b64encode(stored.sealed).decode(),
        "secrets": b64encode(stored.secrets).decode(),
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read(name: str, text: str) -> StoredUser:
    """Read a user back from the audit."""
    value = json.loads(text)
    sealed, secrets = (b64decode(value.pop(part)) for part in ("sealed", "secrets"))
    aliases_ = tuple(value.pop("aliases"))
    return StoredUser(User(name=name, aliases=aliases_, **value), sealed, secrets)


async def every(tx: Transaction) -> list[StoredUser]:
    """Read all users, in the order of their names."""
    rows = await tx.query(f"select {_COLUMNS} from users order by name")  # noqa: S608 - constants
    owned = await aliases.of_all(tx)
    return [_stored(row, owned.get(row[0], ())) for row in rows]
