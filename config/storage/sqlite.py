"""SQLite, the engine of a single node: one writer thread and a small pool of readers.

Each connection belongs to one thread.  The file is written ahead (WAL), so readers never
wait for the writer; a transaction that is committed survives the process, and a power cut
costs at most what the journal has and replays.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from config.storage.errors import Busy, Damaged, NewerSchema, StorageError
from config.storage.interfaces import IDatabase, Row, Work
from config.storage.migrate import migrate
from sipx.node.errors import StartError

T = TypeVar("T")

READERS: Final = 2  # pages of a browser and the call records, beside each other
WAITING_LIMIT: Final = 1000  # transactions; more means that the disk does not keep up
BUSY_SECONDS: Final = 5.0  # another program may hold the file for so long, a backup for one
ROWS_AT_ONCE: Final = 64  # in one statement: the fewer of them, the less threads take turns
QUICK_CHECK_SECONDS: Final = 0.2  # after a clean end: small files are looked at in whole
CRASH_CHECK_SECONDS: Final = 2.0  # after an unclean one; a longer start is worse than the rest

# Steps of SQLite's machine between two looks at the clock.
_CHECK_STEPS: Final = 10_000


@implementer(IDatabase)
class SQLiteDatabase:
    """The database of one node, in one file.

    Args:
        reactor: for the Deferred face.
        path: of the file, which is made when it is absent.
        busy: seconds to wait for another program that holds the file.
    """

    dialect = "sqlite"

    def __init__(self, reactor: Any, path: Path, busy: float = BUSY_SECONDS) -> None:
        self._reactor = reactor
        self._path = path
        self._busy = busy
        self._writer: _Threads | None = None
        self._readers: _Threads | None = None

    def open(self) -> None:
        """Open the file, bring it to the newest schema and start the threads; blocks.

        Raises:
            StartError: it cannot be used; the sentence says why and what to do.
        """
        # What a clean end leaves is one file: the log is folded into it.
        crashed = self._path.with_name(self._path.name + "-wal").exists()
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._path.chmod(0o600)
            connection = self._connect()
            try:
                _check(connection, CRASH_CHECK_SECONDS if crashed else QUICK_CHECK_SECONDS)
                _transact(connection, lambda tx: migrate(tx, self.dialect), "begin immediate")
            finally:
                connection.close()
        except OSError as error:
            raise StartError(
                f"The database {self._path} cannot be opened: {error.strerror}; give the user"
                " that runs the node the right to read and write it."
            ) from error
        except NewerSchema as newer:
            raise StartError(
                f"The database {self._path} was written by a newer sipx (schema {newer.found},"
                f" this one knows {newer.known}): install that version, or put back the backup"
                " made before the upgrade."
            ) from newer
        except (sqlite3.Error, StorageError) as error:
            raise StartError(self._sentence(error)) from error
        self._writer = _Threads("sipx database writer", 1, self._connect)
        self._readers = _Threads("sipx database reader", READERS, self._connect)

    def read(self, work: Work[T]) -> Deferred[T]:
        return self._deferred(self._readers, work, "begin")

    def write(self, work: Work[T]) -> Deferred[T]:
        return self._deferred(self._writer, work, "begin immediate")

    def read_now(self, work: Work[T]) -> T:
        return self._blocking(self._readers, work, "begin")

    def write_now(self, work: Work[T]) -> T:
        return self._blocking(self._writer, work, "begin immediate")

    def waiting(self) -> int:
        return sum(thread.waiting for thread in (self._writer, self._readers) if thread)

    def close(self) -> Deferred[None]:
        closed: Deferred[None] = Deferred()
        readers, writer = self._readers, self._writer
        self._readers = self._writer = None

        def end() -> None:
            # The writer last: the last connection to close folds the log into the file.
            for threads in (readers, writer):
                if threads is not None:
                    threads.end()
            self._reactor.callFromThread(closed.callback, None)

        threading.Thread(target=end, name="sipx database end", daemon=True).start()
        return closed

    def end_now(self) -> None:
        """Block for a ``close``: for tests and for a start that failed."""
        readers, writer = self._readers, self._writer
        self._readers = self._writer = None
        for threads in (readers, writer):
            if threads is not None:
                threads.end()

    def _connect(self) -> sqlite3.Connection:
        # The threads end by themselves, each closes its own connection.
        connection = sqlite3.connect(
            self._path, timeout=self._busy, isolation_level=None, cached_statements=512
        )
        try:
            for setting in ("journal_mode=wal", "synchronous=normal", "foreign_keys=on"):
                connection.execute(f"pragma {setting}").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def _deferred(self, threads: _Threads | None, work: Work[T], begin: str) -> Deferred[T]:
        result: Deferred[T] = Deferred()

        def done(future: Future[T]) -> None:
            error = future.exception()
            with suppress(RuntimeError):  # the reactor is gone, and who waited with it
                if error is None:
                    self._reactor.callFromThread(result.callback, future.result())
                else:
                    self._reactor.callFromThread(result.errback, Failure(error))

        if threads is None:
            result.errback(Failure(StorageError("the database is closed")))
            return result
        try:
            threads.submit(lambda connection: _transact(connection, work, begin)).add_done_callback(
                done
            )
        except Busy:
            result.errback(Failure())
        return result

    def _blocking(self, threads: _Threads | None, work: Work[T], begin: str) -> T:
        try:
            if threads is not None:
                return threads.submit(lambda own: _transact(own, work, begin)).result()
            return self._alone(work, begin)
        except StorageError as error:
            if _code(error.__cause__) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise Damaged(self._sentence(error)) from error
            raise

    def _alone(self, work: Work[T], begin: str) -> T:
        # The journal is flushed last, when the threads have ended.
        try:
            connection = self._connect()
        except sqlite3.Error as error:
            raise _ours(error) from error
        try:
            return _transact(connection, work, begin)
        finally:
            connection.close()

    def _sentence(self, error: Exception) -> str:
        cause = error.__cause__ if isinstance(error.__cause__, sqlite3.Error) else error
        code = _code(cause)
        if isinstance(error, Busy) or code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return (
                f"The database {self._path} is held by another program: end it, then start again."
            )
        if code == sqlite3.SQLITE_NOTADB:
            return (
                f"{self._path} is not a database: put back the copy from a backup, or move the"
                " file away to begin anew."
            )
        if code in (sqlite3.SQLITE_CORRUPT, None):
            return (
                f"The database {self._path} is damaged ({cause}): put back the copy from a"
                " backup, or move the file away to begin anew."
            )
        return (
            f"The database {self._path} cannot be used ({cause}): see that its folder can be"
            " written and that the disk is not full."
        )


class _Threads:
    """Some threads that share a queue, each with a connection of its own."""

    def __init__(self, name: str, count: int, connect: Callable[[], sqlite3.Connection]) -> None:
        self._jobs: queue.SimpleQueue[
            tuple[Future[Any], Callable[[sqlite3.Connection], Any]] | None
        ] = queue.SimpleQueue()
        self._connect = connect
        self._lock = threading.Lock()
        self.waiting = 0
        self._threads = [
            threading.Thread(target=self._run, name=name, daemon=True) for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Queue a job.

        Raises:
            Busy: too many wait.
        """
        with self._lock:
            if self.waiting >= WAITING_LIMIT:
                raise Busy(f"{WAITING_LIMIT} transactions wait for the database")
            self.waiting += 1
        future: Future[T] = Future()
        self._jobs.put((future, job))
        return future

    def end(self) -> None:
        """Wait until all queued jobs are done and the connections closed."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while (item := self._jobs.get()) is not None:
            future, job = item
            try:
                if connection is None:
                    connection = self._connect()
                result = job(connection)
            except sqlite3.Error as error:
                self._finished(future.set_exception, _ours(error))
            except BaseException as error:
                self._finished(future.set_exception, error)
            else:
                self._finished(future.set_result, result)
            # Nothing of a job outlives it while the thread waits.
            del item, future, job
            result = None
        if connection is not None:
            connection.close()

    def _finished(self, tell: Callable[[Any], None], what: Any) -> None:
        with self._lock:
            self.waiting -= 1
        tell(what)


class _SQLiteTransaction:
    """Runs statements at once: nothing that it offers ever waits."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def query(self, sql: str, **values: Any) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    async def execute(self, sql: str, **values: Any) -> int:
        return self._connection.execute(sql, values).rowcount

    async def put(
        self, table: str, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        self._in_portions(rows, lambda count: _put(table, tuple(columns), tuple(key), count))

    async def take_away(
        self, table: str, key: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        self._in_portions(rows, lambda count: _take_away(table, tuple(key), count))

    def _in_portions(self, rows: Sequence[Sequence[Any]], sql: Callable[[int], str]) -> None:
        execute = self._connection.execute
        start = 0
        whole = len(rows) - len(rows) % ROWS_AT_ONCE
        if whole:
            statement = sql(ROWS_AT_ONCE)
            for start in range(0, whole, ROWS_AT_ONCE):
                values: list[Any] = []
                for row in rows[start : start + ROWS_AT_ONCE]:
                    values += row
                execute(statement, values)
        if whole < len(rows):
            self._connection.executemany(sql(1), rows[whole:])


@lru_cache(64)
def _put(table: str, columns: tuple[str, ...], key: tuple[str, ...], count: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    change = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return (
        f"insert into {table} ({', '.join(columns)}) values {', '.join([row] * count)}"  # noqa: S608 - constants of the code
        f" on conflict ({', '.join(key)}) do update set {change}"
    )


@lru_cache(64)
def _take_away(table: str, key: tuple[str, ...], count: int) -> str:
    # With row values and IN, SQLite would walk the whole table.
    row = f"({' and '.join(f'{name} = ?' for name in key)})"
    return f"delete from {table} where {' or '.join([row] * count)}"  # noqa: S608 - constants of the code


def _transact(connection: sqlite3.Connection, work: Work[T], begin: str) -> T:
    """Run one transaction to its end."""
    try:
        connection.execute(begin)
        try:
            result = _driven(work(_SQLiteTransaction(connection)))
            connection.execute("commit")
        except BaseException:
            # Some errors have ended the transaction already.
            if connection.in_transaction:
                connection.execute("rollback")
            raise
    except sqlite3.Error as error:
        raise _ours(error) from error
    return result


def _driven(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("a transaction waits for something that is not its database")


def _ours(error: sqlite3.Error) -> StorageError:
    kind = Busy if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) else StorageError
    ours = kind(str(error))
    ours.__cause__ = error
    return ours


def _code(error: BaseException | None) -> int | None:
    """SQLite's primary result code; None when it comes from elsewhere."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _check(connection: sqlite3.Connection, seconds: float) -> None:
    """Look for damage, as far as the time reaches.

    Raises:
        sqlite3.Error: it is damaged.
    """
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > until, _CHECK_STEPS)
    try:
        found = connection.execute("pragma quick_check(1)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if found != [("ok",)]:
        raise sqlite3.DatabaseError(str(found[0][0]).replace("\n", " "))
