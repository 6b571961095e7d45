"""What tests of call records share: a proxy's reports on a simulated clock, and the rows made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sipx.cdr.call import Call
from sipx.cdr.calls import Calls
from sipx.core.callrecord import CallRecord, CallResult
from sipx.core.message import Request, Response
from sipx.core.parser import parse_datagram

START = 5000.0  # monotonic seconds
UTC = 1_700_000_000.0
LIMIT = 24 * 3600.0
FIELDS = (
    *("call_id", "from_tag", "caller", "callee", "dialed", "start", "connect", "end"),
    *("result", "failure_code", "failure_reason", "duration", "version"),
)


def invite(call_id: str = "one", from_tag: str = "a") -> Request:
    """An INVITE as it arrives."""
    message = parse_datagram(
        f"INVITE sip:201@x SIP/2.0\r\nFrom: <sip:200@x>;tag={from_tag}\r\nTo: <sip:201@x>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n".encode("utf-8", "surrogateescape")
    )
    assert isinstance(message, Request)
    return message


def answer(session: str | None = None, tag: str = "b") -> Response:
    """A 200, perhaps with Session-Expires."""
    response = Response(200, "OK", [], [])
    response.add("to", f"<sip:201@x>;tag={tag}" if tag else "<sip:201@x>")
    if session is not None:
        response.add("session-expires", session)
    return response


class Exchange:
    """Calls observed on a simulated clock; what the journal got, in order and as rows.

    Attributes:
        now: monotonic seconds.
        step: what the wall clock was set forward by.
        journal: every record.
        rows: the last record of the latest call of each Call-ID and From tag, by field.
        all_rows: of every call, by their start too.
        handles: what the calls are known by, the latest last.
    """

    def __init__(self, **limits: Any) -> None:
        self.now = START
        self.step = 0.0
        self.journal: list[Sequence[Any]] = []
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.all_rows: dict[tuple[str, str, float], dict[str, Any]] = {}
        self.handles: dict[tuple[str, str], list[Any]] = {}
        self.calls = Calls(self._append, self.utc, self.now, **{"limit": LIMIT, **limits})

    def _append(self, record: Sequence[Any]) -> None:
        assert record[0] == "call"
        row = dict(zip(FIELDS, record[1:], strict=True))
        self.journal.append(record)
        self.rows[row["call_id"], row["from_tag"]] = row
        self.all_rows[row["call_id"], row["from_tag"], row["start"]] = row

    def utc(self) -> float:
        return UTC + self.now - START + self.step

    def advance(self, seconds: float) -> None:
        """Let time pass, the calls being ticked each second for a minute, then at the end."""
        end = self.now + seconds
        for _ in range(60):
            if self.now + 1 > end:
                break
            self.now += 1
            self.calls.tick(self.now)
        self.now = end
        self.calls.tick(self.now)

    def start(self, call_id: str = "one", from_tag: str = "a", **given: Any) -> None:
        told = {"caller": "200", "callee": "201", "dialed": "201", "version": 7, **given}
        call = self.calls.call_started(invite(call_id, from_tag), now=self.now, **told)
        self.handles.setdefault((call_id, from_tag), []).append(call)

    def handle(self, call_id: str, from_tag: str, which: int = -1) -> Any:
        """What a call is known by; one that nobody knows when there is none."""
        found = self.handles.get((call_id, from_tag))
        return found[which] if found else Call((call_id, from_tag), UTC)

    def answer(
        self,
        call_id: str = "one",
        from_tag: str = "a",
        callee: str = "201",
        session: str | None = None,
        tag: str = "b",
        which: int = -1,
    ) -> None:
        call = self.handle(call_id, from_tag, which)
        self.calls.call_answered(call, callee, answer(session, tag), self.now)

    def fail(
        self, status: int, reason: str = "", call_id: str = "one", from_tag: str = "a"
    ) -> None:
        self.calls.call_failed(self.handle(call_id, from_tag), status, reason, self.now)

    def bye(
        self,
        tags: tuple[str, str] = ("a", "b"),
        call_id: str = "one",
        user: str = "",
        took: float = 0.0,
    ) -> None:
        """A BYE was answered, which came some seconds ago."""
        self.calls.call_ended(call_id, tags, user, self.now - took, self.now)

    def refresh(
        self,
        expires: int | None = None,
        tags: tuple[str, str] = ("a", "b"),
        call_id: str = "one",
    ) -> None:
        self.calls.call_refreshed(call_id, tags, expires, self.now)

    @property
    def row(self) -> dict[str, Any]:
        """The only row."""
        (row,) = self.rows.values()
        return row

    def forgotten(self) -> bool:
        """Whether nothing is kept of any call."""
        calls = self.calls
        return not (
            len(calls) or calls.active() or calls._alike or len(calls._deadlines) or calls._failed
        )


def unfinished(**fields: Any) -> CallRecord:
    """A row that a former run left, by default of a call answered ten minutes ago."""
    values: dict[str, Any] = {
        "call_id": "one",
        "from_tag": "a",
        "caller": "200",
        "callee": "201",
        "dialed": "9201",
        "start": UTC - 605,
        "connect": UTC - 600,
        "result": CallResult.TALKING,
    }
    return CallRecord(**{**values, **fields})
