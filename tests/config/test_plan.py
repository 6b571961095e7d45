"""Edits of the dial plan: checked, stored, audited, undone."""

from __future__ import annotations

from typing import Any

from zope.interface.verify import verifyObject

from config.commands import history
from config.commands.document import document
from config.commands.history import Difference
from config.commands.interfaces import Edited, IPlanCommands, Outdated
from config.exchange.document import edits
from config.model.edits import Do, Edit
from config.model.errors import Invalid, NotFound
from config.storage import audit, entities, retention, users
from config.storage.interfaces import Transaction
from sipx.interfaces import IJournalSink
from tests.config.parts import PASSWORD, ConfigurationTestCase, edit
from tests.contract.stores import call
from tests.support.fakes import UTC


def add(kind: str, name: str, position: int | None = None, /, **fields: Any) -> Edit:
    """An edit that makes a thing."""
    return Edit(do=Do.ADD, kind=kind, name=name, fields=fields, position=position)


def change(kind: str, name: str, position: int | None = None, /, **fields: Any) -> Edit:
    """An edit that changes some fields."""
    return Edit(do=Do.CHANGE, kind=kind, name=name, fields=fields, position=position)


def gone(kind: str, name: str) -> Edit:
    """An edit that removes a thing."""
    return Edit(do=Do.REMOVE, kind=kind, name=name)


class PlanTestCase(ConfigurationTestCase):
    """A node whose plan is edited."""

    def start(self) -> None:
        super().start()
        self.plan: IPlanCommands = self.context.get(IPlanCommands)

    async def edit(self, *edits: Edit) -> Edited:
        """Do some edits."""
        done: Edited = await self.plan.edit(edits, "test")
        return done

    async def refused(self, *edits: Edit) -> dict[str, str]:
        """Do some edits that are refused, and see that nothing changed."""
        before = self.whole()
        with self.assertRaises(Invalid) as caught:
            await self.plan.edit(edits, "test")
        self.assertEqual(self.whole(), before)
        return {error.field: error.message for error in caught.exception.errors}

    def whole(self) -> Any:
        """Everything that is stored, with version and audit."""

        async def work(tx: Transaction) -> Any:
            every = document(await users.every(tx), await entities.every(tx))
            return every, await audit.version(tx), await audit.rows(tx, 1000)

        return self.database.read_now(work)

    def stored(self) -> Any:
        """What is configured."""
        return self.whole()[0]

    def rules(self) -> list[str]:
        """The names of the rules, in their order."""
        return [one["name"] for one in self.stored().get("rules", [])]


