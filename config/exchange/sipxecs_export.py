"""Writes a dial plan as sipXecs' rule files.

What stays within the system is in mappingrules, what goes to gateways in fallbackrules, and which
permission the number as the gateway gets it needs in authrules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from lxml import etree

from config.exchange.sipxecs_import import WEEK, made
from config.exchange.sipxecs_xml import FILES, NAMESPACE
from config.model.permissions import NO_ACCESS
from sipx.routing.snapshot import Gateway, RoutingSnapshot, Rule, Schedule

OURS: Final = (
    "${SIPXCHANGE_DOMAIN_NAME}",
    "${MY_FULL_HOSTNAME}",
    "${MY_HOSTNAME}",
    "${MY_IP_ADDR}",
)
LOWEST_Q: Final = 0.8  # of the gateways of a rule; the first is tried first


class Unwritable(Exception):
    """A rule that sipXecs' files cannot say; says which and why."""


def export(snapshot: RoutingSnapshot, utc: float) -> dict[str, bytes]:
    """Write the four files.

    Args:
        snapshot: the plan.
        utc: seconds since 1970; the files know only UTC, so schedules are as of then.

    Returns:
        The octets of each, by its name without ``.xml``.

    Raises:
        Unwritable: a rule cannot be said.
    """
    plan = _Plan(snapshot, utc)
    rules = [rule for rule in snapshot.rules if rule.enabled]
    return {
        "mappingrules": _written("mappingrules", _mapping(plan, rules)),
        "fallbackrules": _written("fallbackrules", _fallback(plan, rules)),
        "authrules": _written("authrules", _auth(plan, rules)),
        "forwardingrules": _written("forwardingrules", _forwarding()),
    }


class _Plan:
    def __init__(self, snapshot: RoutingSnapshot, utc: float) -> None:
        self.snapshot = snapshot
        self.moment = datetime.fromtimestamp(utc, UTC)

    def gateways(self, rule: Rule) -> list[Gateway]:
        """Give the gateways of a rule that are in use."""
        every = (self.snapshot.gateways[number] for number in rule.gateways)
        return [gateway for gateway in every if gateway.enabled]

    def valid(self, rule: Rule) -> list[str]:
        """Give the field parameters that say when a rule holds."""
        if not rule.schedule:
            return []
        schedule = self.snapshot.schedules[rule.schedule]
        if schedule.holidays or schedule.on_holidays:
            raise Unwritable(
                f"rule {rule.name} has the schedule {schedule.name}, which has holidays; sipXecs'"
                " rules know days of the week only"
            )
        return [f'sipx-ValidTime="{valid_time(schedule, self.moment)}"'] if schedule.periods else []


