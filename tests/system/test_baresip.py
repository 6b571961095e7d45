"""Two baresip phones talk through a node, and each hears the other."""

from __future__ import annotations

from tests.support.baresip import Baresip
from tests.support.peers import require
from tests.support.processes import NotInTime
from tests.support.tones import seconds_of_tone
from tests.system.case import NodeTestCase, password

TONES = {"201": 440.0, "202": 1000.0}  # Hz
TALK = 2.5  # seconds
HEARD = 1.5  # seconds of them, at least, must be the other's tone


class TalkTests(NodeTestCase):
    """Audio flows both ways."""

    # baresip 1.0 gives up when a challenge with an algorithm that it does not know is there too.
    options = ("--digest", "md5")

    async def setUp(self) -> None:
        require("baresip")
        await super().setUp()

    async def talk(self, transport: str, srtp: bool = False) -> None:
        """Register two phones, let 201 call 202, talk, hang up, and listen to the recordings."""
        phones = {user: self.phone(user, transport, srtp) for user in TONES}
        for phone in phones.values():
            self.addCleanup(phone.stop)
            await phone.start()
        caller, callee = phones["201"], phones["202"]
        caller.control.command("dial", f"sip:202@{self.node.domain}")
        try:
            await caller.established()
            await callee.established()
            await caller.listened(TALK)
            await callee.listened(TALK)
            caller.control.command("hangup")
            await caller.closed()
            await callee.closed()
        except NotInTime as late:
            self.fail(f"{late}\n--- 201\n{caller.log}\n--- 202\n{callee.log}")
        for hearer, speaker in ((caller, callee), (callee, caller)):
            self.assertGreater(seconds_of_tone(hearer.heard, TONES[speaker.user]), HEARD)
            self.assertEqual(seconds_of_tone(hearer.heard, TONES[hearer.user]), 0)
        record = await self.only_record()
        self.assertEqual((record["caller"], record["callee"]), ("201", "202"))
        self.assertEqual(record["result"], "completed")
        self.assertGreaterEqual(record["duration"], TALK - 1)

    def phone(self, user: str, transport: str, srtp: bool) -> Baresip:
        """Make the phone of a user; 202 answers by itself."""
        folder = self.folder / user
        folder.mkdir()
        return Baresip(
            folder,
            user=user,
            password=password(user),
            server_port=self.node.tls_port if transport == "tls" else self.node.port,
            domain=self.node.domain,
            transport=transport,
            hertz=TONES[user],
            answers=user == "202",
            srtp=srtp,
        )

    async def test_udp(self) -> None:
        """Over UDP each phone hears the other's tone and not its own."""
        await self.talk("udp")

    async def test_tcp(self) -> None:
        """Over TCP each phone hears the other's tone and not its own."""
        await self.talk("tcp")

    async def test_tls(self) -> None:
        """Over TLS too; every message of the call went that way."""
        await self.talk("tls")
        (call,) = {record["call_id"] for record in await self.node.ask("cdr")}
        messages = await self.node.ask("trace", call)
        self.assertEqual({message["transport"] for message in messages}, {"tls"})

    async def test_srtp(self) -> None:
        """Phones that take encrypted sound only (SRTP) agree on it through the node."""
        await self.talk("tls", srtp=True)
        (call,) = {record["call_id"] for record in await self.node.ask("cdr")}
        texts = [message["text"] for message in await self.node.ask("trace", call)]
        self.assertTrue(any("RTP/SAVP" in text for text in texts))