class EditTests(PlanTestCase):
    """One version after the other."""

    def test_interface(self) -> None:
        """They are what the API asks for."""
        verifyObject(IPlanCommands, self.plan)

    async def test_versions(self) -> None:
        """Each edit is one version with its audit; what changes nothing is none."""
        gateway = add("gateway", "pstn", address="192.0.2.1")
        self.assertEqual((await self.edit(gateway)).version, 1)
        self.assertEqual((await self.edit(change("gateway", "pstn", prefix="0"))).version, 2)
        self.assertEqual((await self.edit(change("gateway", "pstn", prefix="0"))).version, None)
        self.assertEqual((await self.edit(gone("gateway", "pstn"))).version, 3)
        self.assertEqual(
            [(row.version, row.change.action, row.change.subject) for row in self.audited()],
            [
                (3, "remove gateway", "pstn"),
                (2, "update gateway", "pstn"),
                (1, "add gateway", "pstn"),
            ],
        )
        self.assertEqual(self.configuration.version, 3)

    async def test_all_or_nothing(self) -> None:
        """Of many edits one that is wrong refuses all, and each error says whose it is."""
        found = await self.refused(
            add("gateway", "pstn", address="192.0.2.1"),
            add("gateway", "other", address="no host", port=70_000),
            add("rule", "Local", kind="local", length="seven"),
        )
        self.assertEqual(
            sorted(found),
            ["gateways/other/address", "gateways/other/port", "rules/Local/length"],
        )
        self.assertIn("right is, for example, gw.example.com", found["gateways/other/address"])

    async def test_forward(self) -> None:
        """Within one version things may name each other in any order."""
        await self.edit(
            add("rule", "Local", kind="local", gateways=["pstn"], schedule="open"),
            add("gateway", "pstn", address="gw.example.com"),
            add("schedule", "open", timezone="Europe/Berlin"),
        )
        self.assertEqual(self.rules(), ["Local"])

    async def test_dangling(self) -> None:
        """What is named must be there, and stays while it is named."""
        found = await self.refused(
            add("rule", "Local", kind="local", gateways=["pstn"], permissions=["perm_1"])
        )
        self.assertEqual(
            found,
            {
                "gateways": "names the gateway pstn, which does not exist",
                "permissions": "names the permission perm_1, which does not exist",
            },
        )
        await self.edit(
            add("gateway", "pstn", address="gw.example.com"),
            add("rule", "Local", kind="local", gateways=["pstn"]),
        )
        found = await self.refused(gone("gateway", "pstn"))
        self.assertEqual(found, {"": "gateway pstn is still named by rule Local (gateways)"})
        await self.edit(gone("gateway", "pstn"), gone("rule", "Local"))

    async def test_unknown(self) -> None:
        """What is not there is not changed."""
        for one in (
            change("rule", "x", enabled=False),
            gone("rule", "x"),
            change("telephony", "200", dnd=True),
            change("codes", "other", global_pickup="*"),
        ):
            with self.assertRaises(NotFound):
                await self.edit(one)
        self.assertEqual(self.configuration.version, 0)

    async def test_names_are_unique(self) -> None:
        """A dialable name has one owner: a user, a hunt group, a rule."""
        await self.commands.add_user(edit("200", aliases=("anna",)), "test")
        await self.edit(
            add("huntgroup", "sales", extension="300", fallback="200"),
            add("rule", "Voicemail", kind="voicemail"),
        )
        for field, dialed, owner in (
            ("extension", "200", "user 200"),
            ("did", "anna", "user 200"),
            ("extension", "sales", "huntgroup sales"),
            ("extension", "101", "rule Voicemail"),
        ):
            group = add("huntgroup", "more", **{"fallback": "200", field: dialed})
            self.assertEqual(
                await self.refused(group), {field: f"{dialed} is already dialed for {owner}"}
            )
        for name, fields in (("300", {}), ("201", {"aliases": ("101",)})):
            with self.assertRaises(Invalid) as caught:
                await self.commands.add_user(edit(name, **fields), "test")
            self.assertIn("is already dialed for", str(caught.exception))
        # A name that goes is free within the same version.
        await self.edit(
            gone("huntgroup", "sales"),
            add("huntgroup", "support", extension="300", fallback="200"),
        )

    async def test_half_letters(self) -> None:
        """What is no character is refused, wherever it is."""
        half = "\ud800"
        for one in (
            change("rule", half, enabled=False),
            add("branch", half),
            Edit(do=Do.CHANGE, kind="user", name=half),
            add("group", "a", permissions={half: True}),
            add("group", "a", branch=half),
            add("group", "a", description=half),
        ):
            await self.refused(one)

    async def test_order(self) -> None:
        """Rules have an order: at the end, at a place, moved; and numbers that stay."""
        for name in "abc":
            await self.edit(add("rule", name, kind="custom", patterns=["1x"]))
        await self.edit(add("rule", "d", 2, kind="custom", patterns=["1x"]))
        self.assertEqual(self.rules(), ["a", "d", "b", "c"])
        before = await self.database.read(lambda tx: entities.of_kind(tx, "rule"))
        await self.edit(change("rule", "c", 1))
        self.assertEqual(self.rules(), ["c", "a", "d", "b"])
        after = await self.database.read(lambda tx: entities.of_kind(tx, "rule"))
        self.assertEqual(
            {one.entity.name: one.id for one in before}, {one.entity.name: one.id for one in after}
        )
        await self.edit(gone("rule", "c"), change("rule", "a", 99))
        self.assertEqual(self.rules(), ["d", "b", "a"])

    async def test_close_places(self) -> None:
        """However often things move to the same spot, the order is as was said."""
        names = [f"r{number}" for number in range(4)]
        await self.edit(*(add("rule", name, kind="custom", patterns=["1x"]) for name in names))
        for turn in range(40):
            moved = names.pop(3 if turn % 2 else 2)
            names.insert(1, moved)
            await self.edit(change("rule", moved, 2))
            self.assertEqual(self.rules(), names)

    async def test_numbers(self) -> None:
        """The number of a rule is never given again: call records name it."""
        await self.edit(add("rule", "a", kind="custom", patterns=["1"]))
        await self.edit(gone("rule", "a"))
        await self.edit(add("rule", "a", kind="custom", patterns=["1"]))
        (stored,) = await self.database.read(lambda tx: entities.of_kind(tx, "rule"))
        self.assertEqual(stored.id, 2)

    async def test_telephony(self) -> None:
        """How a user is called goes with the user, and is nothing to store when as by default."""
        await self.commands.add_user(edit("200"), "test")
        await self.edit(change("telephony", "200", rings=[{"number": "201", "seconds": 10}]))
        self.assertEqual(
            self.stored()["telephony"],
            [
                {
                    "name": "200",
                    "rings": [
                        {
                            "number": "201",
                            "seconds": 10,
                            "parallel": False,
                            "schedule": "",
                            "enabled": True,
                        }
                    ],
                }
            ],
        )
        await self.edit(change("telephony", "200", rings=[]))
        self.assertNotIn("telephony", self.stored())
        await self.edit(change("telephony", "200", dnd=True))
        await self.commands.remove_user("200", "test")
        self.assertEqual(self.stored(), {"sipx": 1})
        rows = [row.change.action for row in self.audited()[:2]]
        self.assertEqual(rows, ["remove telephony", "remove user"])

    async def test_outdated(self) -> None:
        """Edits made for another version than the current one are refused."""
        await self.edit(add("branch", "berlin"))
        with self.assertRaises(Outdated):
            await self.plan.edit([add("branch", "munich")], "test", 0)
        await self.plan.edit([add("branch", "munich")], "test", 1)

    async def test_dry_run(self) -> None:
        """A dry run says what would change, and changes nothing."""
        done = await self.plan.edit([add("branch", "berlin")], "test", None, True)
        self.assertEqual([one.action for one in done.changes], ["add branch"])
        self.assertEqual(self.whole(), ({"sipx": 1}, 0, []))


