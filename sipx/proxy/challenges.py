"""Challenges that come back from other servers: which of them may go on to the caller.

A phone answers whatever challenge it gets with its user's password. A challenge of our realm that
another server gives would let that server collect answers which are good for us, and Basic would
give it the password itself (RFC 3261 section 22 forbids it). Both are taken out of responses,
and so is what cannot be read: the next one may read it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sipx.core.digest import parse_challenge
from sipx.core.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipx.core.message import Response

_basic = re.compile(r"\bbasic\b", re.IGNORECASE).search  # a list of challenges has it later
HEADERS: Final = ("www-authenticate", "proxy-authenticate")


def strip(response: Response, is_ours: Callable[[str], bool]) -> bool:
    """Take out the challenges that may not go on.

    Args:
        response: of another server; changed.
        is_ours: whether a challenge may be of our realm.

    Returns:
        False when there were challenges and none is left: nobody can answer it any more.
    """
    had = left = 0
    for header in HEADERS:
        if header not in response.names:
            continue
        values = response.every(header)
        kept = [value for value in values if not is_ours(value) and _may_pass(value)]
        had += len(values)
        left += len(kept)
        if len(kept) < len(values):
            response.replace_list(header, kept)
    return not had or left > 0


def _may_pass(value: str) -> bool:
    """Whether it is a good Digest challenge, or of a scheme that we know nothing of."""
    try:
        if parse_challenge(value) is not None:
            return True
    except RemoteError:
        return False
    return _basic(value) is None
