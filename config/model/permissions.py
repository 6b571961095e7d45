"""The permissions that every node has, with their defaults: the names of sipXecs.

The order is the one in which they are shown.  Custom ones are configured beside them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

# Name to whether a user has it of whom nothing is said.
BUILT_IN: Final[dict[str, bool]] = {
    # application
    "superadmin": False,
    "dbauth-only": False,
    "tui-change-pin": True,
    "personal-auto-attendant": True,
    "music-on-hold": True,
    "group-music-on-hold": False,
    "subscribe-to-presence": True,
    # call handling
    "900Dialing": False,
    "AutoAttendant": False,
    "InternationalDialing": True,
    "LocalDialing": True,
    "LongDistanceDialing": True,
    "Mobile": True,
    "TollFree": True,
    "Voicemail": True,
    "RecordSystemPrompts": False,
    # voicemail server: one of the two
    "FreeswitchVoicemailServer": True,
    "ExchangeUMVoicemailServer": False,
}

# Asked for by gateways that no rule leads to; nobody ever has it.
NO_ACCESS: Final = "NoAccess"


def custom(value: Iterable[Any]) -> Iterable[tuple[str, str]]:
    """The links of a field that names permissions: those that are configured."""
    return [("permission", name) for name in value if name not in BUILT_IN]
