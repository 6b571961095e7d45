"""Makes what routing knows of users: permissions, branch and forwarding, groups counted in.

A group of higher weight wins, of two of the same weight the one whose name is later; what is
said of a user wins over all groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from config.model.entities import KINDS, Entity, entity
from config.model.permissions import BUILT_IN
from sipx.routing.snapshot import Ring, UserEntry

Fields = Mapping[str, Any]

_NOTHING_SAID, _ = entity(KINDS["telephony"], "nobody", {})
assert _NOTHING_SAID is not None
USUAL: Final[Fields] = _NOTHING_SAID.fields


class People:
    """Compiles users against one state of groups, branches and permissions.

    Args:
        permissions: the custom ones.
        groups: all groups.
        branches: all branches.
    """

    def __init__(
        self,
        permissions: Iterable[Entity],
        groups: Iterable[Entity],
        branches: Iterable[Entity],
    ) -> None:
        self._usual = {**BUILT_IN, **{one.name: one.fields["default"] for one in permissions}}
        ranked = sorted(groups, key=lambda group: (group.fields["weight"], group.name))
        # The one that wins last.
        self._groups = {group.name: (rank, group.fields) for rank, group in enumerate(ranked)}
        self._zones = {branch.name: branch.fields["timezone"] for branch in branches}
        self._granted: dict[Any, frozenset[str]] = {}

    def entry(self, name: str, telephony: Fields | None) -> UserEntry:
        """Compile one user.

        Args:
            name: of the user.
            telephony: what is said of the user; None for nothing.
        """
        fields = USUAL if telephony is None else telephony
        groups = sorted(
            (self._groups[group] for group in fields["groups"]), key=lambda ranked: ranked[0]
        )
        branch, zone = fields["branch"], fields["timezone"]
        for _, group in reversed(groups):
            branch = branch or group["branch"]
            zone = zone or group["timezone"]
        return UserEntry(
            name=name,
            permissions=self._permissions([group for _, group in groups], fields["permissions"]),
            branch=branch,
            timezone=zone or self._zones.get(branch, ""),
            ring_seconds=fields["ring_seconds"],
            rings=rings(fields["rings"]),
            dnd=fields["dnd"],
            external_number=fields["external_number"],
            block_caller_id=fields["block_caller_id"],
            elin=fields["elin"],
            pickup_group=fields["pickup_group"],
        )

    def _permissions(self, groups: list[Fields], own: Mapping[str, bool]) -> frozenset[str]:
        key = (tuple(map(id, groups)), tuple(own.items()))
        found = self._granted.get(key)
        if found is None:
            said = dict(self._usual)
            for group in groups:
                said.update(group["permissions"])
            said.update(own)
            found = frozenset(name for name, granted in said.items() if granted)
            # Most users have what others have, and share it.
            self._granted[key] = found
        return found


def rings(given: Iterable[Fields]) -> tuple[Ring, ...]:
    """Compile the rings of a user or a hunt group."""
    return tuple(Ring(**ring) for ring in given)
