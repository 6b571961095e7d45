"""The wire trace: the latest messages of this node in a bounded ring.

Keeping a message costs one tuple; whose it is, where it went and how it reads is worked out
when somebody looks, and credentials are redacted then.  There is no index: a full ring is
scanned faster than an index of it would be kept (tests/benchmarks/trace_and_records.py).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from zope.interface import classImplements

from sipx.core.redact import redact
from sipx.interfaces import IWireTrace

if TYPE_CHECKING:
    from sipx.core.flowid import FlowId
    from sipx.core.message import Message
    from sipx.interfaces import IFlow

MOST_MESSAGES: Final = 16384  # about 1200 calls of 13 messages
MOST_BYTES: Final = 64 * 1024 * 1024  # what those messages may hold together
LARGEST_KEPT: Final = 8192  # bytes of one message; longer ones are cut at the end of a line
LONGEST_CALL_ID: Final = 1024  # characters kept of the Call-ID of a message that was cut
MOST_SHOWN: Final = 200  # messages of one call, the latest: each takes about 80 us
MOST_BYTES_SHOWN: Final = 256 * 1024  # of one call: a hostile message takes up to 2 us a byte
LONGEST_SUMMARY: Final = 100  # characters

_Entry = tuple[float, bool, "FlowId", str, bytes]
_TOKEN: Final = rb"([A-Za-z0-9\-.!%*_+`'~]{1,32})"
_request_method = re.compile(rb"\s*" + _TOKEN + rb"[ \t]")
_cseq_method = re.compile(rb"\nCSeq[ \t]*:\s*[0-9]+\s+" + _TOKEN, re.IGNORECASE)


class WireTrace:
    """The ring.

    Attributes:
        held: bytes of the messages in it.
    """

    __slots__ = ("_entries", "_most", "_most_bytes", "held")

    def __init__(self, most: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES) -> None:
        self._entries: deque[_Entry] = deque()
        self._most = most
        self._most_bytes = most_bytes
        self.held = 0

    def __len__(self) -> int:
        return len(self._entries)

    def record(
        self, received: bool, flow: IFlow, data: bytes | Message, call_id: str, utc: float
    ) -> None:
        """Keep a message; the oldest go when there are too many.

        Args:
            received: True when it came in, False when it went out.
            flow: the way it took; only its id is kept.
            data: the message as it is on the wire.  A message object that a ``local`` flow
                hands over is written out at once, because its next owner may change it.
            call_id: its Call-ID, the key under which it is found again.
            utc: seconds since the epoch.
        """
        if not isinstance(data, bytes):
            data = data.to_bytes()
        size = len(data)
        if size > LARGEST_KEPT:
            data, call_id = _cut(data), call_id[:LONGEST_CALL_ID]
            size = len(data)
        entries = self._entries
        entries.append((utc, received, flow.id, call_id, data))
        if len(entries) > self._most:
            size -= len(entries.popleft()[4])
        self.held = held = self.held + size
        if held > self._most_bytes:
            self._forget()

    def _forget(self) -> None:
        """Drop the oldest until they hold no more than they may."""
        while self.held > self._most_bytes:
            self.held -= len(self._entries.popleft()[4])

    def calls(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """See IWireTrace; with ``time``, the utc seconds of the latest message."""
        if limit < 1:
            return []
        counts: dict[str, int] = {}
        first: dict[str, _Entry] = {}
        latest: dict[str, float] = {}
        for entry in reversed(self._entries):
            call_id = entry[3]
            if call_id in counts:
                counts[call_id] += 1
            elif len(counts) < limit:
                counts[call_id] = 1
                latest[call_id] = entry[0]
            else:
                continue
            first[call_id] = entry
        return [
            {
                "call_id": call_id,
                "method": _method(first[call_id][4]),
                "messages": count,
                "time": latest[call_id],
            }
            for call_id, count in counts.items()
        ]

    def messages(self, call_id: str) -> Sequence[Mapping[str, Any]]:
        """See IWireTrace; of a call with very many messages, or very large ones, the latest."""
        keys = {call_id, call_id[:LONGEST_CALL_ID]}
        found: list[_Entry] = []
        size = 0
        for entry in reversed(self._entries):
            if entry[3] in keys:
                size += len(entry[4])
                if len(found) == MOST_SHOWN or size > MOST_BYTES_SHOWN:
                    break
                found.append(entry)
        return [_show(entry) for entry in reversed(found)]


classImplements(WireTrace, IWireTrace)


def _cut(data: bytes) -> bytes:
    """Cut a message at the end of a line, so that no part of a secret loses its context."""
    kept = data[: data.rfind(b"\n", 0, LARGEST_KEPT) + 1]
    return kept + b"[%d more bytes were not kept]" % (len(data) - len(kept))


def _method(data: bytes) -> str:
    """The method of a message that may be malformed: of its request line, else of its CSeq."""
    found = _request_method.match(data) or _cseq_method.search(data)
    return found[1].decode("ascii") if found else ""


def _show(entry: _Entry) -> Mapping[str, Any]:
    utc, received, flow, _, data = entry
    near = f"{flow.local_host}:{flow.local_port}"
    far = f"{flow.host}:{flow.port}"
    text = redact(data)
    summary = text.lstrip().partition("\n")[0].rstrip()
    if len(summary) > LONGEST_SUMMARY:
        summary = summary[: LONGEST_SUMMARY - 1] + "…"
    return {
        "time": utc,
        "source": far if received else near,
        "destination": near if received else far,
        "transport": flow.transport,
        "summary": summary,
        "text": text,
    }
