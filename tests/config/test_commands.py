"""Edits of users: checked, stored, audited, in force."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import Any

from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from config.commands.interfaces import IUserCommands, RowError
from config.model.errors import Invalid, NotFound
from config.model.user import UserEdit
from config.storage import users
from sipx.interfaces import IConfiguration, IJournalSink, INodeContext
from tests.config.parts import PASSWORD, ConfigurationTestCase, edit
from tests.contract.stores import bind
from tests.support.fakes import REALM, FakeContext


def ha1(user: str, password: str, algorithm: str = "md5") -> str:
    """HA1 by RFC 7616."""
    return hashlib.new(algorithm, f"{user}:{REALM}:{password}".encode()).hexdigest()


class CommandTests(ConfigurationTestCase):
    """One user at a time."""

    async def refused(self, work: Any) -> dict[str, str]:
        """Wait for a refusal, and see that nothing changed; gives the errors by field."""
        before = (self.configuration.accounts, self.configuration.routing, self.audited())
        with self.assertRaises(Invalid) as caught:
            await work
        after = (self.configuration.accounts, self.configuration.routing, self.audited())
        self.assertEqual(before, after)
        return {error.field: error.message for error in caught.exception.errors}

    def test_interfaces(self) -> None:
        """They are what others ask for."""
        verifyObject(IUserCommands, self.commands)
        verifyObject(IConfiguration, self.configuration)
        verifyObject(INodeContext, self.context)
        self.assertIsInstance(self.context, FakeContext)

    async def test_add(self) -> None:
        """A new user can be called by all names and authenticate, and so after a restart."""
        user = await self.commands.add_user(
            edit("200", first_name="Änna", aliases=("anna", "3000")), "test"
        )
        self.assertEqual((user.name, user.first_name), ("200", "Änna"))
        for _ in range(2):
            account = self.configuration.accounts.accounts["200"]
            self.assertEqual(account.ha1_md5, ha1("200", PASSWORD))
            self.assertEqual(account.ha1_sha256, ha1("200", PASSWORD, "sha256"))
            self.assertEqual(self.context.keys.unseal(account.sealed, "password:200"), PASSWORD)
            self.assertEqual(
                dict(self.configuration.routing.names),
                {"200": "200", "anna": "200", "3000": "200"},
            )
            self.assertEqual(self.configuration.accounts.version, 1)
            self.assertEqual(self.configuration.routing.version, 1)
            self.restart()

    async def test_update(self) -> None:
        """A change is in force at once, for names that come and names that go."""
        await self.commands.add_user(edit("200", aliases=("1", "2")), "test")
        account = self.configuration.accounts.accounts["200"]
        await self.commands.update_user(UserEdit(name="200", aliases=("2", "3")), "test")
        self.assertEqual(sorted(self.configuration.routing.names), ["2", "200", "3"])
        self.assertEqual(self.configuration.accounts.accounts["200"], account)
        self.assertEqual(self.configuration.version, 2)

    async def test_disable(self) -> None:
        """Who is disabled has no account and no names, until enabled again."""
        await self.commands.add_user(edit("200", aliases=("1",)), "test")
        for enabled in (False, True):
            await self.commands.update_user(UserEdit(name="200", enabled=enabled), "test")
            for _ in range(2):
                self.assertEqual("200" in self.configuration.accounts.accounts, enabled)
                self.assertEqual(len(self.configuration.routing.names), 2 * enabled)
                self.restart()

    async def test_password(self) -> None:
        """Another password is another HA1."""
        await self.commands.add_user(edit("200"), "test")
        await self.commands.set_password("200", "something-else", "test")
        account = self.configuration.accounts.accounts["200"]
        self.assertEqual(account.ha1_md5, ha1("200", "something-else"))

    async def test_remove(self) -> None:
        """A user goes with account, names and stored registrations."""
        await self.commands.add_user(edit("200", aliases=("1",)), "test")
        await self.commands.add_user(edit("201"), "test")
        sink: Any = self.context.get(IJournalSink)
        sink.apply([bind("200", "a"), bind("201", "a")], (1, 1))
        await self.commands.remove_user("200", "test")
        self.assertEqual(list(self.configuration.accounts.accounts), ["201"])
        self.assertEqual(list(self.configuration.routing.names), ["201"])
        rows = self.database.read_now(lambda tx: tx.query("select user_name from bindings"))
        self.assertEqual(rows, [("201",)])
        await self.commands.add_user(edit("1"), "test")

    async def test_unknown(self) -> None:
        """What is not there is not changed."""
        for work in (
            self.commands.update_user(UserEdit(name="9", first_name="x"), "test"),
            self.commands.set_password("9", PASSWORD, "test"),
            self.commands.remove_user("9", "test"),
        ):
            with self.assertRaises(NotFound):
                await work
        self.assertEqual(self.configuration.version, 0)
        self.assertEqual(self.audited(), [])

    async def test_names_are_unique(self) -> None:
        """A name is one user's, be it his own or an alias."""
        await self.commands.add_user(edit("200", aliases=("1",)), "test")
        await self.commands.add_user(edit("201"), "test")
        add, update = self.commands.add_user, self.commands.update_user
        self.assertEqual(
            await self.refused(add(edit("200", aliases=("1",)), "test")),
            {"name": "is already taken"},
        )
        self.assertEqual(
            await self.refused(add(edit("1"), "test")), {"name": "is already an alias of user 200"}
        )
        self.assertEqual(
            await self.refused(add(edit("202", aliases=("5", "1")), "test")),
            {"aliases": "hold 1, which is already a name of user 200"},
        )
        self.assertEqual(
            await self.refused(update(UserEdit(name="201", aliases=("200",)), "test")),
            {"aliases": "hold 200, which is already the name of a user"},
        )

    async def test_refused(self) -> None:
        """A bad edit changes nothing and names each field."""
        await self.commands.add_user(edit("200"), "test")
        found = await self.refused(
            self.commands.add_user(edit("a b", password="x", email="y"), "test")
        )
        self.assertEqual(sorted(found), ["email", "name", "password"])
        await self.refused(self.commands.set_password("200", "x", "test"))

    async def test_audit(self) -> None:
        """Each change has an audit row: version, when, who, what; and no secret."""
        await self.commands.add_user(edit("200", first_name="A"), "anna")
        self.context.time += 60
        await self.commands.update_user(
            UserEdit(name="200", first_name="A", last_name="B", secrets={"PIN": "98765"}), "bob"
        )
        await self.commands.set_password("200", "something-else", "bob")
        await self.commands.remove_user("200", "bob")
        rows = self.audited()
        self.assertEqual([row.version for row in rows], [4, 3, 2, 1])
        self.assertEqual([row.actor for row in rows], ["bob", "bob", "bob", "anna"])
        self.assertEqual(rows[0].at - rows[3].at, 60)
        self.assertEqual(
            [row.change.action for row in rows],
            ["remove user", "update user", "update user", "add user"],
        )
        details = [json.loads(row.change.detail) for row in rows]
        self.assertEqual(
            details,
            [
                {},
                {"password": "set"},
                {"last_name": "B", "extras": ["PIN"]},
                {"first_name": "A", "password": "set"},
            ],
        )

    async def test_nothing_new(self) -> None:
        """An edit that changes nothing makes no version."""
        await self.commands.add_user(edit("200", first_name="A"), "test")
        await self.commands.update_user(UserEdit(name="200", first_name="A"), "test")
        await self.commands.set_password("200", PASSWORD, "test")
        self.assertEqual(self.configuration.version, 1)
        self.assertEqual(len(self.audited()), 1)

    async def test_listeners(self) -> None:
        """Who listens is told after each swap; one that fails does not hold up the others."""
        seen: list[int] = []
        self.configuration.changed(lambda: 1 // 0)  # type: ignore[arg-type]
        self.configuration.changed(lambda: seen.append(self.configuration.version))
        await self.commands.add_user(edit("200"), "test")
        await self.commands.remove_user("200", "test")
        self.assertEqual(seen, [1, 2])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    async def test_snapshots_stay(self) -> None:
        """A snapshot that somebody took does not change under his hands."""
        await self.commands.add_user(edit("200"), "test")
        accounts, routing = self.configuration.accounts, self.configuration.routing
        await self.commands.remove_user("200", "test")
        self.assertEqual((list(accounts.accounts), list(routing.names)), (["200"], ["200"]))

    async def test_canceled(self) -> None:
        """An edit whose asker went away is done all the same, in the database and in force."""
        adding = self.commands.add_user(edit("200"), "test")
        adding.cancel()
        with self.assertRaises(CancelledError):
            await adding
        await self.commands.add_user(edit("201"), "test")
        self.assertEqual(sorted(self.configuration.accounts.accounts), ["200", "201"])

    async def test_locked(self) -> None:
        """While another program holds the database an edit waits; then it is done."""
        other = sqlite3.connect(self.state / "sipx.sqlite", isolation_level=None)
        self.addCleanup(other.close)
        other.execute("begin immediate")
        adding = self.commands.add_user(edit("200"), "test")
        found = await self.database.read(users.count)
        self.assertEqual((found, adding.called), (0, False))
        other.execute("rollback")
        await adding
        self.assertIn("200", self.configuration.accounts.accounts)

    async def test_other_key(self) -> None:
        """Passwords that do not open are said in health, stop nothing, and can be set anew."""
        await self.commands.add_user(edit("200"), "test")
        self.database.write_now(lambda tx: tx.execute("update users set sealed = :x", x=b"\1no"))
        self.restart()
        self.assertEqual(dict(self.configuration.accounts.accounts), {})
        part = self.context.health.report()["parts"]["configuration"]
        self.assertFalse(part["ok"])
        self.assertIn("1 users", part["text"])
        await self.commands.set_password("200", "something-else", "test")
        account = self.configuration.accounts.accounts["200"]
        self.assertEqual(account.ha1_md5, ha1("200", "something-else"))

    async def test_nothing_in_clear(self) -> None:
        """Neither password nor HA1 nor PIN is in the database or in a repr."""
        await self.commands.add_user(edit("200", secrets={"PIN": "98765432"}), "test")
        account = self.configuration.accounts.accounts["200"]
        stored = await self.database.read(lambda tx: users.find(tx, "200"))
        files = b"".join(file.read_bytes() for file in self.state.iterdir())
        shown = repr((self.configuration.accounts, stored, self.audited()))
        for secret in (PASSWORD, "98765432", account.ha1_md5, account.ha1_sha256):
            self.assertNotIn(secret.encode(), files)
            self.assertNotIn(secret, shown)


class ImportTests(ConfigurationTestCase):
    """Many users at a time."""

    async def test_mixed(self) -> None:
        """New, changed, unchanged and bad rows are counted; the bad ones change nothing."""
        await self.commands.add_user(edit("200", first_name="A"), "test")
        await self.commands.add_user(edit("201", first_name="A"), "test")
        rows = [
            (2, UserEdit(name="200", last_name="B")),
            (3, UserEdit(name="201", first_name="A", password=PASSWORD)),
            (4, edit("202", aliases=("1",))),
            (5, UserEdit(name="203")),
            (6, edit("204", aliases=("1",))),
            (7, UserEdit(name="a b", password="x")),
        ]
        dry = await self.commands.import_users(rows, "test", True)
        self.assertEqual(self.configuration.version, 2)
        self.assertEqual(await self.database.read(users.count), 2)
        done = await self.commands.import_users(rows, "test", False)
        self.assertEqual(dry, done)
        self.assertEqual((done.created, done.updated, done.unchanged, done.generated), (2, 1, 1, 1))
        self.assertEqual([error.line for error in done.failed], [6, 7])
        self.assertEqual(
            done.failed[0],
            RowError(6, "aliases hold 1, which is already a name of user 202"),
        )
        self.assertEqual(sorted(self.configuration.accounts.accounts), ["200", "201", "202", "203"])
        self.assertEqual(self.configuration.version, 3)
        self.assertEqual([row.change.subject for row in self.audited()][:3], ["203", "202", "200"])

    async def test_names_move(self) -> None:
        """A name may go from one user to another within a file."""
        await self.commands.add_user(edit("200", aliases=("1", "2")), "test")
        await self.commands.import_users(
            [
                (2, UserEdit(name="200", aliases=("3",))),
                (3, edit("201", aliases=("1",))),
                (4, UserEdit(name="200", aliases=("4",))),
            ],
            "test",
            False,
        )
        expected = {"200": "200", "4": "200", "201": "201", "1": "201"}
        self.assertEqual(dict(self.configuration.routing.names), expected)
        self.restart()
        self.assertEqual(dict(self.configuration.routing.names), expected)

    async def test_secrets_stay(self) -> None:
        """Secret columns are put beside those that the user has, and are never unsealed twice."""
        for secrets in ({"PIN": "11111"}, {"Voicemail PIN": "22222"}, {"PIN": "11111"}):
            await self.commands.import_users(
                [(2, UserEdit(name="200", secrets=secrets))], "test", False
            )
        self.assertEqual(self.configuration.version, 2)
        stored = await self.database.read(lambda tx: users.find(tx, "200"))
        assert stored is not None
        self.assertEqual(
            json.loads(self.context.keys.unseal(stored.secrets, "secrets:200")),
            {"PIN": "11111", "Voicemail PIN": "22222"},
        )
