"""Which components are found."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipx.interfaces import IComponent
from sipx.node.component import Component
from sipx.node.discovery import discover
from tests.node.parts import folder, sentence

DECLARATION = """
from sipx.node.component import Component
{variable} = Component("{name}", "{name}_module.factory")
"""


class DiscoveryTests(SynchronousTestCase):
    """Plugin modules in a folder."""

    def setUp(self) -> None:
        top = folder()
        name = f"plugins_{top.name}"
        self.path = top / name
        self.path.mkdir()
        (self.path / "__init__.py").write_text("")
        sys.path.insert(0, str(top))
        self.addCleanup(sys.path.remove, str(top))
        self.package = import_module(name)
        self.addCleanup(self.forget, name)

    def forget(self, name: str) -> None:
        for module in [each for each in sys.modules if each.split(".")[0] == name]:
            del sys.modules[module]

    def write(self, module: str, text: str) -> Path:
        path = self.path / f"{module}.py"
        path.write_text(text)
        return path

    def test_found(self) -> None:
        """Components of all modules, sorted by name."""
        self.write("b", DECLARATION.format(variable="x", name="zeta"))
        self.write("a", DECLARATION.format(variable="x", name="alpha") + "y = 3\n")
        self.write("c", "other = 5\n")
        found = discover(self.package)
        self.assertEqual([one.name for one in found.components], ["alpha", "zeta"])
        self.assertEqual(found.broken, [])
        self.assertEqual(getattr(found.named("zeta"), "factory", ""), "zeta_module.factory")
        self.assertIsNone(found.named("beta"))

    def test_broken(self) -> None:
        """A module that raises is named with its exception; the others are found."""
        self.write("good", DECLARATION.format(variable="x", name="alpha"))
        self.write("raises", "raise ValueError('no license')\n")
        self.write("unreadable", "x = = 1\n")
        self.write("missing", "import no_such_module_anywhere\n")
        self.write("exits", "raise SystemExit(3)\n")
        found = discover(self.package)
        self.assertEqual([one.name for one in found.components], ["alpha"])
        broken = dict(found.broken)
        self.assertEqual(sorted(broken), ["exits", "missing", "raises", "unreadable"])
        self.assertEqual(broken["raises"], "ValueError: no license")
        self.assertIn("SyntaxError: ", broken["unreadable"])
        self.assertEqual(
            broken["missing"], "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
        )
        self.assertEqual(len(self.flushLoggedErrors()), 4)

    def test_two_with_one_name(self) -> None:
        """Two components with one name: both are named."""
        self.write("a", DECLARATION.format(variable="x", name="alpha"))
        self.write(
            "b",
            "from sipx.node.component import Component\nx = Component('alpha', 'their.factory')\n",
        )
        with sentence(self, "named alpha", "alpha_module.factory", "their.factory"):
            discover(self.package)

    def test_declaration(self) -> None:
        """A declaration provides the interface."""
        verifyObject(IComponent, Component("a", "b.c"))
