"""The bearer token of the API: drawn at first start, kept in the state folder."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

from sipx.node.errors import StartError
from sipx.node.files import keep

FILE: Final = "api-token"
_OCTETS: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_\-]{32,}")


def kept_token(state: Path) -> str:
    """Read the token; draw it at first start.

    Raises:
        StartError: it cannot be read, or is none.
    """
    path = state / FILE
    text = keep(path, lambda: secrets.token_urlsafe(_OCTETS).encode() + b"\n")
    path.chmod(0o600)
    token = text.decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise StartError(f"{path} is damaged: delete it, and a new token is drawn at start.")
    return token
