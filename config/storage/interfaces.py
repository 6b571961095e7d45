"""The one face of all database engines.

SQL is written once, in the common subset of SQLite and PostgreSQL, by the repository
modules of this package and nowhere else.  A repository is a set of coroutines that await
nothing but the transaction they are given: SQLite runs one to its end in a thread, an
engine with an asynchronous driver runs the same one on the reactor.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

T = TypeVar("T")
Row = tuple[Any, ...]


class Transaction(Protocol):
    """What a repository may ask of the database, all or nothing of it stored.

    Values are None, int, float, bool, str and bytes.  A bool may come back as 0 or 1.
    """

    async def query(self, sql: str, **values: Any) -> list[Row]:
        """Run a statement with ``:name`` parameters that gives rows."""

    async def execute(self, sql: str, **values: Any) -> int:
        """Run a statement with ``:name`` parameters; gives the number of rows it changed."""

    async def put(
        self, table: str, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Insert rows, in place of those with the same key.

        Args:
            table: a constant of the code, as are ``columns`` and ``key``.
            columns: of each row.
            key: columns of a unique index; a key occurs at most once in ``rows``.
            rows: any number of them.
        """

    async def take_away(
        self, table: str, key: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Delete the rows with these keys, where they exist."""


Work = Callable[[Transaction], Coroutine[Any, Any, T]]


class IDatabase(Interface):
    """A database: the Deferred face while the reactor runs, the blocking one for start-up.

    All four run one transaction: what ``work`` gives is given back, and what it raises is
    raised and undoes it.

    They raise StorageError when the database fails, and Busy when it is locked by somebody
    else for longer than it is waited for.
    """

    dialect: str = Attribute("sqlite or postgresql: which sections of a migration apply.")

    def read(work: Work[T]) -> Deferred[T]:
        """Run a transaction that changes nothing; several of them run beside each other."""

    def write(work: Work[T]) -> Deferred[T]:
        """Run a transaction; one after the other, in the order of the calls."""

    def read_now(work: Work[T]) -> T:
        """Block for a ``read``; at start-up or in a thread."""

    def write_now(work: Work[T]) -> T:
        """Block for a ``write``; at start-up or in a thread."""

    def waiting() -> int:
        """Count the transactions that wait for their turn or run."""

    def close() -> Deferred[None]:
        """End it after the transactions that wait.  The blocking face works on."""
