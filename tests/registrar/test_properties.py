"""The registrar against a model of it that fits on a page."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipx.core.uri import equivalent, parse_uri
from tests.registrar.desk import Desk, listed

USERS = ("200", "201")
# Spellings of each contact, and its instance.
CONTACTS = (
    (("sip:a@h", "sip:%61@H", "sip:a@h;x=1"), ""),
    (("sip:a@h;transport=tcp", "sip:a@h;transport=TCP"), ""),
    (("sip:b@h",), "urn:i:1"),
    (("sip:c@h", "sip:c@H"), "urn:i:1"),
    (("sip:d@h",), "urn:i:2"),
)
MIN_EXPIRES = 30


@dataclass
class Entry:
    """A binding as the model has it."""

    contact: str
    instance: str
    q: float
    expires: float
    call_id: str
    cseq: int


class Model:
    """What RFC 3261 section 10.3 and the registrar's own rules say, written to be read."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[int, Entry]] = {user: {} for user in USERS}

    def alive(self, user: str, now: float) -> dict[int, Entry]:
        """Give what has not ended."""
        return {
            number: entry for number, entry in self.entries[user].items() if entry.expires > now
        }

    def register(
        self,
        user: str,
        asked: list[tuple[int, int, float, int]],
        call_id: str,
        cseq: int,
        now: float,
    ) -> int:
        """Apply a request; gives its status."""
        after = dict(self.alive(user, now))
        before = dict(after)
        named = {number for number, *_ in asked}
        touched = set(named)
        if any(0 < expires < MIN_EXPIRES for *_, expires in _last_counts(asked)):
            return 423
        for number, _, _, expires in _last_counts(asked):
            if expires and CONTACTS[number][1]:
                touched |= {
                    other
                    for other, entry in before.items()
                    if entry.instance == CONTACTS[number][1]
                }
        if any(
            before[number].call_id == call_id and cseq <= before[number].cseq
            for number in touched
            if number in before
        ):
            return 500
        for number in touched:
            after.pop(number, None)
        for number, spelling, q, expires in _last_counts(asked):
            if expires:
                spellings, instance = CONTACTS[number]
                contact = spellings[spelling % len(spellings)]
                after[number] = Entry(contact, instance, q, now + expires, call_id, cseq)
        self.entries[user] = after
        return 200

    def remove_all(self, user: str, call_id: str, cseq: int, now: float) -> int:
        """Apply ``*``; gives its status."""
        alive = self.alive(user, now).values()
        if any(entry.call_id == call_id and cseq <= entry.cseq for entry in alive):
            return 500
        self.entries[user] = {}
        return 200


def _last_counts(
    asked: list[tuple[int, int, float, int]],
) -> list[tuple[int, int, float, int]]:
    return list({item[0]: item for item in asked}.values())


users = st.sampled_from(USERS)
call_ids = st.sampled_from(["one", "two"])
cseqs = st.integers(1, 12)
asked_contacts = st.lists(
    st.tuples(
        st.integers(0, len(CONTACTS) - 1),
        st.integers(0, 2),
        st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        st.sampled_from([0, 0, 29, 30, 60, 90, 599]),
    ),
    min_size=1,
    max_size=4,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("register"), users, asked_contacts, call_ids, cseqs),
        st.tuples(st.just("register"), users, asked_contacts, call_ids, cseqs),
        st.tuples(st.just("clear"), users, call_ids, cseqs),
        st.tuples(st.just("advance"), st.sampled_from([0.3, 1.0, 29.7, 45.0, 100.0])),
        st.tuples(st.just("sweep")),
        st.tuples(st.just("restart")),
        st.tuples(st.just("forget"), users),
    ),
    max_size=25,
)


class RegistrarProperties(SynchronousTestCase):
    @settings(derandomize=True, deadline=None, max_examples=150)
    @given(steps)
    def test_as_the_model_says(self, steps: list[tuple]) -> None:
        """Whatever happens, memory, journal and model agree, and in the end nothing is left."""
        desk = Desk(USERS)
        model = Model()
        for step in steps:
            self.take(desk, model, step)
            self.compare(desk, model)
        desk.advance(601)
        desk.registrar.expire(desk.now)
        location = desk.location
        self.assertEqual((location.count(), location.contacts(), location.users()), (0, 0, []))
        self.assertEqual((location.pending(), desk.journal.rows), (0, {}))

    def take(self, desk: Desk, model: Model, step: tuple) -> None:
        """Do a step with both."""
        match step:
            case ("register", user, asked, call_id, cseq):
                values = []
                for number, spelling, q, expires in asked:
                    spellings, instance = CONTACTS[number]
                    value = f"<{spellings[spelling % len(spellings)]}>;expires={expires};q={q}"
                    values.append(value + (f';+sip.instance="<{instance}>"' if instance else ""))
                response = desk.register(*values, user=user, call_id=call_id, cseq=cseq)
                expected = model.register(user, asked, call_id, cseq, desk.now)
                self.assertEqual(response.status, expected, step)
                if expected == 200:
                    self.assertEqual(
                        listed(response),
                        {
                            entry.contact: int(entry.expires - desk.now + 0.001) or 1
                            for entry in model.alive(user, desk.now).values()
                        },
                    )
            case ("clear", user, call_id, cseq):
                response = desk.register("*", expires=0, user=user, call_id=call_id, cseq=cseq)
                self.assertEqual(response.status, model.remove_all(user, call_id, cseq, desk.now))
            case ("advance", seconds):
                desk.advance(seconds)
            case ("sweep",):
                desk.registrar.expire(desk.now)
            case ("restart",):
                self.assertEqual(desk.restart(), 0)
            case ("forget", user):
                desk.registrar.forget(user)
                model.entries[user] = {}

    def compare(self, desk: Desk, model: Model) -> None:
        """See that both have the same."""
        stored = {
            key: row for key, row in desk.journal.rows.items() if row["expires"] > desk.utc + 1e-6
        }
        expected = set()
        for user in USERS:
            bindings = desk.bindings(user)
            self.assertEqual(
                sorted(
                    (b.contact, b.q, b.instance, b.call_id, b.cseq, round(b.expires, 3))
                    for b in bindings
                ),
                sorted(
                    (e.contact, e.q, e.instance, e.call_id, e.cseq, round(e.expires, 3))
                    for e in model.alive(user, desk.now).values()
                ),
            )
            qs = [binding.q for binding in bindings]
            self.assertEqual(qs, sorted(qs, reverse=True))
            for place, binding in enumerate(bindings):
                uri = parse_uri(binding.contact)
                found = desk.location.by_contact(uri.key())
                assert found is not None
                self.assertTrue(equivalent(parse_uri(found.contact), uri))
                for other in bindings[place + 1 :]:
                    self.assertFalse(equivalent(uri, parse_uri(other.contact)))
                expected.add((user, binding.contact))
                self.assertAlmostEqual(
                    stored[user, binding.contact]["expires"] - desk.utc,
                    binding.expires - desk.now,
                    3,
                )
        self.assertEqual(set(stored), expected)
        self.assertEqual(
            {(binding.user, binding.contact) for binding in desk.location.every(desk.now)},
            expected,
        )
        self.assertEqual(len(desk.journal.rows), desk.location.count())
        self.assertEqual(desk.location.pending(), len(desk.location.users()))
