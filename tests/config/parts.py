"""What the tests of configuration have in common: a database and a context in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from config.commands.configuration import Configuration
from config.commands.interfaces import IUserCommands
from config.component import configuration
from config.model.user import UserEdit
from config.storage import audit
from config.storage.audit import AuditRow
from config.storage.component import storage
from config.storage.interfaces import IDatabase
from config.storage.sqlite import SQLiteDatabase
from sipx.core.binding import Binding
from sipx.core.flowid import FlowId
from sipx.interfaces import IConfiguration
from tests.support.fakes import UTC, FakeContext

PASSWORD = "tell-nobody-1"


def database_in(test: TestCase, folder: Path, busy: float = 5.0) -> SQLiteDatabase:
    """Open a database that is closed after the test."""
    database = SQLiteDatabase(reactor, folder / "sipx.sqlite", busy)
    database.open()
    test.addCleanup(database.end_now)
    return database


def edit(name: str, **fields: Any) -> UserEdit:
    """An edit that makes a user."""
    return UserEdit(name=name, **{"password": PASSWORD, **fields})


def binding(user: str, number: int) -> Binding:
    """A registration that expires 600 s after a fake node's first moment."""
    flow = FlowId("udp", "127.0.0.1", 5060, "127.0.0.1", 5062)
    return Binding(
        *(user, f"sip:{user}@phone{number}", 0.5, 1600.4, "c", 1, ("<sip:edge>",), flow),
        *("urn:uuid:1", "", "Phone/1", UTC),
    )


class ConfigurationTestCase(TestCase):
    """A folder, a context, storage and configuration."""

    options: dict[str, Any] = {"quickstart": True}  # noqa: RUF012 - never changed

    def setUp(self) -> None:
        self.state = Path(self.mktemp()).absolute()
        self.state.mkdir(parents=True)
        self.start()

    def start(self) -> None:
        """Build storage and configuration on the state folder."""
        self.context = FakeContext(reactor, self.state, self.options)
        storage(self.context)
        self.database: SQLiteDatabase = self.context.get(IDatabase)
        self.addCleanup(self.database.end_now)
        configuration(self.context)
        self.configuration: Configuration = self.context.get(IConfiguration)
        self.commands: IUserCommands = self.context.get(IUserCommands)

    def restart(self) -> None:
        """The same on what is stored."""
        self.database.end_now()
        self.start()

    def audited(self) -> list[AuditRow]:
        """Read the audit, the latest change first."""
        return self.database.read_now(lambda tx: audit.rows(tx, 1000))
