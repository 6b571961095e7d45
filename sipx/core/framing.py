"""Messages out of a byte stream, RFC 3261 section 18.3; CRLF keep-alive, RFC 5626 section 3.5.1.

Knows nothing of sockets: bytes and ``now`` go in, messages come out, ``deadline`` says until
when a head that was begun must end.
"""

from __future__ import annotations

import enum
import math
from typing import Final

from sipx.core.message import Message
from sipx.core.parser import LARGEST_MESSAGE, NotSip, content_length, parse_head

LONGEST_HEAD: Final = 65536  # bytes a head may have before the connection is closed
HEAD_PATIENCE: Final = 10.0  # seconds a message may take from its first byte to its last


class Event(enum.Enum):
    """What a stream holds besides messages."""

    PING = enum.auto()  # a double CRLF: answer with one CRLF
    PONG = enum.auto()  # a single CRLF


class Broken:
    """The stream cannot be read on: answer, if there is something to answer, and close.

    Attributes:
        status: what the request deserves, 0 when nothing can be said.
        reason: in plain words.
        message: the message whose head was read, None when none was.
    """

    __slots__ = ("message", "reason", "status")

    def __init__(self, status: int, reason: str, message: Message | None = None) -> None:
        self.status = status
        self.reason = reason
        self.message = message


Item = tuple[Message, bytes] | Event | Broken


class StreamFramer:
    """Cuts one direction of one connection into messages.

    Attributes:
        deadline: monotonic seconds at which an unfinished message breaks the stream.
        broken: nothing more is read.
    """

    __slots__ = (
        "_buffer",
        "_half_ping",
        "_message",
        "_missing",
        "_searched",
        "_start",
        "broken",
        "deadline",
    )

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._half_ping = False  # a single CRLF ended what was fed: it may be half of a double one
        self._searched = 0
        self._message: Message | None = None
        self._missing = 0  # bytes of body that the message in hand has
        self._start = 0  # where its body begins in the buffer
        self.deadline = math.inf
        self.broken = False

    def feed(self, data: bytes, now: float) -> list[Item]:
        """Take bytes.

        Args:
            data: as they arrived.
            now: monotonic seconds.

        Returns:
            What they complete, in order; messages with their bytes. After a ``Broken``
            there is nothing more.
        """
        items: list[Item] = []
        if self.broken:
            return items
        self._buffer += data
        while self._next(items):
            pass
        if not self._buffer or self.broken:
            self.deadline = math.inf
        elif self.deadline == math.inf or items:
            self.deadline = now + HEAD_PATIENCE
        return items

    def expired(self, now: float) -> Broken | None:
        """Tell whether the message in hand took too long."""
        if self.deadline > now or self.broken:
            return None
        self.broken = True
        self.deadline = math.inf
        return Broken(0, f"No complete message within {HEAD_PATIENCE:g} s", self._message)

    def _next(self, items: list[Item]) -> bool:
        """Find the next item; False when more bytes are needed."""
        if self._message is None and not self._head(items):
            return False
        message = self._message
        if message is None:
            return True
        end = self._start + self._missing
        if len(self._buffer) < end:
            return False
        raw = bytes(self._buffer[:end])
        message.body = raw[self._start :]
        del self._buffer[:end]
        self._message = None
        self._searched = 0
        items.append((message, raw))
        return True

    def _head(self, items: list[Item]) -> bool:
        """Read keep-alives, then a head; False when more bytes are needed."""
        buffer = self._buffer
        while buffer[:2] == b"\r\n":
            if self._half_ping:
                self._half_ping = False
                items.append(Event.PING)
                del buffer[:2]
            elif buffer[2:4] == b"\r\n":
                items.append(Event.PING)
                del buffer[:4]
            elif buffer[2:] == b"\r":  # half of the second CRLF may be on its way
                return False
            else:
                self._half_ping = len(buffer) == 2
                items.append(Event.PONG)
                del buffer[:2]
        if len(buffer) > 1:
            self._half_ping = False
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(buffer)
            if len(buffer) > LONGEST_HEAD:
                self._break(items, 0, f"No end of the headers within {LONGEST_HEAD} bytes")
            return False
        if end > LONGEST_HEAD:
            self._break(items, 0, f"No end of the headers within {LONGEST_HEAD} bytes")
            return False
        try:
            message = parse_head(bytes(buffer[:end]))
        except NotSip as error:
            self._break(items, 0, error.reason)
            return False
        length, defect = content_length(message)
        if length is None and not defect:
            defect = "Missing Content-Length header"
        if defect:
            message.defects += (defect,)
            self._break(items, 400, defect, message)
            return False
        self._missing = length or 0
        self._start = end + 4
        if self._start + self._missing > LARGEST_MESSAGE:
            self._break(items, 513, "Message Too Large", message)
            return False
        self._message = message
        return True

    def _break(
        self, items: list[Item], status: int, reason: str, message: Message | None = None
    ) -> None:
        self.broken = True
        self._buffer.clear()
        items.append(Broken(status, reason, message))
