"""The command line: one sentence and status 1 for whatever is wrong with it."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from sipx.node.commandline import NodeOptions, command_line
from sipx.node.component import Component
from sipx.node.discovery import Discovery
from sipx.node.options import Option, word

COLOR = Option("paint-color", "red", "a color", word("red", "green"))
FOUND = Discovery(
    [
        Component("extra", "nowhere.extra", "an extra", enabled=False),
        Component("paint", "nowhere.paint", "paints things", options=[COLOR]),
        Component("quickstart", "nowhere.quickstart", enabled=False),
    ],
    [("sadly", "ImportError: gone")],
)


class CommandLineTests(SynchronousTestCase):
    """Options of the node and of its components."""

    def parse(self, *words: str, **environ: str) -> NodeOptions:
        options = command_line(FOUND, environ)
        options.parseOptions(words)
        return options

    def running(self, *words: str, **environ: str) -> Sequence[str]:
        return [component.name for component in self.parse(*words, **environ).running()]

    def refused(self, *words: str, **environ: str) -> str:
        """Give the sentence on stderr."""
        stderr = io.StringIO()
        self.patch(sys, "__stderr__", stderr)
        with self.assertRaises(SystemExit) as caught:
            self.parse(*words, **environ)
        self.assertEqual(caught.exception.code, 1)
        self.assertEqual(stderr.getvalue().count("\n"), 1)
        return stderr.getvalue()

    def test_components_add_options(self) -> None:
        """A component's option works as the node's do."""
        self.assertEqual(self.parse()["paint-color"], "red")
        self.assertEqual(self.parse("--paint-color", "green")["paint-color"], "green")
        self.assertEqual(self.parse(SIPX_PAINT_COLOR="green")["paint-color"], "green")

    def test_every_option(self) -> None:
        """The node's own."""
        options = self.parse(
            *("--state", "/s", "--domain", "Pbx.Test", "--listen", "127.0.0.2"),
            *("--listen", "127.0.0.3", "--sip-port=5070", "--quickstart"),
        )
        self.assertEqual(str(options["state"]), "/s")
        self.assertEqual(options["domain"], "pbx.test")
        self.assertEqual(options["listen"], ("127.0.0.2", "127.0.0.3"))
        self.assertEqual(options["sip-port"], 5070)
        self.assertIs(options["quickstart"], True)
        self.assertIs(self.parse()["quickstart"], False)
        self.assertIs(self.parse(SIPX_QUICKSTART="yes")["quickstart"], True)

    def test_which_run(self) -> None:
        """Those enabled by themselves or by name, without those disabled."""
        self.assertEqual(self.running(), ["paint"])
        self.assertEqual(self.running("--enable", "extra"), ["extra", "paint"])
        self.assertEqual(self.running("--disable", "paint"), [])
        self.assertEqual(self.running("--disable", "extra", "--enable", "extra"), ["paint"])
        self.assertEqual(self.running(SIPX_ENABLE="extra", SIPX_DISABLE="paint"), ["extra"])
        self.assertEqual(self.running("--quickstart"), ["paint", "quickstart"])

    def test_refusals(self) -> None:
        """One sentence each."""
        for words, said in (
            (["--sip-port", "0"], "--sip-port takes a whole number from 1 to 65535, not '0'."),
            (["--sip-prt", "1"], "There is no option --sip-prt; did you mean --sip-port?"),
            (["--stat", "x"], "There is no option --stat; did you mean --state?"),
            (["--stat=x"], "There is no option --stat; did you mean --state?"),
            (["--paint-color", "red", "--quick"], "--quick; did you mean --quickstart?"),
            (["--list"], "--list; did you mean --listen or --list-components?"),
            (["--zebra"], "There is no option --zebra; twistd sipx --help lists them."),
            (["--sip-port"], "Option --sip-port requires argument."),
            (["run"], "twistd sipx takes options only, not 'run'."),
            (
                ["--enable", "printer"],
                "There is no component 'printer' to enable; there are extra, paint, quickstart.",
            ),
            (["--disable", "x"], "There is no component 'x' to disable; there are"),
            (["--listen", "0.0.0.0"], "no wildcard"),
            (["--paint-color", "blue"], "--paint-color takes red or green, not 'blue'."),
        ):
            self.assertIn(said, self.refused(*words))
        self.assertIn("SIPX_DOMAIN takes a domain name", self.refused(SIPX_DOMAIN="a b"))

    def test_value_like_an_option(self) -> None:
        """A value is not taken for an option, whatever it looks like."""
        self.assertIn("--domain takes", self.refused("--domain", "--stat"))

    def test_list_components(self) -> None:
        """Each with name, on or off and description; status 0."""
        stdout = io.StringIO()
        self.patch(sys, "stdout", stdout)
        with self.assertRaises(SystemExit) as caught:
            self.parse("--list-components", "--enable", "extra", "--disable", "paint")
        self.assertEqual(caught.exception.code, 0)
        lines = [line.split(maxsplit=2) for line in stdout.getvalue().splitlines()]
        self.assertEqual(lines[0], ["extra", "on", "an extra"])
        self.assertEqual(lines[1], ["paint", "off", "paints things"])
        self.assertEqual(lines[3], ["sadly", "does", "not load: ImportError: gone"])

    def test_help(self) -> None:
        """Each option is listed with its default."""
        text = command_line(FOUND, {}).getUsage()
        self.assertIn("--paint-color=", text)
        self.assertIn("[default: red]", text)
        self.assertIn("--quickstart", text)

    def test_option_of_two(self) -> None:
        """Two components cannot have the same option."""
        again = Component("again", "nowhere.again", options=[COLOR])
        stderr = io.StringIO()
        self.patch(sys, "__stderr__", stderr)
        with self.assertRaises(SystemExit):
            command_line(Discovery([*FOUND.components, again]), {})
        self.assertIn("--paint-color, which paint has already", stderr.getvalue())
