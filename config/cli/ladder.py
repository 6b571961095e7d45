"""A call as a ladder: a column for each address, an arrow for each message. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from config.cli.output import safe

NARROWEST: Final = 24  # between two columns, so that a status line can be read
SUMMARY_LIMIT: Final = 60  # characters of a start line over an arrow
_TIME: Final = 14  # columns for the time, at the left
_TO_ITSELF: Final = " (to itself)"


def ladder(messages: Sequence[Mapping[str, Any]], columns: int = 80) -> Iterator[str]:
    """Draw the messages of a call.

    Args:
        messages: as the API shows them, in order.
        columns: that there are. Summaries are cut to fit; addresses are not, so that a call
            with many of them is wider.

    Returns:
        Lines: the addresses, then two for each message.
    """
    ends = list(dict.fromkeys(_ends(messages)))
    narrowest = max([NARROWEST] + [len(end) + 2 for end in ends])
    wanted = [_room(ends, message) for message in messages]
    gap = max(narrowest, min((columns - _TIME) // max(1, len(ends)), max(wanted, default=0)))
    places = {end: index * gap for index, end in enumerate(ends)}
    half = gap // 2
    yield (" " * (_TIME - 2) + "".join(end.center(gap) for end in ends)).rstrip()
    lifelines = _line(dict.fromkeys(places.values(), "|"), half)
    yield " " * _TIME + lifelines
    for message in messages:
        source, destination = places[_end(message, "source")], places[_end(message, "destination")]
        label = _label(message)
        left, right = sorted((source, destination))
        drawn: dict[int, str] = dict.fromkeys(places.values(), "|")
        if left == right:
            text = _cut(label, gap - 3 - len(_TO_ITSELF)) + _TO_ITSELF
            # On the right of the last column there is only half of the room.
            at_end = left and left == max(places.values())
            _write(drawn, left - 1 - len(text) if at_end else left + 2, text)
            yield f"{_clock(message):<{_TIME}}" + _line(drawn, half)
            continue
        room = right - left - 1
        label = _cut(label, room - 2)
        _write(drawn, left + 1 + (room - len(label)) // 2, label)
        yield f"{_clock(message):<{_TIME}}" + _line(drawn, half)
        arrow: dict[int, str] = dict.fromkeys(places.values(), "|")
        shaft = "-" * (room - 1)
        _write(arrow, left + 1, shaft + ">" if source < destination else "<" + shaft)
        yield " " * _TIME + _line(arrow, half)
    yield " " * _TIME + lifelines


def _ends(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        yield _end(message, "source")
        yield _end(message, "destination")


def _end(message: Mapping[str, Any], name: str) -> str:
    return safe(str(message.get(name, "?")))


def _room(ends: Sequence[str], message: Mapping[str, Any]) -> int:
    """How wide a column should be for a message; 0 when it takes several."""
    source, destination = _end(message, "source"), _end(message, "destination")
    match abs(ends.index(source) - ends.index(destination)):
        case 0:
            return len(_label(message)) + len(_TO_ITSELF) + 3
        case 1:
            return len(_label(message)) + 4
    return 0


def _label(message: Mapping[str, Any]) -> str:
    """The start line, without what every one of them says."""
    summary = safe(str(message.get("summary", ""))).removesuffix(" SIP/2.0")
    summary = summary.removeprefix("SIP/2.0 ")
    return _cut(summary, SUMMARY_LIMIT)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _clock(message: Mapping[str, Any]) -> str:
    try:
        moment = datetime.fromisoformat(str(message.get("time"))).astimezone()
    except (ValueError, OverflowError):
        return ""
    return moment.strftime("%H:%M:%S.%f")[:-3]


def _write(drawn: dict[int, str], place: int, text: str) -> None:
    for offset, letter in enumerate(text):
        drawn[place + offset] = letter


def _line(drawn: Mapping[int, str], shift: int) -> str:
    letters = [" "] * (shift + max(drawn) + 1)
    for place, letter in drawn.items():
        letters[shift + place] = letter
    return "".join(letters).rstrip()
