"""What can be configured beside users: kinds of things, and frozen things of a kind.

Pure: whether a name is free and what a thing refers to exists is asked in a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from config.model import fields as read
from config.model import permissions, rules
from config.model.errors import FieldError
from config.model.fields import REQUIRED, Field, Wrong, names_of

# The one instance of a kind that has just one is called so.
ONLY: Final = "node"


@dataclass(frozen=True, slots=True)
class Entity:
    """One configured thing, complete and canonical.

    Attributes:
        kind: the name of its kind.
        name: of the thing, unique within its kind.
        fields: every field of its kind, values of JSON.
    """

    kind: str
    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of things.

    Attributes:
        name: of one of them.
        plural: of many; the last part of their address in the API.
        fields_of: the fields of a thing, given what was said of it.
        errors: what is wrong between fields that are right by themselves.
        dialed: the names by which it is called, each with its field; no two things share one.
        read_name: reads the name of one.
        ordered: their order has a meaning.
        numbered: each has a number that is never given twice.
        single: there is just one, which always is.
        owner: the kind of which each belongs to the one with the same name.
    """

    name: str
    plural: str
    fields_of: Callable[[Mapping[str, Any]], tuple[Field, ...]]
    errors: Callable[[Mapping[str, Any]], Iterator[FieldError]] = lambda fields: iter(())
    dialed: Callable[[Entity], Iterator[tuple[str, str]]] = lambda entity: iter(())
    read_name: Callable[[Any], str] = read.entity_name
    ordered: bool = False
    numbered: bool = False
    single: bool = False
    owner: str = ""

    def links(self, entity: Entity) -> Iterator[tuple[str, str, str]]:
        """Give what a thing refers to: field, kind, name."""
        for one in self.fields_of(entity.fields):
            for kind, name in one.links(entity.fields[one.name]):
                yield one.name, kind, name
        if self.owner:
            yield "name", self.owner, entity.name


def entity(
    kind: Kind, name: Any, given: Mapping[str, Any]
) -> tuple[Entity | None, list[FieldError]]:
    """Read a thing from values of JSON; what is not said is as by default.

    Returns:
        The thing, or None and what is wrong, at most one error a field.
    """
    wrong: list[FieldError] = []
    try:
        name = kind.read_name(name)
    except Wrong as error:
        wrong.append(FieldError("name", str(error)))
    known = kind.fields_of(given)
    names = {one.name for one in known}
    if "kind" not in names or "kind" not in given or given["kind"] in rules.KINDS:
        wrong += [
            FieldError(
                str(other)[:40], f"is not a field here; there are {', '.join(sorted(names))}"
            )
            for other in given
            if other not in names
        ]
    found: dict[str, Any] = {}
    for one in known:
        if one.name not in given:
            if one.default is REQUIRED:
                wrong.append(FieldError(one.name, one.wrong("is missing")))
            else:
                found[one.name] = _plain(one.default)
            continue
        try:
            found[one.name] = one.read(given[one.name])
        except Wrong as error:
            wrong.append(FieldError(one.name, one.wrong(str(error))))
    if not wrong:
        wrong += kind.errors(found)
    if wrong:
        return None, wrong
    return Entity(kind.name, name, MappingProxyType(found)), []


