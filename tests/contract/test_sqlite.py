"""SQLite keeps the contracts of databases and stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from config.storage.sqlite import SQLiteDatabase
from tests.contract.stores import DatabaseContract, EntitiesContract, StoresContract

if TYPE_CHECKING:
    Mixin = TestCase
else:
    Mixin = object


class _SQLite(Mixin):
    def make_database(self) -> SQLiteDatabase:
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        database = SQLiteDatabase(reactor, folder / "sipx.sqlite")
        database.open()
        self.addCleanup(database.end_now)
        return database


class SQLiteDatabaseTests(_SQLite, DatabaseContract, TestCase):
    """SQLite keeps the contract of databases."""


class SQLiteEntitiesTests(_SQLite, EntitiesContract, TestCase):
    """SQLite keeps the contract of what is configured beside users."""


class SQLiteStoresTests(_SQLite, StoresContract, TestCase):
    """SQLite keeps the contract of the stores that the journal feeds."""
