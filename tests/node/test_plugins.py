"""Third-party components: files on the path of a real ``twistd sipx``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipx.node.discovery import discover
from tests.node.parts import folder

ROOT = Path(__file__).parents[2]
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]

DECLARATION = """
from sipx.node.component import Component
from sipx.node.options import Option, whole

lamp = Component(
    "lamp",
    "their_lamp.make_lamp",
    "switches a lamp",
    provides=["their_lamp.ILamp"],
    options=[Option("lamp-watts", "40", "how bright", whole(1, 100))],
)
switch = Component("switch", "their_lamp.make_switch", requires=["their_lamp.ILamp"])
"""

MODULE = """
import json
from twisted.application.service import Service
from zope.interface import Interface, implementer

class ILamp(Interface):
    pass

@implementer(ILamp)
class Lamp(Service):
    watts = 0

def make_lamp(context):
    lamp = Lamp()
    lamp.watts = context.options["lamp-watts"]
    context.provide(ILamp, lamp)
    return lamp

class Switch(Service):
    def __init__(self, context):
        self.context = context

    def startService(self):
        self.context.reactor.callWhenRunning(self.show)

    def show(self):
        told = {
            "watts": self.context.get(ILamp).watts,
            "lit": self.context.get(ILamp).running,
            "health": self.context.health.report(),
        }
        self.context.state.joinpath("told.json").write_text(json.dumps(told))
        self.context.reactor.stop()

make_switch = Switch
"""


class PluginTests(SynchronousTestCase):
    """In a folder of their own, never in the checkout."""

    def setUp(self) -> None:
        self.folder = folder()
        self.state = self.folder / "state"
        self.plugins = self.folder / "theirs" / "twisted" / "plugins"
        self.plugins.mkdir(parents=True)
        ours = (one.name for one in discover().components)
        self.without = ["--disable", ",".join(ours)]

    def twistd(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run_twistd("--nodaemon", "sipx", "--state", str(self.state), *options)

    def run_twistd(self, *words: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(ROOT), str(self.folder / "theirs")])
        environ = {name: v for name, v in os.environ.items() if not name.startswith("SIPX_")}
        return subprocess.run(
            [*TWISTD, *words],
            env={**environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def install(self) -> None:
        (self.plugins / "lamp_plugin.py").write_text(DECLARATION)
        (self.folder / "theirs" / "their_lamp.py").write_text(MODULE)

    def refusal(self, *options: str) -> str:
        """Expect status 1 and one sentence on stderr, and give it."""
        done = self.twistd(*options)
        self.assertEqual(done.returncode, 1, done.stderr)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertNotIn("Traceback", done.stdout)
        self.assertFalse((self.folder / "twistd.pid").exists())
        return lines[0]

    def test_starts(self) -> None:
        """They are found, ordered, given their options, and started; a broken one is named."""
        self.install()
        (self.plugins / "broken_plugin.py").write_text("raise ValueError('no license')\n")
        done = self.twistd(*self.without, "--lamp-watts", "60")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ValueError: no license", done.stderr)
        told = json.loads((self.state / "told.json").read_text())
        self.assertEqual((told["watts"], told["lit"]), (60, 1))
        self.assertFalse(told["health"]["ok"])
        parts = told["health"]["parts"]
        self.assertEqual(
            parts["plugin broken_plugin"]["text"], "does not load: ValueError: no license"
        )
        self.assertEqual(parts["components"]["text"], "lamp, switch")

    def test_requirement_missing(self) -> None:
        """The message names the component, the interface and the remedy."""
        self.install()
        said = self.refusal(*self.without, "--disable", "lamp")
        self.assertEqual(
            said,
            "sipx: The component switch needs their_lamp.ILamp, which no running component"
            " provides: enable lamp, or --disable switch.",
        )

    def test_daemon(self) -> None:
        """A daemon's sentence is in its log, and begins on the stderr of who started it."""
        self.install()
        done = self.run_twistd("sipx", "--state", str(self.state), "--disable=lamp", *self.without)
        self.assertEqual(done.returncode, 1)
        self.assertIn("The component switch needs", done.stderr)
        log = (self.folder / "twistd.log").read_text()
        self.assertIn("enable lamp, or --disable switch.", log)
        self.assertNotIn("Traceback", log + done.stderr)

    def test_module_missing(self) -> None:
        """A component whose module is not installed is named."""
        self.install()
        (self.folder / "theirs" / "their_lamp.py").unlink()
        self.assertIn(
            "The component lamp cannot be loaded: No module named 'their_lamp'",
            self.refusal(*self.without),
        )

    def test_own_requirement_missing(self) -> None:
        """The proxy needs somebody who knows where users are."""
        said = self.refusal("--disable", "registrar")
        self.assertIn("needs sipx.interfaces.ILocation", said)
        self.assertIn("enable registrar", said)

    def test_wrong_option(self) -> None:
        """One sentence, no usage text."""
        self.assertIn("There is no option --lampwatts", self.refusal("--lampwatts", "3"))

    def test_unusable_state(self) -> None:
        """One sentence."""
        self.state.write_text("a file")
        self.assertIn("state folder", self.refusal(*self.without))

    def test_damaged_key(self) -> None:
        """One sentence."""
        self.state.mkdir()
        (self.state / "node.json").write_text('{"realm": "sipx-1"}')
        (self.state / "cluster.key").write_text("short")
        self.assertIn("cluster.key is damaged", self.refusal(*self.without))

    def test_list(self) -> None:
        """They are listed with ours."""
        self.install()
        done = self.twistd("--list-components", "--disable", "switch")
        self.assertEqual(done.returncode, 0, done.stderr)
        listed = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
        self.assertEqual(
            (listed["lamp"], listed["switch"], listed["udp"], listed["quickstart"]),
            ("on", "off", "on", "off"),
        )