class HistoryTests(PlanTestCase):
    """Former versions."""

    async def grow(self) -> list[Any]:
        """Make some versions of every sort; gives what was stored in each."""
        seen = [self.stored()]

        async def then(work: Any) -> None:
            await work
            seen.append(self.stored())

        await then(self.commands.add_user(edit("200", aliases=("a",)), "test"))
        await then(self.commands.add_user(edit("201", aliases=("b",)), "test"))
        await then(
            self.edit(
                add("gateway", "pstn", address="192.0.2.1"),
                add("rule", "Local", kind="local", gateways=["pstn"]),
                add("rule", "First", 1, kind="custom", patterns=["1"]),
                add("huntgroup", "sales", extension="300", fallback="200"),
                change("telephony", "200", dnd=True),
            )
        )
        await then(self.commands.set_password("200", "another-password", "test"))
        await then(
            self.edit(
                Edit(do=Do.CHANGE, kind="user", name="200", fields={"aliases": []}),
                Edit(do=Do.CHANGE, kind="user", name="201", fields={"first_name": "B"}),
                gone("huntgroup", "sales"),
                change("rule", "Local", 1, enabled=False),
            )
        )
        await then(self.commands.update_user(edit("201", aliases=("a", "300")), "test"))
        await then(self.commands.remove_user("200", "test"))
        return seen

    async def test_rollback(self) -> None:
        """Any version can be had again, in a new version; and that can be undone too."""
        seen = await self.grow()
        last = len(seen) - 1
        for version in (0, 3, last, 5, 2, 6, 1, 4):
            await self.plan.rollback(version, "test")
            self.assertEqual(self.stored(), seen[version])
            names = {"sipx"}
            for user in seen[version].get("users", []):
                names |= {user["name"], *user.get("aliases", ())}
            self.assertEqual({*self.configuration.routing.names, "sipx"}, names)
            in_force = self.configuration.routing.names
            self.restart()
            self.assertEqual(self.configuration.routing.names, in_force)
        with self.assertRaises(NotFound):
            await self.plan.rollback(99, "test")

    async def test_rollback_to_now(self) -> None:
        """Going back to what is so makes no version."""
        await self.grow()
        version = self.configuration.version
        self.assertEqual((await self.plan.rollback(version, "test")).version, None)

    async def test_diff(self) -> None:
        """Two versions differ field by field, both ways; of a password only that."""
        await self.grow()
        find = lambda a, b: self.database.read_now(  # noqa: E731
            lambda tx: history.differences(tx, a, b)
        )
        self.assertEqual(
            find(3, 4),
            [Difference("user", "200", "password", "(hidden)", "(hidden, another)")],
        )
        forth, back = find(4, 5), find(5, 4)
        self.assertIn(Difference("rule", "Local", "enabled", True, False), forth)
        self.assertIn(Difference("user", "200", "aliases", ["a"], []), forth)
        self.assertEqual([one._replace(before=one.after, after=one.before) for one in back], forth)
        self.assertEqual(find(5, 5), [])
        self.assertNotIn(PASSWORD, repr(find(0, 7)))
        self.assertNotIn("sealed", repr(find(0, 7)))

    async def test_of_thing(self) -> None:
        """One thing can be read as it was in a version."""
        await self.grow()
        was = await self.database.read(lambda tx: history.of_thing(tx, "rule", "Local", 3))
        now = await self.database.read(lambda tx: history.of_thing(tx, "rule", "Local", 7))
        self.assertIn('"enabled":true', was)
        self.assertIn('"enabled":false', now)

    async def test_retention(self) -> None:
        """A version lives as long as the calls that name it, then it goes with its days."""
        await self.grow()
        sink: Any = self.context.get(IJournalSink)
        rows = [call("c", start=UTC - 10, end=UTC, result="completed", version=3)]
        sink.apply(rows, (1, 1))
        oldest = lambda: self.database.read_now(audit.oldest)  # noqa: E731
        self.assertEqual(oldest(), 0)
        kept = retention.Retention(self.database, 1, lambda: UTC + 86_405)
        kept.tick(0.0)
        await self.database.write(lambda tx: succeed_nothing())
        self.assertEqual(oldest(), 7)
        with self.assertRaises(NotFound):
            await self.plan.rollback(3, "test")

    async def test_retention_of_named(self) -> None:
        """While a call names it, a version can be had again however old it is."""
        seen = await self.grow()
        sink: Any = self.context.get(IJournalSink)
        sink.apply([call("c", start=UTC + 500_000, version=3)], (1, 1))
        kept = retention.Retention(self.database, 1, lambda: UTC + 86_500)
        kept.tick(0.0)
        await self.database.write(lambda tx: succeed_nothing())
        self.assertEqual(self.database.read_now(audit.oldest), 3)
        await self.plan.rollback(3, "test")
        self.assertEqual(self.stored(), seen[3])


