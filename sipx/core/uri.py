"""URIs: sip, sips and tel in full, others as opaque text.  RFC 3261 section 19, RFC 3966."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sipx.core.errors import RemoteError

# Texts parsed before are found again: a node meets the same users and contacts all day. The
# table is bounded because peers choose the texts: 40 MB when somebody fills it on purpose.
CACHED_URIS: Final = 65536
LONGEST_CACHED: Final = 128  # characters
LONGEST_URI: Final = 4096

_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):").match
_user = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2}|[\udc80-\udcff])+").fullmatch
_password = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*").fullmatch
_host = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-_]*[A-Za-z0-9.])?|\[[0-9A-Fa-f:.]+\]").fullmatch
_param = re.compile(
    r"((?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|%[0-9A-Fa-f]{2})+)"
    r"(?:=((?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$=@,\"]|%[0-9A-Fa-f]{2}|[\udc80-\udcff])*))?"
).fullmatch
_headers = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$&=@;,]|%[0-9A-Fa-f]{2})*").fullmatch
_opaque = re.compile(r"[!-~\udc80-\udcff]+").fullmatch
_telephone = re.compile(r"\+?[\-.()]*[0-9A-Fa-f*#][0-9A-Fa-f*#\-.()]*").fullmatch
_visual = re.compile(r"[\-.()]")
_escape = re.compile(r"%([0-9A-Fa-f]{2})")
_escaped_octet = re.compile(rb"%([0-9A-Fa-f]{2})")

# RFC 3261 section 25.1; any other character and its escape are two things.
_UNRESERVED: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
)

# Parameters that make two URIs differ when only one of them has it (19.1.4).
_DECISIVE: Final = ("user", "ttl", "method", "maddr", "transport")


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI in its parts; ``text`` is what was read and is written back unchanged.

    Attributes:
        scheme: lower case.
        user: as written, escapes kept; for tel the number; for other schemes all after the colon.
        password: as written, None when absent.
        host: as written; IPv6 with its brackets; empty when the scheme has none.
        port: None when absent.
        params: (name in lower case, value or None), in order.
        headers: what follows ``?``, as written.
        text: the whole.
    """

    scheme: str
    user: str
    password: str | None
    host: str
    port: int | None
    params: tuple[tuple[str, str | None], ...]
    headers: str
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def is_sip(self) -> bool:
        """Whether it is sip or sips."""
        return self.scheme in {"sip", "sips"}

    @property
    def name(self) -> str:
        """The user part with its escapes resolved."""
        return unescape(self.user) if "%" in self.user else self.user

    def param(self, name: str) -> str | None:
        """A parameter's value; empty for one without value, None when absent."""
        for key, value in self.params:
            if key == name:
                return value or ""
        return None

    @property
    def transport(self) -> str:
        """The transport parameter in lower case, empty when absent."""
        for key, value in self.params:
            if key == "transport":
                return (value or "").lower()
        return ""

    def key(self) -> str:
        """A text that URIs to the same place share: what contacts are indexed by.

        Equivalent URIs (19.1.4) have the same key as long as they agree in the parameters
        that decide; unknown parameters do not count.
        """
        if not self.is_sip:
            return f"{self.scheme}:{self.number.lower() if self.scheme == 'tel' else self.user}"
        decisive = sorted(
            f"{name}={comparable(value or '').lower()}"
            for name, value in self.params
            if name in _DECISIVE
        )
        return (
            f"{self.scheme}:{comparable(self.user)}:{comparable(self.password or '')}"
            f"@{self.host.lower()}"
            f":{self.port or ''};{';'.join(decisive)}"
        )

    @property
    def number(self) -> str:
        """The digits of a tel URI without visual separators (RFC 3966 section 5.1.1)."""
        return _visual.sub("", self.user)

    def without(self, *names: str) -> Uri:
        """The URI without some parameters and without headers, as a Request-URI must be."""
        params = tuple(pair for pair in self.params if pair[0] not in names)
        if params == self.params and not self.headers:
            return self
        return build(self.scheme, self.user, self.password, self.host, self.port, params)

    def as_target(self) -> Uri:
        """The URI as it may stand in a Request-URI: no headers, no method parameter (19.1.1)."""
        if not self.headers and not any(name == "method" for name, _ in self.params):
            return self
        return self.without("method")


def build(
    scheme: str,
    user: str,
    password: str | None,
    host: str,
    port: int | None,
    params: tuple[tuple[str, str | None], ...] = (),
) -> Uri:
    """Make a SIP URI from parts that are already escaped."""
    text = f"{scheme}:"
    if user:
        text += user + (f":{password}" if password is not None else "") + "@"
    text += host + (f":{port}" if port is not None else "")
    for name, value in params:
        text += f";{name}" if value is None else f";{name}={value}"
    return Uri(scheme, user, password, host, port, params, "", text)


