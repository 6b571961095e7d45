"""Call records: one row for each call, whatever becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase as TestCase
from zope.interface.verify import verifyObject

from sipx.cdr.call import LONGEST_TEXT, MOST_LEGS
from sipx.cdr.calls import MOST_ALIKE, RETRY_TIME
from sipx.core.callrecord import CallResult
from sipx.interfaces import IActiveCalls, ICallObserver
from tests.cdr.support import LIMIT, START, UTC, Exchange, invite, unfinished

# A history: what happens, in words of Exchange; a number lets seconds pass.
Event = float | Callable[[Exchange], None]
History = list[Event]


def started(call: Exchange) -> None:
    call.start()


def answered(call: Exchange) -> None:
    call.answer()


def hung_up(call: Exchange) -> None:
    call.bye(("a", "b"))


def hung_up_by_callee(call: Exchange) -> None:
    call.bye(("b", "a"))


def refused(status: int, reason: str = "") -> Event:
    return lambda call: call.fail(status, reason)


def agreed(session: str) -> Event:
    return lambda call: call.answer(session=session)


def refreshed(expires: int | None = None) -> Event:
    return lambda call: call.refresh(expires)


# What it is: (history, result, code, seconds to connect or None, seconds to end, duration).
HISTORIES: dict[str, tuple[History, str, int, float | None, float | None, float | None]] = {
    "rings": ([started], "ringing", 0, None, None, None),
    "is answered": ([started, 3.0, answered], "talking", 0, 3, None, None),
    "is completed": ([started, 3.0, answered, 60.0, hung_up], "completed", 0, 3, 63, 60),
    "is ended by the callee": (
        [started, 3.0, answered, 60.0, hung_up_by_callee],
        *("completed", 0, 3, 63, 60),
    ),
    "is refused": ([started, 2.0, refused(486, "Busy Here")], "failed", 486, None, 2, 0),
    "is canceled": ([started, 9.0, refused(487)], "canceled", 487, None, 9, 0),
    "is challenged and never comes back": ([started, refused(407)], "failed", 407, None, 0, 0),
    "is challenged by the other side and goes on": (
        [started, 1.0, refused(407), 1.0, started, 1.0, answered, 5.0, hung_up],
        *("completed", 0, 3, 8, 5),
    ),
    "is redirected by its caller": (
        [started, 1.0, refused(302), started, 1.0, refused(404)],
        *("failed", 404, None, 2, 0),
    ),
    "is answered although it had failed": (
        [started, 1.0, refused(408), 1.0, answered, 5.0, hung_up],
        *("completed", 0, 2, 7, 5),
    ),
    "is answered by two": (
        [started, 1.0, answered, 1.0, answered, 3.0, hung_up],
        *("completed", 0, 1, 5, 4),
    ),
    "is ended twice": (
        [started, answered, 3.0, hung_up, 3.0, hung_up_by_callee],
        *("completed", 0, 0, 3, 3),
    ),
    "fails after its answer": (
        [started, answered, 3.0, refused(500), 3.0, hung_up],
        *("completed", 0, 0, 6, 6),
    ),
    "has a BYE before its answer": (
        [started, 1.0, hung_up, refused(487)],
        *("canceled", 487, None, 1, 0),
    ),
    "rings for ever": ([started, LIMIT + 1], "lost", 0, None, LIMIT + 1, 0),
    "has no BYE": ([started, answered, LIMIT + 1], "lost", 0, 0, LIMIT + 1, LIMIT + 1),
    "has no BYE and was heard of late": (
        [started, answered, LIMIT - 10, refreshed(), LIMIT - 10, hung_up],
        *("completed", 0, 0, 2 * LIMIT - 20, 2 * LIMIT - 20),
    ),
    "has a session timer": ([started, agreed("1800"), 1831.0], "talking", 0, 0, None, None),
    "has a session timer that runs out": (
        [started, agreed("1800;refresher=uac"), 1833.0],
        *("expired", 0, 0, 1833, 1833),
    ),
    "has the shortest session timer": ([started, agreed("90"), 119.0], "talking", 0, 0, None, None),
    "has the shortest session timer, which runs out": (
        [started, agreed("90"), 121.0],
        *("expired", 0, 0, 121, 121),
    ),
    "has a session timer shorter than any": (
        [started, agreed("1"), 100.0, hung_up],
        *("completed", 0, 0, 100, 100),
    ),
    "has a session timer that says nothing": (
        [started, agreed("soon"), 4000.0, hung_up],
        *("completed", 0, 0, 4000, 4000),
    ),
    "has a session timer longer than the limit": (
        [started, agreed("4000000000"), LIMIT + 1],
        *("lost", 0, 0, LIMIT + 1, LIMIT + 1),
    ),
    "is refreshed": (
        [started, agreed("1800"), 1000.0, refreshed(1800), 1800.0, hung_up],
        *("completed", 0, 0, 2800, 2800),
    ),
    "is refreshed, then no more": (
        [started, agreed("1800"), 1000.0, refreshed(1800), 1833.0],
        *("expired", 0, 0, 2833, 2833),
    ),
    "is refreshed by a message without the timer": (
        [started, agreed("1800"), 1000.0, refreshed(), 1800.0, hung_up],
        *("completed", 0, 0, 2800, 2800),
    ),
    "gets its timer later": (
        [started, answered, 1000.0, refreshed(600), 633.0],
        *("expired", 0, 0, 1633, 1633),
    ),
    "gives its timer up": (
        [started, agreed("1800"), 1000.0, refreshed(0), 9000.0, hung_up],
        *("completed", 0, 0, 10_000, 10_000),
    ),
    "has a shorter timer in the end": (
        [started, agreed("1800"), refreshed(90), 121.0],
        *("expired", 0, 0, 121, 121),
    ),
}


def play(exchange: Exchange, history: History) -> None:
    for event in history:
        if callable(event):
            event(exchange)
        else:
            exchange.advance(event)


class HistoryTests(TestCase):
    """Whatever happens to a call, it has one row that says so."""

    def test_one_row(self) -> None:
        """Each history ends in one row."""
        for name, (history, result, code, connect, end, duration) in HISTORIES.items():
            exchange = Exchange()
            play(exchange, history)
            self.assertEqual(len(exchange.all_rows), 1, name)
            row = exchange.row
            self.assertEqual(
                [row[key] for key in ("start", "connect", "end")],
                [UTC, *(None if at is None else UTC + at for at in (connect, end))],
                name,
            )
            self.assertEqual(
                [row[key] for key in ("result", "failure_code", "duration")],
                [result, code, duration],
                name,
            )
            self.assertEqual(len(exchange.calls.active()), end is None, name)

    def test_nothing_left(self) -> None:
        """Each history is forgotten in the end."""
        for name, (history, *_) in HISTORIES.items():
            exchange = Exchange()
            play(exchange, history)
            exchange.advance(LIMIT + 2)
            self.assertTrue(exchange.forgotten(), name)

    def test_wall_clock_set(self) -> None:
        """A wall clock that is set changes dates, never durations, results or their number."""
        for name, (history, *_) in HISTORIES.items():
            steady, stepped = Exchange(), Exchange()
            play(steady, history)
            for place, event in enumerate(history):
                stepped.step += 3600 if place % 2 else -7200
                play(stepped, [event])
            for key in ("result", "failure_code", "duration"):
                self.assertEqual(steady.row[key], stepped.row[key], name)
            self.assertEqual(len(steady.journal), len(stepped.journal), name)


class CallsTests(TestCase):
    """What a row says, and what changes it."""

    def setUp(self) -> None:
        self.exchange = Exchange()

    def test_interfaces(self) -> None:
        """They provide what the proxy and the API ask for."""
        self.assertTrue(verifyObject(ICallObserver, self.exchange.calls))
        self.assertTrue(verifyObject(IActiveCalls, self.exchange.calls))

    def test_record(self) -> None:
        """The journal is told at each step, before the answer goes out, in JSON values."""
        call = self.exchange
        call.start(callee="sales", dialed="9201")
        call.advance(2)
        call.answer(callee="202")
        call.advance(1.5)
        call.bye()
        head = ["call", "one", "a", "200"]
        self.assertEqual(
            call.journal,
            [
                [*head, "sales", "9201", UTC, None, None, "ringing", 0, "", None, 7],
                [*head, "202", "9201", UTC, UTC + 2, None, "talking", 0, "", None, 7],
                [*head, "202", "9201", UTC, UTC + 2, UTC + 3.5, "completed", 0, "", 1.5, 7],
            ],
        )
        self.assertEqual(json.loads(json.dumps(call.journal)), call.journal)
        self.assertIs(type(call.journal[0][9]), str)

    def test_failure(self) -> None:
        """A failure keeps the caller's final status and its reason."""
        self.exchange.start()
        self.exchange.fail(603, "Gone fishing")
        row = self.exchange.row
        self.assertEqual((row["failure_code"], row["failure_reason"]), (603, "Gone fishing"))

    def test_failure_overcome(self) -> None:
        """Nothing of a failure stays in the row of a call that was tried again."""
        call = self.exchange
        call.start(caller="sip:200@x", callee="201", version=7)
        call.fail(407, "Proxy Authentication Required")
        call.start(caller="200", callee="202", version=8)
        row = call.row
        self.assertEqual(
            [row[key] for key in ("caller", "callee", "version", "result", "end")],
            ["200", "202", 8, "ringing", None],
        )
        self.assertEqual(
            [row[key] for key in ("failure_code", "failure_reason", "duration")], [0, "", None]
        )

    def test_no_callee_told(self) -> None:
        """An answer that does not say who gave it leaves who was called."""
        self.exchange.start(callee="sales")
        self.exchange.answer(callee="")
        self.assertEqual(self.exchange.row["callee"], "sales")

    def test_tried_again_too_late(self) -> None:
        """After a minute a failed call is not remembered: the next attempt has its own start."""
        call = self.exchange
        call.start()
        call.fail(404)
        call.advance(RETRY_TIME + 1)
        self.assertTrue(call.forgotten())
        call.start()
        self.assertEqual(call.row["start"], UTC + RETRY_TIME + 1)

    def test_calls_apart(self) -> None:
        """The same Call-ID with another From tag is another call."""
        call = self.exchange
        call.start("one", "a")
        call.start("one", "z")
        call.answer("one", "z")
        call.bye(("b", "z"), "one")
        self.assertEqual(
            {tag: row["result"] for (_, tag), row in call.rows.items()},
            {"a": "ringing", "z": "completed"},
        )

    def test_alike(self) -> None:
        """Calls with the same Call-ID and From tag at the same time have a row each."""
        call = self.exchange
        call.start(callee="201", dialed="201")
        call.answer(tag="b")
        call.start(callee="202", dialed="202")
        call.answer(tag="c", callee="202", which=1)
        call.advance(5)
        call.bye(("a", "b"))
        call.advance(5)
        call.bye(("c", "a"))
        rows = [(row["dialed"], row["result"], row["duration"]) for row in call.all_rows.values()]
        self.assertEqual(rows, [("201", "completed", 5), ("202", "completed", 10)])
        self.assertEqual(len(call.rows), 1, "they were alike")

    def test_most_alike(self) -> None:
        """So many; the next one is refused and counted, and none of them ends early."""
        call = self.exchange
        for number in range(MOST_ALIKE + 1):
            call.start(dialed=str(number))
        self.assertIsNone(call.handles["one", "a"][-1])
        self.assertEqual((call.calls.refused, len(call.calls)), (1, MOST_ALIKE))
        self.assertEqual(len(call.all_rows), MOST_ALIKE)
        call.start("two")
        self.assertEqual(len(call.calls), MOST_ALIKE + 1)

    def test_same_tag_twice(self) -> None:
        """Two phones with one tag: the BYE ends the call of the user that it went to."""
        call = self.exchange
        for user in ("201", "202"):
            call.start(callee=user, dialed=user)
            call.answer(callee=user)
        call.bye(user="202")
        results = {row["callee"]: row["result"] for row in call.all_rows.values()}
        self.assertEqual(results, {"201": "talking", "202": "completed"})
        call.bye()
        self.assertEqual(len(call.calls), 0)

    def test_bye_of_another_dialog(self) -> None:
        """A BYE ends a call when both its tags are those of a leg that answered."""
        call = self.exchange
        call.start()
        call.bye(("a", "b"))
        call.answer()
        for tags in (("a", "x"), ("x", "a"), ("b", "x"), ("x", "y"), ("a", "a"), ("a", "")):
            call.bye(tags)
            self.assertEqual(call.row["result"], "talking", tags)
        call.advance(3)
        call.bye(("b", "a"))
        self.assertEqual((call.row["result"], call.row["duration"]), ("completed", 3))

    def test_slow_bye(self) -> None:
        """A call has ended when its BYE came, however long that waits for its answer."""
        call = self.exchange
        call.start()
        call.answer()
        call.advance(42)
        call.bye(took=32)
        self.assertEqual((call.row["end"], call.row["duration"]), (UTC + 10, 10))

    def test_second_leg_after_the_first_has_ended(self) -> None:
        """The first phone has hung up when the second one answers: the call goes on."""
        call = self.exchange
        call.start()
        call.answer(tag="b")
        call.advance(2)
        call.bye(("a", "b"))
        call.answer(tag="c")
        self.assertEqual((call.row["result"], call.row["end"]), ("talking", None))
        call.advance(2)
        call.bye(("a", "c"))
        self.assertEqual((call.row["result"], call.row["duration"]), ("completed", 4))

    def test_most_legs(self) -> None:
        """Of too many phones that answer at once the first are followed."""
        call = self.exchange
        call.start()
        for number in range(MOST_LEGS + 2):
            call.answer(tag=str(number))
        for number in range(MOST_LEGS):
            self.assertEqual(call.row["result"], "talking")
            call.bye(("a", str(number)))
        self.assertEqual(call.row["result"], "completed")

    def test_another_number_tried(self) -> None:
        """After a failure another number is another call, unless its caller was sent there."""
        for status, rows in ((404, 2), (302, 1)):
            call = Exchange()
            call.start(dialed="201")
            call.fail(status)
            call.advance(1)
            call.start(dialed="202")
            self.assertEqual(len(call.all_rows), rows, status)

    def test_belongs(self) -> None:
        """Whom a request inside a dialog may go to: the other side, from either."""
        call = self.exchange
        call.start()
        self.assertFalse(call.calls.call_belongs("one", ("a", "b"), "201"), "not answered")
        call.answer()
        for tags, user, belongs in (
            (("a", "b"), "201", True),
            (("b", "a"), "200", True),
            (("a", "b"), "200", False),
            (("b", "a"), "201", False),
            (("a", "x"), "201", False),
            (("a", "b"), "202", False),
            (("a", "b"), "", False),
        ):
            self.assertIs(call.calls.call_belongs("one", tags, user), belongs, (tags, user))
        self.assertFalse(call.calls.call_belongs("two", ("a", "b"), "201"))

    def test_no_tag(self) -> None:
        """A caller of RFC 2543 may have no tag."""
        request = invite()
        request.set("from", "<sip:200@x>")
        self.exchange.calls.call_started(request, "200", "201", "201", 1, START)
        self.exchange.calls.call_ended("one", ("", "b"), "", START, START)
        self.assertEqual(list(self.exchange.rows), [("one", "")])

    def test_unknown(self) -> None:
        """What is told of a call that nobody knows is counted and makes no row."""
        call = self.exchange
        call.fail(404)
        call.bye()
        call.refresh(1800)
        self.assertEqual(call.journal, [])
        self.assertEqual(call.calls.unknown, 2)
        call.start()
        call.answer()
        call.bye()
        call.answer()
        call.bye()
        self.assertEqual(call.row["result"], "completed")
        self.assertEqual(call.calls.unknown, 4)

    def test_active(self) -> None:
        """Active calls are listed oldest first, as they stand."""
        call = self.exchange
        call.start("one")
        call.advance(1)
        call.start("two", dialed="9201")
        call.answer("one")
        one, two = call.calls.active()
        self.assertEqual((one.call_id, one.result, one.connect), ("one", "talking", UTC + 1))
        self.assertEqual((two.call_id, two.result, two.connect), ("two", "ringing", None))
        self.assertEqual((two.start, two.end, two.duration), (UTC + 1, None, None))
        self.assertEqual((two.caller, two.callee, two.dialed), ("200", "201", "9201"))
        one.caller = "changed"
        self.assertEqual(call.calls.active()[0].caller, "200")

    def test_most_calls(self) -> None:
        """The oldest is lost when there are too many, and counted."""
        call = Exchange(most=3)
        for name in ("one", "two", "three", "four", "five"):
            call.start(name)
            call.answer(name)
            call.advance(1)
        self.assertEqual(
            [record.call_id for record in call.calls.active()], ["three", "four", "five"]
        )
        self.assertEqual(call.calls.evicted, 2)
        self.assertEqual(call.rows["one", "a"]["result"], "lost")
        self.assertEqual(call.rows["one", "a"]["duration"], 3)
        self.assertEqual(len(call.calls._deadlines), 3)

    def test_most_failed(self) -> None:
        """Failed calls that may be tried again are bounded too."""
        call = Exchange(most_failed=2)
        for name in ("one", "two", "three"):
            call.start(name)
            call.fail(404, call_id=name)
        call.advance(1)
        for name in ("one", "three"):
            call.start(name)
        self.assertEqual(call.rows["one", "a"]["start"], UTC + 1)
        self.assertEqual(call.rows["three", "a"]["start"], UTC)

    def test_long_texts(self) -> None:
        """What a peer chose is kept short, and two long Call-IDs stay two calls."""
        call = self.exchange
        long = "x" * 20_000
        for name in (long + "1", long + "2"):
            call.start(name, long, caller=long, callee=long, dialed=long)
        call.answer(long + "1", long, callee=long)
        call.fail(404, long, long + "2", long)
        call.bye(("b", long), long + "1")
        self.assertEqual(
            sorted(row["result"] for row in call.rows.values()), ["completed", "failed"]
        )
        for record in call.journal:
            for value in record:
                self.assertLessEqual(len(str(value)), LONGEST_TEXT)

    def test_undecodable(self) -> None:
        """Octets that are no UTF-8 pass."""
        self.exchange.start("one\udcff" * 100, caller="\udcff" * 300)
        self.assertEqual(len(self.exchange.rows), 1)


