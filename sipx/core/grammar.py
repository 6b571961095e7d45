"""The lexical pieces that SIP header values share, RFC 3261 section 25.1.

Works on text: header lines are decoded (UTF-8 with surrogateescape) before they come here.
"""

from __future__ import annotations

import re
from typing import Final

from sipx.core.errors import RemoteError

TOKEN: Final = r"[A-Za-z0-9\-.!%*_+`'~]+"
_TEXT: Final = r'[^"\\\x00-\x08\x0a-\x1f\x7f]*'
QUOTED: Final = rf'"{_TEXT}(?:\\[\x00-\x09\x0b\x0c\x0e-\x7f]{_TEXT})*"'

# A generic parameter: ``;name``, ``;name=value``; the value a token, a host or quoted.  Values
# in the field hold characters that no token has (``=``, ``/``, ``@``), so all are taken that
# end neither the parameter nor the header value.
PARAM: Final = rf"\s*;\s*{TOKEN}(?:\s*=\s*(?:{QUOTED}|[^\s;,\"<>?]+))?"

_token = re.compile(TOKEN).fullmatch
_param = re.compile(rf"\s*;\s*({TOKEN})(?:\s*=\s*({QUOTED}|[^\s;,\"<>]+))?\s*").match
_quoted_pair = re.compile(r"\\(.)", re.DOTALL)

Params = dict[str, str | None]


def is_token(text: str) -> bool:
    """Whether a text is a ``token``."""
    return _token(text) is not None


def unquote(text: str) -> str:
    """The content of a quoted string; other text as it is."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        inner = text[1:-1]
        return _quoted_pair.sub(r"\1", inner) if "\\" in inner else inner
    return text


def quote(text: str) -> str:
    """Text as a quoted string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_params(text: str, what: str) -> Params:
    """Read ``;name=value;name`` to a mapping: names in lower case, values as written.

    Args:
        text: empty, or parameters with their leading semicolon.
        what: names the header in the error.

    Raises:
        RemoteError: 400; a parameter that is none, or one given twice.
    """
    params: Params = {}
    if not text:
        return params
    if '"' not in text and " " not in text and "\t" not in text:
        for part in text.split(";")[1:]:
            name, equals, value = part.partition("=")
            name = name.lower()
            if not name or (equals and not value) or name in params:
                break
            params[name] = value if equals else None
        else:
            if text[0] == ";":
                return params
        params = {}
    position = 0
    while position < len(text):
        found = _param(text, position)
        if found is None:
            if not text[position:].strip():
                break
            raise RemoteError(400, f"Malformed parameter in {what}")
        name = found.group(1).lower()
        if name in params:
            raise RemoteError(400, f"Parameter {name} given twice in {what}")
        params[name] = found.group(2)
        position = found.end()
    return params


def split_list(text: str, separator: str = ",") -> list[str]:
    """Split a header value at its top-level separators.

    Those inside quoted strings and inside ``<...>`` do not count.  Empty elements are
    dropped, as RFC 3261 section 7.3.1's ``#rule`` heritage has it.
    """
    if separator not in text:
        stripped = text.strip()
        return [stripped] if stripped else []
    if '"' not in text and "<" not in text:
        return [part for part in map(str.strip, text.split(separator)) if part]
    parts = []
    start = position = 0
    quoted = angled = False
    length = len(text)
    while position < length:
        char = text[position]
        if quoted:
            if char == "\\":
                position += 1
            elif char == '"':
                quoted = False
        elif char == '"' and not angled:
            quoted = True
        elif char == "<":
            angled = True
        elif char == ">":
            angled = False
        elif char == separator and not angled:
            parts.append(text[start:position].strip())
            start = position + 1
        position += 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def parse_number(text: str, what: str, largest: int) -> int:
    """Read a decimal number of a header.

    Raises:
        RemoteError: 400; not 1*DIGIT in ASCII, or above ``largest``.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise RemoteError(400, f"{what} is not a number")
    value = int(text)
    if value > largest:
        raise RemoteError(400, f"{what} is too large")
    return value
