"""The slice of the configuration that routing needs.

Frozen; ``config.compile`` makes it, ``config.commands`` swaps it in whole.  Everything has a
default, so that a snapshot without a dial plan is one of users only.  The words are those of
sipXecs' rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class Period:
    """A part of some days of the week.

    Attributes:
        days: 0 is Monday, 6 Sunday.
        start: minutes since local midnight.
        stop: minutes, after ``start``, at most 1440; past midnight are two periods.
    """

    days: frozenset[int]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something holds.

    Attributes:
        name: of the schedule.
        timezone: of the IANA, in which its periods are.
        periods: none of them is all the time.
        holidays: days that are not like others.
        on_holidays: False, closed on holidays; True, open on holidays only: all day, or in the
            periods if there are any.
    """

    name: str
    timezone: str = "UTC"
    periods: tuple[Period, ...] = ()
    holidays: frozenset[date] = frozenset()
    on_holidays: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """A place with networks and gateways of its own.

    Attributes:
        name: of the branch.
        networks: in CIDR form; who calls from there is there.
        elin: number by which emergency services find it.
        fallback: branch whose gateways are used when there are none.
    """

    name: str
    networks: tuple[str, ...] = ()
    elin: str = ""
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class CallerId:
    """What a gateway makes of the caller's number."""

    default: str = ""
    display_name: str = ""
    url_parameters: str = ""
    anonymous: bool = False
    ignore_user: bool = False
    transform_extension: bool = False
    add_prefix: str = ""
    keep_digits: int = 0


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where calls leave to.

    Attributes:
        id: never given twice; call records name it.
        name: of the gateway.
        address: host name or IP address, IPv6 in brackets.
        port: None, what the name says.
        transport: udp, tcp, tls; empty, what the name says.
        prefix: put before the number.
        enabled: whether it is used.
        branch: whose callers may use it; empty, everybody.
        shared: everybody may use it all the same.
        longest: digits that it takes, 0 any.
        caller_id: what it makes of the caller's number.
        route: host that requests go through; empty, straight.
    """

    id: int
    name: str
    address: str
    port: int | None = None
    transport: str = ""
    prefix: str = ""
    enabled: bool = True
    branch: str = ""
    shared: bool = True
    longest: int = 0
    caller_id: CallerId = field(default_factory=CallerId)
    route: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Numbers, and what becomes of them.

    Attributes:
        id: never given twice; several may come of one rule of an administrator.
        name: of the rule.
        kind: custom local long_distance toll_free restricted international mobile emergency
            voicemail attendant site_to_site intercom paging park authcode callback
            domain_alias.
        enabled: whether it counts.
        schedule: when; empty, always.
        patterns: in sipXecs' language; of a domain alias, the domains.
        call: the new user part, with tokens such as ``{vdigits}``; URI parameters may follow
            after ``;``, headers after ``?``.
        permissions: any one suffices, none are needed when it is empty.
        gateways: ids, in their order.
        branches: whose callers it is for; none, everybody's.
        server: of a kind that stays within the node: the feature server's user part.
        emergency: calls by it always go through.
    """

    id: int
    name: str
    kind: str = "custom"
    enabled: bool = True
    schedule: str = ""
    patterns: tuple[str, ...] = ()
    call: str = "{digits}"
    permissions: tuple[str, ...] = ()
    gateways: tuple[int, ...] = ()
    branches: tuple[str, ...] = ()
    server: str = ""
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Ring:
    """One step of a forwarding or of a hunt group.

    Attributes:
        number: of ours, or ``user@host``.
        seconds: how long it rings.
        parallel: together with the one before.
        schedule: when; empty, always.
        enabled: whether it counts.
    """

    number: str
    seconds: int = 30
    parallel: bool = False
    schedule: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class UserEntry:
    """What routing knows of a user.

    Attributes:
        name: of the user.
        enabled: whether the user may use the node.
        permissions: all that the user has, groups and defaults counted in.
        branch: the user's own, or that of the groups.
        timezone: the same, or that of the branch; empty when nothing says one.
        ring_seconds: how long the user's phones ring before anything else does.
        rings: what rings then.
        dnd: the phones do not ring.
        external_number: the caller's number outside.
        block_caller_id: there is none.
        elin: number by which emergency services find the user.
        pickup_group: whose calls the user may pick up.
    """

    name: str
    enabled: bool = True
    permissions: frozenset[str] = frozenset()
    branch: str = ""
    timezone: str = ""
    ring_seconds: int = 20
    rings: tuple[Ring, ...] = ()
    dnd: bool = False
    external_number: str = ""
    block_caller_id: bool = False
    elin: str = ""
    pickup_group: str = ""


@dataclass(frozen=True, slots=True)
class HuntGroup:
    """A name that rings several.

    Attributes:
        name: by which it is dialed.
        extension: another such name; may be empty.
        did: another, as the public network dials it; may be empty.
        enabled: whether it rings anybody.
        rings: who.
        fallback: who rings when nobody answered; may be empty.
        fallback_seconds: for how long.
        voicemail_fallback: at last, the mailbox of the last who rang.
        follow_forwards: forwarding of those who ring counts.
        use_member_timers: each rings as long as the user's own ring time says.
    """

    name: str
    extension: str = ""
    did: str = ""
    enabled: bool = True
    rings: tuple[Ring, ...] = ()
    fallback: str = ""
    fallback_seconds: int = 30
    voicemail_fallback: bool = False
    follow_forwards: bool = False
    use_member_timers: bool = False


@dataclass(frozen=True, slots=True)
class Codes:
    """Feature codes; empty means that there is none."""

    directed_pickup: str = "*78"
    global_pickup: str = ""
    park_retrieve: str = "*4"


@dataclass(frozen=True, slots=True)
class EnumPlan:
    """Numbers that are looked up in DNS, RFC 6116."""

    enabled: bool = False
    prefix: str = ""
    base: str = "e164.arpa"


@dataclass(frozen=True, slots=True)
class IsnPlan:
    """ITAD subscriber numbers, such as ``1234*256``, that are looked up in DNS."""

    enabled: bool = False
    prefix: str = ""
    base: str = "freenum.org"


@dataclass(frozen=True, slots=True)
class RoutingSnapshot:
    """What numbers and names mean in one version of the configuration.

    Where one user changes, everything else is the very same object as before.

    Attributes:
        version: of the configuration; call records name it.
        names: every dialable name or alias to the name of the user who owns it; a user's
            own name is in it too.
        users: by name.
        groups: hunt groups by every dialable name.
        rules: in their order.
        gateways: by id.
        schedules: by name.
        branches: by name.
        codes: feature codes.
        enum: ENUM.
        isn: ISN.
    """

    version: int = 0
    names: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, UserEntry] = field(default_factory=dict)
    groups: Mapping[str, HuntGroup] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    gateways: Mapping[int, Gateway] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    branches: Mapping[str, Branch] = field(default_factory=dict)
    codes: Codes = field(default_factory=Codes)
    enum: EnumPlan = field(default_factory=EnumPlan)
    isn: IsnPlan = field(default_factory=IsnPlan)
