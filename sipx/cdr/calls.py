"""The calls of this node: one row each, from the INVITE to the end, whatever ends it.

Knows no sockets and no reactor: what the proxy saw comes in with ``now``, rows go to the
journal, and ``tick`` ends the calls that nobody ended.  Durations and expiry are measured on
the monotonic clock; the wall clock only dates the rows.

After reference: sipXecs' call resolver (sipXcdr), which pairs call state events and force-ends
what lacks its last event; here the row exists from the first event on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from zope.interface import classImplements

from sipx.cdr.call import Call, Key, key_of, short
from sipx.cdr.deadlines import Deadlines
from sipx.core.callrecord import CallRecord, CallResult
from sipx.core.errors import RemoteError
from sipx.core.sessiontimer import session_interval
from sipx.interfaces import IActiveCalls, ICallObserver

if TYPE_CHECKING:
    from sipx.core.message import Request, Response

MOST_CALLS: Final = 65536  # active at once, about 1 KiB each
MOST_ALIKE: Final = 16  # active calls with one Call-ID and From tag: no phone makes a second one
MOST_FAILED: Final = 8192  # failed calls remembered in case the caller tries again
RETRY_TIME: Final = 60.0  # seconds for that: to answer a challenge, somebody may have to type
_APART: Final = 1e-6  # seconds between the starts of calls that are alike, which tell their rows

_RINGING: Final = CallResult.RINGING
_TALKING: Final = CallResult.TALKING


class Calls:
    """The active calls, observed and listed.

    A call whose dialog goes on phone to phone is known here by its messages alone.  So it ends
    by BYE; else when the session timer that was agreed in passing runs out (``EXPIRED``); else
    after a named time without any message (``LOST``).  What is on record as its end is then the
    latest moment at which it can have ended.

    Attributes:
        evicted: calls ended as lost because there were too many.
        unknown: answers, failures and ends of calls that are not (or no longer) known.
        refused: calls that were one too many alike.
    """

    def __init__(
        self,
        append: Callable[[Sequence[Any]], None],
        utc: Callable[[], float],
        now: float,
        limit: float = 24 * 3600.0,
        most: int = MOST_CALLS,
        most_failed: int = MOST_FAILED,
    ) -> None:
        """Begin without calls.

        Args:
            append: the journal's.
            utc: the wall clock.
            now: monotonic seconds.
            limit: seconds without any message after which a call is lost.
            most: active calls; the oldest are lost when there are more.
            most_failed: failed calls that a new attempt of their caller can continue.
        """
        self.evicted = 0
        self.unknown = 0
        self.refused = 0
        self._append = append
        self._utc = utc
        self._limit = limit
        self._most = most
        self._most_failed = most_failed
        # In order of start; a plain dict would be slow at giving its oldest again and again.
        self._calls: OrderedDict[Call, None] = OrderedDict()
        self._alike: dict[Key, list[Call]] = {}  # the same, oldest first
        self._failed: OrderedDict[Key, Call] = OrderedDict()
        self._deadlines = Deadlines(now)

    def __len__(self) -> int:
        return len(self._calls)

    def active(self) -> Sequence[CallRecord]:
        return [call.record() for call in self._calls]

    def carry_over(self, records: Iterable[CallRecord], now: float) -> None:
        """Take up the calls that a former run of the node left without an end.

        Whoever talked may still be talking, phone to phone, and the BYE will pass here.  What
        rang has lost its transaction: such a call ends as lost at its start, which is the last
        that is known of it.

        Args:
            records: rows without an end, oldest first.
            now: monotonic seconds.
        """
        utc = self._utc()
        for record in records:
            call = Call((record.call_id, record.from_tag), record.start)
            call.caller, call.callee, call.dialed = record.caller, record.callee, record.dialed
            call.connect = record.connect
            call.version = record.version
            call.carried = True
            if record.result is not _TALKING or record.connect is None:
                self._write(call, CallResult.LOST, record.start, 0.0)
                continue
            call.result = _TALKING
            # A wall clock that was set back meanwhile gives no negative durations.
            call.answered = now - max(0.0, utc - record.connect)
            self._open(call)
            self._deadlines.put(call, call.answered + self._limit)
        self._bound(now)

    # -- what the proxy saw ------------------------------------------------------------

    def call_started(
        self,
        request: Request,
        caller: str,
        callee: str,
        dialed: str,
        version: int,
        now: float,
    ) -> Call | None:
        key = key_of(request.call_id, request.from_.tag)
        alike = self._alike.get(key, ())
        if len(alike) >= MOST_ALIKE:
            self.refused += 1
            return None
        dialed = short(dialed)
        call = self._failed.pop(key, None)
        # The same caller tries again; but another number is another call, unless he was sent
        # there.
        if call is None or not (call.dialed == dialed or 300 <= call.status < 400):
            start = self._utc()
            while any(other.start == start for other in alike):
                start += _APART
            call = Call(key, start)
            call.dialed = dialed
        call.caller = short(caller)
        call.callee = short(callee)
        call.version = version
        self._open(call)
        self._deadlines.put(call, now + self._limit)
        self._write(call, _RINGING, None, None)
        self._bound(now)
        return call

    def call_answered(self, call: Call, callee: str, response: Response, now: float) -> None:
        new = call.answer(_to_tag(response))
        if call not in self._calls:
            # A 2xx that crossed our CANCEL is forwarded even after a failure; and when the first
            # phone has hung up already, the second one talks.
            if call.connect is not None and not new:
                self.unknown += 1
                return
            if self._failed.get(call.key) is call:
                del self._failed[call.key]
            self._open(call)
            call.result = _RINGING
        if call.result is not _RINGING:
            return
        if call.connect is None:
            call.answered = now
            call.connect = self._utc()
        if callee:
            call.callee = short(callee)
        if "session-expires" in response.names:
            call.session = session_interval(response.get("session-expires"))
        self._deadlines.put(call, now + self._patience(call))
        self._write(call, _TALKING, None, None)
        self._bound(now)

    def call_failed(self, call: Call, status: int, reason: str, now: float) -> None:
        if call not in self._calls:
            self.unknown += 1
            return
        if call.result is not _RINGING:
            return
        self._close(call)
        call.failed, call.status = now, status
        result = CallResult.CANCELED if status == 487 else CallResult.FAILED
        self._write(call, result, self._utc(), 0.0, status, short(reason))
        self._failed.pop(call.key, None)  # or it would keep the place of an older one
        self._failed[call.key] = call
        if len(self._failed) > self._most_failed:
            self._failed.popitem(last=False)

    def call_belongs(self, call_id: str, tags: tuple[str, str], user: str) -> bool:
        for call, leg in self._found(call_id, tags):
            if user and user == (call.callee if leg == short(tags[1]) else call.caller):
                return True
        return False

    def call_ended(
        self, call_id: str, tags: tuple[str, str], user: str, since: float, now: float
    ) -> None:
        found = self._found(call_id, tags)
        if not found:
            self.unknown += 1
            return
        if len(found) > 1:
            # Some phone gave the tag of another. Those of the user that it went to have ended.
            theirs = [one for one in found if user in {one[0].caller, one[0].callee}]
            found = theirs if user and theirs else found[:1]
        for call, leg in found:
            # When two phones answered at once, the call ends with the last leg.
            if call.leave(leg):
                self._end(call, CallResult.COMPLETED, now, since)

    def call_refreshed(
        self, call_id: str, tags: tuple[str, str], expires: int | None, now: float
    ) -> None:
        """See ICallObserver; an ``expires`` of 0 says that the session timer was given up."""
        for call, _ in self._found(call_id, tags):
            if expires is not None:
                call.session = expires
            self._deadlines.put(call, now + self._patience(call))

    # -- what time does ----------------------------------------------------------------

    def tick(self, now: float) -> None:
        """End the calls whose time has run out; to be called about once a second."""
        for call in self._deadlines.due(now):
            timed = call.session and self._patience(call) < self._limit
            self._end(call, CallResult.EXPIRED if timed else CallResult.LOST, now, now)
        failed = self._failed
        while failed and next(iter(failed.values())).failed + RETRY_TIME <= now:
            failed.popitem(last=False)

    def _patience(self, call: Call) -> float:
        """How long a call may be silent.

        The session timer ends at its interval after the 2xx that agreed on it (RFC 4028
        section 8.3).  A phone's ends later when the 2xx reached it late, and the grace for that
        is what section 10 has a phone leave between its BYE and the end: the lesser of 32
        seconds and a third of the interval.
        """
        session = call.session
        if not session:
            return self._limit
        return min(session + min(32.0, session / 3), self._limit)

    # -- the tables --------------------------------------------------------------------

    def _found(self, call_id: str, tags: tuple[str, str]) -> list[tuple[Call, str]]:
        """Find answered calls by their dialog, each with its To tag; either side may have sent.

        More than one only when somebody took pains to make them alike.
        """
        one, other = map(short, tags)
        found = []
        for tag, leg in ((one, other), (other, one)):
            for call in self._alike.get(key_of(call_id, tag), ()):
                if call.result is _TALKING and call.has(leg):
                    found.append((call, leg))
        return found

    def _open(self, call: Call) -> None:
        self._calls[call] = None
        self._alike.setdefault(call.key, []).append(call)

    def _close(self, call: Call) -> None:
        del self._calls[call]
        alike = self._alike[call.key]
        alike.remove(call)
        if not alike:
            del self._alike[call.key]
        self._deadlines.remove(call)

    def _bound(self, now: float) -> None:
        while len(self._calls) > self._most:
            self.evicted += 1
            self._end(next(iter(self._calls)), CallResult.LOST, now, now)

    def _end(self, call: Call, result: CallResult, now: float, since: float) -> None:
        """End a call that is over since a moment, of which we learn now."""
        self._close(call)
        talked = max(0.0, round(since - call.answered, 3)) if call.connect is not None else 0.0
        self._write(call, result, self._utc() - (now - since), talked)

    def _write(
        self,
        call: Call,
        result: CallResult,
        end: float | None,
        duration: float | None,
        code: int = 0,
        reason: str = "",
    ) -> None:
        call.result = result
        call_id, from_tag = call.key
        self._append(
            [
                "call",
                call_id,
                from_tag,
                call.caller,
                call.callee,
                call.dialed,
                call.start,
                call.connect,
                end,
                result.value,
                code,
                reason,
                duration,
                call.version,
            ]
        )


classImplements(Calls, ICallObserver, IActiveCalls)


def _to_tag(response: Response) -> str:
    """The callee's tag; empty when To is malformed, which is the caller's to notice."""
    try:
        return short(response.to.tag)
    except RemoteError:
        return ""
