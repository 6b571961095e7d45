"""Session-Expires: for how long a session lasts without a refresh (RFC 4028 section 4)."""

from __future__ import annotations

from typing import Final

LEAST_SESSION: Final = 90  # seconds, RFC 4028 section 5: no session timer is shorter
_MOST_DIGITS: Final = 10  # delta-seconds have 32 bits (RFC 3261 section 25.1)


def session_interval(value: str | None) -> int:
    """Read the seconds of a Session-Expires, whoever the refresher is.

    Args:
        value: of the header; None when there is none.

    Returns:
        At least LEAST_SESSION: a shorter one is an error of the peer, and a timer that is as
        short as may be comes nearest to what it asked for. 0 when there is no timer: no header,
        no number, or a zero.
    """
    digits = (value or "").partition(";")[0].strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        return 0
    seconds = int(digits)
    return max(seconds, LEAST_SESSION) if seconds else 0
