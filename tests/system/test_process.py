"""A node as a process: starts, refusals to start, ends, and what outlives them."""

from __future__ import annotations

import signal
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.support.node import Node
from tests.support.peers import require
from tests.support.ports import HOST
from tests.support.sipp import Sipp
from tests.system.case import NodeTestCase, password

REFUSED = 20.0  # seconds within which a node that cannot start ends
ENDED = 7.0  # seconds within which a node ends after SIGTERM, its calls' 5 s included
GARBAGE = b"This was a database once.\n" * 4_000


class RefusalTests(TestCase):
    """A node that cannot start says why in one sentence, and ends with status 1."""

    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)

    def make_node(self, name: str = "state", options: Sequence[str] = ()) -> Node:
        """Make a node with a state folder of its own; it is stopped when the test is over."""
        node = Node(self.folder / name, options=options)
        self.addCleanup(node.stop)
        return node

    async def refusal(self, node: Node) -> str:
        """Start a node that must refuse.

        Returns:
            The one line that it wrote to standard error.
        """
        process = node.spawn()
        status = await process.ended(REFUSED)
        self.assertNotIn("Traceback", process.text)
        lines = process.err.decode().splitlines()
        self.assertEqual((status, len(lines)), (1, 1), process.text)
        return lines[0]

    async def test_sip_port_in_use(self) -> None:
        """A SIP port that another process has is named."""
        first, second = self.make_node("first"), self.make_node("second")
        await first.start()
        second.port = first.port
        self.assertIn(str(first.port), await self.refusal(second))

    async def test_half_of_the_port_in_use(self) -> None:
        """It is enough that the port is in use for TCP only, or for UDP only."""
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            node = self.make_node(kind.name)
            with socket.socket(socket.AF_INET, kind) as taken:
                taken.bind((HOST, node.port))
                if kind is socket.SOCK_STREAM:
                    taken.listen()
                self.assertIn(str(node.port), await self.refusal(node))

    async def test_http_port_in_use(self) -> None:
        """A port of the web pages that another process has is named."""
        first, second = self.make_node("first"), self.make_node("second")
        await first.start()
        second.http_port = first.http_port
        self.assertIn(str(first.http_port), await self.refusal(second))

    async def test_refused_first_start(self) -> None:
        """A first start that is refused makes no users; the next one does, and shows them."""
        node = self.make_node(options=("--quickstart",))
        shown = node.state / "quickstart.txt"
        for port in (node.http_port, node.port):
            with socket.create_server((HOST, port)):
                self.assertIn(str(port), await self.refusal(node))
            self.assertFalse(shown.exists())
        await node.start()
        self.assertEqual(len(await node.ask("user", "list")), 5)
        self.assertTrue(shown.exists())

    async def test_same_state_folder(self) -> None:
        """A state folder that a running node has is not used by a second one."""
        first, second = self.make_node(), self.make_node()
        await first.start()
        self.assertIn(str(first.state), await self.refusal(second))

    async def test_state_is_a_file(self) -> None:
        """A file where the state folder should be is named."""
        node = self.make_node()
        node.state.write_text("not a folder\n")
        self.assertIn(str(node.state), await self.refusal(node))

    async def test_state_in_a_file(self) -> None:
        """A state folder that cannot be made is named."""
        (self.folder / "file").write_text("not a folder\n")
        node = self.make_node("file/state")
        node.folder = self.folder
        self.assertIn(str(node.state), await self.refusal(node))

    async def test_damaged_database(self) -> None:
        """A database that is none is named, and left as it is."""
        node = self.make_node()
        await node.start()
        await node.stop()
        databases = [path for path in node.state.rglob("*") if path.suffix in (".sqlite", ".db")]
        self.assertNotEqual(databases, [])
        for path in databases:
            path.write_bytes(GARBAGE)
        self.assertIn(str(databases[0]), await self.refusal(node))
        self.assertEqual(databases[0].read_bytes(), GARBAGE)

    async def test_unknown_option(self) -> None:
        """An option that does not exist is named."""
        process = self.make_node(options=("--no-such-option",)).spawn()
        self.assertEqual(await process.ended(REFUSED), 1)
        self.assertNotIn("Traceback", process.text)
        self.assertIn("no-such-option", process.text)

    async def test_wrong_values(self) -> None:
        """An option with a value that it cannot have is named."""
        for name, value in (
            ("--digest", "rot13"),
            ("--allow-anonymous", "perhaps"),
            ("--sip-port", "many"),
            ("--sip-port", "70000"),
        ):
            process = self.make_node(options=(name, value)).spawn()
            self.assertEqual(await process.ended(REFUSED), 1, process.text)
            self.assertNotIn("Traceback", process.text)
            self.assertIn(name.lstrip("-"), process.text)


