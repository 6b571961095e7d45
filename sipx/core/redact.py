"""What may be shown of a message: everything but its secrets.

For traces, logs and error reports.  The bytes may be malformed in any way: nothing here
parses, nothing raises, and where the reading is in doubt more is hidden rather than less.
Hidden are

- all of a header of credentials or challenges (RFC 3261 section 22, RFC 7616) but the
  parameters known to be harmless, such as ``username``, ``realm``, ``algorithm`` and ``uri``;
- ``response``, ``nonce``, ``opaque`` and their like wherever they stand;
- passwords in URIs (RFC 3261 section 19.1.1) and credentials in their header fields;
- media keys and ICE passwords in SDP (RFC 4568, 4566 ``k=``, 4567, 8839);
- this system's own dialog state in Route and Record-Route, and the flow tokens that
  stand for the user in Path and its relatives (RFC 5626 section 5.2).

Every pattern is linear in the length of its line.
"""

from __future__ import annotations

import re
from typing import Final

MARK: Final = "***"
_MARK: Final = MARK.encode()

_HARMLESS: Final = frozenset(
    b"username userhash realm domain algorithm uri qop nc stale charset".split()
)
_SECRET: Final = frozenset(b"response nonce cnonce nextnonce rspauth opaque".split())
_SCHEMES: Final = frozenset(b"digest basic bearer ntlm kerberos negotiate".split())
_PARAMETERS: Final = (b"response", b"nonce", b"rspauth", b"opaque", b"passw", b"sx")
_TOKENS_FOR_USERS: Final = frozenset({b"path", b"route", b"record-route", b"service-route"})

_QUOTED: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)'
_clean_break = re.compile(rb"(\r\n)(?![ \t])")
_any_break = re.compile(rb"((?>\r\n|\n|\r))(?![ \t])")
_piece = re.compile(
    rb"([\w.!%*+`'~-]++)(\s*+=\s*+)(" + _QUOTED + rb'|[^\s,"]*+)|[\s,]++|[^\s,]++', re.DOTALL
)
_parameter = re.compile(
    rb"((?:response|nonce|rspauth|opaque|passw(?:or)?d|sx)\s*+=\s*+)(?:"
    + _QUOTED
    + rb"|[^\s,;<>]*+)",
    re.IGNORECASE | re.DOTALL,
)
_uri_header = re.compile(rb"([?&][a-z-]{0,32}auth[a-z-]{0,32}=)[^&>\s]*+", re.IGNORECASE)
_run = re.compile(rb'<[^<>]*+|[^\s<>"]++')
_scheme = re.compile(
    rb"(?:sips?|https?|ftps?|tftp|ldaps?|wss?|xmpp|im|pres):(?://)?", re.IGNORECASE
)
_inline_key = re.compile(rb"(inline\s*+:)[^\s;]*+", re.IGNORECASE)
_sdp_secret = re.compile(
    rb"(\s*k\s*=|\s*a\s*=\s*(?:ice-pwd|key-mgmt)\s*:"
    rb"|\s*a\s*=\s*crypto\s*:\s*[0-9]{0,9}(?:\s+[A-Z0-9_]{1,64}(?=\s))?).*",
    re.IGNORECASE | re.DOTALL,
)
# A terminal would act on these; a lone CR would overwrite what stands before it.
_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")


def redact(data: bytes) -> str:
    """Give a message's text without its secrets.

    Args:
        data: a message, or any part of one that begins and ends with whole lines.

    Returns:
        The text as UTF-8, each secret replaced by ``MARK``; line ends are kept, other
        control characters and what is not UTF-8 are made visible.
    """
    data = _by_line(data, _clean_break)
    if not data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
        # Phones that accept a bare CR or LF read other lines in it: hide by their reading too.
        data = _by_line(data, _any_break)
    return _control.sub(_visible, data.decode("utf-8", "backslashreplace"))


def _by_line(data: bytes, line_break: re.Pattern[bytes]) -> bytes:
    pieces = line_break.split(data)
    pieces[::2] = map(_redact_line, pieces[::2])
    return b"".join(pieces)


def _redact_line(line: bytes) -> bytes:
    """Redact a header or a line of a body; folds are inside."""
    if not line:
        return line
    name, colon, value = line.partition(b":")
    if colon:
        name = name.strip().lower()
        if b"auth" in name and b" " not in name:
            line = line[: -len(value)] + _piece.sub(_credential, value) if value else line
        elif name in _TOKENS_FOR_USERS:
            line = _run.sub(_without_user, line)
    # Most lines hold nothing: plain searches cost a tenth of the patterns.
    lower = line.lower()
    if b"=" in lower:
        found = _sdp_secret.fullmatch(line) if lower.lstrip()[:1] in b"ak" else None
        if found is not None:
            return found[1] + b" " + _MARK
        if any(word in lower for word in _PARAMETERS):
            line = _parameter.sub(_hidden, line)
        if b"auth" in lower:
            line = _uri_header.sub(_hidden, line)
    if b"inline" in lower:
        line = _inline_key.sub(_hidden, line)
    if b"@" in line:
        line = _run.sub(_without_password, line)
    return line


def _hidden(found: re.Match[bytes]) -> bytes:
    return found[1] + _MARK


def _credential(found: re.Match[bytes]) -> bytes:
    """Keep a harmless parameter, a separator or a scheme; hide what else there is."""
    name, equals, _, closing = found.groups()
    if name is None:
        text = found[0]
        if text[:1] in b" \t\r\n,\v\f" or text.lower() in _SCHEMES:
            return text
        return _MARK
    known = name.lower()
    # A quote that does not end has swallowed what follows it.
    if known in _HARMLESS and closing != b"":
        return found[0]
    # What looks like the name of another parameter may be base64 with its padding.
    return name + equals + _MARK if known in _HARMLESS or known in _SECRET else _MARK


def _without_password(found: re.Match[bytes]) -> bytes:
    run = found[0]
    at = run.rfind(b"@")
    scheme = _scheme.search(run, 0, at) if at > 0 else None
    if scheme is None:
        return run
    colon = run.find(b":", scheme.end(), at)
    return run if colon < 0 else run[: colon + 1] + _MARK + run[at:]


def _without_user(found: re.Match[bytes]) -> bytes:
    run = found[0]
    at = run.rfind(b"@")
    scheme = _scheme.search(run, 0, at) if at > 0 else None
    return run if scheme is None else run[: scheme.end()] + _MARK + run[at:]


def _visible(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"
