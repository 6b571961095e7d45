"""Everything that is configured beside users, as it is in force: what snapshots are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from config.compile.people import People
from config.compile.plan import parts
from config.model.entities import KINDS, Entity
from config.storage.entities import Stored
from sipx.routing.snapshot import UserEntry

# What the entry of a user is made of, beside what is said of the user.
_OF_ALL_USERS: Final = frozenset({"permission", "group", "branch"})


class Catalog:
    """The things in force."""

    def __init__(self, stored: Iterable[Stored] = ()) -> None:
        self._things: dict[str, dict[str, Stored]] = {kind: {} for kind in KINDS}
        self._people = People((), (), ())
        for one in stored:
            self._things[one.entity.kind][one.entity.name] = one
        self._gather()

    def change(self, changes: Iterable[tuple[Stored | None, Stored | None]]) -> set[str]:
        """Take in changes, all that go before all that come.

        Returns:
            The kinds that are not as they were.
        """
        kinds = set()
        given = list(changes)
        for before, _ in given:
            if before is not None:
                kinds.add(before.entity.kind)
                self._things[before.entity.kind].pop(before.entity.name, None)
        for _, after in given:
            if after is not None:
                kinds.add(after.entity.kind)
                self._things[after.entity.kind][after.entity.name] = after
        if kinds & _OF_ALL_USERS:
            self._gather()
        return kinds

    def plan(self, kinds: Iterable[str]) -> dict[str, Any]:
        """Compile the parts of the routing snapshot that some kinds go into."""
        return parts(_Ordered(self._things), kinds)

    def users(
        self,
        before: Mapping[str, UserEntry],
        people: Iterable[str],
        touched: Iterable[str],
        kinds: set[str],
    ) -> Mapping[str, UserEntry]:
        """Compile the users of whom something changed.

        Args:
            before: the entries as they were.
            people: all who may use the node.
            touched: those who are new, gone or changed.
            kinds: what else changed.
        """
        here = people if isinstance(people, (set, frozenset, dict)) else set(people)
        if kinds & _OF_ALL_USERS or not before:
            return {name: self._entry(name) for name in here}
        names = set(touched)
        if not names:
            return before
        found = dict(before)
        for name in names:
            if name in here:
                found[name] = self._entry(name)
            else:
                found.pop(name, None)
        return found

    def _entry(self, name: str) -> UserEntry:
        stored = self._things["telephony"].get(name)
        return self._people.entry(name, None if stored is None else stored.entity.fields)

    def _gather(self) -> None:
        self._people = People(
            *([one.entity for one in self._things[kind].values()] for kind in _GATHERED)
        )


_GATHERED: Final = ("permission", "group", "branch")


class _Ordered(Mapping[str, Iterable[tuple[Entity, int]]]):
    """The things of a kind in their order, sorted when they are asked for."""

    def __init__(self, things: Mapping[str, Mapping[str, Stored]]) -> None:
        self._things = things

    def __getitem__(self, kind: str) -> Iterable[tuple[Entity, int]]:
        found = sorted(self._things[kind].values(), key=lambda one: (one.place, one.entity.name))
        return [(one.entity, one.id) for one in found]

    def __iter__(self) -> Any:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)
