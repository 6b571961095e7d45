"""Digest authentication as SIP uses it: challenges and credentials, read, written, computed.

RFC 7616 for the scheme, RFC 8760 for SHA-256 in SIP, RFC 3261 sections 22.4 and 25.1 for the
grammar.  Knows no accounts and no clock, and takes a nonce for an opaque text.

Only ``qop="auth"`` is computed.  RFC 3261 would still let a server take RFC 2069 answers, which
have no qop, no client nonce and no count; RFC 7616 has dropped them, every phone that reads
our challenges knows qop, and without a count an answer can be repeated.  So `verify` says no to
them and the server challenges afresh.  ``auth-int`` is not offered: SIP headers and bodies
change on the way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hmac import compare_digest
from sys import intern
from typing import Final

from sipx.core.errors import RemoteError
from sipx.core.grammar import QUOTED, is_token, quote, unquote

LONGEST: Final = 4096
"""Characters of one header value; a response hashes little more than its own header."""

REMEMBERED: Final = 1024
"""Of how many shapes of a value, and how many method and uri pairs, the work is kept."""

_WHITE: Final = " \t"  # values come unfolded
_REQUIRED: Final = ("username", "realm", "nonce", "uri", "response")
_BARE: Final = frozenset({"algorithm", "qop", "nc"})  # in credentials; written without quotes

_control = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
_quoted = re.compile(QUOTED).match
_eight_hex = re.compile(r"[0-9A-Fa-f]{8}").fullmatch


class Credentials:
    """The value of one Authorization or Proxy-Authorization header, scheme Digest.

    Attributes:
        params: all parameters, those nobody knows too; names in lower case, values unquoted.
        username: as the client wrote it.
        realm: of the challenge that is answered.
        nonce: of that challenge; empty when a client (of the IMS kind) has had none yet.
        uri: the digest-uri; need not be the Request-URI.
        response: the hash, hexadecimal; empty like the nonce.
        algorithm: as written, empty when absent, which means MD5.
        qop: as written, empty when absent.
        cnonce: the client's nonce, empty when absent.
        nc: the nonce count as written, empty when absent.
        count: the nonce count, 0 when absent.
    """

    __slots__ = (
        "algorithm",
        "cnonce",
        "count",
        "nc",
        "nonce",
        "params",
        "qop",
        "realm",
        "response",
        "uri",
        "username",
    )

    def __init__(self, params: Mapping[str, str]) -> None:
        """Take parameters.

        Raises:
            RemoteError: 400; one is missing that RFC 7616 section 3.4 requires, or the nonce
                count is not eight hexadecimal digits.
        """
        self.params = params
        try:
            self.username = params["username"]
            self.realm = params["realm"]
            self.nonce = params["nonce"]
            self.uri = params["uri"]
            self.response = params["response"]
        except KeyError:
            missing = next(name for name in _REQUIRED if name not in params)
            raise RemoteError(400, f"Digest credentials without {missing}") from None
        optional = params.get
        self.algorithm = optional("algorithm", "")
        self.qop = optional("qop", "")
        self.cnonce = optional("cnonce", "")
        self.nc = nc = optional("nc", "")
        if nc:
            self.count = _nonce_count(nc)
        else:
            self.count = 0
        if self.qop and not (nc and self.cnonce):
            raise RemoteError(400, "Digest credentials with qop but without nc or cnonce")

    def __str__(self) -> str:
        """The header value."""
        return "Digest " + ", ".join(
            f"{name}={value if name in _BARE and is_token(value) else quote(value)}"
            for name, value in self.params.items()
        )

    def __repr__(self) -> str:
        return f"<Credentials of {self.username!r} for {self.realm!r}>"


@dataclass(frozen=True, slots=True)
class Challenge:
    """The value of one WWW-Authenticate or Proxy-Authenticate header, scheme Digest.

    Attributes:
        realm: what the password is for.
        nonce: to be hashed into the answer.
        algorithm: a name of `ALGORITHMS`, or one that we do not know.
        qop: what the server takes; empty when it said nothing (RFC 2069).
        opaque: to be given back; None when absent.
        stale: True when only the nonce was at fault.
    """

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ("auth",)
    opaque: str | None = None
    stale: bool = False

    def __str__(self) -> str:
        """The header value.

        ``qop`` is quoted and holds no more than was asked for: SIPp answers ``auth-int``
        where it sees it.
        """
        text = f"Digest realm={quote(self.realm)}, nonce={quote(self.nonce)}"
        if self.opaque is not None:
            text += f", opaque={quote(self.opaque)}"
        text += f", algorithm={self.algorithm}"
        if self.qop:
            text += f", qop={quote(','.join(self.qop))}"
        if self.stale:
            text += ", stale=true"
        return text


def parse_credentials(value: str) -> Credentials | None:
    """Read an Authorization or Proxy-Authorization value.

    Parameters may come in any order, as tokens or as quoted strings; unknown ones are kept.

    Args:
        value: of one header line; such headers are never lists (RFC 3261 section 7.3.1).

    Returns:
        None when the scheme is not Digest.

    Raises:
        RemoteError: 400; the value is malformed, too long, names a parameter twice or lacks
            one that is required.
    """
    params = _parse(value)
    return None if params is None else Credentials(params)


def parse_challenge(value: str) -> Challenge | None:
    """Read a WWW-Authenticate or Proxy-Authenticate value.

    Returns:
        None when the scheme is not Digest.

    Raises:
        RemoteError: 400; the value is malformed, or has no realm or nonce.
    """
    params = _parse(value)
    if params is None:
        return None
    if "realm" not in params or "nonce" not in params:
        raise RemoteError(400, "Digest challenge without realm or nonce")
    qop = params.get("qop", "")
    return Challenge(
        params["realm"],
        params["nonce"],
        params.get("algorithm", "MD5"),
        tuple(part for part in (part.strip(_WHITE) for part in qop.split(",")) if part),
        params.get("opaque"),
        params.get("stale", "").lower() == "true",
    )


def _parse(value: str) -> dict[str, str] | None:
    """Read ``Digest name=value, ...``: names in lower case, values unquoted.

    A value is cut at its quotes.  What stands outside them (``, nc=00000001, qop=auth, uri=``)
    is the same in all that phones of one kind send, so its reading is remembered.
    """
    if value[:7] != "Digest ":
        value = value.strip(_WHITE)
        if value[:6].lower() != "digest" or value[6:7] not in _WHITE:
            return None
    if len(value) > LONGEST:
        raise RemoteError(400, "Digest value too long")
    if not value.isprintable() and _control(value):
        raise RemoteError(400, "Control character in Digest value")
    parts = value.split('"') if "\\" not in value else _split_escaped(value)
    if len(parts) % 2 == 0:
        raise RemoteError(400, "Unfinished quoted string in Digest value")
    names, tokens = _shape(tuple(parts[::2]))
    params = dict(zip(names, parts[1::2], strict=True))
    params.update(tokens)
    return params


def _split_escaped(value: str) -> list[str]:
    """Cut a value at its quotes as ``split`` does, but where quoted pairs are in it."""
    parts: list[str] = []
    position = 0
    while (start := value.find('"', position)) >= 0:
        found = _quoted(value, start)
        if found is None:
            raise RemoteError(400, "Unfinished quoted string in Digest value")
        parts += (value[position:start], unquote(found.group()))
        position = found.end()
    parts.append(value[position:])
    return parts


@lru_cache(maxsize=REMEMBERED)
def _shape(texts: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Read all that stands outside quotes.

    Args:
        texts: from the scheme to the first quoted value, what is between two of them, and
            what follows the last.

    Returns:
        The names of the quoted values, in order, and the parameters that are tokens.
    """
    # One comma before each parameter: the first has the scheme instead.
    remaining = ["," + texts[0][len("Digest") :], *texts[1:]]
    after = remaining.pop()
    names: list[str] = []
    tokens: list[tuple[str, str]] = []
    for text in remaining:
        elements = text.split(",")
        name, equals, rest = elements.pop().partition("=")
        if not equals or rest.strip(_WHITE):
            raise RemoteError(400, "Malformed Digest value")
        tokens += map(_pair, _after_comma(elements))
        names.append(_name(name))
    tokens += map(_pair, _after_comma(after.split(",")))
    found = dict(tokens)
    if len({*names, *found}) != len(names) + len(tokens):
        raise RemoteError(400, "Parameter given twice in Digest value")
    return tuple(names), found


