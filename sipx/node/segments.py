"""The journal's files: numbered segments of lines, each with its checksum.

``STATE/journal/00000001.log`` and so on; a record is one line: the CRC-32 of the JSON text in
eight hexadecimal digits, a space, the text (ASCII, so that surrogates survive), a line feed.
A line without its line feed at the end of the last segment is torn: the node died while
writing it and acknowledged nothing of it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

# (segment, offset): from where on to read, or up to where something was read.
Position = tuple[int, int]

_NAME = re.compile(r"([0-9]{8})\.log")
_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_HEAD = 9
_CHUNK = 65536


def _make_to_json() -> Callable[[Any], str]:
    """What ``JSONEncoder.encode`` does for each text anew, done once where there is C for it."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _encoder.encode
    escape = json.encoder.encode_basestring_ascii
    chunks = make(None, _encoder.default, escape, None, ":", ",", False, False, True)
    return lambda record: "".join(chunks(record, 0))


_to_json = _make_to_json()


def encode(record: Sequence[Any]) -> bytes:
    """Write a record as a line."""
    text = _to_json(record).encode("ascii")
    return b"%08x %b\n" % (crc32(text), text)


def decode(line: bytes) -> list[Any] | None:
    """Read a line without its line feed; None when it is not what was written."""
    text = line[_HEAD:]
    if line[_HEAD - 1 : _HEAD] != b" " or b"%08x" % crc32(text) != line[: _HEAD - 1]:
        return None
    record = json.loads(text)
    return record if isinstance(record, list) else None


def path_of(folder: Path, segment: int) -> Path:
    """Give the file of a segment."""
    return folder / f"{segment:08d}.log"


def numbers(folder: Path) -> list[int]:
    """List the segments there are, lowest first."""
    names = (_NAME.fullmatch(name) for name in os.listdir(folder))
    return sorted(int(name[1]) for name in names if name)


def whole_length(file: int) -> int:
    """Find where the last whole line of an open file ends."""
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - _CHUNK)
        feed = os.pread(file, end - start, start).rfind(b"\n")
        if feed >= 0:
            return start + feed + 1
        end = start
    return 0