def valid_time(schedule: Schedule, moment: datetime) -> str:
    """Write periods in hex minutes since Sunday 00:00 UTC, as the clock is at a moment."""
    offset = moment.astimezone(ZoneInfo(schedule.timezone)).utcoffset()
    shift = int(offset.total_seconds() // 60) if offset else 0
    spans = sorted(
        ((day + 1) % 7 * 1440 + period.start - shift, period.stop - period.start)
        for period in schedule.periods
        for day in period.days
    )
    times = []
    for start, length in spans:
        begin = start % WEEK
        end = (begin + length) % WEEK or WEEK
        times += [begin, end]
    return ":".join(f"{one:x}" for one in times)


def _mapping(plan: _Plan, rules: Sequence[Rule]) -> Any:
    root = _element("mappings")
    ours = _hosts(OURS)
    for rule in rules:
        if rule.kind == "domain_alias":
            match = _add(root, _hosts(rule.patterns))
            user = _user_match(match, rule, (".",))
            transform = _add(_add(user, _element("permissionMatch")), _element("transform"))
            _text(transform, "host", OURS[0])
            continue
        if rule.gateways or rule.kind == "site_to_site":
            continue
        user = _user_match(ours, rule, rule.patterns)
        found = _add(user, _element("permissionMatch"))
        if rule.server:
            for permission in rule.permissions:
                _text(found, "permission", permission)
        _internal(plan, _add(found, _element("transform")), rule)
    _add(root, ours)
    return root


def _internal(plan: _Plan, transform: Any, rule: Rule) -> None:
    head, _, headers = rule.call.partition("?")
    user, *params = head.split(";")
    if rule.kind in ("voicemail", "attendant"):
        joined = ";".join(params)
        _text(transform, "url", f"<sip:{user}@{{mediaserver}};{joined};locale=en>")
    elif rule.kind in ("authcode", "callback"):
        joined = ";".join(params)
        _text(transform, "url", f"<sip:{user}@{{localhost}};{joined}>")
    else:
        _text(transform, "user", user)
        if rule.kind == "paging":
            _text(transform, "host", "${PAGE_SERVER_ADDR}")
        for param in params:
            _text(transform, "urlparams", param)
        for header in filter(None, headers.split("&")):
            _text(transform, "headerparams", unquote(header))
        for field in plan.valid(rule):
            _text(transform, "fieldparams", field)


def _fallback(plan: _Plan, rules: Sequence[Rule]) -> Any:
    root = _element("mappings")
    match = _add(root, _hosts(OURS))
    for rule in rules:
        gateways = plan.gateways(rule)
        if not gateways:
            continue
        user = _user_match(match, rule, rule.patterns)
        everybody = [one for one in gateways if one.shared or not one.branch]
        own = dict.fromkeys(one.branch for one in gateways if one.branch)
        for branch in rule.branches or own:
            located = _add(user, _element("callerLocationMatch"))
            _text(located, "callerLocation", branch)
            mine = [one for one in gateways if one.branch == branch]
            _transforms(plan, located, rule, [*mine, *(g for g in everybody if g not in mine)])
        if not rule.branches:
            _transforms(plan, user, rule, everybody)
    return root


def _transforms(plan: _Plan, to: Any, rule: Rule, gateways: Sequence[Gateway]) -> None:
    step = (1.0 - LOWEST_Q) / (len(gateways) + 1)
    for number, gateway in enumerate(gateways, 1):
        transform = _add(to, _element("transform"))
        _text(transform, "user", gateway.prefix + rule.call)
        _text(transform, "host", _address(gateway))
        if gateway.transport:
            _text(transform, "urlparams", f"transport={gateway.transport}")
        _text(transform, "urlparams", f"sipxecs-lineid={gateway.id}")
        if gateway.route:
            _text(transform, "headerparams", f"route={gateway.route}")
        _text(transform, "headerparams", "expires=7200")
        q = f"{1.0 - number * step:.3f}".rstrip("0")
        _text(transform, "fieldparams", f"q={q}")
        for field in plan.valid(rule):
            _text(transform, "fieldparams", field)


def _auth(plan: _Plan, rules: Sequence[Rule]) -> Any:
    root = _element("mappings")
    seen: dict[str, None] = {}
    for rule in rules:
        if rule.kind in ("site_to_site", "domain_alias"):
            continue
        gateways = plan.gateways(rule)
        for gateway in gateways:
            seen[_address(gateway)] = None
            match = _add(root, _hosts((), rule))
            _text(match, "hostPattern", _address(gateway))
            patterns = [gateway.prefix + one for one in made(rule.patterns, rule.call)]
            _permitted(match, patterns, rule.permissions)
        if not rule.gateways and rule.permissions and not rule.server:
            match = _add(root, _hosts((), rule))
            for host in OURS:
                _text(match, "hostPattern", host)
            _permitted(match, made(rule.patterns, rule.call), rule.permissions)
    if seen:
        match = _add(root, _hosts(tuple(seen)))
        _permitted(match, ["."], [NO_ACCESS])
    return root


def _permitted(match: Any, patterns: Iterable[str], permissions: Iterable[str]) -> None:
    user = _add(match, _element("userMatch"))
    for pattern in patterns:
        _text(user, "userPattern", pattern)
    found = _add(user, _element("permissionMatch"))
    for permission in permissions:
        _text(found, "permission", permission)


def _forwarding() -> Any:
    root = _element("routes")
    route = _add(root, _element("route"))
    route.set("mappingType", "local")
    for host in OURS:
        _text(route, "routeFrom", host)
    return root


def _hosts(hosts: Iterable[str], rule: Rule | None = None) -> Any:
    match = _element("hostMatch")
    if rule is not None:
        _text(match, "name", rule.name)
        if rule.emergency:
            _text(match, "ruleType", "Emergency")
    for host in hosts:
        _text(match, "hostPattern", host)
    return match


def _user_match(to: Any, rule: Rule, patterns: Iterable[str]) -> Any:
    match = _add(to, _element("userMatch"))
    _text(match, "description", rule.name)
    for pattern in patterns:
        _text(match, "userPattern", pattern)
    return match


def _address(gateway: Gateway) -> str:
    return gateway.address + (f":{gateway.port}" if gateway.port else "")


_NAMES: Final[Mapping[str, str]] = {kind: name for name, kind in FILES.items()}


def _element(name: str) -> Any:
    return etree.Element(name)


def _add(to: Any, element: Any) -> Any:
    to.append(element)
    return element


def _text(to: Any, name: str, text: str) -> None:
    etree.SubElement(to, name).text = text


def _written(kind: str, root: Any) -> bytes:
    root.set("xmlns", NAMESPACE + _NAMES[kind])
    octets: bytes = etree.tostring(root, pretty_print=True, xml_declaration=True, encoding="UTF-8")
    return octets
