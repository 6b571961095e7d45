"""From, To, Contact, Route, Record-Route and Path values: a URI, a name, parameters.

RFC 3261 sections 20.10, 20.20, 20.30, 20.34, 20.39 and 25.1.
"""

from __future__ import annotations

import re
from typing import Final

from sipx.core.errors import RemoteError
from sipx.core.grammar import PARAM, QUOTED, TOKEN, Params, parse_params, split_list
from sipx.core.uri import Uri, parse_uri

LONGEST_LIST: Final = 64  # values of one header in one message; more is an attack

# What nearly every From and To looks like; whatever else the grammar allows comes after it.
_usual = re.compile(
    r"""("[^"\\<>\x00-\x1f\x7f]*")? ?<([!-;=?-~]+)>(;tag=([A-Za-z0-9\-.!%*_+`'~]+))?"""
).fullmatch
_bracketed = re.compile(
    rf"\s*+({QUOTED}|(?:{TOKEN}(?:[ \t]+{TOKEN})*)?)\s*<([^<>\s]+)>((?:{PARAM})*)\s*", re.ASCII
).fullmatch
_bare = re.compile(rf"\s*+([^<>\s\";?,]+)((?:{PARAM})*)\s*", re.ASCII).fullmatch


class NameAddr:
    """One value: ``"name" <uri>;params`` or ``uri;params``.

    Attributes:
        display: the name as written, quotes kept; empty when absent.
        uri_text: the URI as written.
        params_text: the header's parameters as written, with their first semicolon.
    """

    __slots__ = ("_params", "_what", "display", "params_text", "uri_text")

    def __init__(self, display: str, uri_text: str, params_text: str, what: str = "") -> None:
        self.display = display
        self.uri_text = uri_text
        self.params_text = params_text
        self._what = what
        self._params: Params | None = None

    @property
    def uri(self) -> Uri:
        """The URI, parsed.

        Raises:
            RemoteError: 400.
        """
        return parse_uri(self.uri_text)

    @property
    def params(self) -> Params:
        """The header's parameters, names in lower case, values as written."""
        found = self._params
        if found is None:
            found = self._params = parse_params(self.params_text, self._what)
        return found

    @property
    def tag(self) -> str:
        """The tag parameter, empty when absent."""
        return self.params.get("tag") or ""

    def __str__(self) -> str:
        name = f"{self.display} " if self.display else ""
        return f"{name}<{self.uri_text}>{self.params_text}"


def parse_nameaddr(text: str, what: str) -> NameAddr:
    """Read one value.

    Args:
        text: the value, without list commas.
        what: the header's name, for the error.

    Raises:
        RemoteError: 400; neither a name-addr nor an addr-spec with parameters.
    """
    found = _usual(text)
    if found is not None:
        display, uri_text, params_text, tag = found.groups()
        value = NameAddr(display or "", uri_text, params_text or "", what)
        value._params = {"tag": tag} if tag else {}
        return value
    found = _bracketed(text)
    if found is not None:
        return NameAddr(found.group(1), found.group(2), found.group(3), what)
    found = _bare(text)
    if found is None:
        raise RemoteError(400, f"Malformed {what}")
    return NameAddr("", found.group(1), found.group(2), what)


def parse_nameaddrs(texts: list[str], what: str) -> list[NameAddr]:
    """Read all values of a header that may be a list.

    Raises:
        RemoteError: 400; a malformed value, or more than LONGEST_LIST of them.
    """
    values = [parse_nameaddr(part, what) for text in texts for part in split_list(text)]
    if len(values) > LONGEST_LIST:
        raise RemoteError(400, f"More than {LONGEST_LIST} values of {what}")
    return values