class RestartTests(TestCase):
    """What a former run of the node left without an end."""

    def setUp(self) -> None:
        self.exchange = Exchange()

    def test_talking(self) -> None:
        """Whoever talked goes on talking, and the BYE ends the call with its whole duration."""
        call = self.exchange
        call.calls.carry_over([unfinished()], call.now)
        self.assertEqual(call.journal, [])
        (record,) = call.calls.active()
        self.assertEqual(record, unfinished())
        call.advance(30)
        call.bye(("b", "a"))
        row = call.row
        self.assertEqual((row["result"], row["duration"]), ("completed", 630))
        self.assertEqual((row["start"], row["connect"]), (UTC - 605, UTC - 600))
        self.assertEqual((row["dialed"], row["end"]), ("9201", UTC + 30))

    def test_ringing(self) -> None:
        """What rang is lost, at the last time that is known of it."""
        call = self.exchange
        rang = unfinished(connect=None, result=CallResult.RINGING)
        call.calls.carry_over([rang], call.now)
        self.assertEqual(
            [call.row[key] for key in ("result", "end", "duration")], ["lost", UTC - 605, 0]
        )
        self.assertTrue(call.forgotten())

    def test_limit(self) -> None:
        """The limit counts from the answer, whichever run of the node saw it."""
        call = self.exchange
        call.calls.carry_over([unfinished()], call.now)
        call.advance(LIMIT - 601)
        self.assertEqual(len(call.calls), 1)
        call.advance(2)
        self.assertEqual(call.row["result"], "lost")

    def test_limit_passed(self) -> None:
        """A call of last week is lost with the first tick."""
        call = self.exchange
        week = 7 * 86400
        call.calls.carry_over([unfinished(start=UTC - week - 5, connect=UTC - week)], call.now)
        call.advance(1)
        self.assertEqual(call.row["result"], "lost")
        self.assertTrue(call.forgotten())

    def test_refreshed(self) -> None:
        """A session timer that is seen after the restart counts."""
        call = self.exchange
        call.calls.carry_over([unfinished()], call.now)
        call.refresh(90)
        call.advance(121)
        self.assertEqual((call.row["result"], call.row["duration"]), ("expired", 721))

    def test_clock_was_set_back(self) -> None:
        """A call answered in the future has no negative duration."""
        call = self.exchange
        call.calls.carry_over([unfinished(connect=UTC + 3600)], call.now)
        call.advance(5)
        call.bye()
        self.assertEqual(call.row["duration"], 5)

    def test_too_many(self) -> None:
        """More than the table holds: the oldest are lost."""
        call = Exchange(most=2)
        names = ("one", "two", "three")
        call.calls.carry_over([unfinished(call_id=name) for name in names], call.now)
        self.assertEqual([record.call_id for record in call.calls.active()], ["two", "three"])
        self.assertEqual(call.rows["one", "a"]["result"], "lost")


