"""The command line: what can be said, and what is done about it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from config.cli import sipxecs, telephony, things, users, versions
from config.cli.client import Client
from config.cli.errors import CommandError
from config.cli.output import Output

DEFAULT_STATE: Final = "./var"
INTERRUPTED: Final = 130  # 128 and SIGINT, as shells say it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: those of the process when None.

    Returns:
        The exit status: 0, or 1 after one sentence on stderr.
    """
    try:
        return _run(arguments)
    except CommandError as error:
        sys.stderr.write(f"sipx: {error}\n")
        return 1
    except OSError as error:
        # The interpreter must not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # then who reads us has enough
            sys.stderr.write(f"sipx: {error.strerror}.\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("sipx: interrupted\n")
        return INTERRUPTED


def _run(arguments: Sequence[str] | None) -> int:
    try:
        asked = parser().parse_args(arguments)
    except SystemExit:  # after --help
        sys.stdout.flush()
        raise
    output = Output(getattr(asked, "output", "table"))
    state = getattr(asked, "state", None) or os.environ.get("SIPX_STATE") or DEFAULT_STATE
    status: int | None = asked.run(lambda: Client(Path(state).expanduser()), output, asked)
    sys.stdout.flush()
    return status or 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, and guesses at no abbreviation."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        known = self._option_string_actions
        for word in given:
            name = word.partition("=")[0]
            if word == "--":
                break
            full = [option for option in known if option.startswith(name)]
            if name.startswith("--") and name not in known and full:
                raise CommandError(f"There is no option {name}; did you mean {' or '.join(full)}?")
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message}; `{self.prog} --help` says what there is.")


def parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    common = _Parser(add_help=False)
    # Said before or after the command; the later one counts.
    common.add_argument(
        "--state",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help=f"state folder of the node [default: SIPX_STATE, or {DEFAULT_STATE}]",
    )
    common.add_argument(
        "-o",
        "--output",
        choices=("table", "json"),
        default=argparse.SUPPRESS,
        help="how results are written [default: table]",
    )
    top = _Parser(prog="sipx", description="Asks and changes a running node.", parents=[common])
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(to: Any, name: str, text: str, run: Callable[..., int | None]) -> _Parser:
        made: _Parser = to.add_parser(name, help=text, description=text, parents=[common])
        made.set_defaults(run=run)
        return made

    def group(name: str, text: str) -> Any:
        made = commands.add_parser(name, help=text, description=text, parents=[common])
        return made.add_subparsers(metavar="COMMAND", required=True)

    _user(group("user", "add, show, change and remove users"), command)
    _users(group("users", "import and export users"), command)

    for noun, plural, text in things.NOUNS:
        things.declare(group(noun, f"list, show and change {text}"), command, noun, plural)
    versions.declare(commands, command)
    versions.declare_config(group("config", "the whole configuration as a YAML file"), command)

    sipxecs.declare(group("sipxecs", "sipXecs' rule files"), command)

    made = command(commands, "registrations", "list registrations", telephony.registrations)
    made.add_argument("--user", metavar="NAME", help="only those of this user")

    command(commands, "calls", "list the calls that go on", telephony.calls)

    made = command(commands, "cdr", "list call records, the latest first", telephony.records)
    made.add_argument("--limit", type=int, default=100, metavar="N", help="how many [100]")
    made.add_argument("--before", metavar="TIME", help="only calls that started before")
    made.add_argument("--user", metavar="NAME", help="only calls from or to this user")
    made.add_argument("--call-id", metavar="CALL-ID", help="only this call")

    made = command(commands, "trace", "draw the messages of a call", telephony.trace)
    made.add_argument("call_id", metavar="CALL-ID", nargs="?", help="left out: list the calls")
    made.add_argument("--raw", action="store_true", help="print the messages instead")

    command(commands, "health", "say how the node is", telephony.health)
    return top


def _user(to: Any, command: Callable[..., _Parser]) -> None:
    made = command(to, "add", "add a user", users.add)
    made.add_argument("name", metavar="NAME", help="what others dial; also the login of phones")
    _password(made)
    _person(made)
    made = command(to, "change", "change a user", users.change)
    made.add_argument("name", metavar="NAME")
    _person(made)
    made.add_argument("--no-alias", action="store_true", help="take all aliases away")
    made.add_argument("--enable", action="store_true", help="let the user register and call")
    made.add_argument("--disable", action="store_true", help="do not, and end registrations")
    command(to, "list", "list the users", users.list_all)
    for name, text, run in (
        ("show", "show a user", users.show),
        ("remove", "remove a user", users.remove),
        ("passwd", "give a user another SIP password", users.passwd),
    ):
        made = command(to, name, text, run)
        made.add_argument("name", metavar="NAME")
    _password(made)


def _password(to: _Parser) -> None:
    to.add_argument(
        "--password",
        metavar="-",
        help="- reads it from stdin; left out, a random one is drawn and shown once",
    )


def _person(to: _Parser) -> None:
    to.add_argument("--first-name", metavar="TEXT")
    to.add_argument("--last-name", metavar="TEXT")
    to.add_argument("--email", metavar="ADDRESS")
    to.add_argument(
        "--alias",
        action="append",
        dest="aliases",
        metavar="NAME",
        help="another name or number that reaches the user; may repeat",
    )


def _users(to: Any, command: Callable[..., _Parser]) -> None:
    made = command(to, "import", "add or change users from a CSV file of 61 columns", users.take_in)
    made.add_argument("file", metavar="FILE", help="- is stdin")
    made.add_argument("--dry-run", action="store_true", help="say what would happen")
    made = command(to, "export", "write the users as such a file", users.give_out)
    made.add_argument("file", metavar="FILE", nargs="?", default="-", help="stdout when left out")
