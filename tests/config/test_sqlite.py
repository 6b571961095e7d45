"""What SQLite adds to the contract: one file, its rights, its damages, its locks."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any
from unittest import skipUnless

from twisted.internet import reactor, task
from twisted.trial.unittest import TestCase

from config.storage import nodevalues, sqlite
from config.storage.errors import Busy, StorageError
from config.storage.journalsink import JournalSink
from config.storage.migrate import migrate, statements
from config.storage.sqlite import SQLiteDatabase
from sipx.node.errors import StartError
from tests.config.parts import database_in
from tests.contract.stores import bind


class SQLiteTests(TestCase):
    """The file."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.path = self.folder / "sipx.sqlite"

    def refused(self) -> str:
        """Open what cannot be opened; gives the sentence."""
        error = self.assertRaises(StartError, SQLiteDatabase(reactor, self.path, 0.1).open)
        sentence = str(error)
        self.assertIn(str(self.path), sentence)
        self.assertNotIn("\n", sentence)
        return sentence

    def locked(self) -> sqlite3.Connection:
        """Hold the file as another program does."""
        other = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.addCleanup(other.close)
        other.execute("begin immediate")
        return other

    def test_private(self) -> None:
        """The files are for the node's user only, also where the file was there before."""
        self.path.touch(0o644)
        database_in(self, self.folder).write_now(lambda tx: nodevalues.put(tx, "a", "1"))
        names = sorted(file.name for file in self.folder.iterdir())
        self.assertEqual(names, ["sipx.sqlite", "sipx.sqlite-shm", "sipx.sqlite-wal"])
        for file in self.folder.iterdir():
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600, file)

    def test_clean_end(self) -> None:
        """A clean end leaves one file."""
        database_in(self, self.folder).end_now()
        self.assertEqual([file.name for file in self.folder.iterdir()], ["sipx.sqlite"])

    def test_no_database(self) -> None:
        """A file that is no database is named as such."""
        self.path.write_text("Dear diary, " * 1000)
        self.assertIn("is not a database", self.refused())

    def test_damaged(self) -> None:
        """A damaged database is found at start."""
        database = database_in(self, self.folder)
        rows = [bind(str(user), f"sip:{user}@phone") for user in range(2000)]
        JournalSink(database).apply(rows, (1, 1))
        database.end_now()
        with open(self.path, "r+b") as file:
            file.seek(8192)
            file.write(b"\xff" * 65536)
        self.assertIn("is damaged", self.refused())

    def test_damaged_later(self) -> None:
        """Damage that shows only when something is read is the same sentence."""
        database = database_in(self, self.folder)

        async def work(tx: Any) -> None:
            error = sqlite3.DatabaseError("database disk image is malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error

        error = self.assertRaises(StartError, database.read_now, work)
        self.assertIn("is damaged", str(error))

    def test_newer(self) -> None:
        """A database of a newer sipx is left alone."""
        database = database_in(self, self.folder)
        database.write_now(
            lambda tx: tx.execute("insert into schema_version values (9999, 'x', 0)")
        )
        database.end_now()
        before = self.path.read_bytes()
        self.assertIn("newer sipx (schema 9999", self.refused())
        self.assertEqual(self.path.read_bytes(), before)

    def test_held(self) -> None:
        """A database that another program holds all the time cannot be started on."""
        database_in(self, self.folder).end_now()
        with sqlite3.connect(self.path) as other:
            other.execute("pragma journal_mode=wal")
        self.locked()
        self.assertIn("held by another program", self.refused())

    def test_no_file(self) -> None:
        """A folder in place of the file is one sentence."""
        self.path.mkdir()
        self.assertIn("cannot be opened", self.refused())

    @skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_unreadable(self) -> None:
        """A file that the node's user may not read is one sentence."""
        database_in(self, self.folder).end_now()
        script = dedent(
            f"""
            import os, pathlib, sys
            from config.storage.sqlite import SQLiteDatabase
            from sipx.node.errors import StartError
            os.chdir({str(self.folder)!r})
            os.setgid(65534), os.setuid(65534)
            try:
                SQLiteDatabase(None, pathlib.Path("sipx.sqlite")).open()
            except StartError as error:
                print(error)
            """
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30
        )
        self.assertIn("Permission denied; give the user", done.stdout, done.stderr)

    def test_migrates_once(self) -> None:
        """Opening again applies nothing; a new file is applied to what is there."""
        schema = self.folder / "schema"
        schema.mkdir()
        (schema / "0001_a.sql").write_text("create table a (x integer);\n")
        database = database_in(self, self.folder)
        database.write_now(lambda tx: tx.execute("delete from schema_version"))

        def applied() -> int:
            return database.write_now(lambda tx: migrate(tx, "sqlite", schema))

        self.assertEqual([applied(), applied()], [1, 0])
        (schema / "0002_b.sql").write_text("insert into a values (1);\ninsert into a values (2);")
        self.assertEqual([applied(), applied()], [1, 0])
        rows = database.read_now(lambda tx: tx.query("select x from a order by x"))
        self.assertEqual(rows, [(1,), (2,)])

    def test_failed_migration(self) -> None:
        """A migration that fails half-way leaves nothing behind."""
        schema = self.folder / "schema"
        schema.mkdir()
        (schema / "0009_a.sql").write_text("create table a (x integer);\nnonsense;\n")
        database = database_in(self, self.folder)
        work = lambda tx: migrate(tx, "sqlite", schema)  # noqa: E731
        self.assertRaises(StorageError, database.write_now, work)
        self.assertRaises(StorageError, database.read_now, lambda tx: tx.query("select * from a"))

    def test_parts_of_a_migration(self) -> None:
        """Each engine runs its own parts of a file."""
        text = "-- why\na;\n-- [sqlite]\nb;\n-- [postgresql]\nc\nd;\n-- [all]\ne"
        self.assertEqual(list(statements(text, "sqlite")), ["a", "b", "e"])
        self.assertEqual(list(statements(text, "postgresql")), ["a", "c\nd", "e"])

    async def test_lock_delays(self) -> None:
        """While another program holds the file, writes wait and are then done."""
        database = database_in(self, self.folder)
        other = self.locked()
        written = database.write(lambda tx: nodevalues.put(tx, "a", "1"))
        self.assertIsNone(await database.read(lambda tx: nodevalues.get(tx, "a")))
        await task.deferLater(reactor, 0.3, lambda: None)
        self.assertFalse(written.called)
        other.execute("rollback")
        await written
        self.assertEqual(await database.read(lambda tx: nodevalues.get(tx, "a")), "1")

    def test_lock_loses_nothing(self) -> None:
        """A batch of the journal that cannot be stored in time is refused whole."""
        database = database_in(self, self.folder, busy=0.05)
        sink = JournalSink(database)
        other = self.locked()
        self.assertRaises(Busy, sink.apply, [bind("200", "a")], (1, 1))
        other.execute("rollback")
        self.assertEqual(sink.position(), (0, 0))
        sink.apply([bind("200", "a")], (1, 1))
        self.assertEqual(sink.position(), (1, 1))

    async def test_bounded(self) -> None:
        """Too many who wait are told so at once."""
        self.patch(sqlite, "WAITING_LIMIT", 3)
        database = database_in(self, self.folder)
        other = self.locked()
        waiting = [database.write(lambda tx: nodevalues.put(tx, "a", "1")) for _ in range(3)]
        with self.assertRaises(Busy):
            await database.write(lambda tx: nodevalues.put(tx, "a", "2"))
        other.execute("rollback")
        for one in waiting:
            await one

    def test_waits_for_nothing_else(self) -> None:
        """A transaction that awaits anything but its database is a fault, not a hang."""
        database = database_in(self, self.folder)

        class Never:
            def __await__(self) -> Any:
                yield

        async def work(tx: Any) -> None:
            await Never()

        self.assertRaises(RuntimeError, database.write_now, work)
        database.write_now(lambda tx: nodevalues.put(tx, "a", "1"))