def _after_comma(elements: list[str]) -> list[str]:
    """What follows the first comma; before it only white space may stand."""
    if not elements or elements[0].strip(_WHITE):
        raise RemoteError(400, "Malformed Digest value")
    return elements[1:]


def _pair(element: str) -> tuple[str, str]:
    """Read ``name=token``."""
    name, _, token = element.partition("=")
    token = token.strip(_WHITE)
    if not is_token(token):
        raise RemoteError(400, "Malformed Digest value")
    return _name(name), token


def _name(text: str) -> str:
    name = text.strip(_WHITE).lower()
    if not is_token(name):
        raise RemoteError(400, "Malformed Digest value")
    return intern(name)


@lru_cache(maxsize=REMEMBERED)
def _nonce_count(text: str) -> int:
    """Read ``8LHEX``; capitals are taken too."""
    if _eight_hex(text) is None:
        raise RemoteError(400, "Digest nc is not eight hexadecimal digits")
    return int(text, 16)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How to hash.

    Attributes:
        name: as the RFCs write it.
        digest: lower-case hexadecimal hash of a text.
        length: characters of such a hash.
        session: True for the ``-sess`` forms, which hash nonce and client nonce into HA1.
    """

    name: str
    digest: Callable[[str], str]
    length: int
    session: bool = False


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


MD5: Final = Algorithm("MD5", _md5, 32)
SHA256: Final = Algorithm("SHA-256", _sha256, 64)
ALGORITHMS: Final[Mapping[str, Algorithm]] = {
    "MD5": MD5,
    "SHA-256": SHA256,
    "MD5-SESS": Algorithm("MD5-sess", _md5, 32, session=True),
    "SHA-256-SESS": Algorithm("SHA-256-sess", _sha256, 64, session=True),
}
"""By name in capitals; names are compared without regard to case."""


def compute_ha1(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    """Hash ``username:realm:password``: what a server keeps; for ``-sess`` the same."""
    return algorithm.digest(f"{username}:{realm}:{password}")


def compute_response(algorithm: Algorithm, credentials: Credentials, ha1: str, method: str) -> str:
    """Compute what ``response`` must be (RFC 7616 section 3.4.1), for ``qop="auth"``.

    Args:
        algorithm: the one that credentials and HA1 are of.
        credentials: all of them are used but username, realm and response.
        ha1: as `compute_ha1` gives it.
        method: of the request.
    """
    digest = algorithm.digest
    nonce = credentials.nonce
    cnonce = credentials.cnonce
    if algorithm.session:
        ha1 = digest(f"{ha1}:{nonce}:{cnonce}")
    ha2 = _ha2(digest, f"{method}:{credentials.uri}")
    return digest(f"{ha1}:{nonce}:{credentials.nc}:{cnonce}:{credentials.qop}:{ha2}")


@lru_cache(maxsize=REMEMBERED)
def _ha2(digest: Callable[[str], str], text: str) -> str:
    """Hash ``method:uri``, which is the same in all registrations of a domain."""
    return digest(text)


def verify(algorithm: Algorithm, credentials: Credentials, ha1: str, method: str) -> bool:
    """Whether credentials answer their nonce rightly, compared in constant time.

    Says nothing of the nonce itself.  False for every qop but ``auth``, and without one.
    """
    response = credentials.response
    return (
        credentials.qop.lower() == "auth"
        and response.isascii()
        and compare_digest(compute_response(algorithm, credentials, ha1, method), response)
    )


def answer(
    challenge: Challenge,
    username: str,
    password: str,
    method: str,
    uri: str,
    cnonce: str,
    count: int = 1,
) -> Credentials:
    """Answer a challenge.

    Args:
        challenge: what the server asks.
        username: the authentication name.
        password: in clear.
        method: of the request that will carry the answer.
        uri: its Request-URI.
        cnonce: at least 64 random bits as a text.
        count: how often this nonce has been answered, this time included.

    Raises:
        RemoteError: 400; the challenge offers an algorithm or a qop that we do not know.
    """
    algorithm = ALGORITHMS.get(challenge.algorithm.upper())
    if algorithm is None or "auth" not in (qop.lower() for qop in challenge.qop):
        raise RemoteError(400, "Digest challenge that cannot be answered")
    params = {
        "username": username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": uri,
        "response": "",
        "algorithm": challenge.algorithm,
        "cnonce": cnonce,
        "qop": "auth",
        "nc": f"{count:08x}",
    }
    if challenge.opaque is not None:
        params["opaque"] = challenge.opaque
    ha1 = compute_ha1(algorithm, username, challenge.realm, password)
    params["response"] = compute_response(algorithm, Credentials(params), ha1, method)
    return Credentials(params)
