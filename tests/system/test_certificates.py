"""A node's certificates while it runs: taken up on SIGHUP, and kept when the new one is bad."""

from __future__ import annotations

import signal
import ssl
from typing import Any

from twisted.internet.threads import deferToThread

from tests.support.certificates import Authority, write
from tests.support.ports import HOST
from tests.support.processes import until
from tests.system.case import NodeTestCase


class CertificateTests(NodeTestCase):
    """What happens to phones when certificates change."""

    users = ()

    async def shown(self) -> str:
        """The certificate that the node shows, PEM."""
        address = HOST, self.node.tls_port
        return await deferToThread(ssl.get_server_certificate, address, timeout=10)

    async def part(self) -> Any:
        return (await self.node.ask_health())["parts"]["certificate"]

    async def test_hangup(self) -> None:
        """SIGHUP takes up another certificate; a bad one is said, and the former stays."""
        state = self.node.state
        before = await self.shown()
        self.assertEqual(before.strip(), (state / "certificate.pem").read_text().strip())
        pem, key = Authority().issue("pbx.test")
        write(state, "fresh", (pem, key))
        (state / "fresh.key").rename(state / "private.key")
        (state / "fresh.pem").rename(state / "certificate.pem")
        self.node.process.signal(signal.SIGHUP)

        async def renewed() -> bool | None:
            return (await self.shown()).strip() == pem.decode().strip() or None

        await until(renewed, 10, "the new certificate")
        (state / "certificate.pem").write_text("nothing")
        self.node.process.signal(signal.SIGHUP)

        async def said() -> bool | None:
            return not (await self.part())["ok"] or None

        await until(said, 10, "health about the bad certificate")
        text = (await self.part())["text"]
        self.assertIn("holds no certificate in PEM form", text)
        self.assertIn("The former one stays in use", text)
        self.assertEqual((await self.shown()).strip(), pem.decode().strip())

    async def test_refused(self) -> None:
        """A certificate that cannot be used ends the start with one sentence."""
        await self.node.stop()
        (self.node.state / "certificate.pem").write_text("nothing")
        process = self.node.spawn()
        self.assertEqual(await process.ended(20), 1)
        self.assertIn("sipx: TLS: ", process.text)
        self.assertIn("--disable tls", process.text)
        (self.node.state / "certificate.pem").unlink()
