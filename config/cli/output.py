"""Tables and JSON on a terminal that strangers' words cannot command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TextIO
from unicodedata import category, east_asian_width

# Control characters, and those that turn the direction of writing.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


class Output:
    """Where results go.

    Args:
        form: ``table`` or ``json``.
        out: for results.
        err: for everything else.
    """

    def __init__(self, form: str, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.form = form
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    @property
    def is_json(self) -> bool:
        """Whether a program reads the results."""
        return self.form == "json"

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads the results at once."""
        return self._out.isatty()

    def say(self, text: str) -> None:
        """Write lines of a result for a person."""
        self._out.write(text + "\n")

    def note(self, text: str) -> None:
        """Write a line that is no result."""
        self._err.write(text + "\n")

    def json(self, value: Any) -> None:
        """Write a result for a program."""
        json.dump(value, self._out, indent=2)
        self._out.write("\n")

    def raw(self, text: str) -> None:
        """Write text as it is."""
        self._out.write(text)

    def progress(self) -> Callable[[float], None]:
        """Make a progress bar: called with the part done, from 0.0 to 1.0, it draws itself.

        It is drawn on stderr, and only where that is a terminal.
        """
        if not self._err.isatty():
            return lambda part: None
        return self._draw

    def table(self, columns: Sequence[tuple[str, str]], rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows as a table.

        Args:
            columns: the heading of each, and the member of a row.
            rows: each is a line.
        """
        cells = [[heading for heading, _ in columns]]
        cells += [[cell_text(row.get(member)) for _, member in columns] for row in rows]
        widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
        for line in cells:
            padded = (pad(cell, size) for cell, size in zip(line, widths, strict=True))
            self.say("  ".join(padded).rstrip())

    def _draw(self, part: float) -> None:
        size = 40
        full = int(part * size)
        end = "\n" if part >= 1.0 else ""
        self._err.write(f"\r[{'#' * full}{'.' * (size - full)}] {int(part * 100):3d} %{end}")
        self._err.flush()


def cell_text(value: Any) -> str:
    """Write a JSON value into a cell."""
    match value:
        case None:
            return ""
        case True:
            return "yes"
        case False:
            return "no"
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case list():
            return " ".join(cell_text(item) for item in value)
    return safe(str(value))


def safe(text: str, keep: str = "") -> str:
    """Show text without anything that a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter if letter in keep or category(letter) not in _HIDDEN else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )


def width(text: str) -> int:
    """Count the columns that a text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def pad(text: str, size: int) -> str:
    """Fill a text up to a number of columns."""
    return text + " " * (size - width(text))


def local_time(text: str | None) -> str:
    """Write a time of the API in local time, to the second."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return safe(text)
