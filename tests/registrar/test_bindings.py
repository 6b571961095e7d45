"""The tables that bindings are in."""

from __future__ import annotations

from itertools import count

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.binding import Binding
from sipx.core.errors import RemoteError
from sipx.registrar.bindings import Bindings
from sipx.registrar.refusal import storable

_numbers = count()


def binding(
    user: str = "200", contact: str = "", expires: float = 100.0, q: float = 1.0
) -> Binding:
    """A binding, of which little matters."""
    contact = contact or f"sip:{next(_numbers)}@h"
    return Binding(user, contact, q, expires, "c", 1, (), None, "", "", "", 0.0)


class BindingsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.location = Bindings()

    def test_unknown(self) -> None:
        """Who is not registered has no bindings, and nothing comes of asking."""
        self.assertEqual(self.location.bindings("200", 0.0), ())
        self.assertEqual(self.location.held("200"), ())
        self.assertIsNone(self.location.by_contact("sip:x"))
        self.assertEqual(self.location.users(), [])

    def test_no_work(self) -> None:
        """As long as nothing has ended, the same tuple is given each time."""
        self.location.change("200", (), [binding(), binding()])
        found = self.location.bindings("200", 0.0)
        self.assertIs(self.location.bindings("200", 99.9), found)
        self.assertIs(self.location.held("200"), found)

    def test_ended(self) -> None:
        """What has ended is not given, in whatever way one asks for many."""
        short, long = binding(expires=10.0), binding(expires=20.0)
        self.location.change("200", (), [short, long])
        self.assertEqual(self.location.bindings("200", 10.0), [long])
        self.assertEqual(list(self.location.every(10.0)), [long])
        self.assertEqual(self.location.held("200"), (short, long))
        self.assertEqual(self.location.count(), 2)

    def test_every_while_changing(self) -> None:
        """Who walks through all bindings is not disturbed by a change."""
        for user in "abc":
            self.location.change(user, (), [binding(user)])
        for found in self.location.every(0.0):
            self.location.change(found.user, [found], ())
        self.assertEqual(self.location.count(), 0)

    def test_sweep(self) -> None:
        """A sweep takes out what has ended, at the first whole second after it."""
        first, second, third = (binding(expires=when) for when in (10.0, 10.5, 11.0))
        self.location.change("200", (), [first, second, third])
        self.assertEqual(self.location.expire(10.9, 99), [])
        self.assertEqual(self.location.expire(11.0, 99), [first, second, third])
        self.assertEqual((self.location.count(), self.location.pending()), (0, 0))

    def test_refreshed(self) -> None:
        """What was refreshed ends at its new time only."""
        old = binding(expires=10.0)
        new = binding(contact=old.contact, expires=50.0)
        self.location.change("200", (), [old])
        self.location.change("200", [old], [new])
        self.assertEqual(self.location.expire(49.0, 99), [])
        self.assertEqual(self.location.pending(), 1)
        self.assertEqual(self.location.expire(51.0, 99), [new])

    def test_sweep_in_parts(self) -> None:
        """A sweep ends after so many; the next ones go on until all are out."""
        for number in range(10):
            self.location.change(str(number), (), [binding(str(number), expires=5.0)])
        sizes = [len(self.location.expire(60.0, 4)) for _ in range(4)]
        self.assertEqual(sizes, [4, 4, 2, 0])
        self.assertEqual((self.location.users(), self.location.pending()), ([], 0))

    def test_bad_contact(self) -> None:
        """A contact that is no URI changes nothing."""
        good, bad = binding(), binding(contact="x")
        self.location.change("200", (), [good])
        self.assertRaises(RemoteError, self.location.change, "200", [good], [bad])
        self.assertRaises(RemoteError, self.location.change, "201", (), [bad])
        self.assertEqual((self.location.held("200"), self.location.users()), ((good,), ["200"]))

    def test_not_held(self) -> None:
        """What is not there cannot be taken out."""
        self.location.change("200", (), [binding()])
        self.assertRaises(LookupError, self.location.change, "200", [binding()], ())


class StorableTests(SynchronousTestCase):
    def test_storable(self) -> None:
        """Databases take UTF-8 without NUL."""
        for text, answer in (("", True), ("a", True), ("\u00fc", True), ("\udcff", False),
                             ("a\0", False)):  # fmt: skip
            self.assertEqual(storable(text), answer)
