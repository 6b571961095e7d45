"""The contracts of databases and stores; an engine proves them by making a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import gatherResults
from zope.interface.verify import verifyObject

from config.model.entities import KINDS, entity
from config.storage import audit, bindings, callrecords, entities, nodevalues, subscriptions
from config.storage.audit import Change
from config.storage.bindings import BindingStore
from config.storage.callrecords import CallRecordStore
from config.storage.errors import StorageError
from config.storage.interfaces import IDatabase, Transaction
from config.storage.journalsink import JournalSink
from config.storage.migrate import SCHEMA, migrate
from config.storage.subscriptions import SubscriptionStore
from sipx.core.callrecord import CallRecord, CallResult
from sipx.interfaces import IBindingStore, ICallRecordStore, IJournalSink, ISubscriptionStore

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase
else:
    TestCase = object  # a contract is mixed in, and no test by itself

UTC = 1_795_000_000.0


def bind(user: str, contact: str, **changes: Any) -> list[Any]:
    """A ``bind`` record of the journal."""
    fields = {
        "q": 1.0,
        "expires": UTC + 600,
        "call_id": "c1@phone",
        "cseq": 1,
        "path": ["<sip:edge.example;lr>"],
        "flow": "udp:127.0.0.1:5060:127.0.0.1:5062",
        "instance": "urn:uuid:1",
        "instrument": "",
        "user_agent": "Phone/1",
        "registered": UTC,
        **changes,
    }
    return ["bind", user, contact, *fields.values()]


def call(call_id: str, from_tag: str = "t", **changes: Any) -> list[Any]:
    """A ``call`` record of the journal."""
    fields = {
        "caller": "200",
        "callee": "201",
        "dialed": "201",
        "start": UTC,
        "connect": None,
        "end": None,
        "result": "ringing",
        "failure_code": 0,
        "failure_reason": "",
        "duration": None,
        "version": 3,
        **changes,
    }
    return ["call", call_id, from_tag, *fields.values()]


class DatabaseContract(TestCase):
    """What every engine keeps; mixed into a TestCase."""

    def make_database(self) -> Any:
        """Make an empty database with the newest schema; it goes with the test."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.database = self.make_database()
        super().setUp()

    def test_interface(self) -> None:
        """It is a database."""
        verifyObject(IDatabase, self.database)

    def test_all_or_nothing(self) -> None:
        """What raises inside a transaction undoes it."""

        async def work(tx: Transaction) -> None:
            await nodevalues.put(tx, "a", "1")
            raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, self.database.write_now, work)
        self.assertIsNone(self.database.read_now(lambda tx: nodevalues.get(tx, "a")))

    def test_error(self) -> None:
        """What the database refuses is a StorageError, and the next transaction works."""
        self.assertRaises(
            StorageError, self.database.write_now, lambda tx: tx.execute("no such statement")
        )
        self.database.write_now(lambda tx: nodevalues.put(tx, "a", "1"))
        self.assertEqual(self.database.read_now(lambda tx: nodevalues.get(tx, "a")), "1")

    async def test_deferred(self) -> None:
        """Reads and writes answer on the reactor; errors too."""
        await self.database.write(lambda tx: nodevalues.put(tx, "a", "1"))
        self.assertEqual(await self.database.read(lambda tx: nodevalues.get(tx, "a")), "1")
        with self.assertRaises(StorageError):
            await self.database.read(lambda tx: tx.query("no such statement"))
        self.assertEqual(self.database.waiting(), 0)

    async def test_order(self) -> None:
        """Writes happen in the order in which they were asked for."""
        await gatherResults(
            [
                self.database.write(lambda tx, text=str(number): nodevalues.put(tx, "a", text))
                for number in range(20)
            ]
        )
        self.assertEqual(self.database.read_now(lambda tx: nodevalues.get(tx, "a")), "19")

    def test_many_rows(self) -> None:
        """Any number of rows is put, in place of those with the same key, or taken away."""
        rows = [(f"n{number}", "old") for number in range(200)]

        async def work(tx: Transaction) -> tuple[Any, ...]:
            for given in (rows, [(name, "new") for name, _ in rows[:150]]):
                await tx.put("node_values", ("name", "value"), ("name",), given)
            await tx.take_away("node_values", ("name",), [(name,) for name, _ in rows[:71]])
            await tx.take_away("node_values", ("name",), [])
            await tx.put("node_values", ("name", "value"), ("name",), [])
            return tuple(
                await tx.query(
                    "select value, count(*) from node_values group by value order by value"
                )
            )

        self.assertEqual(self.database.write_now(work), (("new", 79), ("old", 50)))

    def test_migrated(self) -> None:
        """Migrating what is migrated changes nothing."""
        dialect = self.database.dialect
        self.assertEqual(self.database.write_now(lambda tx: migrate(tx, dialect, SCHEMA)), 0)

    async def test_works_on(self) -> None:
        """The blocking face works after the end: the journal is flushed last."""
        await self.database.close()
        self.database.write_now(lambda tx: nodevalues.put(tx, "a", "1"))
        self.assertEqual(self.database.read_now(lambda tx: nodevalues.get(tx, "a")), "1")
        with self.assertRaises(StorageError):
            await self.database.read(lambda tx: nodevalues.get(tx, "a"))