async def succeed_nothing() -> None:
    """A transaction that does nothing: it comes after those before it."""


class DocumentTests(PlanTestCase):
    """The whole configuration as one value."""

    async def test_edits(self) -> None:
        """The edits between two documents lead from one to the other, on another node too."""
        await self.edit(
            Edit(do=Do.ADD, kind="user", name="200", fields={"password": PASSWORD}),
            add("gateway", "pstn", address="192.0.2.1"),
            *(add("rule", name, kind="local", gateways=["pstn"]) for name in "abc"),
            change("codes", "node", global_pickup="*78*"),
        )
        first = self.stored()
        await self.edit(
            gone("rule", "b"),
            change("rule", "c", 1),
            change("codes", "node", global_pickup=""),
            Edit(do=Do.CHANGE, kind="user", name="200", fields={"first_name": "A"}),
        )
        second = self.stored()
        for wanted in (first, second, {"sipx": 1}, first):
            given = edits(self.stored(), wanted)
            await self.edit(*(Edit(**{**one, "do": Do(one["do"])}) for one in given))
            self.assertEqual(self.stored(), wanted)
            self.assertEqual(edits(self.stored(), wanted), [])

    async def test_other_key(self) -> None:
        """A password that was sealed elsewhere or for somebody else is refused in words."""
        await self.commands.add_user(edit("200"), "test")
        (user,) = self.stored()["users"]
        fields = {"password": user["password"]}
        found = await self.refused(Edit(do=Do.PUT, kind="user", name="201", fields=fields))
        self.assertIn("does not open", found["password"])
        found = await self.refused(
            Edit(do=Do.PUT, kind="user", name="200", fields={"password": "sealed:x"})
        )
        self.assertIn("is damaged", found["password"])
