"""Options as values: a name, a default, a line of help and how to read the text.

The command line beats the environment (``SIPX_`` and the name in upper case, dashes as
underscores), which beats the default. The values are strings until they are read, whichever
way they come, so that all three follow the same rules.

A function that reads a value raises ``ValueError`` with what it takes, in words that finish
the sentence "--sip-port takes ...".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")


class OptionError(ValueError):
    """A value that an option does not take; the message is a whole sentence."""


@dataclass(frozen=True)
class Option:
    """One option of the node or of a component.

    Attributes:
        name: as typed after ``--``; also the key in the parsed options.
        default: what is read when nobody says anything; None leaves the value None (an empty
            tuple when ``repeats``).
        help: one line.
        parse: reads one text; raises ValueError as the module says.
        repeats: may be given several times, or several values separated by commas; the value
            is a tuple.
        flag: takes no value on the command line; ``yes`` or ``no`` in the environment.
    """

    name: str
    default: str | None
    help: str
    parse: Callable[[str], Any] = str
    repeats: bool = False
    flag: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "SIPX_" + self.name.upper().replace("-", "_")

    def value(self, given: Sequence[str], environ: Mapping[str, str]) -> Any:
        """Find the value.

        Args:
            given: what the command line gave, in order; empty when it gave nothing.
            environ: the process environment.

        Raises:
            OptionError: it does not take what it was given.
        """
        if given:
            return self._read("--" + self.name, given)
        text = environ.get(self.variable)
        if text:
            return self._read(self.variable, [text])
        if self.default is None:
            return () if self.repeats else None
        return self._read("--" + self.name, [self.default])

    def _read(self, origin: str, texts: Sequence[str]) -> Any:
        if self.repeats:
            texts = [part for text in texts for part in text.split(",")]
        values = tuple(self._read_one(origin, text.strip()) for text in texts)
        return values if self.repeats else values[-1]

    def _read_one(self, origin: str, text: str) -> Any:
        try:
            return self.parse(text)
        except ValueError as error:
            raise OptionError(f"{origin} takes {error}, not {text!r}.") from error


def whole(low: int, high: int) -> Callable[[str], int]:
    """Make a reader of whole numbers from ``low`` to ``high``."""

    def parse(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,9}", text) and low <= int(text) <= high:
            return int(text)
        raise ValueError(f"a whole number from {low} to {high}")

    return parse


port = whole(1, 65535)


def word(*words: str) -> Callable[[str], str]:
    """Make a reader of one of some words."""

    def parse(text: str) -> str:
        if text.lower() in words:
            return text.lower()
        raise ValueError(" or ".join(words))

    return parse


def words(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Make a reader of a list of some words, separated by commas, each at most once."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(part.strip().lower() for part in text.split(","))
        if set(found) <= set(known) and len(set(found)) == len(found):
            return found
        raise ValueError(f"a list, separated by commas, of {' and '.join(known)}")

    return parse


def yes_no(text: str) -> bool:
    """Read ``yes`` or ``no``."""
    return word("yes", "no")(text) == "yes"


def address(text: str) -> str:
    """Read one IPv4 address, never a wildcard."""
    try:
        found = IPv4Address(text)
    except ValueError:
        raise ValueError("an IPv4 address of this machine") from None
    if found.is_unspecified:
        raise ValueError(
            "one address at a time and no wildcard (left out, it is every address of the machine)"
        )
    return str(found)


def host(text: str) -> str:
    """Read a domain name or an IPv4 address; the answer is in lower case."""
    if _HOST.fullmatch(text.lower()):
        return text.lower()
    raise ValueError("a domain name or an IPv4 address")


def name_server(text: str) -> tuple[str, int]:
    """Read ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``; the port of the DNS is 53."""
    found = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?|([0-9.]+):([0-9]{1,5})", text)
    try:
        if found is None:
            return str(ip_address(text)), 53
        address = str(ip_address(found[1] or found[3]))
        return address, port(found[2] or found[4] or "53")
    except ValueError:
        raise ValueError("the address of a name server, with or without :PORT") from None


def folder(text: str) -> Path:
    """Read the path of a folder; the answer is absolute."""
    if not text or "\0" in text:
        raise ValueError("the path of a folder")
    return Path(text).expanduser().absolute()


def file(text: str) -> Path:
    """Read the path of a file; the answer is absolute."""
    if not text or "\0" in text:
        raise ValueError("the path of a file")
    return Path(text).expanduser().absolute()


def trust(text: str) -> str:
    """Read ``system``, ``any`` or the path of a file of authorities."""
    return text.lower() if text.lower() in {"system", "any"} else str(file(text))
