"""Why the database did not do what it was asked."""

from __future__ import annotations

from sipx.node.errors import StartError


class StorageError(Exception):
    """The database refused or failed; nothing was stored."""


class Busy(StorageError):
    """Somebody else holds the database, or too many wait for it; later it may work."""


class Damaged(StorageError, StartError):
    """The file is not what was written; a node does not start on it."""


class NewerSchema(StorageError):
    """The database was written by a newer sipx.

    Attributes:
        found: the number of the newest migration it has seen.
        known: the newest that this sipx has.
    """

    def __init__(self, found: int, known: int) -> None:
        super().__init__(f"schema {found} is newer than {known}")
        self.found = found
        self.known = known
