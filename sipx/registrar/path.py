"""The Path of a REGISTER, RFC 3327: the proxies through which a phone is reached.

The request that follows a path carries its entries as Route, so they are checked as such:
SIP addresses in angle brackets.  They are kept and given back as they were written.
"""

from __future__ import annotations

from typing import Final

from sipx.core.errors import RemoteError
from sipx.core.message import Request
from sipx.core.nameaddr import parse_nameaddr
from sipx.registrar.refusal import Refused, storable

MOST_PATH_ENTRIES: Final = 8  # edge proxies in a row; each lengthens every request to the phone
LONGEST_PATH_ENTRY: Final = 512  # characters


def read_path(request: Request) -> tuple[str, ...]:
    """Read the Path of a request, topmost first.

    A phone that does not say that it supports Path is refused, as section 5.3 recommends: so
    it learns that a proxy between here and there adds one without being asked to.

    Raises:
        RemoteError: 400 malformed; 403 beyond a limit; 420 not supported by the phone.
    """
    if "path" not in request.names:
        return ()
    entries = request.listed("path")
    if "path" not in request.tokens("supported"):
        raise Refused(
            420, "A proxy added a Path that the phone does not support", "unsupported", "path"
        )
    if len(entries) > MOST_PATH_ENTRIES:
        raise RemoteError(403, f"More than {MOST_PATH_ENTRIES} entries in Path")
    for entry in entries:
        if len(entry) > LONGEST_PATH_ENTRY:
            raise RemoteError(403, f"A Path entry is longer than {LONGEST_PATH_ENTRY} characters")
        value = parse_nameaddr(entry, "Path")
        if ">" not in entry or not value.uri.is_sip or not storable(entry):
            raise RemoteError(400, "Malformed Path")
    return tuple(entries)