KEYS = [(call_id, tag) for call_id in ("one", "two") for tag in ("a", "z")]
EVENTS = st.one_of(
    st.tuples(st.just("start"), st.sampled_from(KEYS)),
    st.tuples(
        st.just("answer"),
        st.sampled_from(KEYS),
        st.sampled_from([None, "90", "1800;refresher=uas", "4000000000", "x", ""]),
    ),
    st.tuples(st.just("fail"), st.sampled_from(KEYS), st.sampled_from([302, 407, 486, 487, 600])),
    st.tuples(st.just("bye"), st.sampled_from(KEYS), st.booleans()),
    st.tuples(
        st.just("refresh"), st.sampled_from(KEYS), st.sampled_from([None, 0, 60, 1800, 2**31])
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 31.5, 119.0, 2000.0, LIMIT / 2])),
    st.tuples(st.just("set clock"), st.sampled_from([3600.0, -3600.0])),
)


class RandomTests(TestCase):
    """Any events in any order."""

    @given(st.lists(EVENTS, max_size=40))
    @settings(derandomize=True, deadline=None, max_examples=200)
    def test_any_order(self, events: list[tuple[str, ...]]) -> None:
        """There is one row a call, active calls are those without end, and none is left."""
        exchange = Exchange(most=3)
        begun = set()
        for event in events:
            if event[0] == "start":
                begun.add(event[1])
            self.happen(exchange, event)
            active = [(call.call_id, call.from_tag, call.start) for call in exchange.calls.active()]
            open_rows = [key for key, row in exchange.all_rows.items() if row["end"] is None]
            self.assertEqual(sorted(active), sorted(open_rows))
            self.assertLessEqual(len(active), 3)
            self.assertEqual(len(exchange.calls._deadlines), len(exchange.calls))
        exchange.advance(LIMIT + 2)
        self.assertTrue(exchange.forgotten())
        self.assertEqual(set(exchange.rows), begun)
        for row in exchange.all_rows.values():
            self.assertIn(row["result"], ("completed", "failed", "canceled", "expired", "lost"))
            self.assertGreaterEqual(row["duration"], 0)
            self.assertEqual(row["failure_code"] != 0, row["result"] in ("failed", "canceled"))

    def happen(self, exchange: Exchange, event: tuple[object, ...]) -> None:
        match event:
            case ("start", (str(call_id), str(tag))):
                exchange.start(call_id, tag)
            case ("answer", (str(call_id), str(tag)), session):
                assert session is None or isinstance(session, str)
                if (call_id, tag) in exchange.handles:
                    exchange.answer(call_id, tag, session=session)
            case ("fail", (str(call_id), str(tag)), int(status)):
                if (call_id, tag) in exchange.handles:
                    exchange.fail(status, "", call_id, tag)
            case ("bye", (str(call_id), str(tag)), turned):
                exchange.bye(("b", tag) if turned else (tag, "b"), call_id)
            case ("refresh", (str(call_id), str(tag)), expires):
                assert expires is None or isinstance(expires, int)
                exchange.refresh(expires, (tag, "b"), call_id)
            case ("wait", float(seconds)):
                exchange.advance(seconds)
            case ("set clock", float(seconds)):
                exchange.step += seconds
            case _:
                raise AssertionError(event)
