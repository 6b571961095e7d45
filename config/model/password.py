"""Random SIP passwords that a person can read from a screen and type on a phone."""

from __future__ import annotations

import secrets
from typing import Final

# Lower-case letters and digits without those that look alike: i l o 0 1.
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
LENGTH: Final = 14  # 69 bits


def random_password() -> str:
    """Draw one."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
