"""Tests of sipx.core.sessiontimer: what Session-Expires says."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.sessiontimer import session_interval


class IntervalTests(SynchronousTestCase):
    """Seconds of a session timer."""

    def test_table(self) -> None:
        """A number, never below the RFC's least; 0 where there is no timer."""
        for value, seconds in (
            ("1800", 1800),
            ("1800;refresher=uac", 1800),
            (" 1800 ; refresher=uas", 1800),
            ("90", 90),
            ("89", 90),
            ("1", 90),
            ("0", 0),
            ("4294967295", 4294967295),
            ("10000000000", 0),
            ("-1800", 0),
            ("+1800", 0),
            ("1800.5", 0),
            ("\u0661\u0668\u0660\u0660", 0),
            ("soon", 0),
            (";refresher=uac", 0),
            ("", 0),
            (None, 0),
        ):
            self.assertEqual(session_interval(value), seconds, value)
