"""Makes the parts of the routing snapshot that are not users, each of the things it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final

from config.compile.people import rings
from config.compile.rules import rules
from config.model.entities import Entity
from config.model.fields import DAYS, minutes
from sipx.routing.snapshot import (
    Branch,
    CallerId,
    Codes,
    EnumPlan,
    Gateway,
    HuntGroup,
    IsnPlan,
    Period,
    Rule,
    Schedule,
)

# Of each kind, in order: a thing and its number.
Things = Mapping[str, Iterable[tuple[Entity, int]]]


def parts(things: Things, changed: Iterable[str]) -> dict[str, Any]:
    """Compile the fields of the snapshot that some kinds go into.

    Args:
        things: everything.
        changed: the kinds that are not as they were.
    """
    kinds = set(changed)
    return {name: make(things) for name, (needs, make) in _PARTS.items() if kinds & needs}


def _gateways(things: Things) -> dict[int, Gateway]:
    found = {}
    for entity, number in things["gateway"]:
        fields = entity.fields
        caller = {
            name.removeprefix("caller_"): value
            for name, value in fields.items()
            if name.startswith("caller_")
        }
        found[number] = Gateway(
            id=number,
            name=entity.name,
            port=fields["port"] or None,
            caller_id=CallerId(**caller),
            **{
                name: fields[name]
                for name in ("address", "transport", "prefix", "enabled", "branch", "shared")
            },
            longest=fields["longest"],
            route=fields["route"],
        )
    return found


def _rules(things: Things) -> tuple[Rule, ...]:
    gateways = {entity.name: number for entity, number in things["gateway"]}
    return tuple(
        rule for entity, number in things["rule"] for rule in rules(entity, number, gateways)
    )


def _schedules(things: Things) -> dict[str, Schedule]:
    return {
        entity.name: Schedule(
            name=entity.name,
            timezone=entity.fields["timezone"],
            periods=tuple(
                Period(
                    frozenset(map(DAYS.index, period["days"])),
                    minutes(period["start"]),
                    minutes(period["stop"]),
                )
                for period in entity.fields["periods"]
            ),
            holidays=frozenset(map(date.fromisoformat, entity.fields["holidays"])),
            on_holidays=entity.fields["on_holidays"],
        )
        for entity, _ in things["schedule"]
    }


def _branches(things: Things) -> dict[str, Branch]:
    return {
        entity.name: Branch(
            name=entity.name,
            networks=tuple(entity.fields["networks"]),
            elin=entity.fields["elin"],
            fallback=entity.fields["fallback"],
        )
        for entity, _ in things["branch"]
    }


def _groups(things: Things) -> dict[str, HuntGroup]:
    found: dict[str, HuntGroup] = {}
    for entity, _ in things["huntgroup"]:
        fields = {name: value for name, value in entity.fields.items() if name != "description"}
        group = HuntGroup(name=entity.name, **{**fields, "rings": rings(fields["rings"])})
        for name in (group.name, group.extension, group.did):
            if name:
                found[name] = group
    return found


def _only(kind: str, make: Callable[..., Any]) -> Callable[[Things], Any]:
    def part(things: Things) -> Any:
        for entity, _ in things[kind]:
            return make(**entity.fields)
        return make()

    return part


# Each field of the snapshot, the kinds that it is made of, and how.
_PARTS: Final[Mapping[str, tuple[set[str], Callable[[Things], Any]]]] = {
    "gateways": ({"gateway"}, _gateways),
    "rules": ({"rule", "gateway"}, _rules),
    "schedules": ({"schedule"}, _schedules),
    "branches": ({"branch"}, _branches),
    "groups": ({"huntgroup"}, _groups),
    "codes": ({"codes"}, _only("codes", Codes)),
    "enum": ({"enum"}, _only("enum", EnumPlan)),
    "isn": ({"isn"}, _only("isn", IsnPlan)),
}
