"""Makes gateways, schedules and rules of sipXecs' rule files.

The three files of rules say one thing in three places: mappingrules what stays within the system,
fallbackrules which gateway a number goes to, authrules which permission the number as the gateway
gets it needs.  Here that is one rule.  What sipXconfig generates for services that every node has
by itself (mailboxes, music on hold, resource lists) needs no rule and is passed over.  What else
cannot be said as a rule is refused, with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from config.exchange.sipxecs_xml import Node
from config.model.fields import DAYS
from config.model.permissions import BUILT_IN, NO_ACCESS

Edit = dict[str, Any]

WEEK: Final = 7 * 1440  # minutes
_TOKEN: Final = re.compile(r"\{[^{}]*\}|.")
_VARIABLE: Final = re.compile(r"(?<!\\)[x.\[]")
_OURS: Final = ("${SIPXCHANGE_DOMAIN_NAME}", "${MY_")
# Patterns of what a node does by itself.
_OWN: Final = ("~~vm~.", "~~ff~.", "~~mh~", "~~rl~", "~~in~")
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(\d+))?").fullmatch


class Imported(NamedTuple):
    """What files become.

    Attributes:
        edits: as the API takes them.
        notes: what was passed over, in words.
    """

    edits: list[Edit]
    notes: list[str]


class _Import:
    def __init__(self) -> None:
        self.gateways: dict[tuple[str, ...], str] = {}
        self.schedules: dict[str, str] = {}
        self.edits: list[Edit] = []
        self.notes: list[str] = []
        self.voicemail: Edit | None = None
        self._names: set[tuple[str, str]] = set()

    def add(self, kind: str, name: str, /, **fields: Any) -> Edit:
        """Add a thing; the name is made unique."""
        wanted, number = name[:56] or "imported", 2
        while (kind, name := wanted if number == 2 else f"{wanted} {number - 1}") in self._names:
            number += 1
        self._names.add((kind, name))
        edit = {"do": "add", "kind": kind, "name": name, "fields": fields}
        self.edits.append(edit)
        return edit


def edits(files: Iterable[tuple[str, Node]]) -> Imported:
    """Make the edits that some files come to.

    Args:
        files: which of the four each is, and its root.

    Raises:
        Inexpressible: something cannot be said; nothing of the files is to be used.
    """
    roots: dict[str, list[Node]] = {}
    for kind, root in files:
        roots.setdefault(kind, []).append(root)
    work = _Import()
    permissions = _Permissions(roots.get("authrules", ()))
    for root in roots.get("mappingrules", ()):
        for host_match in root.all("hostMatch"):
            _internal(work, host_match)
    for root in roots.get("fallbackrules", ()):
        for host_match in root.all("hostMatch"):
            for match in host_match.all("userMatch"):
                _outside(work, match, permissions)
    for root in roots.get("forwardingrules", ()):
        _forwarding(work, root)
    custom = sorted(permissions.used - BUILT_IN.keys())
    for name in custom:
        work.edits.insert(0, {"do": "add", "kind": "permission", "name": name, "fields": {}})
    return Imported(work.edits, work.notes)


class Needed(NamedTuple):
    """What a number that goes to a host needs.

    Attributes:
        permissions: any one of them.
        emergency: none, because it is for emergencies.
        free: none, because nothing is asked at that host: another system.
    """

    permissions: list[str]
    emergency: bool
    free: bool


class _Permissions:
    """What authrules asks of a number that goes to a host."""

    def __init__(self, roots: Sequence[Node]) -> None:
        self.known = bool(roots)
        self.used: set[str] = set()
        self.hosts: set[str] = set()
        self._needed: dict[tuple[str, str], tuple[list[str], bool]] = {}
        for root in roots:
            for match in root.all("hostMatch"):
                self._read(match)

    def _read(self, host_match: Node) -> None:
        emergency = host_match.said("ruleType") == "Emergency"
        self.hosts.update(host_match.texts("hostPattern"))
        for match in host_match.all("userMatch"):
            needed = [
                one for found in match.all("permissionMatch") for one in found.texts("permission")
            ]
            if needed == [NO_ACCESS]:
                continue
            for host in host_match.texts("hostPattern"):
                for pattern in match.texts("userPattern"):
                    self._needed.setdefault((host, pattern), (needed, emergency))

    def of(self, node: Node, host: str, patterns: Sequence[str]) -> Needed:
        """Find what a rule needs; the same for all of its patterns."""
        if not self.known:
            raise node.refuse("leads to a gateway; give authrules.xml too, it has the permissions")
        if host not in self.hosts:
            return Needed([], False, True)
        found = {
            repr(self._needed.get((host, one))): self._needed.get((host, one)) for one in patterns
        }
        if len(found) != 1:
            raise node.refuse(
                f"has patterns for which authrules.xml asks different things of {host}"
            )
        (needed,) = found.values()
        if needed is None:
            raise node.refuse(
                f"leads to {host}, for which authrules.xml has no rule with the pattern"
                f" {patterns[0]}: nobody might call it"
            )
        self.used.update(needed[0])
        return Needed(*needed, False)


def _internal(work: _Import, host_match: Node) -> None:
    """Read a hostMatch of mappingrules."""
    hosts = host_match.texts("hostPattern")
    ours = [host for host in hosts if host.startswith(_OURS)]
    for match in host_match.all("userMatch"):
        patterns = match.texts("userPattern")
        transforms = [
            (found, transform)
            for found in match.all("permissionMatch")
            for transform in found.all("transform")
        ]
        if not ours and patterns == ["."] and len(transforms) == 1:
            work.add("rule", _name(match) or hosts[0], kind="domain_alias", domains=hosts)
            continue
        if all(pattern.startswith(_OWN) for pattern in patterns) or patterns == ["."]:
            work.notes.append(f"line {match.line}: {', '.join(patterns)} is done by every node")
            continue
        if not transforms:
            raise match.refuse("has no transform: it leads nowhere")
        if len(transforms) > 1:
            raise match.refuse(
                "has several transforms; a rule within the system leads to one place"
            )
        permission_match, transform = transforms[0]
        if permission_match.all("permission"):
            raise permission_match.refuse("asks a permission of who is called; a rule asks callers")
        _internal_rule(work, match, patterns, transform)


def _internal_rule(work: _Import, match: Node, patterns: list[str], transform: Node) -> None:
    url, user = unquote(transform.said("url")), transform.said("user")
    name = _name(match)
    prefix = re.sub(r"\\(.)", r"\1", patterns[0].removesuffix("."))
    if "action=retrieve" in url:
        numbers = _literals(match, patterns)
        if len(numbers) > 2:
            raise match.refuse("has more than two numbers for mailboxes: extension and did")
        did = {"did": numbers[1]} if len(numbers) > 1 else {}
        work.voicemail = work.add(
            "rule", name, kind="voicemail", extension=numbers[0], transfer_prefix="", **did
        )
    elif "action=deposit" in url:
        length = len(patterns[0]) - len(patterns[0].rstrip("x"))
        if work.voicemail is None or len(patterns) > 1 or not length:
            raise match.refuse("deposits into mailboxes, without a rule before it that reads them")
        work.voicemail["fields"].update(
            transfer_prefix=patterns[0].rstrip("x"), extension_length=length
        )
    elif "action=autoattendant" in url:
        number, *more = _literals(match, patterns)
        work.add("rule", name, kind="attendant", extension=number, aliases=more)
    elif "sipXpage" in "".join(transform.texts("urlparams")):
        work.add("rule", name, kind="paging", prefix=prefix)
    elif "answer-after" in "".join(transform.texts("headerparams")):
        work.add("rule", name, kind="intercom", prefix=prefix, **_intercom(transform))
    elif url.startswith("<sip:ACC@"):
        number, *more = _literals(match, patterns)
        work.add("rule", name, kind="authcode", prefix=number, aliases=more)
    elif url.startswith("<sip:CBB@"):
        work.add("rule", name, kind="callback", prefix=prefix)
    elif url or transform.all("host") or transform.all("urlparams"):
        raise transform.refuse("leads to a service or host that is not known here")
    elif transform.all("headerparams") or not user:
        raise transform.refuse("sets headers, or has no <user>; a rule changes the number only")
    else:
        schedule = _schedule(work, transform)
        work.add("rule", name, kind="custom", patterns=patterns, call=user, **schedule)


def _outside(work: _Import, match: Node, permissions: _Permissions) -> None:
    """Read a userMatch of fallbackrules: by default for all, else for callers of some branch."""
    patterns = match.texts("userPattern")
    if located := match.all("callerLocationMatch"):
        raise located[0].refuse(
            "is for callers of a branch: give the gateways that branch by hand, then take it out"
        )
    transforms = match.all("transform")
    if not transforms:
        raise match.refuse("has no transform: it leads to no gateway")
    call = _common([transform.said("user") for transform in transforms])
    if not call:
        raise match.refuse("has transforms that make different numbers of one")
    gateways = []
    needs: list[Needed] = []
    for transform in transforms:
        if transform.all("url"):
            raise transform.refuse("has a <url>; a gateway needs <user> and <host>")
        user, host = transform.said("user"), transform.said("host")
        if not host or "{" in host:
            raise transform.refuse("has no <host> that names a gateway")
        prefix = user.removesuffix(call)
        gateways.append(_gateway(work, transform, host, prefix))
        needs.append(permissions.of(match, host, [prefix + one for one in made(patterns, call)]))
    if any(need != needs[0] for need in needs):
        raise match.refuse("has gateways for which authrules.xml asks different permissions")
    needed, emergency, free = needs[0]
    name = _name(match)
    schedule = _schedule(work, transforms[0])
    if free:
        fields = {"kind": "site_to_site", "patterns": patterns, "call": call}
        work.add("rule", name, **fields, gateways=gateways, **schedule)
    elif emergency:
        number = call
        heads = [one.removesuffix(number) for one in patterns if one not in ("sos", number)]
        if any(not one.endswith(number) for one in patterns if one != "sos") or len(heads) > 1:
            raise match.refuse(f"is for emergencies, but its patterns are not those of {number}")
        optional = heads[0] if heads else ""
        fields = {"kind": "emergency", "number": number, "optional_prefix": optional}
        work.add("rule", name, **fields, gateways=gateways, **schedule)
    else:
        fields = {"kind": "custom", "patterns": patterns, "call": call}
        more = {"permissions": sorted(needed), "gateways": gateways}
        work.add("rule", name, **fields, **more, **schedule)


def _gateway(work: _Import, transform: Node, host: str, prefix: str) -> str:
    address, port = _split(transform, host)
    transport, route = "", ""
    for param in transform.texts("urlparams"):
        name, _, value = param.partition("=")
        if name == "transport":
            transport = value
        elif name != "sipxecs-lineid":
            raise transform.refuse(f"has the parameter {name!a}, which no gateway here sets")
    for param in transform.texts("headerparams"):
        name, _, value = param.partition("=")
        if name.lower() == "route":
            route = value
        elif name != "expires":
            raise transform.refuse(f"has the header {name!a}, which no gateway here sets")
    key = (address, port, transport, route, prefix)
    if key not in work.gateways:
        fields: dict[str, Any] = {"address": address, "transport": transport, "prefix": prefix}
        if port:
            fields["port"] = int(port)
        made = work.add("gateway", address, **fields, route=route)
        work.gateways[key] = made["name"]
    return work.gateways[key]


def _forwarding(work: _Import, root: Node) -> None:
    """Pass over what every node does by itself; nothing else of this file is configured here."""
    for route in root.all("route"):
        kind = route.attribute("mappingType")
        if kind != "local":
            raise route.refuse(
                f"of the type {kind!a} sends calls elsewhere: configure a gateway for it, or take"
                " it out"
            )
        work.notes.append(f"line {route.line}: the local route is done by every node")


def _schedule(work: _Import, transform: Node) -> dict[str, str]:
    """Find the schedule in a ``sipx-ValidTime``: hex minutes since Sunday 00:00 UTC."""
    for param in transform.texts("fieldparams"):
        name, _, value = param.partition("=")
        if name == "sipx-ValidTime":
            value = value.strip('"')
            if value not in work.schedules:
                periods = list(_periods(transform, value))
                made = work.add("schedule", "imported", timezone="UTC", periods=periods)
                work.schedules[value] = made["name"]
            return {"schedule": work.schedules[value]}
        if name != "q":
            raise transform.refuse(f"has the field parameter {name!a}, which is not known")
    return {}


def _periods(node: Node, text: str) -> Iterator[dict[str, Any]]:
    try:
        times = [int(one, 16) for one in text.split(":")]
    except ValueError:
        times = [-1]
    if len(times) % 2 or not all(0 <= one <= WEEK for one in times):
        raise node.refuse(f"has a sipx-ValidTime {text[:40]!a} that cannot be read")
    for begin, stop in zip(times[::2], times[1::2], strict=True):
        start, end = begin, stop if stop > begin else stop + WEEK
        while start < end:
            midnight = min(end, (start // 1440 + 1) * 1440)
            day = DAYS[(start // 1440 + 6) % 7]  # Sunday comes first there, last here
            clock = start % 1440
            yield {"days": [day], "start": _clock(clock), "stop": _clock(clock + midnight - start)}
            start = midnight


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def made(patterns: Iterable[str], call: str) -> list[str]:
    """Give the patterns of the numbers that a transform makes."""
    found = []
    for pattern in patterns:
        start = _VARIABLE.search(pattern)
        variable = pattern[start.start() :] if start else ""
        made = call.replace("{vdigits}", variable).replace("{digits}", pattern)
        found.append(made)
    return list(dict.fromkeys(found))


def _common(users: Sequence[str]) -> str:
    """Find what transforms end with alike: the rest is the prefix of each gateway."""
    split = [_TOKEN.findall(user) for user in users]
    if len(set(users)) == 1:
        return users[0]
    common: list[str] = []
    for tokens in zip(*(reversed(one) for one in split), strict=False):
        if len(set(tokens)) > 1:
            break
        common.append(tokens[0])
    return "".join(reversed(common))


def _literals(match: Node, patterns: Iterable[str]) -> list[str]:
    """Give the fixed numbers that patterns are."""
    found = []
    for pattern in patterns:
        if _VARIABLE.search(pattern):
            raise match.refuse(
                f"has the pattern {pattern}; this service is dialed by fixed numbers"
            )
        found.append(re.sub(r"\\(.)", r"\1", pattern))
    return found


def _intercom(transform: Node) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for param in transform.texts("headerparams"):
        name, _, value = param.partition("=")
        if name.lower() == "alert-info":
            found["code"] = unquote(value)
        elif seconds := re.search(r"answer-after=(\d+)", unquote(value)):
            found["answer_after"] = int(seconds[1])
    return found


def _name(match: Node) -> str:
    return match.comment() or match.said("description") or match.said("callTag")


def _split(node: Node, host: str) -> tuple[str, str]:
    found = _HOST(host)
    if found is None:
        raise node.refuse(f"has the host {host!a}, which is none")
    return found[1], found[2] or ""