def unescape(text: str) -> str:
    """Resolve ``%HH`` escapes; the bytes are UTF-8, anything else stays as surrogates."""
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    raw = _escaped_octet.sub(lambda found: bytes.fromhex(found[1].decode()), raw)
    return raw.decode("utf-8", "surrogateescape")


def comparable(text: str) -> str:
    """Resolve the escapes that make no difference when URIs are compared (19.1.4).

    Those of reserved characters do, and stay, in upper case.
    """
    if "%" not in text:
        return text
    return _escape.sub(_comparable, text)


def _comparable(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def parse_uri(text: str) -> Uri:
    """Read a URI.

    Raises:
        RemoteError: 400 with the reason, 414 above LONGEST_URI. A URI of a scheme that nobody
            routes is no error here.
    """
    return _remembered(text) if len(text) <= LONGEST_CACHED else _parse(text)


def _parse(text: str) -> Uri:
    if len(text) > LONGEST_URI:
        raise RemoteError(414, "Request-URI Too Long")
    found = _scheme(text)
    if found is None:
        raise RemoteError(400, "Malformed URI: no scheme")
    scheme = found.group(1).lower()
    rest = text[found.end() :]
    if scheme in {"sip", "sips"}:
        return _parse_sip(scheme, rest, text)
    if _opaque(rest) is None:
        raise RemoteError(400, f"Malformed {scheme[:32]} URI")
    if scheme == "tel":
        number, semicolon, tail = rest.partition(";")
        if _telephone(number) is None:
            raise RemoteError(400, "Malformed tel URI: not a telephone number")
        return Uri(scheme, number, None, "", None, _parse_params(semicolon + tail), "", text)
    return Uri(scheme, rest, None, "", None, (), "", text)


_remembered = lru_cache(CACHED_URIS)(_parse)


def _parse_sip(scheme: str, rest: str, text: str) -> Uri:
    userinfo, at, hostpart = rest.partition("@")
    if not at:
        userinfo, hostpart = "", rest
    user, colon, password = userinfo.partition(":")
    if at and (_user(user) is None or (colon and _password(password) is None)):
        raise RemoteError(400, "Malformed SIP URI: bad user part")
    hostpart, question, headers = hostpart.partition("?")
    if question and _headers(headers) is None:
        raise RemoteError(400, "Malformed SIP URI: bad headers")
    hostport, semicolon, tail = hostpart.partition(";")
    if hostport.startswith("["):
        host, bracket, port_text = hostport.partition("]")
        host += bracket
        if port_text and not port_text.startswith(":"):
            raise RemoteError(400, "Malformed SIP URI: bad host")
        has_port, port_text = bool(port_text), port_text[1:]
    else:
        host, port_colon, port_text = hostport.partition(":")
        has_port = bool(port_colon)
    if _host(host) is None:
        raise RemoteError(400, "Malformed SIP URI: bad host")
    port: int | None = None
    if has_port:
        if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5):
            raise RemoteError(400, "Malformed SIP URI: bad port")
        port = int(port_text)
        if not 0 < port < 65536:
            raise RemoteError(400, "Malformed SIP URI: bad port")
    params = _parse_params(semicolon + tail) if semicolon else ()
    return Uri(scheme, user, password if colon else None, host, port, params, headers, text)


def _parse_params(text: str) -> tuple[tuple[str, str | None], ...]:
    params = []
    seen = set()
    for part in text.split(";")[1:]:
        found = _param(part)
        if found is None:
            raise RemoteError(400, "Malformed URI parameter")
        name = found.group(1).lower()
        if name in seen:
            raise RemoteError(400, f"URI parameter {name[:32]} given twice")
        seen.add(name)
        params.append((name, found.group(2)))
    return tuple(params)


def equivalent(first: Uri, second: Uri) -> bool:
    """Compare two URIs as RFC 3261 section 19.1.4 asks; tel as RFC 3966 section 4."""
    if first.scheme != second.scheme:
        return False
    if not first.is_sip:
        if first.scheme != "tel":
            return first.user == second.user
        return first.number.lower() == second.number.lower() and dict(first.params) == dict(
            second.params
        )
    if comparable(first.user) != comparable(second.user):
        return False
    if (first.password is None) != (second.password is None):
        return False
    if comparable(first.password or "") != comparable(second.password or ""):
        return False
    if first.host.lower() != second.host.lower() or first.port != second.port:
        return False
    ours = {name: comparable(value or "").lower() for name, value in first.params}
    theirs = {name: comparable(value or "").lower() for name, value in second.params}
    for name in ours.keys() | theirs.keys():
        both = name in ours and name in theirs
        if both and ours[name] != theirs[name]:
            return False
        if not both and name in _DECISIVE:
            return False
    return _header_set(first.headers) == _header_set(second.headers)


def _header_set(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split("&") if part)
    return {comparable(name).lower(): comparable(value) for name, _, value in pairs}
