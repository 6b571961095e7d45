"""Digest credentials (RFC 7616) of a user agent that a test plays itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

CNONCE = "0a4f113b"


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def answers_to(response: bytes, user: str, password: str) -> Callable[[str, str], str]:
    """Answer the MD5 challenge of a 401 or 407 response, in as many requests as one likes.

    Args:
        response: the response, with a nonce that may be used more than once.
        user: user name.
        password: SIP password.

    Returns:
        A function from method and Request-URI to a header line with credentials: Authorization
        for REGISTER, Proxy-Authorization for everything else.
    """
    for challenge in re.findall(
        r"(?im)^(?:www|proxy)-authenticate: *Digest (.*)$", response.decode()
    ):
        if re.search(r"algorithm=(?!MD5\b)", challenge):
            continue
        realm, nonce = (
            re.findall(rf'{name}="([^"]*)"', challenge)[0] for name in ("realm", "nonce")
        )
        opaque = "".join(re.findall(r', *opaque="[^"]*"', challenge))
        break
    else:
        raise AssertionError(f"no MD5 challenge in {response!r}")
    secret = _md5(f"{user}:{realm}:{password}")
    count = 0

    def line(method: str, uri: str) -> str:
        nonlocal count
        count += 1
        nc = f"{count:08x}"
        proof = _md5(f"{secret}:{nonce}:{nc}:{CNONCE}:auth:{_md5(f'{method}:{uri}')}")
        header = "Authorization" if method == "REGISTER" else "Proxy-Authorization"
        return (
            f'{header}: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{proof}", algorithm=MD5, qop=auth, nc={nc}, cnonce="{CNONCE}"{opaque}\n'
        )

    return line
