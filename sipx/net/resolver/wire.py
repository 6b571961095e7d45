"""Questions to bytes and bytes to answers: RFC 1035, 2308, 2782, 3403 and EDNS (6891).

Uses the codec of twisted.names.  What a message says about other names than the one asked for,
and those it is an alias of, is not believed.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any, Final, NamedTuple

from twisted.names import dns

from sipx.core.locating import Naptr, Question, Srv

LARGEST_ANSWER: Final = 1232  # bytes of a datagram that we ask for: no fragments (DNS flag day)
MOST_ALIASES: Final = 8  # CNAME records from a name to its records
MOST_RECORDS: Final = 64  # of one answer; more are not kept

# What the codec raises for bytes that are no message.
_UNREADABLE: Final = (
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    dns.DNSDecodeError,
    struct.error,
)
_OPT: Final = 41
_NXDOMAIN: Final = 3
_label = r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?"
_name = re.compile(rf"{_label}(?:\.{_label})*", re.ASCII).fullmatch


class Answer(NamedTuple):
    """What is known about a question.

    Attributes:
        records: in the form that sipx.core.locating has; none for no such name or type.
        life: seconds for which the DNS says it is good.
        failed: no name server gave an answer.
    """

    records: tuple[Any, ...]
    life: float
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What one name server said.

    Attributes:
        answer: None when it could not or would not answer, or only in part.
        truncated: it has more to say than a datagram holds.
        alias: the name that has the records, when they are not in the message.
        life: seconds for which that alias is good.
    """

    answer: Answer | None = None
    truncated: bool = False
    alias: str = ""
    life: float = 0.0


class _NoData(dns.UnknownRecord):
    TYPE = _OPT  # type: ignore[assignment]  # none has been given one there


def valid(name: str) -> bool:
    """Whether a text in lower case may be asked for as a name."""
    return len(name) <= 253 and _name(name) is not None


def encode(question: Question, ident: int) -> bytes:
    """Write a query."""
    message = dns.Message(id=ident, recDes=1)
    message.addQuery(question.name.encode(), question.kind.value, dns.IN)
    message.additional.append(
        dns.RRHeader(b"", _OPT, LARGEST_ANSWER, 0, _NoData(b""))  # the class is the size
    )
    return bytes(message.toStr())


def decode(data: bytes, question: Question, ident: int) -> Reply | None:
    """Read what a name server sent; None when it is no answer to this question."""
    message = dns.Message()
    try:
        message.fromStr(data)
        if not (message.answer and message.id == ident and len(message.queries) == 1):
            return None
        asked = message.queries[0]
        if (_text(asked.name), asked.type, asked.cls) != (question.name, question.kind.value, 1):
            return None
        if message.trunc:
            return Reply(truncated=True)
        if message.rCode not in {dns.OK, _NXDOMAIN}:
            return Reply()
        return _read(message, question)
    except (
        EOFError,
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        struct.error,
        dns.DNSDecodeError,
    ):
        return None


def _read(message: dns.Message, question: Question) -> Reply:
    """Follow the aliases in a message to the records."""
    name, life, seen = question.name, float(2**31), {question.name}
    headers = [header for header in message.answers if header.cls == dns.IN]
    while True:
        found, aliases = [], []
        for header in headers:
            if _text(header.name) == name:
                if header.type == question.kind.value:
                    found.append(header)
                elif header.type == dns.CNAME:
                    aliases.append(header)
        if found:
            life = min([life, *(float(header.ttl) for header in found)])
            records = sorted({record for header in found if (record := _record(header.payload))})
            return Reply(Answer(tuple(records[:MOST_RECORDS]), life))
        if not aliases:
            break
        payload: Any = aliases[0].payload
        name, life = _text(payload.name), min(life, float(aliases[0].ttl))
        if name in seen or len(seen) > MOST_ALIASES or not valid(name):
            return Reply()  # a circle, or a chain without end
        seen.add(name)
    negative = _negative(message)
    if name != question.name and message.rCode == dns.OK and negative is None:
        return Reply(alias=name, life=life)
    return Reply(Answer((), min(life, negative or 0.0)))


def _negative(message: dns.Message) -> float | None:
    """How long an absence is good (RFC 2308 section 5); None when nobody says."""
    for header in message.authority:
        payload: Any = header.payload
        if isinstance(payload, dns.Record_SOA):
            return float(min(header.ttl, payload.minimum))
    return None


def _record(payload: Any) -> Any:
    """A record as sipx.core.locating has it; None when it is not usable."""
    match payload:
        case dns.Record_A():
            return payload.dottedQuad()
        case dns.Record_AAAA():
            return str(IPv6Address(payload.address))
        case dns.Record_SRV():
            target = _text(payload.target)
            if target and not valid(target):
                return None
            return Srv(payload.priority, payload.weight, payload.port, target)
        case dns.Record_NAPTR():
            replacement = _text(payload.replacement)
            return Naptr(
                payload.order,
                payload.preference,
                _string(payload.flags),
                _string(payload.service),
                _string(payload.regexp),
                replacement if valid(replacement) else "",
            )
    return None


def _text(name: Any) -> str:
    text: str = name.name.decode("ascii", "replace").lower().rstrip(".")
    return text


def _string(value: Any) -> str:
    text: str = value.string.decode("ascii", "replace")
    return text
