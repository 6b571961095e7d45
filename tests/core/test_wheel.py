"""The timer wheel: never early, hardly late, empty in the end."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.transaction import Input
from sipx.core.transactions import InviteClient
from sipx.core.wheel import Wheel


class Entry:
    """Something that waits."""

    __slots__ = ("deadline", "wheel_slot")

    def __init__(self, deadline: float = math.inf) -> None:
        self.deadline = deadline
        self.wheel_slot = -1


class WheelTests(SynchronousTestCase):
    """One wheel, a few entries."""

    def setUp(self) -> None:
        """Make a wheel."""
        self.wheel: Wheel[Entry] = Wheel()

    def put(self, deadline: float) -> Entry:
        """Put a new entry."""
        entry = Entry(deadline)
        self.wheel.put(entry, deadline)
        return entry

    def move(self, entry: Entry, deadline: float) -> None:
        """Change a deadline and say so."""
        entry.deadline = deadline
        self.wheel.put(entry, deadline)

    def test_empty(self) -> None:
        """An empty wheel has nothing to do."""
        self.assertEqual(len(self.wheel), 0)
        self.assertEqual(self.wheel.next_due, math.inf)
        self.assertEqual(self.wheel.advance(1e9), [])

    def test_fires_after_the_deadline(self) -> None:
        """An entry is due at the end of its slot, once."""
        entry = self.put(5.05)
        self.assertEqual(len(self.wheel), 1)
        self.assertAlmostEqual(self.wheel.next_due, 5.1)
        self.assertEqual(self.wheel.advance(5.09), [])
        self.assertEqual(self.wheel.advance(5.11), [entry])
        self.assertEqual(entry.wheel_slot, -1)
        self.assertEqual(len(self.wheel), 0)
        self.assertEqual(self.wheel.advance(10), [])

    def test_order(self) -> None:
        """After a long sleep the earlier slots come first."""
        late, early, between = self.put(9.0), self.put(1.0), self.put(5.0)
        self.assertEqual(self.wheel.advance(20.0), [early, between, late])

    def test_later_costs_nothing(self) -> None:
        """A deadline moved later, with or without a word, is found where it was."""
        told, untold = self.put(1.0), self.put(1.0)
        slot = told.wheel_slot
        self.move(told, 3.0)
        untold.deadline = 4.0
        self.assertEqual(told.wheel_slot, slot)
        self.assertEqual(self.wheel.advance(2.0), [])
        self.assertEqual(len(self.wheel), 2)
        self.assertEqual(self.wheel.advance(3.2), [told])
        self.assertEqual(self.wheel.advance(4.2), [untold])

    def test_earlier(self) -> None:
        """A deadline moved earlier counts at once, and the old slot is skipped."""
        entry = self.put(5.0)
        self.move(entry, 1.0)
        self.assertEqual(len(self.wheel), 1)
        self.assertEqual(self.wheel.advance(1.2), [entry])
        self.assertEqual(self.wheel.advance(6.0), [])
        self.assertEqual(self.wheel.next_due, math.inf)

    def test_back_to_a_stale_slot(self) -> None:
        """An entry that comes back to a slot it has left there fires once."""
        entry = self.put(5.0)
        self.move(entry, 1.0)
        entry.deadline = 5.0
        self.assertEqual(self.wheel.advance(2.0), [])
        self.assertEqual(len(self.wheel), 1)
        self.assertEqual(self.wheel.advance(6.0), [entry])
        self.assertEqual(len(self.wheel), 0)

    def test_ended(self) -> None:
        """An infinite deadline takes an entry out, whether it was in or not."""
        entry = self.put(5.0)
        for _ in range(2):
            self.move(entry, math.inf)
            self.assertEqual(len(self.wheel), 0)
        self.assertEqual(self.wheel.advance(6.0), [])
        self.move(entry, 7.0)
        self.assertEqual(self.wheel.advance(8.0), [entry])

    def test_ended_silently(self) -> None:
        """An entry that ended without a word is dropped when its slot comes."""
        entry = self.put(5.0)
        entry.deadline = math.inf
        self.assertEqual(self.wheel.advance(6.0), [])
        self.assertEqual(len(self.wheel), 0)
        self.assertEqual(entry.wheel_slot, -1)

    def test_put_again(self) -> None:
        """What is due can be put again at once."""
        entry = self.put(1.0)
        self.assertEqual(self.wheel.advance(1.5), [entry])
        self.move(entry, 1.5)
        self.assertEqual(self.wheel.advance(1.6001), [entry])

    def test_far_future(self) -> None:
        """Hours and clocks that start anywhere cost no more than seconds."""
        start = 3e6
        entries = [self.put(start + 3600 * hour) for hour in range(5)]
        self.assertEqual(self.wheel.advance(start - 1), [])
        self.assertEqual(self.wheel.advance(start + 1e6), entries)

    def test_resolution(self) -> None:
        """Slots may be longer or shorter."""
        wheel: Wheel[Entry] = Wheel(resolution=2.0)
        entry = Entry(3.0)
        wheel.put(entry, 3.0)
        self.assertEqual(wheel.next_due, 4.0)
        self.assertEqual(wheel.advance(4.0), [entry])

    def test_next_due_is_enough(self) -> None:
        """Whoever wakes exactly at ``next_due`` finds work: no rounding makes him spin."""
        for tenths in range(5000):
            entry = self.put(tenths * 0.1)
            self.assertEqual(self.wheel.advance(self.wheel.next_due), [entry], tenths)

    def test_transaction(self) -> None:
        """A transaction can hang in it as it is."""
        wheel: Wheel[InviteClient] = Wheel()
        transaction = InviteClient(False, 0.0)
        transaction.feed(Input.START, 0.0)
        wheel.put(transaction, transaction.deadline)
        wakes = 0
        while len(wheel):
            now = wheel.next_due
            for due in wheel.advance(now):
                wakes += 1
                due.expired(now)
                wheel.put(due, due.deadline)
        self.assertEqual(wakes, 7)
        self.assertEqual(transaction.deadline, math.inf)


actions = st.tuples(
    st.sampled_from(["put", "shift", "end", "vanish", "sleep", "oversleep"]),
    st.integers(0, 4),
    st.one_of(st.floats(0, 1), st.floats(0, 60), st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5])),
)


class WheelPropertyTests(SynchronousTestCase):
    """The wheel against a plain dict."""

    @given(start=st.sampled_from([0.0, 12345.678]), script=st.lists(actions, max_size=40))
    @settings(derandomize=True, deadline=None, max_examples=500)
    def test_model(self, start: float, script: list[tuple[str, int, float]]) -> None:
        """Each entry fires once, not early, in time, and nothing is left."""
        wheel: Wheel[Entry] = Wheel()
        entries = [Entry() for _ in range(5)]
        put_at: dict[Entry, float] = {}  # those that have to fire, and since when
        now = start

        def advance(at: float, punctual: bool) -> None:
            for entry in wheel.advance(at):
                since = max(put_at.pop(entry), entry.deadline)
                self.assertLessEqual(entry.deadline, at)
                if punctual:
                    self.assertLessEqual(at - since, 0.1 + 1e-6)

        def sleep(until: float) -> None:
            while wheel.next_due <= until:
                advance(max(wheel.next_due, now), punctual=True)
            self.assertFalse([e for e in put_at if e.deadline < until - 0.1 - 1e-6])

        for what, which, seconds in script:
            entry = entries[which]
            if what == "put":
                entry.deadline = now + seconds
                wheel.put(entry, entry.deadline)
                put_at[entry] = now
            elif what == "shift" and entry in put_at:
                entry.deadline += seconds
            elif what == "end":
                entry.deadline = math.inf
                wheel.put(entry, math.inf)
                put_at.pop(entry, None)
            elif what == "vanish":
                entry.deadline = math.inf
                put_at.pop(entry, None)
            elif what == "sleep":
                sleep(now + seconds)
                now += seconds
            elif what == "oversleep":
                now += seconds
                advance(now, punctual=False)
            self.assertLessEqual(len(put_at), len(wheel))
        sleep(now + 10_000)
        self.assertEqual(put_at, {})
        self.assertEqual(len(wheel), 0)
        self.assertEqual(wheel.next_due, math.inf)
