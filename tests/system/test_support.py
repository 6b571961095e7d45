"""What the system tests stand on: child processes, ports, tones, and the word on missing peers."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.support import peers
from tests.support.ports import free_ports
from tests.support.processes import Child, NotInTime, run, spawn, until
from tests.support.tones import seconds_of_tone, write_tone

DEAF = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
PARENT = (
    "import subprocess, sys\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
    "print(f'child {child.pid}.', flush=True)\n"
    "child.wait()\n"
)


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


class ProcessTests(TestCase):
    """Child processes end with the test."""

    timeout = 30

    def start(self, program: str) -> Child:
        """Run a Python program."""
        child = spawn([sys.executable, "-c", program], folder=Path.cwd())
        self.addCleanup(child.kill)
        return child

    async def test_output_and_status(self) -> None:
        """A program's outputs and exit status are told apart."""
        program = "import sys; print(input()); print('oh', file=sys.stderr); sys.exit(3)"
        words = [sys.executable, "-c", program]
        finished = await run(words, folder=Path.cwd(), timeout=10, stdin=b"yes\n")
        self.assertEqual((finished.status, finished.out, finished.err), (3, "yes\n", "oh\n"))

    async def test_deaf_program(self) -> None:
        """A program that does not listen to SIGTERM is killed."""
        child = self.start(DEAF)
        await child.wrote("deaf", 10)
        self.assertEqual(await child.stop(grace=0.2), -signal.SIGKILL)

    async def test_grandchildren(self) -> None:
        """What a program started ends with it."""
        child = self.start(PARENT)
        grandchild = int((await child.wrote(r"child (\d+)\.", 10)).group(1))
        self.assertEqual(os.getpgid(grandchild), child.pid)
        await child.stop()

        async def gone() -> bool | None:
            return None if _runs(grandchild) else True

        await until(gone, 5, "the end of the grandchild")

    async def test_too_late(self) -> None:
        """What does not come in time fails the test with the program's words."""
        child = self.start(DEAF)
        await child.wrote("deaf", 10)
        error = await self.assertFailure(child.wrote("something else", 0.1), NotInTime)
        self.assertIn("deaf", str(error))
        await self.assertFailure(child.ended(0.1), NotInTime)


class PortTests(SynchronousTestCase):
    """Ports on the loopback address."""

    def test_never_twice(self) -> None:
        """No port is given out twice, nor one of a row."""
        firsts = [free_ports(4) for _ in range(50)]
        self.assertEqual(len({first + offset for first in firsts for offset in range(4)}), 200)


class ToneTests(SynchronousTestCase):
    """Tones in recordings."""

    def test_tone(self) -> None:
        """A tone is found for as long as it is there, another one is not."""
        path = Path(self.mktemp())
        write_tone(path, 440, 2.0)
        self.assertAlmostEqual(seconds_of_tone(path, 440), 2.0)
        self.assertEqual(seconds_of_tone(path, 1000), 0)
        self.assertEqual(seconds_of_tone(path, 480), 0)

    def test_empty(self) -> None:
        """An empty recording has no tone."""
        path = Path(self.mktemp())
        write_tone(path, 440, 0)
        self.assertEqual(seconds_of_tone(path, 440), 0)


class MissingPeerTests(SynchronousTestCase):
    """A peer that is not installed."""

    def setUp(self) -> None:
        self.patch(os, "environ", {"PATH": tempfile.gettempdir()})

    def test_skips(self) -> None:
        """The test is skipped with a sentence that names the package."""
        error = self.assertRaises(SkipTest, peers.require, "sipp")
        self.assertIn("sip-tester", str(error))
        self.assertIn("make peers", str(error))

    def test_fails_on_demand(self) -> None:
        """With SIPX_REQUIRE_PEERS=1 the test fails with it."""
        os.environ["SIPX_REQUIRE_PEERS"] = "1"
        error = self.assertRaises(AssertionError, peers.require, "baresip")
        self.assertIn("baresip", str(error))
