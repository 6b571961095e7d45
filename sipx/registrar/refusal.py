"""Refusals, and what is refused because it could not be stored."""

from __future__ import annotations

from sipx.core.errors import RemoteError


class Refused(RemoteError):
    """A refusal that comes with a header.

    Attributes:
        header: name in lower case, and value.
    """

    def __init__(self, status: int, reason: str, name: str, value: str) -> None:
        super().__init__(status, reason)
        self.header = (name, value)


def storable(text: str) -> bool:
    """Whether a text of a peer is UTF-8 without NUL, as every database wants it."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