class EntitiesContract(TestCase):
    """What is configured beside users; mixed into a TestCase."""

    def make_database(self) -> Any:
        """Make an empty database with the newest schema; it goes with the test."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.database = self.make_database()
        super().setUp()

    def thing(self, kind: str, name: str, place: float = 0.0, **fields: Any) -> entities.Stored:
        """Make a thing and store it."""
        found, errors = entity(KINDS[kind], name, fields)
        assert found is not None, errors
        stored = entities.Stored(found, 7, place)
        self.database.write_now(lambda tx: entities.put(tx, stored))
        return stored

    def test_thing(self) -> None:
        """A thing comes back as it was, by itself, in its list and out of the audit."""
        stored = self.thing("gateway", "Ä 1", address="gw.example", description="x")
        find = lambda tx: entities.find(tx, "gateway", "Ä 1")  # noqa: E731
        self.assertEqual(self.database.read_now(find), stored)
        self.assertEqual(self.database.read_now(entities.every), [stored])
        self.assertEqual(entities.read("gateway", "Ä 1", entities.written(stored)), stored)
        other = lambda tx: entities.find(tx, "branch", "Ä 1")  # noqa: E731
        self.assertIsNone(self.database.read_now(other))

    def test_earlier(self) -> None:
        """What an earlier release stored has the fields of today."""
        stored = self.thing("gateway", "pstn", address="gw.example")
        self.database.write_now(
            lambda tx: tx.execute(
                "update entities set fields = :fields",
                fields='{"address":"gw.example","gone":1}',
            )
        )
        self.assertEqual(self.database.read_now(entities.every), [stored])

    def test_lists(self) -> None:
        """Things of a kind come by place, or in pages by name."""
        for place, name in enumerate("cab"):
            self.thing("branch", name, float(place))
        of_kind = lambda tx: entities.of_kind(tx, "branch")  # noqa: E731
        page = lambda tx: entities.page(tx, "branch", "a", 1)  # noqa: E731
        count = lambda tx: entities.count(tx, "branch")  # noqa: E731
        names = [one.entity.name for one in self.database.read_now(of_kind)]
        self.assertEqual(names, ["c", "a", "b"])
        self.assertEqual([one.entity.name for one in self.database.read_now(page)], ["b"])
        self.assertEqual(self.database.read_now(count), 3)

    def test_names(self) -> None:
        """A dialable name has one owner, whatever a program forgot to ask, and goes with it."""
        self.thing("huntgroup", "sales", extension="300", fallback="1")
        owner = lambda tx: entities.owner(tx, "300")  # noqa: E731
        self.assertEqual(str(self.database.read_now(owner)), "huntgroup sales")
        with self.assertRaises(StorageError):
            self.thing("huntgroup", "more", extension="300", fallback="1")
        self.thing("huntgroup", "sales", extension="301", fallback="1")
        self.assertIsNone(self.database.read_now(owner))
        self.database.write_now(lambda tx: entities.delete(tx, "huntgroup", "sales"))
        for dialed in ("sales", "301"):
            find = lambda tx, name=dialed: entities.owner(tx, name)  # noqa: E731
            self.assertIsNone(self.database.read_now(find))

    def test_links(self) -> None:
        """Who refers to a thing is found, until it does not any more."""
        self.thing("branch", "berlin")
        self.thing("gateway", "pstn", address="gw.example", branch="berlin")
        find = lambda tx: entities.referrers(tx, "branch", "berlin", 5)  # noqa: E731
        ((owner, field),) = self.database.read_now(find)
        self.assertEqual((str(owner), field), ("gateway pstn", "branch"))
        self.thing("gateway", "pstn", address="gw.example")
        self.assertEqual(self.database.read_now(find), [])

    def test_numbers(self) -> None:
        """Each number is given once."""
        given = [self.database.write_now(entities.next_id) for _ in range(3)]
        self.assertEqual(given, [1, 2, 3])

    def test_audit(self) -> None:
        """What a change can be undone with comes back, the latest first."""

        async def work(tx: Transaction) -> None:
            for before, after in ((None, "a"), ("a", None)):
                change = Change("act", "name", "{}", "branch", before, after)
                await audit.record(tx, await audit.next_version(tx), UTC, "me", [change])

        self.database.write_now(work)
        found = self.database.read_now(lambda tx: audit.since(tx, 0))
        values = [(one.version, one.change.before, one.change.after) for one in found]
        self.assertEqual(values, [(2, "a", None), (1, None, "a")])
        self.assertEqual(self.database.read_now(audit.oldest), 0)
        self.assertEqual(self.database.write_now(lambda tx: audit.purge(tx, UTC + 1, 1)), 1)
        self.assertEqual(self.database.read_now(audit.oldest), 1)


class StoresContract(TestCase):
    """What the journal feeds and the node reads again."""

    def make_database(self) -> Any:
        """Make an empty database with the newest schema; it goes with the test."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.database = self.make_database()
        self.sink = JournalSink(self.database)
        self.bindings = BindingStore(self.database)
        self.calls = CallRecordStore(self.database)
        self.subscriptions = SubscriptionStore(self.database)
        super().setUp()

    def test_interfaces(self) -> None:
        """They are what the node asks for."""
        verifyObject(IJournalSink, self.sink)
        verifyObject(IBindingStore, self.bindings)
        verifyObject(ICallRecordStore, self.calls)
        verifyObject(ISubscriptionStore, self.subscriptions)

    def test_position(self) -> None:
        """The position is stored with a batch, and none is the beginning."""
        self.assertEqual(self.sink.position(), (0, 0))
        self.sink.apply([], (3, 400))
        self.assertEqual(self.sink.position(), (3, 400))

    def test_binding(self) -> None:
        """A binding comes back as it was."""
        self.sink.apply([bind("200", "sip:200@phone")], (1, 1))
        (stored,) = self.bindings.load()
        self.assertEqual(["bind", *stored.values()], bind("200", "sip:200@phone"))
        self.assertEqual(
            " ".join(stored),
            "user contact q expires call_id cseq path flow instance instrument user_agent"
            " registered",
        )

    def test_last_state_counts(self) -> None:
        """Of what a batch says about a binding, the last counts; so it does between batches."""
        self.sink.apply([bind("200", "a"), bind("200", "b"), bind("201", "a")], (1, 1))
        self.sink.apply(
            [
                bind("200", "a", cseq=2),
                bind("200", "a", cseq=3),
                ["unbind", "200", "b"],
                ["unbind", "201", "a"],
                bind("201", "a", cseq=9),
                bind("202", "a"),
                ["unbind", "202", "a"],
                ["unbind", "nobody", "nowhere"],
            ],
            (1, 2),
        )
        found = {(one["user"], one["contact"]): one["cseq"] for one in self.bindings.load()}
        self.assertEqual(found, {("200", "a"): 3, ("201", "a"): 9})

    def test_same_batch_again(self) -> None:
        """A batch that comes twice changes nothing."""
        batch = [bind("200", "a"), call("c1"), ["unbind", "200", "b"]]
        for _ in range(2):
            self.sink.apply(batch, (1, 1))
        self.assertEqual(len(self.bindings.load()), 1)
        self.assertEqual(len(self.calls.unfinished()), 1)

    def test_subscription(self) -> None:
        """A subscription comes back as it was, and goes when it has ended."""
        details = {"dialog": {"routes": ["<sip:a;lr>"]}, "version": 3}
        records = [["subscribe", "c1", tag, "reg", "", UTC + 60, details] for tag in ("a", "b")]
        self.sink.apply([*records, ["unsubscribe", "c1", "b", "reg", ""]], (1, 1))
        (stored,) = self.subscriptions.load()
        self.assertEqual(["subscribe", *stored.values()], records[0])
        self.sink.apply([["subscribe", "c1", "a", "reg", "", UTC + 90, details]], (1, 2))
        self.assertEqual([one["expires"] for one in self.subscriptions.load()], [UTC + 90])
        self.sink.apply([["unsubscribe", "c1", "a", "reg", ""]], (1, 3))
        self.assertEqual(self.subscriptions.load(), [])

    def test_purge_of_subscriptions(self) -> None:
        """Those that expired before a time can be deleted."""
        for tag, expires in (("a", UTC), ("b", UTC + 60)):
            self.sink.apply([["subscribe", "c1", tag, "reg", "", expires, {}]], (1, 1))
        purged = self.database.write_now(lambda tx: subscriptions.purge(tx, UTC + 1))
        self.assertEqual((purged, len(self.subscriptions.load())), (1, 1))

    def test_impossible_subscriptions(self) -> None:
        """What no database takes is left out, and stops nothing."""
        bad: list[list[Any]] = [
            ["subscribe", "c1", "a", "reg"],
            ["subscribe", "c1", "\udc80", "reg", "", UTC, {}],
            ["subscribe", "c1", "a", "reg", "", "soon", []],
            ["unsubscribe", "c1", "\udc80", "reg", ""],
        ]
        good = ["subscribe", "c1", "b", "reg", "", UTC, {}]
        self.sink.apply([*bad, good], (1, 1))
        self.assertEqual([one["local_tag"] for one in self.subscriptions.load()], ["b"])
        self.assertEqual(self.sink.position(), (1, 1))

    def test_many_unbound(self) -> None:
        """Many bindings go at once, and no others."""
        contacts = [f"sip:phone{number}" for number in range(200)]
        self.sink.apply([bind(user, one) for user in ("200", "201") for one in contacts], (1, 1))
        self.sink.apply([["unbind", "200", one] for one in contacts[:190]], (1, 2))
        users = [one["user"] for one in self.bindings.load()]
        self.assertEqual((users.count("200"), users.count("201")), (10, 200))

    def test_purge(self) -> None:
        """What expired before a time can be deleted."""
        self.sink.apply([bind("200", "a", expires=UTC), bind("200", "b")], (1, 1))
        self.assertEqual(self.database.write_now(lambda tx: bindings.purge(tx, UTC + 1)), 1)
        self.assertEqual([one["contact"] for one in self.bindings.load()], ["b"])

    def test_forget_user(self) -> None:
        """All bindings of a user go together."""
        self.sink.apply([bind("200", "a"), bind("200", "b"), bind("201", "a")], (1, 1))
        self.database.write_now(lambda tx: bindings.forget_user(tx, "200"))
        self.assertEqual([one["user"] for one in self.bindings.load()], ["201"])

    def test_octets(self) -> None:
        """What is not UTF-8 cannot stop the journal: a URI is escaped, a text is replaced."""
        self.sink.apply(
            [bind("200", "sip:\udce9@phone", user_agent="caf\udce9\0"), call("c1")], (1, 1)
        )
        (stored,) = self.bindings.load()
        self.assertEqual(stored["contact"], "sip:%E9@phone")
        self.assertEqual(
            stored["user_agent"], "caf\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
        )
        self.assertEqual(len(self.calls.unfinished()), 1)
        self.sink.apply([["unbind", "200", "sip:\udce9@phone"], bind("201", "\udcff")], (1, 2))
        self.assertEqual([one["user"] for one in self.bindings.load()], ["201"])

    def test_impossible_records(self) -> None:
        """Records that no database takes are left out and counted; the others are stored."""
        self.sink.apply(
            [
                bind("200", "a"),
                bind("201", "a", cseq=2**70),
                bind("202", "a", q=None),
                bind("203", "a")[:-2],
                call("c1"),
                call("c2", result=None),
                ["call", "c3"],
                ["weather", "fine"],
                [],
                ["bind", [], {}],
            ],
            (2, 2),
        )
        self.assertEqual([one["user"] for one in self.bindings.load()], ["200"])
        self.assertEqual([one.call_id for one in self.calls.unfinished()], ["c1"])
        self.assertEqual(self.sink.position(), (2, 2))
        self.assertGreater(self.sink.refused, 3)

    async def test_same_tag_again(self) -> None:
        """A later call with the same Call-ID and tag hides no earlier one."""
        first = call("c1", end=UTC + 5, result="completed")
        again = call("c1", start=UTC + 60)
        self.sink.apply([first, again], (1, 1))
        found = await self.calls.find(10, None, None, "c1")
        self.assertEqual([record.start for record in found], [UTC + 60, UTC])

    async def test_call(self) -> None:
        """A call record comes back as it was, with its last state."""
        ended: dict[str, Any] = {
            "connect": UTC + 2,
            "end": UTC + 12.5,
            "result": "completed",
            "duration": 10.5,
            "callee": "202",
        }
        self.sink.apply([call("c1"), call("c1", connect=UTC + 2, result="talking")], (1, 1))
        self.assertEqual(
            self.calls.unfinished(),
            [
                CallRecord(
                    "c1",
                    "t",
                    "200",
                    "201",
                    "201",
                    UTC,
                    UTC + 2,
                    None,
                    CallResult.TALKING,
                    0,
                    "",
                    None,
                    3,
                )
            ],
        )
        self.sink.apply([call("c1", **ended)], (1, 2))
        self.assertEqual(self.calls.unfinished(), [])
        self.assertEqual(
            await self.calls.find(10, None, None, None),
            [
                CallRecord(
                    *("c1", "t", "200", "202", "201", UTC, UTC + 2, UTC + 12.5),
                    *(CallResult.COMPLETED, 0, "", 10.5, 3),
                )
            ],
        )

    def test_purge_of_calls(self) -> None:
        """The oldest calls that have ended are deleted, some at a time."""
        for n in range(6):
            ended: dict[str, Any] = {"end": UTC + n + 1, "result": "completed"} if n != 1 else {}
            self.sink.apply([call(f"c{n}", start=UTC + n, **ended)], (1, n + 1))

        def purge() -> list[str]:
            count = self.database.write_now(lambda tx: callrecords.purge(tx, UTC + 4, 2))
            find = lambda tx: callrecords.find(tx, 10, None, None, None)  # noqa: E731
            return [str(count), *(one.call_id for one in self.database.read_now(find))]

        self.assertEqual(purge(), ["2", "c5", "c4", "c3", "c1"])
        self.assertEqual(purge(), ["1", "c5", "c4", "c1"])
        self.assertEqual(purge(), ["0", "c5", "c4", "c1"])

    async def test_find(self) -> None:
        """Records are found by time, user and Call-ID, the latest start first."""
        self.sink.apply(
            [
                call("c1", start=UTC + 1),
                call("c2", start=UTC + 2, caller="201", callee="202"),
                call("c3", start=UTC + 3, caller="203", callee="203"),
                call("c4", start=UTC + 4, caller="sip:a@b", callee="201", failure_code=486),
                call("c4", "u", start=UTC + 5),
            ],
            (1, 1),
        )

        async def found(
            limit: int = 10,
            before: float | None = None,
            user: str | None = None,
            call_id: str | None = None,
        ) -> list[str]:
            records: Sequence[CallRecord] = await self.calls.find(limit, before, user, call_id)
            return [record.call_id + record.from_tag for record in records]

        self.assertEqual(await found(), ["c4u", "c4t", "c3t", "c2t", "c1t"])
        self.assertEqual(await found(2), ["c4u", "c4t"])
        self.assertEqual(await found(before=UTC + 3), ["c2t", "c1t"])
        self.assertEqual(await found(user="201"), ["c4u", "c4t", "c2t", "c1t"])
        self.assertEqual(await found(2, UTC + 5, "201"), ["c4t", "c2t"])
        self.assertEqual(await found(user="203"), ["c3t"])
        self.assertEqual(await found(call_id="c4"), ["c4u", "c4t"])
        self.assertEqual(await found(call_id="c4", user="200"), ["c4u"])
        self.assertEqual(await found(user="nobody"), [])
