"""Tests of sipx.proxy.servers: who answers what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipx.interfaces import IRequestServer
from sipx.proxy.servers import Servers


@implementer(IRequestServer)
class Server:
    """What is known of a request server."""

    def __init__(self, name: str, methods: Sequence[str] = (), users: Sequence[str] = ()) -> None:
        self.name = name
        self.methods = methods
        self.users = users
        self.events: Sequence[str] = ()

    def handle(self, incoming: Any) -> None:
        """Not asked here."""


class ServersTests(SynchronousTestCase):
    """All request servers of a node."""

    def setUp(self) -> None:
        self.registrar = Server("registrar", ["REGISTER"])
        self.voicemail = Server("voicemail", [], ["~~vm~.*", "1[0-9]{2}"])
        self.other = Server("other", ["REGISTER", "OPTIONS"], ["10.", "a|b"])
        self.servers = Servers([self.registrar, self.voicemail, self.other])

    def test_methods(self) -> None:
        """A method is the first one's who names it; Allow has what the proxy does itself too."""
        self.assertIs(self.servers.for_method("REGISTER"), self.registrar)
        self.assertIs(self.servers.for_method("OPTIONS"), self.other)
        self.assertIsNone(self.servers.for_method("INVITE"))
        self.assertIsNone(self.servers.for_method("options"))
        self.assertEqual(self.servers.methods(), ["ACK", "CANCEL", "OPTIONS", "REGISTER"])

    def test_users(self) -> None:
        """A user part is the first one's whose pattern is the whole of it."""
        for user, name in (
            ("~~vm~200", "voicemail"),
            ("105", "voicemail"),
            ("10x", "other"),
            ("1055", ""),
            ("a", "other"),
            ("ab", ""),
            ("x~~vm~200", ""),
            ("105\n", ""),
            ("", ""),
        ):
            self.assertEqual(self.servers.for_user(user), name, user)

    def test_names(self) -> None:
        """A server is found by its name."""
        self.assertIs(self.servers.named("voicemail"), self.voicemail)
        self.assertIsNone(self.servers.named("nobody"))
