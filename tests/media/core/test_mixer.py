"""Tests of media.core.mixer and media.core.rooms: who hears whom, bit by bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from media.core.mixer import FAINTEST, HANGOVER, LOUDEST, NOWHERE, UNITY, Mixer
from media.core.rooms import NoRoom, Rooms

SIZE = 160
CAPACITY = 12
Frames = NDArray[np.int16]


@dataclass
class Member:
    """A row as the slow reference keeps it."""

    room: int
    muted: bool = False
    deaf: bool = False
    talk: int = UNITY
    listen: int = UNITY
    gate: int = 0
    open: int = 0


def clip(value: int) -> int:
    return max(-32768, min(32767, value))


def slow_mix(members: dict[int, Member], frames: list[list[int]]) -> dict[int, list[int]]:
    """What each row hears, sample by sample, as the head of media.core.mixer says it."""
    voices: dict[int, list[int]] = {}
    for row, member in members.items():
        loud = sum(abs(sample) for sample in frames[row]) // SIZE
        member.open = HANGOVER if loud >= member.gate else max(member.open - 1, 0)
        silent = member.muted or not member.open
        voices[row] = [0 if silent else clip(s * member.talk // UNITY) for s in frames[row]]
    heard = {}
    for row, member in members.items():
        others = [v for r, v in voices.items() if r != row and members[r].room == member.room]
        sums = [sum(column) for column in zip(*others, strict=True)] if others else [0] * SIZE
        out = [clip(clip(value) * member.listen // UNITY) for value in sums]
        heard[row] = [0] * SIZE if member.deaf else out
    return heard


members = st.builds(
    Member,
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 100, UNITY, 300, LOUDEST]),
    st.sampled_from([0, 100, UNITY, 300, LOUDEST]),
    st.sampled_from([0, 0, 3000, 20_000]),
)


def loud(draw: np.random.Generator) -> Frames:
    level = draw.choice([0, 300, 8000, 32_768], (CAPACITY, 1))
    return np.clip(
        draw.integers(-1, 1, (CAPACITY, SIZE), endpoint=True) * level, -32768, 32767
    ).astype(np.int16)


class BitExactTests(SynchronousTestCase):
    @settings(derandomize=True, deadline=None, max_examples=40)
    @given(st.dictionaries(st.integers(0, CAPACITY - 1), members), st.integers(0, 1000))
    def test_against_a_slow_reference(self, who: dict[int, Member], seed: int) -> None:
        """Any spread over rooms, any settings, loud enough to clip: the same bits, tick by tick."""
        mixer = Mixer(CAPACITY, 4, SIZE)
        for row, member in who.items():
            mixer.place(row, member.room)
            mixer.mute(row, member.muted)
            mixer.deafen(row, member.deaf)
            mixer.talk_gain(row, member.talk)
            mixer.listen_gain(row, member.listen)
            mixer.gate(row, member.gate)
        draw = np.random.default_rng(seed)
        for _ in range(3):
            frames = loud(draw)
            heard = mixer.tick(frames)
            for row, wanted in slow_mix(who, frames.tolist()).items():
                self.assertEqual(heard[row].tolist(), wanted)

    def test_in_place(self) -> None:
        """The frames may be written over; rows in no room stay as they are."""
        mixer = Mixer(CAPACITY, 4, SIZE)
        for row in range(5):
            mixer.place(row, row % 2)
        frames = loud(np.random.default_rng(5))
        wanted, untouched = mixer.tick(frames), frames[5:].copy()
        mixer.tick(frames, frames)
        np.testing.assert_array_equal(frames[:5], wanted[:5])
        np.testing.assert_array_equal(frames[5:], untouched)


class Conference:
    """A mixer whose rows say constants."""

    def __init__(self, *rows: int) -> None:
        self.mixer = Mixer(CAPACITY, 4, SIZE)
        for row in rows:
            self.mixer.place(row, 0)

    def tick(self, **values: int) -> list[int]:
        frames = np.zeros((CAPACITY, SIZE), np.int16)
        for name, value in values.items():
            frames[int(name[1:])] = value
        return [int(value) for value in self.mixer.tick(frames)[:, 0]]


class ConferenceTests(SynchronousTestCase):
    def test_everybody_hears_the_others(self) -> None:
        """The sum without oneself, clipped."""
        conference = Conference(0, 1, 2)
        self.assertEqual(conference.tick(r0=1, r1=20, r2=300)[:3], [320, 301, 21])
        self.assertEqual(conference.tick(r0=30_000, r1=30_000, r2=-1)[:3], [29_999, 29_999, 32_767])

    def test_rooms_are_apart(self) -> None:
        """Nothing is heard in another room, and nothing by who left."""
        conference = Conference(0, 1)
        conference.mixer.place(2, 1)
        conference.mixer.place(3, 1)
        self.assertEqual(conference.tick(r0=5, r1=7, r2=100, r3=200)[:4], [7, 5, 200, 100])
        conference.mixer.remove(1)
        self.assertEqual(conference.tick(r0=5, r1=7)[:2], [0, 0])
        conference.mixer.place(0, 1)
        self.assertEqual(conference.tick(r0=5, r2=100, r3=200)[:4], [300, 0, 205, 105])

    def test_a_recording_leg(self) -> None:
        """A muted row hears the whole room: that is what is recorded."""
        conference = Conference(0, 1, 2)
        conference.mixer.mute(2, True)
        self.assertEqual(conference.tick(r0=5, r1=7, r2=99)[:3], [7, 5, 12])

    def test_gate(self) -> None:
        """A noise below the gate is not heard; the end of a word is, for HANGOVER ticks."""
        conference = Conference(0, 1)
        conference.mixer.gate(0, 1000)
        self.assertEqual(conference.tick(r0=500)[1], 0)
        self.assertEqual(conference.tick(r0=1500)[1], 1500)
        heard = [conference.tick(r0=500)[1] for _ in range(HANGOVER + 1)]
        self.assertEqual(heard, [500] * (HANGOVER - 1) + [0, 0])

    def test_settings_end_with_the_stay(self) -> None:
        """Who comes again begins unmuted and at unity."""
        conference = Conference(0, 1)
        conference.mixer.mute(0, True)
        conference.mixer.talk_gain(0, 0)
        conference.mixer.place(0, 0)
        self.assertEqual(conference.tick(r0=5)[1], 5)

    def test_active_speaker(self) -> None:
        """The loudest speaks until somebody is twice as loud; who is muted or gone does not."""
        conference = Conference(0, 1, 2)
        speaker = conference.mixer.speaker
        for _ in range(20):
            conference.tick(r0=FAINTEST // 2)
        self.assertEqual(speaker[0], NOWHERE)
        for _ in range(60):
            conference.tick(r0=4000, r1=200)
        self.assertEqual(speaker[0], 0)
        for _ in range(60):
            conference.tick(r0=4000, r1=6000)
        self.assertEqual(speaker[0], 0)
        for _ in range(60):
            conference.tick(r0=200, r1=6000)
        self.assertEqual(speaker[0], 1)
        conference.mixer.mute(1, True)
        for _ in range(60):
            conference.tick(r0=2000, r1=6000)
        self.assertEqual(speaker[0], 0)
        conference.mixer.remove(0)
        self.assertEqual(speaker[0], NOWHERE)

    def test_no_such_room(self) -> None:
        """A room that cannot be is refused."""
        self.assertRaises(ValueError, Mixer(2, 2, SIZE).place, 0, 2)


class RoomsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rooms = Rooms(6, 2)

    def hear(self, **values: int) -> list[int]:
        """What each row hears in the array of its room's rate."""
        narrow, wide = np.zeros((6, 160), np.int16), np.zeros((6, 320), np.int16)
        for name, value in values.items():
            row = int(name[1:])
            (wide if self.rooms.wide[row] else narrow)[row] = value
        self.rooms.tick(narrow, wide)
        return [int((wide if self.rooms.wide[row] else narrow)[row, 0]) for row in range(6)]

    def test_wide_while_all_can(self) -> None:
        """A room is wide band until one comes that cannot, and again when that one goes."""
        room = self.rooms.open()
        self.rooms.join(0, room, wideband=True)
        self.rooms.join(1, room, wideband=True)
        self.assertEqual(self.rooms.wide[:3].tolist(), [True, True, False])
        self.assertEqual(self.hear(r0=1, r1=2)[:2], [2, 1])
        self.rooms.join(2, room, wideband=False)
        self.assertEqual(self.rooms.wide[:3].tolist(), [False, False, False])
        self.assertEqual(self.hear(r0=1, r1=2, r2=4)[:3], [6, 5, 3])
        self.rooms.leave(2)
        self.assertEqual(self.rooms.wide[:3].tolist(), [True, True, False])
        self.assertEqual(self.hear(r0=1, r1=2)[:2], [2, 1])

    def test_settings_move_along(self) -> None:
        """A change of rate changes nobody's mute, gain and gate."""
        room = self.rooms.open()
        for row in (0, 1):
            self.rooms.join(row, room, wideband=True)
        self.rooms.mixer(0).mute(0, True)
        self.rooms.mixer(1).talk_gain(1, 2 * UNITY)
        self.rooms.join(2, room, wideband=False)
        self.assertEqual(self.hear(r0=1, r1=2, r2=4)[:3], [8, 4, 4])

    def test_rooms_are_bounded(self) -> None:
        """There are so many rooms and no more; a closed one is free again, and empty."""
        first, second = self.rooms.open(), self.rooms.open()
        self.assertRaises(NoRoom, self.rooms.open)
        self.rooms.join(0, first, wideband=True)
        self.rooms.close(first)
        self.assertIsNone(self.rooms.room_of(0))
        self.assertEqual(self.rooms.open(), first)
        self.assertEqual(self.rooms.members(first), frozenset())
        self.assertNotEqual(first, second)

    def test_joining_elsewhere(self) -> None:
        """Who joins another room leaves the one before, and its rate is decided anew."""
        first, second = self.rooms.open(), self.rooms.open()
        self.rooms.join(0, first, wideband=True)
        self.rooms.join(1, first, wideband=False)
        self.rooms.join(1, second, wideband=False)
        self.assertEqual(self.rooms.members(first), {0})
        self.assertEqual(self.rooms.wide[:2].tolist(), [True, False])
        self.assertEqual(self.rooms.room_of(1), second)

    def test_speaker(self) -> None:
        """The active speaker is found whichever the rate."""
        room = self.rooms.open()
        for row in (0, 1):
            self.rooms.join(row, room, wideband=True)
        self.assertIsNone(self.rooms.speaker(room))
        for _ in range(40):
            self.hear(r1=5000)
        self.assertEqual(self.rooms.speaker(room), 1)
