"""What everything that edits the configuration calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from zope.interface import Interface

from config.model.edits import Edit
from config.model.errors import EditRefused
from config.model.user import User, UserEdit
from config.storage.audit import Change

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


@dataclass(frozen=True, slots=True)
class RowError:
    """A row of a file that was not imported.

    Attributes:
        line: in the file, 1 is the first.
        message: why, in words.
    """

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the rows of an import.

    Attributes:
        created: users that are new.
        updated: users that were there and are different now.
        unchanged: users that were there and are as they were.
        generated: new users without a password in the file; each has a random one.
        failed: rows that were left out.
    """

    created: int
    updated: int
    unchanged: int
    generated: int
    failed: tuple[RowError, ...]


class IUserCommands(Interface):
    """Edits of users.  Each is checked, stored with an audit row, and then in force.

    An edit that is refused changes nothing.  ``actor`` says who did it, for the audit.  An
    edit goes on when its Deferred is canceled.
    """

    def add_user(edit: UserEdit, actor: str) -> Deferred[User]:
        """Make a user.

        Raises:
            Invalid: with one error a field.
        """

    def update_user(edit: UserEdit, actor: str) -> Deferred[User]:
        """Change a user; what is None in the edit stays.

        Raises:
            Invalid: with one error a field.
            NotFound: there is none of that name.
        """

    def set_password(name: str, password: str, actor: str) -> Deferred[None]:
        """Give a user another SIP password.

        Raises:
            Invalid: with one error a field.
            NotFound: there is none of that name.
        """

    def remove_user(name: str, actor: str) -> Deferred[None]:
        """Remove a user, the user's aliases and registrations.

        Raises:
            NotFound: there is none of that name.
        """

    def import_users(
        rows: Sequence[tuple[int, UserEdit]], actor: str, dry_run: bool
    ) -> Deferred[Imported]:
        """Make or change many users in one version; a bad row is left out.

        Args:
            rows: the line that each edit comes from, and the edit.
            actor: who does it.
            dry_run: say what would happen, and change nothing.
        """

    def add_users_now(edits: Sequence[UserEdit], actor: str) -> None:
        """Make users at start-up; blocks.

        Raises:
            Invalid: with one error a field; none was made.
        """


class Outdated(EditRefused):
    """An edit of a version that is not the current one any more."""

    def __init__(self, version: int, current: int) -> None:
        super().__init__(f"version {version} is not the current one any more, {current} is")


class Edited(NamedTuple):
    """What some edits did.

    Attributes:
        version: that they made; None when nothing changed.
        changes: as the audit has them.
    """

    version: int | None
    changes: tuple[Change, ...]


class IPlanCommands(Interface):
    """Edits of everything that is configured, users included.

    All edits of a call are done, in one version, or none of them.
    """

    def edit(
        edits: Sequence[Edit], actor: str, version: int | None = None, dry_run: bool = False
    ) -> Deferred[Edited]:
        """Do some edits.

        Args:
            edits: any number, each of another thing.
            actor: who does it.
            version: the one that they were made for; None when that does not matter.
            dry_run: say what would happen, and change nothing.

        Raises:
            Invalid: with one error a field; of several edits the field is
                ``rules/NAME/FIELD``.
            NotFound: what was to be changed is not there.
            Outdated: another version is in force.
        """

    def rollback(version: int, actor: str) -> Deferred[Edited]:
        """Make everything as it was in a version: in a new version.

        Raises:
            NotFound: there is no such version, or not any more.
        """
