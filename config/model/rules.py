"""Dial rules: the fields of each kind, with the defaults of sipXecs' North American plan.

A rule says what it is for; ``config.compile.rules`` makes patterns and a transform of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from config.model import fields as read
from config.model import permissions
from config.model.errors import FieldError
from config.model.fields import REQUIRED, Field

LONGEST_NUMBER: Final = 32  # digits; E.164 has 15, with prefixes and sub-addresses some more

_COMMON: Final = (
    Field("enabled", read.flag, True),
    Field("description", read.text(), ""),
    Field(
        "schedule",
        read.optional(read.entity_name),
        "",
        "office hours",
        read.names_of("schedule"),
    ),
)
_GATEWAYS: Final = Field(
    "gateways",
    read.listed(read.entity_name),
    (),
    "[berlin, backup]",
    read.names_of("gateway"),
)
_BRANCHES: Final = Field(
    "branches",
    read.listed(read.entity_name, ordered=False),
    (),
    "[berlin]",
    read.names_of("branch"),
)
_PATTERNS: Final = Field(
    "patterns", read.listed(read.pattern), REQUIRED, "['9x.', '0[1-9]xxxxxxx']"
)
_CALL: Final = Field("call", read.call, "{digits}", "'{vdigits}'")
_DID: Final = Field("did", read.optional(read.user_part), "", "'+4930123456'")


def _permissions(*default: str) -> Field:
    return Field(
        "permissions",
        read.listed(read.entity_name, ordered=False),
        default,
        "[LocalDialing]",
        permissions.custom,
    )


def _outside(
    permission: str,
    prefix: str,
    length: int,
    area_codes: tuple[str, ...] = (),
    *,
    prefix_optional: bool = False,
) -> tuple[Field, ...]:
    """The fields of a rule for numbers of the public network."""
    return (
        Field("pstn_prefix", read.digits(), "9", "'9'"),
        Field("pstn_prefix_optional", read.flag, True),
        Field("long_distance_prefix", read.digits(), prefix, "'1'"),
        Field("long_distance_prefix_optional", read.flag, prefix_optional),
        Field("area_codes", read.listed(read.digits()), area_codes, "['800', '866']"),
        Field("length", read.whole(0, LONGEST_NUMBER), length, "10, or 0 for any length"),
        _permissions(permission),
        _GATEWAYS,
        _BRANCHES,
    )


_PREFIXED: Final = read.digits()
_ALIASES: Final = "['0', operator]"

# Each kind and the fields that it has beside the common ones.
KINDS: Final[Mapping[str, tuple[Field, ...]]] = {
    "custom": (_PATTERNS, _CALL, _permissions(), _GATEWAYS, _BRANCHES),
    "local": _outside("LocalDialing", "", 7, prefix_optional=True),
    "long_distance": _outside("LongDistanceDialing", "1", 10),
    "toll_free": _outside("TollFree", "1", 10, ("800", "866", "877", "888")),
    "restricted": _outside("900Dialing", "1", 10, ("900",)),
    "international": _outside("InternationalDialing", "011", 0),
    "mobile": _outside("Mobile", "", 10, prefix_optional=True),
    "emergency": (
        Field("number", read.digits(), "911", "'112'"),
        Field("optional_prefix", read.digits(), "9", "'9'"),
        _GATEWAYS,
        _BRANCHES,
    ),
    "voicemail": (
        Field("extension", read.user_part, "101", "'101'"),
        _DID,
        Field("transfer_prefix", read.digits(), "8", "'8'"),
        Field("extension_length", read.whole(1, LONGEST_NUMBER), 3, "3"),
    ),
    "attendant": (
        Field("extension", read.user_part, "100", "'100'"),
        Field("aliases", read.listed(read.user_part), ("0", "operator"), _ALIASES),
        _DID,
        _BRANCHES,
    ),
    "site_to_site": (_PATTERNS, _CALL, _GATEWAYS, _BRANCHES),
    "intercom": (
        Field("prefix", _PREFIXED, "*76", "'*76'"),
        Field("code", read.text(64), "", "Auto"),
        Field("answer_after", read.whole(0, 60), 5, "5"),
    ),
    "paging": (Field("prefix", _PREFIXED, "*77", "'*77'"),),
    "park": (
        Field("orbits", read.listed(read.user_part), REQUIRED, "['501', '502']"),
        Field("retrieve_prefix", _PREFIXED, "*4", "'*4'"),
    ),
    "authcode": (
        Field("prefix", _PREFIXED, "*82", "'*82'"),
        Field("aliases", read.listed(read.user_part), (), _ALIASES),
    ),
    "callback": (Field("prefix", _PREFIXED, "*92", "'*92'"),),
    "domain_alias": (Field("domains", read.listed(read.host), REQUIRED, "[example.net]"),),
}
# Kinds that lead to the node's own services; of each call they ask no permission.
INTERNAL: Final = frozenset(
    "voicemail attendant intercom paging park authcode callback domain_alias".split()
)
KIND: Final = Field("kind", read.choice(*KINDS), REQUIRED, "custom")


def fields_of(given: Mapping[str, Any]) -> tuple[Field, ...]:
    """Give the fields of a rule; only the common ones when its kind is unknown."""
    kind = given.get("kind")
    own = KINDS.get(kind, ()) if isinstance(kind, str) else ()
    return (KIND, *_COMMON, *own)


def errors(rule: Mapping[str, Any]) -> Iterator[FieldError]:
    """Find what is wrong between the fields of a rule, each of which is right by itself."""
    kind = rule["kind"]
    if kind == "emergency" and not rule["number"]:
        yield FieldError("number", "is missing; right is, for example, '112'")
    if "patterns" in rule and not rule["patterns"]:
        yield FieldError("patterns", "are missing; right is, for example, ['9x.']")
    if "call" in rule and not rule["call"]:
        yield FieldError("call", "is missing; right is, for example, '{vdigits}'")
    if "prefix" in rule and not rule["prefix"]:
        yield FieldError("prefix", f"is missing; right is, for example, {_example(kind)}")
    if kind in ("park", "domain_alias"):
        name = "orbits" if kind == "park" else "domains"
        if not rule[name]:
            yield FieldError(name, "are missing: name at least one")
    if length := rule.get("length"):
        for code in rule["area_codes"]:
            if len(code) > length:
                yield FieldError(
                    "area_codes",
                    f"hold {code}, which is longer than the {length} digits of a whole number;"
                    " right is, for example, ['800', '866'] with a length of 10",
                )
    if (
        "area_codes" in rule
        and not rule["length"]
        and not rule["area_codes"]
        and not rule["long_distance_prefix"]
        and (rule["pstn_prefix_optional"] or not rule["pstn_prefix"])
    ):
        yield FieldError(
            "length",
            "is any, and no prefix or area code must be dialed: the rule would match every number;"
            " right is, for example, a length of 10",
        )
    outside = kind == "site_to_site" or ("gateways" in rule and kind != "custom")
    if outside and rule["enabled"] and not rule["gateways"]:
        yield FieldError("gateways", "are missing: name one, or set enabled to false")


def dialed(rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the fixed names by which a rule is dialed, each with its field."""
    if rule["kind"] in ("voicemail", "attendant"):
        yield "extension", rule["extension"]
        if rule["did"]:
            yield "did", rule["did"]
    for alias in rule.get("aliases", ()):
        yield "aliases", alias
    for orbit in rule.get("orbits", ()):
        yield "orbits", orbit


def _example(kind: str) -> str:
    return next(one.example for one in KINDS[kind] if one.name == "prefix")
