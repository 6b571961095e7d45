"""Gives the node its database: what the journal is fed to and read back from at start."""

from __future__ import annotations

from typing import Any, Final

from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from config.storage import bindings, subscriptions
from config.storage.bindings import BindingStore
from config.storage.callrecords import CallRecordStore
from config.storage.errors import StorageError
from config.storage.interfaces import IDatabase
from config.storage.journalsink import JournalSink
from config.storage.retention import INTERVAL, Retention
from config.storage.sqlite import WAITING_LIMIT, SQLiteDatabase
from config.storage.subscriptions import SubscriptionStore
from sipx.interfaces import (
    IBindingStore,
    ICallRecordStore,
    IJournalSink,
    INodeContext,
    ISubscriptionStore,
)
from sipx.node.errors import StartError

log = Logger()

FILE: Final = "sipx.sqlite"
# Bindings that ended so long ago, while no node ran, are deleted at start.  The hour leaves
# room for a clock that was wrong and is being set.
PURGE_SECONDS: Final = 3600.0


class DatabaseService(Service):
    """Ends the database when the node stops."""

    name = "storage"

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return self._database.close()


def storage(context: INodeContext) -> IService:
    """Open the database in the state folder and provide it.

    Raises:
        StartError: it cannot be used.
    """
    path = context.state / FILE
    database = SQLiteDatabase(context.reactor, path)
    database.open()
    before = context.utc() - PURGE_SECONDS
    try:
        purged = database.write_now(lambda tx: bindings.purge(tx, before))
        database.write_now(lambda tx: subscriptions.purge(tx, before))
    except StorageError as error:
        raise StartError(f"The database {path} cannot be used: {error}.") from error
    if purged:
        log.info("{count} registrations ended while no node ran", count=purged)
    sink = JournalSink(database)
    provided: tuple[tuple[Any, Any], ...] = (
        (IDatabase, database),
        (IBindingStore, BindingStore(database)),
        (ICallRecordStore, CallRecordStore(database)),
        (ISubscriptionStore, SubscriptionStore(database)),
        (IJournalSink, sink),
    )
    for interface, implementation in provided:
        context.provide(interface, implementation)
    if days := context.options.get("cdr-days"):
        context.repeat(INTERVAL, Retention(database, days, context.utc).tick)
    context.health.gauge("database_waiting", database.waiting, WAITING_LIMIT)
    context.health.gauge("journal_refused_records", lambda: sink.refused)
    context.health.set("database", True, f"open: {path}")
    return DatabaseService(database)
