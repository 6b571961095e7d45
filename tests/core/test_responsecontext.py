"""Tests of sipx.core.responsecontext: histories of branches, and what goes upstream."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.message import Response
from sipx.core.responsecontext import (
    MOST_BRANCHES,
    Action,
    Branch,
    BranchState,
    Cancel,
    Forward,
    Recurse,
    ResponseContext,
    Start,
)
from sipx.core.target import Target
from sipx.core.uri import parse_uri

TIMER_C = 180.0


def response(status: int) -> Response:
    return Response(status, "", [], [])


def target(name: str, q: float = 1.0, ring: float | None = None) -> Target:
    return Target(parse_uri(f"sip:{name}@192.0.2.9"), q, ring=ring)


class Story:
    """A context whose branches have names, told in words.

    An event is ``"a 180"``, ``"a failed 503"``, ``"cancel"``, or ``"at 30"`` for time; a
    consequence is ``"start a"``, ``"cancel a"``, ``"recurse a"`` or ``"forward 180 a"``, with
    ``-`` for a response of our own and its branch left out when it has none.
    """

    def __init__(self, *targets: Target, invite: bool = True) -> None:
        self.now = 0.0
        self.context = ResponseContext(invite, TIMER_C)
        self.context.add(targets)

    def start(self) -> list[str]:
        return self.words(self.context.start(self.now))

    def branch(self, name: str) -> Branch:
        (found,) = (one for one in self.context.branches if one.target.uri.user == name)
        return found

    def tell(self, event: str) -> list[str]:
        words = event.split()
        context = self.context
        if words == ["cancel"]:
            return self.words(context.cancel(self.now))
        if words[0] == "at":
            self.now = float(words[1])
            return self.words(context.expired(self.now)) if context.deadline <= self.now else []
        branch = self.branch(words[0])
        if words[1] == "failed":
            return self.words(context.failed(branch, int(words[2]), self.now))
        if words[1] == "offers":
            context.add([target(name) for name in words[2:]])
            return self.words(context.ended(branch, self.now, len(words) > 2))
        status = int(words[1])
        answer = response(status)
        if status < 200:
            return self.words(context.provisional(branch, answer, self.now))
        return self.words(context.final(branch, answer, self.now))

    @staticmethod
    def words(actions: Sequence[Action]) -> list[str]:
        found = []
        for action in actions:
            if isinstance(action, Forward):
                mine = "" if action.response is not None else "-"
                name = action.branch.target.uri.user if action.branch is not None else ""
                found.append(f"forward {mine}{action.status} {name}".strip())
            else:
                found.append(f"{type(action).__name__.lower()} {action.branch.target.uri.user}")
        return found


History = Sequence[tuple[str, list[str]]]


class HistoryTests(SynchronousTestCase):
    """INVITE: what each event leads to."""

    def told(self, story: Story, started: list[str], history: History) -> Story:
        self.assertEqual(story.start(), started)
        for event, consequences in history:
            self.assertEqual(story.tell(event), consequences, event)
        return story

    def test_one_target(self) -> None:
        """A call that rings and is answered."""
        story = self.told(
            Story(target("a")),
            ["start a"],
            [
                ("a 100", []),
                ("a 180", ["forward 180 a"]),
                ("a 183", ["forward 183 a"]),
                ("a 200", ["forward 200 a"]),
                ("a 200", ["forward 200 a"]),
                ("a 180", []),
                ("a 486", []),
                ("cancel", []),
            ],
        )
        self.assertTrue(story.context.answered)
        self.assertFalse(story.context.running)

    def test_busy(self) -> None:
        """One that is refused."""
        self.told(Story(target("a")), ["start a"], [("a 486", ["forward 486 a"]), ("a 486", [])])

    def test_no_target(self) -> None:
        """Without a target the caller learns that nobody is there."""
        self.told(Story(), ["forward -480"], [("cancel", []), ("at 1000", [])])

    def test_same_uri_once(self) -> None:
        """A URI is tried once, however often it is offered."""
        story = Story(target("a"), target("a", 0.5))
        self.assertEqual(len(story.context.branches), 1)
        self.assertEqual(story.context.add([target("a"), target("b")]), 1)

    def test_parallel(self) -> None:
        """Equal q rings together; the first 2xx cancels the others."""
        self.told(
            Story(target("a"), target("b"), target("c")),
            ["start a", "start b", "start c"],
            [
                ("a 180", ["forward 180 a"]),
                ("b 180", ["forward 180 b"]),
                ("c 486", []),
                ("b 200", ["forward 200 b", "cancel a"]),
                ("a 487", []),
            ],
        )

    def test_serial(self) -> None:
        """Higher q first, the next group when the whole one has ended."""
        self.told(
            Story(target("c", 0.2), target("a", 1.0), target("b", 1.0)),
            ["start a", "start b"],
            [
                ("a 486", []),
                ("b 480", ["start c"]),
                ("c 180", ["forward 180 c"]),
                ("c 200", ["forward 200 c"]),
            ],
        )

    def test_ring_time(self) -> None:
        """A target rings as long as it may; then it is canceled and the next group starts."""
        story = self.told(
            Story(target("a", 1.0, 20.0), target("b", 0.5)),
            ["start a"],
            [
                ("a 180", ["forward 180 a"]),
                ("at 19.9", []),
                ("at 20", ["cancel a", "start b"]),
                ("a 487", []),
                ("b 200", ["forward 200 b"]),
            ],
        )
        self.assertIs(story.branch("a").state, BranchState.ENDED)

    def test_late_answer(self) -> None:
        """Who answers after its ring time is heard all the same, and the next is canceled."""
        self.told(
            Story(target("a", 1.0, 20.0), target("b", 0.5)),
            ["start a"],
            [
                ("a 180", ["forward 180 a"]),
                ("at 20", ["cancel a", "start b"]),
                ("b 180", ["forward 180 b"]),
                ("a 200", ["forward 200 a", "cancel b"]),
                ("b 487", []),
            ],
        )

    def test_silent_target(self) -> None:
        """A target that was given up before it spoke is canceled when it does (9.1)."""
        self.told(
            Story(target("a", 1.0, 20.0), target("b", 0.5)),
            ["start a"],
            [
                ("at 20", ["start b"]),
                ("a 180", ["cancel a"]),
                ("a 183", []),
                ("b 486", ["forward 486 b"]),
            ],
        )

    def test_timer_c(self) -> None:
        """Timer C starts again with each provisional response but 100, then 408."""
        self.told(
            Story(target("a")),
            ["start a"],
            [
                ("at 100", []),
                ("a 180", ["forward 180 a"]),
                ("at 179", []),
                ("at 181", []),
                ("at 270", []),
                ("a 100", []),
                ("at 280", ["cancel a"]),
                ("a 487", ["forward -408 a"]),
            ],
        )

    def test_timer_c_and_answer(self) -> None:
        """A 2xx that crosses the CANCEL of Timer C is the answer."""
        self.told(
            Story(target("a")),
            ["start a"],
            [
                ("a 180", ["forward 180 a"]),
                ("at 180", ["cancel a"]),
                ("a 200", ["forward 200 a"]),
            ],
        )

    def test_timer_c_and_silence(self) -> None:
        """Who does not even answer the CANCEL ends with the transaction, as 408."""
        self.told(
            Story(target("a")),
            ["start a"],
            [
                ("a 180", ["forward 180 a"]),
                ("at 180", ["cancel a"]),
                ("a failed 408", ["forward -408 a"]),
            ],
        )

    def test_cancel_after_ring_time(self) -> None:
        """When the caller gives up too, 487 it is."""
        self.told(
            Story(target("a", 1.0, 20.0), target("b", 0.5)),
            ["start a"],
            [
                ("a 180", ["forward 180 a"]),
                ("at 20", ["cancel a", "start b"]),
                ("b 180", ["forward 180 b"]),
                ("cancel", ["cancel b"]),
                ("a 487", []),
                ("b 487", ["forward 487 a"]),
            ],
        )

    def test_cancel(self) -> None:
        """The caller gives up: phones that ring are canceled at once, others when they speak."""
        self.told(
            Story(target("a"), target("b"), target("c", 0.5)),
            ["start a", "start b"],
            [
                ("a 180", ["forward 180 a"]),
                ("cancel", ["cancel a"]),
                ("cancel", []),
                ("b 180", ["cancel b", "forward 180 b"]),
                ("b 183", ["forward 183 b"]),
                ("a 487", []),
                ("b 487", ["forward 487 a"]),
            ],
        )

    def test_cancel_unheard(self) -> None:
        """A branch that never says anything ends with its transaction, as 487."""
        self.told(
            Story(target("a")),
            ["start a"],
            [("cancel", []), ("a failed 408", ["forward -487 a"])],
        )

    def test_cancel_and_answer(self) -> None:
        """A 2xx that crosses CANCEL goes upstream."""
        self.told(
            Story(target("a")),
            ["start a"],
            [("a 180", ["forward 180 a"]), ("cancel", ["cancel a"]), ("a 200", ["forward 200 a"])],
        )

    def test_race(self) -> None:
        """Every 2xx goes upstream, the second too, and after a failure as well."""
        self.told(
            Story(target("a"), target("b")),
            ["start a", "start b"],
            [
                ("a 180", ["forward 180 a"]),
                ("b 200", ["forward 200 b", "cancel a"]),
                ("a 200", ["forward 200 a"]),
            ],
        )

    def test_6xx(self) -> None:
        """A 6xx ends everything: others are canceled, nothing new starts, it goes upstream."""
        self.told(
            Story(target("a"), target("b"), target("c", 0.5)),
            ["start a", "start b"],
            [
                ("b 180", ["forward 180 b"]),
                ("a 603", ["cancel b"]),
                ("b 487", ["forward 603 a"]),
            ],
        )

    def test_6xx_and_2xx(self) -> None:
        """A 2xx that crosses the CANCEL after a 6xx wins."""
        self.told(
            Story(target("a"), target("b")),
            ["start a", "start b"],
            [
                ("b 180", ["forward 180 b"]),
                ("a 603", ["cancel b"]),
                ("b 200", ["forward 200 b"]),
            ],
        )

    def test_3xx(self) -> None:
        """The contacts of a 3xx are tried in its place; those known already are not."""
        self.told(
            Story(target("a")),
            ["start a"],
            [
                ("a 302", ["recurse a"]),
                ("a offers a b", ["start b"]),
                ("b 486", ["forward 486 b"]),
            ],
        )

    def test_3xx_refused(self) -> None:
        """A 3xx whose contacts nobody may reach goes upstream, unless others know better."""
        self.told(
            Story(target("a"), target("b")),
            ["start a", "start b"],
            [("a 302", ["recurse a"]), ("a offers", []), ("b 486", ["forward 302 a"])],
        )

    def test_3xx_joins_waiting_groups(self) -> None:
        """What a 3xx offers joins the group of its q."""
        self.told(
            Story(target("a"), target("b", 0.5)),
            ["start a"],
            [
                ("a 302", ["recurse a"]),
                ("a offers c", ["start c"]),
                ("c 486", ["start b"]),
                ("b 486", ["forward 486 b"]),
            ],
        )

    def test_3xx_after_cancel(self) -> None:
        """Nothing new is tried for a caller who gave up."""
        self.told(
            Story(target("a")),
            ["start a"],
            [("a 180", ["forward 180 a"]), ("cancel", ["cancel a"]), ("a 302", ["forward 302 a"])],
        )

    def test_unreachable(self) -> None:
        """A target that cannot be reached counts as 503; if all are, 480 goes upstream."""
        self.told(
            Story(target("a"), target("b", 0.5)),
            ["start a"],
            [("a failed 503", ["start b"]), ("b failed 503", ["forward -480 a"])],
        )

    def test_too_many(self) -> None:
        """There is a limit to the branches of one request."""
        story = Story()
        self.assertEqual(
            story.context.add([target(f"t{number}") for number in range(MOST_BRANCHES + 9)]),
            MOST_BRANCHES,
        )
        self.assertEqual(story.context.add([target("more")]), 0)

    def test_width(self) -> None:
        """No more branches run at a time than Max-Breadth allows (RFC 5393)."""
        story = Story()
        story.context = ResponseContext(True, TIMER_C, width=2)
        story.context.add(target(name) for name in "abc")
        self.told(
            story,
            ["start a", "start b"],
            [("a 486", []), ("b 486", ["start c"]), ("c 486", ["forward 486 a"])],
        )

    def test_deadline_of_a_finished_request(self) -> None:
        """When all branches have ended, calling ``expired`` finds nothing and waits no more."""
        story = Story(target("a", 1.0, 20.0))
        story.start()
        story.tell("a 200")
        self.assertEqual(story.tell("at 20"), [])
        self.assertEqual(story.context.deadline, math.inf)


class BestResponseTests(SynchronousTestCase):
    """Which response goes upstream (16.7 step 6)."""

    def test_ranks(self) -> None:
        """6xx first, then 3xx, helpful 4xx, other 4xx, 5xx; 503 last; among equals the first."""
        for statuses, best in (
            ((486, 603), "603"),
            ((302, 486), "302"),
            ((480, 401), "401"),
            ((486, 407), "407"),
            ((404, 415), "415"),
            ((404, 420), "420"),
            ((404, 484), "484"),
            ((486, 404), "486"),
            ((500, 486), "486"),
            ((503, 500), "500"),
            ((503, 486), "486"),
            ((503, 503), "503"),
            ((503, -503), "503"),
            ((-503, -408), "-408"),
            ((-408, 486), "486"),
            ((-408, 500), "-408"),
            ((-503, -503), "-480"),
        ):
            story = Story(*(target(f"t{place}") for place in range(len(statuses))))
            story.start()
            last: list[str] = []
            for place, status in enumerate(statuses):
                word = f"failed {-status}" if status < 0 else str(status)
                last = story.tell(f"t{place} {word}")
                if last and last[0].startswith("recurse"):
                    last = story.tell(f"t{place} offers")
            if 603 in statuses and 486 in statuses:
                last = last or story.tell("t0 486")
            self.assertEqual([action.split()[1] for action in last], [best], statuses)

    def test_challenges(self) -> None:
        """All 401 and 407 responses are there to be gathered (16.7 step 7)."""
        story = Story(target("a"), target("b"), target("c"))
        story.start()
        story.tell("a 407")
        story.tell("b 486")
        self.assertEqual(story.tell("c 401"), ["forward 407 a"])
        self.assertEqual([found.status for found in story.context.challenges()], [407, 401])


class OtherRequestTests(SynchronousTestCase):
    """Requests other than INVITE (RFC 4320)."""

    def test_no_timer(self) -> None:
        """They have no Timer C and no ring time: their transactions end by themselves."""
        story = Story(target("a", 1.0, 20.0), invite=False)
        self.assertEqual(story.start(), ["start a"])
        self.assertEqual(story.context.deadline, math.inf)
        self.assertEqual(story.tell("a failed 408"), ["forward -408 a"])

    def test_one_2xx(self) -> None:
        """Only the first 2xx goes upstream, and nothing is canceled."""
        story = Story(target("a"), target("b"), invite=False)
        story.start()
        self.assertEqual(story.tell("a 200"), ["forward 200 a"])
        self.assertEqual(story.tell("b 200"), [])
        self.assertFalse(story.context.running)

    def test_no_cancel(self) -> None:
        """Nothing but INVITE is canceled, not even when a branch speaks later."""
        story = Story(target("a"), invite=False)
        story.start()
        self.assertEqual(story.tell("cancel"), [])
        self.assertEqual(story.tell("a 100"), [])
        self.assertEqual(story.tell("a 200"), ["forward 200 a"])


EVENTS = st.one_of(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([100, 180, 183, 200, 302, 401, 404, 408, 486, 487, 500, 503, 600, 603]),
    ),
    st.tuples(st.integers(0, 5), st.sampled_from([-408, -503])),
    st.tuples(st.just(-1), st.just(0)),  # CANCEL
    st.tuples(st.just(-2), st.integers(1, 200)),  # seconds that pass
)
TARGETS = st.lists(
    st.tuples(st.sampled_from([1.0, 0.5, 0.1]), st.sampled_from([None, 10.0, 30.0])), max_size=4
)


class AnyHistoryTests(SynchronousTestCase):
    """What holds whatever happens."""

    @settings(derandomize=True, deadline=None, max_examples=400)
    @given(st.booleans(), TARGETS, st.lists(EVENTS, max_size=30))
    def test_end(
        self,
        invite: bool,
        targets: list[tuple[float, float | None]],
        events: list[tuple[int, int]],
    ) -> None:
        """One final response or 2xx goes upstream, each branch ends, and then it is quiet.

        A peer is one that no transaction layer would let through otherwise: after its final
        response it is silent, except that 2xx come again; it ends within 32 s of a CANCEL.
        """
        context = ResponseContext(invite, TIMER_C)
        context.add(target(f"t{place}", q, ring) for place, (q, ring) in enumerate(targets))
        started: list[Branch] = []
        canceled: list[Branch] = []
        forwarded: list[int] = []
        over: set[int] = set()
        now = 0.0
        extra = 0

        def perform(actions: Sequence[Action]) -> None:
            nonlocal extra
            for action in actions:
                if isinstance(action, Start):
                    self.assertNotIn(action.branch, started)
                    started.append(action.branch)
                elif isinstance(action, Cancel):
                    self.assertTrue(invite)
                    self.assertNotIn(action.branch, canceled)
                    self.assertIn(action.branch, started)
                    canceled.append(action.branch)
                elif isinstance(action, Recurse):
                    extra += 1
                    added = context.add([target(f"x{extra}", 0.5)] if extra % 2 else [])
                    perform(context.ended(action.branch, now, bool(added)))
                else:
                    self.assertTrue(100 < action.status < 700)
                    forwarded.append(action.status)

        def happen(branch: Branch, status: int) -> None:
            if id(branch) in over and not 200 <= status < 300:
                return
            if status >= 200 or status < 0:
                over.add(id(branch))
            if status < 0:
                perform(context.failed(branch, -status, now))
            elif status < 200:
                perform(context.provisional(branch, response(status), now))
            else:
                perform(context.final(branch, response(status), now))

        perform(context.start(now))
        for which, what in events:
            if which == -1:
                perform(context.cancel(now))
            elif which == -2:
                now += what
                if context.deadline <= now:
                    perform(context.expired(now))
            elif which < len(started):
                happen(started[which], what)
        for _ in range(2 * MOST_BRANCHES):  # whoever is left falls silent
            running = [branch for branch in started if id(branch) not in over]
            if not running:
                break
            for branch in running:
                happen(branch, -408)
            now += TIMER_C + 1
            if context.deadline <= now:
                perform(context.expired(now))

        finals = [status for status in forwarded if status >= 300]
        answers = [status for status in forwarded if 200 <= status < 300]
        self.assertTrue(context.answered)
        self.assertFalse(context.running)
        self.assertLessEqual(len(finals), 1)
        self.assertTrue(finals or answers)
        if answers and finals:  # only a 2xx that came after the final response was out
            self.assertGreater(forwarded.index(answers[0]), forwarded.index(finals[0]))
        if not invite:
            self.assertEqual(len(finals) + len(answers), 1)
        for branch in context.branches:
            self.assertIs(branch.state, BranchState.ENDED)
        quiet = [*context.cancel(now), *context.expired(now + 10_000), *context.start(now)]
        self.assertEqual(quiet, [])
        self.assertEqual(context.deadline, math.inf)