class LifeTests(NodeTestCase):
    """What outlives the process, and how it ends."""

    users = ("201", "202", "203")

    async def setUp(self) -> None:
        require("sipp")
        await super().setUp()
        self.sipp = Sipp(self.folder, self.node.port, self.node.domain)
        self.addCleanup(self.sipp.stop)

    async def call(self) -> None:
        """201 calls 202, who is registered."""
        called = await self.callee.start("answer.xml")
        await self.sipp.phone("201", password("201")).play("call.xml", "202")
        await called.passed()

    async def register(self) -> None:
        """Register 202 and 203."""
        self.callee = self.sipp.phone("202", password("202"))
        await self.callee.register()
        await self.sipp.phone("203", password("203")).register()

    async def test_restart(self) -> None:
        """Users and registrations are there after a stop and a start."""
        await self.register()
        before = await self.contacts()
        self.assertEqual(await self.node.stop(), -signal.SIGTERM)
        await self.node.start()
        self.assertEqual(await self.contacts(), before)
        await self.call()

    async def test_killed(self) -> None:
        """Who was told to be registered is registered after kill -9, and can be called."""
        await self.register()
        await self.node.kill()
        await self.node.start()
        users = sorted(row["user"] for row in await self.node.ask("registrations"))
        self.assertEqual(users, ["202", "203"])
        await self.call()

    async def test_killed_while_they_talk(self) -> None:
        """A call outlives kill -9: its BYE finds the way, and it has one record, with its end."""
        await self.register()
        called = await self.callee.start("answer.xml")
        calling = await self.sipp.phone("201", password("201")).start("call_long.xml", "202")
        await called.saw("ACK sip:")
        await self.node.kill()
        await self.node.start()
        await calling.passed()
        await called.passed()
        record = await self.only_record()
        self.assertEqual((record["caller"], record["callee"]), ("201", "202"))
        self.assertEqual((record["result"], record["failure_code"]), ("completed", 0))
        self.assertGreater(record["duration"], 2.5)

    async def test_end_while_it_rings(self) -> None:
        """A node told to end turns new calls away with 503 and ends soon, though one rings."""
        await self.register()
        await self.callee.start("ring.xml")
        calling = await self.sipp.phone("201", password("201")).start("call_ringing.xml", "202")
        await calling.saw("180 Ringing")
        self.node.process.signal(signal.SIGTERM)
        await self.sipp.phone("203", password("203")).play("call_turned_away.xml", "202")
        await self.node.process.ended(ENDED)


class QuickstartTests(NodeTestCase):
    """A node that works at once."""

    options = ("--quickstart",)
    users = ()

    async def test_second_start(self) -> None:
        """The file with the passwords is for its owner only, and a second start keeps it."""
        (path,) = self.node.state.rglob("quickstart.txt")
        before = path.stat()
        self.assertEqual(stat.S_IMODE(before.st_mode), 0o600)
        text = path.read_text()
        self.assertNotEqual(text, "")
        await self.node.stop()
        await self.node.start()
        after = path.stat()
        self.assertEqual(path.read_text(), text)
        self.assertEqual((after.st_mode, after.st_mtime_ns), (before.st_mode, before.st_mtime_ns))

    async def test_user_by_command(self) -> None:
        """A user made by command, with the password on standard input, can register and stays."""
        require("sipp")
        sipp = Sipp(self.folder, self.node.port, self.node.domain)
        self.addCleanup(sipp.stop)
        await self.node.add_user("300", "secret-300")
        phone = sipp.phone("300", "secret-300")
        await phone.register()
        await self.node.stop()
        await self.node.start()
        await phone.register()
