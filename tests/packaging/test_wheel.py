"""The wheel holds what it should, and a node runs from where it was installed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import zipfile
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import TestCase

from tests.support.ports import HOST, free_ports
from tests.support.processes import Child, NotInTime, run, spawn

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("sipx", "media", "config", "twisted")
FILES = ("setup.cfg", "setup.py", "pyproject.toml", "README.rst", "LICENSE")
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.so")
AGAIN = 0.25  # seconds between two OPTIONS with the same question

OPTIONS = (
    f"OPTIONS sip:{HOST} SIP/2.0\r\n"
    f"Via: SIP/2.0/UDP {HOST};rport;branch=z9hG4bK-wheel\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:wheel@elsewhere.invalid>;tag=wheel\r\n"  # ours would have to prove it
    f"To: <sip:{HOST}>\r\n"
    "Call-ID: wheel\r\n"
    "CSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n"
    "\r\n"
).encode()


class Asking(DatagramProtocol):
    """Sends OPTIONS to a node until a 200 comes, or the node has ended."""

    def __init__(self, node: Child, port: int) -> None:
        self._node = node
        self._server = (HOST, port)
        self.answered: Deferred[None] = Deferred()
        self._sending = LoopingCall(self._send)

    def startProtocol(self) -> None:
        self._sending.start(AGAIN).addErrback(self.answered.errback)

    def stopProtocol(self) -> None:
        if self._sending.running:
            self._sending.stop()

    def _send(self) -> None:
        if self._node.status is not None:
            raise NotInTime(f"ended with status {self._node.status}\n{self._node.tail()}")
        assert self.transport is not None
        self.transport.write(OPTIONS, self._server)

    def datagramReceived(self, data: bytes, address: object) -> None:
        if data.startswith(b"SIP/2.0 200 ") and not self.answered.called:
            self.answered.callback(None)


async def answers_options(node: Child, port: int, timeout: float) -> None:
    """Wait for a 200 to OPTIONS over UDP."""
    asking = Asking(node, port)
    listening = IReactorUDP(reactor).listenUDP(0, asking, HOST, 8192)
    try:
        await asking.answered.addTimeout(timeout, IReactorTime(reactor))
    except TimeoutError:
        raise NotInTime(f"no 200 to OPTIONS\n{node.tail()}") from None
    finally:
        stopped = listening.stopListening()
        if stopped is not None:
            await stopped


class WheelTests(TestCase):
    """One wheel, built, looked into, installed and used; building it is most of the time."""

    timeout = 240

    async def _command(self, *words: str | Path, folder: Path) -> str:
        """Run a program that must succeed, without this source on its path."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = await run(words, folder=folder, timeout=120, environment=environment)
        self.assertEqual(done.status, 0, f"{words}\n{done.out}\n{done.err}")
        return done.out

    async def _build(self, folder: Path) -> Path:
        """Build the wheel of a copy of the source, and hold it to that.

        Nothing of the source is missing in it, nothing else, such as tests, is in it.
        """
        source = folder / "source"
        source.mkdir()
        for name in SOURCES:
            shutil.copytree(ROOT / name, source / name, ignore=NOT_SOURCE)
        for name in FILES:
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, source / name)
        expected = {
            str(path.relative_to(source))
            for name in SOURCES
            for path in (source / name).rglob("*")
            if path.is_file()
        }
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
        await self._command(
            *(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source),
            folder=folder,
        )
        (wheel,) = folder.glob("*.whl")
        names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
        self.assertEqual(names, expected)
        return wheel

    async def test_installed(self) -> None:
        """A node installed from the wheel alone answers OPTIONS, and ends when told to."""
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        wheel = await self._build(folder)
        names = set(zipfile.ZipFile(wheel).namelist())
        for name in ("sipx/py.typed", "media/py.typed", "config/py.typed"):
            self.assertIn(name, names)
        self.assertTrue(any(re.match(r"config/storage/schema/\w+\.sql", name) for name in names))
        self.assertIn("twisted/plugins/sipx_plugin.py", names)
        self.assertNotIn("twisted/__init__.py", names)
        self.assertNotIn("twisted/plugins/__init__.py", names)

        await self._command(sys.executable, "-m", "venv", folder / "venv", folder=folder)
        programs = folder / "venv" / "bin"
        pip = (programs / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
        await self._command(*pip, "install", wheel, folder=folder)

        empty = folder / "empty"
        empty.mkdir()
        where = await self._command(
            programs / "python", "-c", "import sipx; print(sipx.__file__)", folder=empty
        )
        self.assertTrue(where.startswith(f"{folder}/venv/"), where)
        self.assertIn("state", await self._command(programs / "sipx", "--help", folder=empty))

        port, http_port = free_ports(2), free_ports()
        node = spawn(
            [
                *(programs / "twistd", "-n", "--pidfile=", "sipx", "--quickstart"),
                *("--state", folder / "state", "--listen", HOST),
                *("--sip-port", str(port), "--http-port", str(http_port), "--disable", "tls"),
            ],
            folder=empty,
            environment={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        )
        try:
            await answers_options(node, port, timeout=30)
            node.signal(signal.SIGTERM)
            # twistd ends by sending itself the signal again.
            self.assertIn(await node.ended(15), (0, -signal.SIGTERM), node.tail())
        finally:
            if node.status is None:
                await node.kill()
        self.assertEqual(list(empty.iterdir()), [])
