"""Storage, configuration and quickstart as components of a node."""

from __future__ import annotations

import io
import re
import stat
import sys
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from config.component import configuration
from config.quickstart.component import USERS, Quickstart, quickstart
from config.storage import bindings, callrecords, nodevalues, retention
from config.storage.errors import Busy
from config.storage.retention import Retention
from sipx.interfaces import (
    IActiveCalls,
    IApiAddress,
    IBindingStore,
    ICallRecordStore,
    IJournal,
    IJournalSink,
    ILocation,
    INodeContext,
    IWireTrace,
)
from sipx.node.discovery import discover
from sipx.node.errors import StartError
from sipx.node.ordering import ordered
from sipx.node.programs import typed
from tests.config.parts import ConfigurationTestCase, edit
from tests.contract.stores import UTC, bind, call
from tests.support.fakes import FakeCalls, FakeLocation, FakeTrace


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Broken(Terminal):
    """A terminal that is gone when somebody writes."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


@implementer(IApiAddress)
class Address:
    """An API that listens."""

    url = "http://127.0.0.1:8081/api/v1/"


class StorageTests(ConfigurationTestCase):
    """The database's component."""

    def test_fakes(self) -> None:
        """The fakes of these tests keep their contracts."""
        for interface, fake in (
            (INodeContext, self.context),
            (IJournal, self.context.journal),
            (ILocation, FakeLocation([])),
            (IActiveCalls, FakeCalls([])),
            (IWireTrace, FakeTrace({})),
        ):
            verifyObject(interface, fake)

    def test_provides(self) -> None:
        """It provides what its declaration says."""
        for interface in (IJournalSink, IBindingStore, ICallRecordStore):
            verifyObject(interface, self.context.get(interface))
        self.assertIn("database_waiting", self.context.health.report()["gauges"])

    def test_purges(self) -> None:
        """Registrations that ended long before a start are not read again."""
        sink: Any = self.context.get(IJournalSink)
        now = self.context.utc()
        sink.apply(
            [bind("200", "old", expires=now - 4000), bind("200", "new", expires=now)], (1, 1)
        )
        self.restart()
        found = self.database.read_now(bindings.load)
        self.assertEqual([one["contact"] for one in found], ["new"])
        self.assertEqual(UTC, now)

    def test_many(self) -> None:
        """Ten thousand users are compiled, the first and the last the same way."""
        edits = [edit(str(number), aliases=(f"a{number}",)) for number in range(1000, 11_000)]
        self.commands.add_users_now(edits, "test")
        self.restart()
        self.assertEqual(len(self.configuration.accounts.accounts), 10_000)
        self.assertEqual(len(self.configuration.routing.names), 20_000)
        self.assertEqual(self.configuration.version, 1)


class RetentionTests(ConfigurationTestCase):
    """Call records that are kept for a year."""

    options: dict[str, Any] = {"quickstart": True, "cdr-days": 365}  # noqa: RUF012

    def found(self) -> list[str]:
        """What is in the database."""
        find = lambda tx: callrecords.find(tx, 100, None, None, None)  # noqa: E731
        return [one.call_id for one in self.database.read_now(find)]

    async def test_days(self) -> None:
        """A record goes when its days are over, and not before."""
        year = 365 * 86_400
        sink: Any = self.context.get(IJournalSink)
        rows = [call(f"c{n}", start=UTC - year + n, end=UTC, result="completed") for n in (-1, 1)]
        sink.apply(rows, (1, 1))
        ((_, tick),) = self.context.repeated
        tick(0.0)
        await self.database.write(lambda tx: nodevalues.put(tx, "a", "1"))  # after it
        self.assertEqual(self.found(), ["c1"])
        self.context.time += 2
        tick(60.0)
        await self.database.write(lambda tx: nodevalues.put(tx, "a", "1"))
        self.assertEqual(self.found(), [])

    async def test_locked(self) -> None:
        """A database that does not take it now does so later, and is not asked twice at a time."""
        asked: list[Deferred[int]] = []

        class Stuck:
            def write(self, work: Any) -> Deferred[int]:
                asked.append(Deferred())
                return asked[-1]

        warned: list[Any] = []
        self.patch(retention.log, "warn", lambda *_, **more: warned.append(more["why"]))
        kept = Retention(Stuck(), 1, self.context.utc)  # type: ignore[arg-type]
        kept.tick(0.0)
        kept.tick(60.0)
        self.assertEqual(len(asked), 1)
        for _ in range(2):
            asked[-1].errback(Busy("held"))
            kept.tick(120.0)
        self.assertEqual((len(asked), len(warned)), (3, 1))

    async def test_for_ever(self) -> None:
        """Without days nothing goes."""
        self.options = {"quickstart": True, "cdr-days": 0}
        self.restart()
        self.assertEqual(self.context.repeated, [])


