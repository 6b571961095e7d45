"""Makes the rules that routing works with of those that an administrator fills in.

The kinds, their patterns and what they make of a number are those of sipXecs' dial plan; an
administrator's rule can become several, one for each area code or service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from config.model.entities import Entity
from sipx.routing.snapshot import Rule

Fields = Mapping[str, Any]
# Patterns, what becomes of the number, and more fields of the rule.
Part = tuple[tuple[str, ...], str, dict[str, Any]]

# What has a meaning in a pattern.
_SPECIAL: Final = re.compile(r"[x.\[\]\\]")


def rules(entity: Entity, number: int, gateways: Mapping[str, int]) -> tuple[Rule, ...]:
    """Compile one rule.

    Args:
        entity: the rule.
        number: its id.
        gateways: id of each, by its name.
    """
    fields = entity.fields
    kind = fields["kind"]
    common: dict[str, Any] = {
        "permissions": tuple(fields.get("permissions", ())),
        "gateways": tuple(gateways[name] for name in fields.get("gateways", ())),
        "branches": tuple(fields.get("branches", ())),
    }
    return tuple(
        Rule(
            id=number,
            name=entity.name,
            kind=kind,
            enabled=fields["enabled"],
            schedule=fields["schedule"],
            patterns=patterns,
            call=call,
            **{**common, **more},
        )
        for patterns, call, more in _PARTS.get(kind, _outside)(fields, number)
    )


def literal(text: str) -> str:
    """Write a text as a pattern that matches just it."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], text)


def _as_said(fields: Fields, _number: int) -> Iterator[Part]:
    yield tuple(fields["patterns"]), fields["call"], {}


def _outside(fields: Fields, _number: int) -> Iterator[Part]:
    """Numbers of the public network: a rule for each area code."""
    pstn, far = literal(fields["pstn_prefix"]), literal(fields["long_distance_prefix"])
    without_pstn = fields["pstn_prefix_optional"] or not pstn
    without_far = fields["long_distance_prefix_optional"] or not far
    for code in fields["area_codes"] or ("",):
        length = fields["length"]
        # What is left of the number is what {vdigits} stands for.
        rest = "x" * (length - len(code)) if length else "x."
        area = literal(code)
        heads = [pstn + far + area]
        heads += [far + area] if without_pstn else []
        heads += [pstn + area] if without_far else []
        heads += [area] if without_pstn and without_far else []
        patterns = tuple(dict.fromkeys(head + rest for head in heads))
        yield patterns, fields["long_distance_prefix"] + code + "{vdigits}", {}


def _emergency(fields: Fields, _number: int) -> Iterator[Part]:
    number = literal(fields["number"])
    patterns = dict.fromkeys(("sos", number, literal(fields["optional_prefix"]) + number))
    yield tuple(patterns), fields["number"], {"emergency": True}


def _voicemail(fields: Fields, _number: int) -> Iterator[Part]:
    ivr = {"server": "IVR"}
    deposit = "IVR;mailbox={vdigits};action=deposit"
    yield _literals(fields["extension"], fields["did"]), "IVR;action=retrieve", ivr
    if prefix := fields["transfer_prefix"]:
        yield (literal(prefix) + "x" * fields["extension_length"],), deposit, ivr
    own = {**ivr, "permissions": ("FreeswitchVoicemailServer",)}
    yield ("~~vm~.",), deposit, own
    yield ("~~ff~.",), "IVR;mailbox={vdigits};action=faxrx", ivr


def _attendant(fields: Fields, number: int) -> Iterator[Part]:
    patterns = _literals(fields["extension"], *fields["aliases"], fields["did"])
    call = f"IVR;action=autoattendant;schedule_id=aa_{number}"
    yield patterns, call, {"server": "IVR"}


def _intercom(fields: Fields, _number: int) -> Iterator[Part]:
    answer = quote(f"<sip:localhost>;answer-after={fields['answer_after']}", safe="")
    headers = f"Call-Info={answer}"
    if fields["code"]:
        headers = f"Alert-Info={quote(fields['code'], safe='')}&{headers}"
    yield (literal(fields["prefix"]) + ".",), "{vdigits}?" + headers, {}


def _paging(fields: Fields, _number: int) -> Iterator[Part]:
    call = "{vdigits};Alert-info=sipXpage"
    yield (literal(fields["prefix"]) + ".",), call, {"server": "page"}


def _park(fields: Fields, _number: int) -> Iterator[Part]:
    server = {"server": "park"}
    yield _literals(*fields["orbits"]), "{digits}", server
    if prefix := fields["retrieve_prefix"]:
        yield _literals(*(prefix + orbit for orbit in fields["orbits"])), "{digits}", server


def _authcode(fields: Fields, _number: int) -> Iterator[Part]:
    patterns = _literals(fields["prefix"], *fields["aliases"])
    yield patterns, "ACC;command=auth", {"server": "ACC"}


def _callback(fields: Fields, _number: int) -> Iterator[Part]:
    call = "CBB;callee={vdigits}"
    yield (literal(fields["prefix"]) + ".",), call, {"server": "CBB"}


def _domain_alias(fields: Fields, _number: int) -> Iterator[Part]:
    yield tuple(fields["domains"]), "{user}", {}


def _literals(*texts: str) -> tuple[str, ...]:
    return tuple(literal(text) for text in texts if text)


_PARTS: Final[Mapping[str, Callable[[Fields, int], Iterator[Part]]]] = {
    "custom": _as_said,
    "site_to_site": _as_said,
    "emergency": _emergency,
    "voicemail": _voicemail,
    "attendant": _attendant,
    "intercom": _intercom,
    "paging": _paging,
    "park": _park,
    "authcode": _authcode,
    "callback": _callback,
    "domain_alias": _domain_alias,
}
