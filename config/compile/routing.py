"""Makes the slice that routing needs: which name or alias is whose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sipx.routing.snapshot import RoutingSnapshot

# A user's name and aliases.
Names = tuple[str, Sequence[str]]


def routing(users: Iterable[Names], version: int) -> RoutingSnapshot:
    """Compile all names.

    Args:
        users: names and aliases of all who are enabled.
        version: of the configuration.
    """
    names: dict[str, str] = {}
    for user, aliases in users:
        _add(names, user, aliases)
    return RoutingSnapshot(version, names)


def with_changes(
    before: RoutingSnapshot, changes: Iterable[tuple[Names | None, Names | None]], version: int
) -> RoutingSnapshot:
    """Give the snapshot with some users changed.

    Args:
        before: what it was.
        changes: in their order, a user as he was and as he is; None where he is not.
        version: of the configuration.
    """
    names = dict(before.names)
    latest: dict[str, Names | None] = {}
    for old, new in changes:
        # All that go first: a name may move from one user to another, in any order.
        if old is not None:
            latest[old[0]] = None
            for name in (old[0], *old[1]):
                names.pop(name, None)
        if new is not None:
            latest[new[0]] = new
    for last in latest.values():
        if last is not None:
            _add(names, *last)
    return replace(before, version=version, names=names)


def _add(names: dict[str, str], user: str, aliases: Sequence[str]) -> None:
    names[user] = user
    for alias in aliases:
        names[alias] = user
