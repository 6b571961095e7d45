"""The command line of ``twistd sipx``: the node's options and those of its components.

Whatever is wrong with it is one sentence on stderr and exit status 1. twistd itself would
add its whole usage text, so the process ends here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import NoReturn

from twisted.python import usage

from sipx.interfaces import IComponent
from sipx.node.discovery import Discovery, discover
from sipx.node.errors import StartError
from sipx.node.options import Option, OptionError, address, folder, host, port, yes_no
from sipx.node.ordering import selected

NODE_OPTIONS: tuple[Option, ...] = (
    Option("state", "./var", "folder that holds all the node keeps", folder),
    Option("domain", None, "our SIP domain [default: the machine's own address]", host),
    Option(
        "listen",
        None,
        "address to receive SIP on, may repeat [default: every IPv4 address of the machine]",
        address,
        repeats=True,
    ),
    Option("sip-port", "5060", "UDP and TCP port of SIP", port),
    Option("enable", None, "run a component that is off by default, may repeat", repeats=True),
    Option("disable", None, "do not run a component, may repeat", repeats=True),
    Option("list-components", "no", "show the components and end", yes_no, flag=True),
    Option("quickstart", "no", "make five users at first start", yes_no, flag=True),
)


class NodeOptions(usage.Options):
    """Parsed options: a mapping from the name of each option to its value.

    Use ``command_line`` to make one; it adds a handler for each option.
    """

    table: Sequence[Option] = ()
    environ: Mapping[str, str] = os.environ

    def __init__(self, discovery: Discovery) -> None:
        self.discovery = discovery
        self.given: dict[str, list[str]] = {}
        super().__init__()

    def parseOptions(self, options: Sequence[str] | None = None) -> None:  # noqa: N802
        words = list(sys.argv[1:] if options is None else options)
        try:
            self._refuse_abbreviations(words)
            super().parseOptions(words)
        except usage.UsageError as error:
            refuse(self._sentence(str(error)))

    def parseArgs(self, *words: str) -> None:
        if words:
            raise usage.UsageError(f"twistd sipx takes options only, not {words[0]!r}.")

    def postOptions(self) -> None:
        for option in self.table:
            try:
                self[option.name] = option.value(self.given.get(option.name, ()), self.environ)
            except OptionError as error:
                raise usage.UsageError(str(error)) from error
        known = [component.name for component in self.discovery.components]
        for option_name in ("enable", "disable"):
            for name in self[option_name]:
                if name not in known:
                    raise usage.UsageError(
                        f"There is no component {name!r} to {option_name}; there are"
                        f" {', '.join(known)}."
                    )
        if self["list-components"]:
            sys.stdout.write(self._listing())
            raise SystemExit(0)

    def _refuse_abbreviations(self, words: Sequence[str]) -> None:
        """Refuse what getopt would guess: a guess that is wrong makes a state folder."""
        takes = {known.rstrip("="): known.endswith("=") for known in self.longOpt}
        left = iter(words)
        for word in left:
            if word == "--" or not word.startswith("-"):
                return  # getopt reads no options after it
            name, equals, _ = word.removeprefix("--").partition("=")
            if name in takes:
                if takes[name] and not equals:
                    next(left, None)
                continue
            full = [f"--{known}" for known in takes if known.startswith(name)]
            if word.startswith("--") and full:
                raise usage.UsageError(
                    f"There is no option --{name}; did you mean {' or '.join(full)}?"
                )

    def running(self) -> list[IComponent]:
        """List the components that these options ask for, sorted by name."""
        enable = set(self["enable"])
        if self["quickstart"]:
            enable.add("quickstart")
        return selected(self.discovery.components, enable, self["disable"])

    def _listing(self) -> str:
        running = self.running()
        lines = [
            f"{component.name:<14} {'on' if component in running else 'off':<4}"
            f" {component.description}\n"
            for component in self.discovery.components
        ]
        lines += [f"{name:<14} does not load: {why}\n" for name, why in self.discovery.broken]
        return "".join(lines)

    def _sentence(self, error: str) -> str:
        """Put what getopt says into our words."""
        words = error.split()
        if words[:1] != ["option"]:
            return error
        if "not recognized" in error:
            known = ["--" + option.name for option in self.table]
            close = get_close_matches(words[1], known, 1)
            return f"There is no option {words[1]}; " + (
                f"did you mean {close[0]}?" if close else "twistd sipx --help lists them."
            )
        return error[0].upper() + error[1:] + "."


def command_line(
    discovery: Discovery | None = None, environ: Mapping[str, str] | None = None
) -> NodeOptions:
    """Make the options of a node, and of the components that were found.

    Args:
        discovery: None to look for components.
        environ: None for the environment of the process.
    """
    try:
        discovery = discovery or discover()
        table = _table(discovery.components)
    except StartError as error:
        refuse(str(error))
    handlers = {"opt_" + option.name.replace("-", "_"): _handler(option) for option in table}
    added = {"table": table, "environ": os.environ if environ is None else environ, **handlers}
    made: NodeOptions = type("Options", (NodeOptions,), added)(discovery)
    return made


def _table(components: Sequence[IComponent]) -> tuple[Option, ...]:
    owners = dict.fromkeys((option.name for option in NODE_OPTIONS), "the node")
    table = list(NODE_OPTIONS)
    for component in components:
        for option in component.options:
            owner = owners.setdefault(option.name, component.name)
            if owner != component.name:
                raise StartError(
                    f"The component {component.name} has an option --{option.name}, which"
                    f" {owner} has already."
                )
            table.append(option)
    return tuple(table)


def _handler(option: Option) -> Callable[..., None]:
    """Make the method that twisted.python.usage calls for an option."""

    def take(self: NodeOptions, value: str) -> None:
        self.given.setdefault(option.name, []).append(value)

    def note(self: NodeOptions) -> None:
        self.given.setdefault(option.name, []).append("yes")

    handler = note if option.flag else take
    shown = f" [default: {option.default}]" if option.default and not option.flag else ""
    handler.__doc__ = option.help + shown
    return handler


def refuse(sentence: str) -> NoReturn:
    """End the process: one sentence on stderr, exit status 1."""
    stderr = sys.__stderr__ or sys.stderr
    stderr.write(f"sipx: {sentence}\n")
    stderr.flush()
    raise SystemExit(1)