class HintTests(ConfigurationTestCase):
    """What an empty node says."""

    options: dict[str, Any] = {"quickstart": False}  # noqa: RUF012

    def said(self) -> str:
        """Start the component; gives what it prints."""
        out = io.StringIO()
        self.patch(sys, "__stdout__", out)
        service: Any = configuration(self.context)
        service.startService()
        return out.getvalue()

    async def test_hint(self) -> None:
        """A node without users says what to do next; one with users says nothing."""
        said = self.said()
        self.assertIn(f"`{typed('sipx')} --state {self.state} user add", said)
        self.assertIn("--quickstart", said)
        self.assertEqual(said.count("\n"), 2)
        await self.commands.add_user(edit("200"), "test")
        self.assertEqual(self.said(), "")


class QuickstartTests(ConfigurationTestCase):
    """Five users at first start."""

    options: dict[str, Any] = {  # noqa: RUF012
        "quickstart": True,
        "http-listen": "127.0.0.1",
        "http-port": 8080,
    }

    def begin(self, out: io.StringIO) -> str:
        """Start the component; gives what it prints."""
        self.context.provide(IApiAddress, Address())
        service: Any = Quickstart(self.context, out)
        service.startService()
        return out.getvalue()

    def test_terminal(self) -> None:
        """On a terminal the passwords are shown, once, and are in no file then."""
        said = self.begin(Terminal())
        rows = re.findall(r"^  (20\d)   ([a-hjkmnp-z2-9]{14})    pbx\.test$", said, re.MULTILINE)
        self.assertEqual([name for name, _ in rows], list(USERS))
        for name, password in rows:
            account = self.configuration.accounts.accounts[name]
            self.assertEqual(self.context.keys.unseal(account.sealed, f"password:{name}"), password)
        self.assertIn("http://127.0.0.1:8081/api/v1/", said)
        self.assertIn(str(self.state / "api-token"), said)
        self.assertFalse((self.state / "quickstart.txt").exists())
        later = self.begin(Terminal())
        files = b"".join(file.read_bytes() for file in self.state.iterdir())
        for _, password in rows:
            self.assertNotIn(password, later)
            self.assertNotIn(password.encode(), files)
        self.assertIn("user passwd", later)

    def test_terminal_gone(self) -> None:
        """Passwords that could not be shown stay in the file."""
        self.begin(Broken())
        kept = (self.state / "quickstart.txt").read_text()
        self.assertEqual(len(re.findall(r"^  20\d   \S{14} ", kept, re.MULTILINE)), 5)
        later = self.begin(Terminal())
        self.assertIn(str(self.state / "quickstart.txt"), later)
        self.assertTrue((self.state / "quickstart.txt").exists())

    def test_last(self) -> None:
        """It begins when everything listens, so that a port in use leaves nothing behind."""
        found = discover().components
        for without in (set(), {"api"}, {"tcp"}):
            running = [one for one in found if one.name not in without]
            names = [one.name for one in ordered(running, found)]
            for name in {"api", "proxy", "tcp", "udp"} - without:
                self.assertLess(names.index(name), names.index("quickstart"), name)

    def test_no_api(self) -> None:
        """Without an API none is named."""
        out = Terminal()
        service: Any = Quickstart(self.context, out)
        service.startService()
        self.assertNotIn("http://", out.getvalue())

    def test_no_terminal(self) -> None:
        """Elsewhere the passwords are in a private file, which is named then and later."""
        said = self.begin(io.StringIO())
        file = self.state / "quickstart.txt"
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        passwords = re.findall(r"^  20\d   (\S+) ", file.read_text(), re.MULTILINE)
        self.assertEqual(len(passwords), 5)
        for name in USERS:
            self.assertIn(name, said)
        self.assertIn(str(file), said)
        kept = file.read_text()
        later = self.begin(io.StringIO())
        self.assertIn(str(file), later)
        self.assertEqual(file.read_text(), kept)
        for password in passwords:
            self.assertNotIn(password, said + later)

    async def test_keeps(self) -> None:
        """Later starts keep everything: what was removed stays away."""
        self.begin(Terminal())
        accounts = dict(self.configuration.accounts.accounts)
        self.restart()
        self.begin(Terminal())
        self.assertEqual(dict(self.configuration.accounts.accounts), accounts)
        for name in USERS:
            await self.commands.remove_user(name, "test")
        self.restart()
        self.begin(Terminal())
        self.assertEqual(dict(self.configuration.accounts.accounts), {})

    async def test_users_before(self) -> None:
        """A node that has users gets no others."""
        await self.commands.add_user(edit("9"), "test")
        self.begin(Terminal())
        self.assertEqual(list(self.configuration.accounts.accounts), ["9"])

    def test_file_cannot_be_written(self) -> None:
        """Without a place for the passwords there are no users."""
        (self.state / "quickstart.txt").mkdir()
        error = self.assertRaises(StartError, self.begin, io.StringIO())
        self.assertIn("quickstart.txt cannot be written", str(error))
        self.assertEqual(self.configuration.version, 0)

    def test_daemon(self) -> None:
        """A daemon has no stdout: the file says all."""
        out = io.StringIO()
        out.close()
        service: Any = Quickstart(self.context, out)
        service.startService()
        self.assertTrue((self.state / "quickstart.txt").exists())
        self.patch(sys, "__stdout__", None)
        self.restart()
        other: Any = quickstart(self.context)
        other.startService()
        self.assertEqual(len(self.configuration.accounts.accounts), 5)
