"""Tests of sipx.core.event: Event and Subscription-State (RFC 6665 section 8.2)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.errors import RemoteError
from sipx.core.event import LONGEST_EVENT, Event, parse_event, subscription_state


class EventTests(SynchronousTestCase):
    """Reading and writing."""

    def test_read(self) -> None:
        """Package and id, as written; other parameters are nobody's business."""
        for text, event in (
            ("reg", Event("reg")),
            (" dialog ; id=7;x", Event("dialog", "7")),
            ("presence.winfo;ID=a", Event("presence.winfo", "a")),
            ("Reg", Event("Reg")),
        ):
            self.assertEqual(parse_event(text), event)

    def test_malformed(self) -> None:
        """Anything else is 400, and so is one longer than is kept."""
        for text in ("", ";id=1", "reg;;", "reg dialog", "reg,dialog", "r" * (LONGEST_EVENT + 1)):
            with self.assertRaises(RemoteError) as caught:
                parse_event(text)
            self.assertEqual(caught.exception.status, 400, text)

    def test_state(self) -> None:
        """Seconds are never negative; what has ended says why."""
        self.assertEqual(subscription_state("active", 59.7), "active;expires=60")
        self.assertEqual(subscription_state("pending", -1), "pending;expires=0")
        self.assertEqual(
            subscription_state("terminated", 9, "timeout"), "terminated;reason=timeout"
        )
        self.assertEqual(str(Event("reg", "7")), "reg;id=7")