def complete(kind: Kind, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give stored fields the shape that a thing has now.

    What an earlier release stored lacks fields that came later, and may have some that went.
    """
    known = kind.fields_of(fields)
    if len(known) == len(fields) and all(one.name in fields for one in known):
        return fields
    return {
        one.name: fields[one.name] if one.name in fields else _plain(one.default)
        for one in known
        if one.name in fields or one.default is not REQUIRED
    }


def short(kind: Kind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is not as by default, in the order of the fields."""
    return {
        one.name: fields[one.name]
        for one in kind.fields_of(fields)
        if one.default is REQUIRED or fields[one.name] != _plain(one.default)
    }


def _plain(default: Any) -> Any:
    """A default as JSON gives it, nobody's to change."""
    if isinstance(default, tuple):
        return list(default)
    return dict(default) if isinstance(default, Mapping) else default


def _fixed(*fields: Field) -> Callable[[Mapping[str, Any]], tuple[Field, ...]]:
    return lambda given: fields


_DESCRIPTION: Final = Field("description", read.text(), "")
_BRANCH: Final = Field("branch", read.optional(read.entity_name), "", "berlin", names_of("branch"))
_ZONE: Final = Field("timezone", read.optional(read.zone), "", "Europe/Berlin")
_GRANTS: Final = Field(
    "permissions",
    read.grants,
    {},
    "{InternationalDialing: false}",
    permissions.custom,
)
_RING: Final = read.record(
    Field("number", read.dialed, REQUIRED, "'201'"),
    Field("seconds", read.whole(1, 999), 30, "30"),
    Field("parallel", read.flag, False),
    Field("schedule", read.optional(read.entity_name), ""),
    Field("enabled", read.flag, True),
)


def _ring_links(rings: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    return {("schedule", ring["schedule"]) for ring in rings if ring["schedule"]}


_RINGS: Final = Field(
    "rings", read.listed(_RING, 64), (), "[{number: '201', seconds: 20}]", _ring_links
)
_PERIOD: Final = read.record(
    Field("days", read.days, REQUIRED, "[monday, friday] or weekdays"),
    Field("start", read.clock, REQUIRED, "'08:30'"),
    Field("stop", read.clock, REQUIRED, "'17:00'"),
)


def _schedule_errors(schedule: Mapping[str, Any]) -> Iterator[FieldError]:
    for place, period in enumerate(schedule["periods"], 1):
        if read.minutes(period["start"]) >= read.minutes(period["stop"]):
            yield FieldError(
                "periods",
                f"have number {place}, which stops at {period['stop']}, not after it starts; past"
                " midnight are two: one until 24:00, one of the next days from 00:00",
            )
            return


def _permission_name(value: Any) -> str:
    name = read.entity_name(value)
    if name in permissions.BUILT_IN or name == permissions.NO_ACCESS:
        raise Wrong("is that of a permission which every node has")
    return name


def _group_dialed(group: Entity) -> Iterator[tuple[str, str]]:
    yield "name", group.name
    for name in ("extension", "did"):
        if group.fields[name]:
            yield name, group.fields[name]


def _hunt_errors(group: Mapping[str, Any]) -> Iterator[FieldError]:
    if group["enabled"] and not (group["rings"] or group["fallback"]):
        yield FieldError("rings", "are missing: name who rings, or a fallback")


_TELEPHONY: Final = (
    Field(
        "groups",
        read.listed(read.entity_name, ordered=False),
        (),
        "[sales]",
        names_of("group"),
    ),
    _GRANTS,
    _BRANCH,
    _ZONE,
    Field("ring_seconds", read.whole(1, 999), 20, "20"),
    _RINGS,
    Field("dnd", read.flag, False),
    Field("external_number", read.optional(read.user_part), "", "'+4930123456'"),
    Field("block_caller_id", read.flag, False),
    Field("elin", read.optional(read.user_part), "", "'+4930123456'"),
    Field("pickup_group", read.optional(read.entity_name), "", "sales"),
)
_PREFIX_OR_NONE: Final = read.digits(16)

GROUP: Final = Kind(
    "group",
    "groups",
    _fixed(
        Field("weight", read.whole(0, 1_000_000), 100, "100: the highest weight wins"),
        _DESCRIPTION,
        _GRANTS,
        _BRANCH,
        _ZONE,
    ),
)
KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(
            "permission",
            "permissions",
            _fixed(Field("default", read.flag, False), _DESCRIPTION),
            read_name=_permission_name,
        ),
        Kind(
            "branch",
            "branches",
            _fixed(
                _DESCRIPTION,
                Field(
                    "networks",
                    read.listed(read.network, ordered=False),
                    (),
                    "[10.1.0.0/16]",
                ),
                _ZONE,
                Field("elin", read.optional(read.user_part), "", "'+4930123456'"),
                Field(
                    "fallback",
                    read.optional(read.entity_name),
                    "",
                    "munich",
                    names_of("branch"),
                ),
            ),
        ),
        GROUP,
        Kind(
            "schedule",
            "schedules",
            _fixed(
                _DESCRIPTION,
                Field("timezone", read.zone, "UTC", "Europe/Berlin"),
                Field(
                    "periods",
                    read.listed(_PERIOD),
                    (),
                    "[{days: weekdays, start: '08:30', stop: '17:00'}]",
                ),
                Field(
                    "holidays",
                    read.listed(read.day, read.HOLIDAYS_LIMIT, ordered=False),
                    (),
                    "['2026-12-25']",
                ),
                Field("on_holidays", read.flag, False),
            ),
            _schedule_errors,
        ),
        Kind(
            "gateway",
            "gateways",
            _fixed(
                Field("address", read.host, REQUIRED, "gw.example.com or 192.0.2.1"),
                Field("port", read.whole(0, 65535), 0, "5060, or 0 for what the name says"),
                Field("transport", read.choice("", "udp", "tcp", "tls"), "", "udp"),
                Field("prefix", read.digits(), "", "'0'"),
                Field("enabled", read.flag, True),
                _DESCRIPTION,
                _BRANCH,
                Field("shared", read.flag, True),
                Field("longest", read.whole(0, 64), 0, "15, or 0 for any"),
                Field("route", read.optional(read.host), "", "sbc.example.com"),
                Field("caller_default", read.optional(read.dialed), "", "'+4930123456'"),
                Field("caller_display_name", read.text(128), "", "Example Ltd"),
                Field("caller_url_parameters", read.text(), "", "user=phone"),
                Field("caller_anonymous", read.flag, False),
                Field("caller_ignore_user", read.flag, False),
                Field("caller_transform_extension", read.flag, False),
                Field("caller_add_prefix", read.digits(), "", "'+4930'"),
                Field("caller_keep_digits", read.whole(0, 64), 0, "3"),
            ),
            numbered=True,
        ),
        Kind(
            "rule",
            "rules",
            rules.fields_of,
            rules.errors,
            lambda rule: rules.dialed(rule.fields),
            ordered=True,
            numbered=True,
        ),
        Kind(
            "huntgroup",
            "huntgroups",
            _fixed(
                Field("extension", read.optional(read.user_part), "", "'300'"),
                Field("did", read.optional(read.user_part), "", "'+4930123456'"),
                Field("enabled", read.flag, True),
                _DESCRIPTION,
                _RINGS,
                Field("fallback", read.optional(read.dialed), "", "'200'"),
                Field("fallback_seconds", read.whole(1, 999), 30, "30"),
                Field("voicemail_fallback", read.flag, False),
                Field("follow_forwards", read.flag, False),
                Field("use_member_timers", read.flag, False),
            ),
            _hunt_errors,
            _group_dialed,
            read.user_part,
        ),
        Kind(
            "telephony",
            "telephony",
            _fixed(*_TELEPHONY),
            owner="user",
        ),
        Kind(
            "codes",
            "codes",
            _fixed(
                Field("directed_pickup", _PREFIX_OR_NONE, "*78", "'*78'"),
                Field("global_pickup", _PREFIX_OR_NONE, "", "'*78*'"),
                Field("park_retrieve", _PREFIX_OR_NONE, "*4", "'*4'"),
            ),
            single=True,
        ),
        Kind(
            "enum",
            "enum",
            _fixed(
                Field("enabled", read.flag, False),
                Field("prefix", read.digits(), "", "'9'"),
                Field("base", read.host, "e164.arpa", "e164.arpa"),
            ),
            single=True,
        ),
        Kind(
            "isn",
            "isn",
            _fixed(
                Field("enabled", read.flag, False),
                Field("prefix", read.digits(), "", "'9'"),
                Field("base", read.host, "freenum.org", "freenum.org"),
            ),
            single=True,
        ),
    )
}
PLURALS: Final[Mapping[str, Kind]] = {kind.plural: kind for kind in KINDS.values()}
