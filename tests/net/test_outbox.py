"""Tests of sipx.net.outbox: first the journal, then the wire."""

from __future__ import annotations

from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from sipx.interfaces import IFlow
from sipx.net.outbox import Outbox


class Diary:
    """A journal and a flow that note in one list what happens to them."""

    def __init__(self) -> None:
        self.failing = False
        self.notes: list[str] = []
        self.outbox = Outbox(cast(Any, self))
        self.sending: Any = None

    def commit(self) -> bool:
        self.notes.append("commit")
        return not self.failing

    def send(self, message: Any) -> None:
        self.notes.append(message)
        if self.sending is not None:
            sending, self.sending = self.sending, None
            sending()

    def put(self, message: str) -> None:
        self.outbox.put(cast(IFlow, self), message)

    def turn(self, *messages: str) -> list[str]:
        """A turn of the reactor; what happened at its end."""
        for message in messages:
            self.put(message)
        self.notes.clear()
        self.outbox.flush()
        return self.notes


class OutboxTests(SynchronousTestCase):
    """The end of a turn."""

    def setUp(self) -> None:
        self.diary = Diary()

    def test_order(self) -> None:
        """Nothing is sent before the journal has it; then all, in the order they were made."""
        self.diary.put("a")
        self.assertEqual((self.diary.notes, len(self.diary.outbox)), ([], 1))
        self.assertEqual(self.diary.turn("b", "c"), ["commit", "a", "b", "c"])
        self.assertEqual(len(self.diary.outbox), 0)

    def test_nothing_to_send(self) -> None:
        """What needs no answer is written too."""
        self.assertEqual(self.diary.turn(), ["commit"])

    def test_what_sending_causes(self) -> None:
        """What is made while sending is sent too, after the journal has been asked again."""

        def again() -> None:
            self.diary.put("b")
            self.diary.outbox.flush()  # as a local flow's receiver does

        self.diary.sending = again
        self.assertEqual(self.diary.turn("a")[:4], ["commit", "a", "commit", "b"])

    def test_failing_journal(self) -> None:
        """The turn in which the disk fails is withheld: what it says is not on disk."""
        self.diary.failing = True
        self.assertEqual(self.diary.turn("200", "180"), ["commit"])
        self.assertEqual(self.diary.outbox.withheld, 2)
        self.assertEqual(len(self.diary.outbox), 0)

    def test_while_it_fails(self) -> None:
        """While it fails, those who know refuse: later turns are sent."""
        self.diary.failing = True
        self.diary.turn("200")
        self.assertEqual(self.diary.turn("503"), ["commit", "503"])

    def test_after_it_failed(self) -> None:
        """Once it writes again all is as before, the next failure too."""
        self.diary.failing = True
        self.diary.turn("200")
        self.diary.failing = False
        self.assertEqual(self.diary.turn("200"), ["commit", "200"])
        self.diary.failing = True
        self.assertEqual(self.diary.turn("200"), ["commit"])

    def test_broken_flow(self) -> None:
        """A flow that raises is one log event, and keeps nobody else from being answered."""

        def fail() -> None:
            self.diary.sending = None
            raise ValueError

        self.diary.sending = fail
        self.assertEqual(self.diary.turn("a", "b"), ["commit", "a", "b"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
