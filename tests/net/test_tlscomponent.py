"""Tests of sipx.net.tlscomponent: what a node says of its certificates, and how it renews them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from sipx.interfaces import ITransport
from sipx.net.component import signaling
from sipx.net.tlscomponent import certificate_files, tls
from sipx.node.errors import StartError
from tests.support.certificates import Authority, write
from tests.support.fakes import FakeContext


class ComponentTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.authority = Authority()
        self.files = write(self.folder, "a", self.authority.issue("pbx.test"))
        self.reactor: Any = MemoryReactorClock()

    def make(self, **options: Any) -> FakeContext:
        given = {
            "tls-port": 5071,
            "certificate": (self.files[0],),
            "private-key": (self.files[1],),
            "tls-trust": "system",
            "client-certificate": "no",
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        self.context = FakeContext(self.reactor, self.folder, given)
        self.context.time = time.time()
        signaling(self.context)
        return self.context

    def health(self) -> tuple[bool, str]:
        part = self.context.health.report()["parts"]["certificate"]
        return part["ok"], part["text"]

    def look(self) -> None:
        """Let the node look at the files."""
        for interval, call in self.context.repeated:
            if interval == 10:
                call(self.context.now)

    def test_listens(self) -> None:
        """It listens on each address; URIs with its port name the node."""
        context = self.make()
        self.assertFalse(context.identity.is_ours("pbx.test", 5071))
        service = tls(context)
        self.assertTrue(context.identity.is_ours("pbx.test", 5071))
        service.startService()
        (entry,) = self.reactor.tcpServers
        self.assertEqual((entry[0], entry[3]), (5071, "127.0.0.1"))
        (transport,) = context.every(ITransport)
        self.assertEqual([host for host, _ in transport.addresses()], ["127.0.0.1"])
        self.assertTrue(self.health()[0])
        gauges = context.health.report()["gauges"]
        self.assertEqual(gauges["tls_handshaking"], {"value": 0, "limit": 1000})
        service.stopService()

    def test_refused(self) -> None:
        """What cannot be used ends the start, with a way out."""
        self.files[0].write_bytes(b"nothing")
        error = self.assertRaises(StartError, tls, self.make())
        self.assertIn("holds no certificate", str(error))
        self.assertIn("--disable tls", str(error))
        error = self.assertRaises(
            StartError, tls, self.make(tls_trust="any", client_certificate="required")
        )
        self.assertIn("needs authorities", str(error))

    def test_pairs(self) -> None:
        """Certificates and keys go together in order; a file may hold both."""
        a, b, c = Path("a"), Path("b"), Path("c")
        self.assertEqual(
            certificate_files(self.folder, (), ()),
            [(self.folder / "certificate.pem", self.folder / "private.key")],
        )
        self.assertEqual(certificate_files(self.folder, (a, b), ()), [(a, a), (b, b)])
        self.assertEqual(certificate_files(self.folder, (a,), (c,)), [(a, c)])
        with self.assertRaises(StartError):
            certificate_files(self.folder, (a, b), (c,))

    def test_changes(self) -> None:
        """A change is taken up at the next look; a bad one is said until it is mended."""
        tls(self.make()).startService()
        write(self.folder, "a", self.authority.issue("pbx.test", days=(-1, 90)))
        self.look()
        well, text = self.health()
        self.assertTrue(well, text)
        self.files[1].write_bytes(b"nothing")
        self.look()
        well, text = self.health()
        self.assertFalse(well)
        self.assertIn("holds no private key in PEM form. The former one stays in use", text)
        self.look()
        self.assertEqual(self.health(), (well, text))
        write(self.folder, "a", self.authority.issue("pbx.test"))
        for reload in self.context.reloading:
            reload()
        self.assertTrue(self.health()[0])

    def test_end(self) -> None:
        """That a certificate ends is said two weeks before, and after."""
        tls(self.make()).startService()
        for days, words in ((17, "ends soon"), (31, "has expired")):
            self.context.time = time.time() + days * 86400
            self.look()
            well, text = self.health()
            self.assertFalse(well)
            self.assertIn(words, text)
