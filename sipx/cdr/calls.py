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
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from zope.interface import classImplements

from sipx.core.callrecord import CallRecord, CallResult
from sipx.core.errors import RemoteError
from sipx.core.sessiontimer import session_interval
from sipx.interfaces import IActiveCalls, ICallObserver

if TYPE_CHECKING:
    from sipx.core.message import Request, Response

MOST_CALLS: Final = 65536  # active at once, about 1 KiB each
MOST_FAILED: Final = 8192  # failed calls remembered in case the caller tries again
RETRY_TIME: Final = 60.0  # seconds for that: to answer a challenge, somebody may have to type
MOST_LEGS: Final = 16  # phones that answered one call at once; of more the first are followed
LONGEST_TEXT: Final = 255  # characters kept of what a peer chose
_HEAD: Final = LONGEST_TEXT - 65  # of a longer one, before a digest that tells it from others

_RINGING: Final = CallResult.RINGING
_TALKING: Final = CallResult.TALKING
_NOWHERE: Final = -1

Key = tuple[str, str]


class _Call:
    """A call and what is only known while it lasts."""

    __slots__ = (
        "answered",
        "call_id",
        "callee",
        "caller",
        "connect",
        "deadline",
        "dialed",
        "failed",
        "from_tag",
        "legs",
        "result",
        "second",
        "session",
        "start",
        "version",
    )

    def __init__(self, key: Key, start: float) -> None:
        self.call_id, self.from_tag = key
        self.start = start
        self.connect: float | None = None
        self.result = _RINGING
        self.caller = self.callee = self.dialed = ""
        self.version = 0
        # The To tags that answered: True while no BYE was seen.  Those that ended stay, because
        # their 2xx may come once more.  Unknown of a call carried over.
        self.legs: dict[str, bool] = {}
        self.session = 0  # seconds of its session timer, 0 without one
        # Monotonic seconds.
        self.answered = 0.0
        self.failed = 0.0
        self.deadline = 0.0
        self.second = _NOWHERE  # where it waits for that


class Calls:
    """The active calls, observed and listed.

    A call whose dialog goes on phone to phone is known here by its messages alone.  So it ends
    by BYE; else when the session timer that was agreed in passing runs out (``EXPIRED``); else
    after a named time without any message (``LOST``).  What is on record as its end is then the
    latest moment at which it can have ended.

    Attributes:
        evicted: calls ended as lost because there were too many.
        unknown: answers, failures and ends of calls that are not (or no longer) known.
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
        self._append = append
        self._utc = utc
        self._limit = limit
        self._most = most
        self._most_failed = most_failed
        # In order of start; a plain dict would be slow at giving its oldest again and again.
        self._calls: OrderedDict[Key, _Call] = OrderedDict()
        self._failed: OrderedDict[Key, _Call] = OrderedDict()
        # Calls by the second in which to look at them.  They are taken out when they end, which
        # may be a day before; sipx.core.wheel would keep them until then.
        self._seconds: dict[int, set[_Call]] = {}
        self._next = int(now)

    def __len__(self) -> int:
        return len(self._calls)

    def active(self) -> Sequence[CallRecord]:
        return [_record(call) for call in self._calls.values()]

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
            call = _Call((record.call_id, record.from_tag), record.start)
            call.caller, call.callee, call.dialed = record.caller, record.callee, record.dialed
            call.connect = record.connect
            call.version = record.version
            if record.result is not _TALKING or record.connect is None:
                self._write(call, CallResult.LOST, record.start, 0.0)
                continue
            call.result = _TALKING
            # A wall clock that was set back meanwhile gives no negative durations.
            call.answered = now - max(0.0, utc - record.connect)
            self._calls[call.call_id, call.from_tag] = call
            self._wait(call, call.answered + self._limit)
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
    ) -> None:
        key = _key(request.call_id, request.from_.tag)
        if key in self._calls:
            return  # the same call again: merged, or by another way
        call = self._failed.pop(key, None)
        if call is None:
            call = _Call(key, self._utc())
            call.dialed = _short(dialed)
        call.caller = _short(caller)
        call.callee = _short(callee)
        call.version = version
        self._calls[key] = call
        self._wait(call, now + self._limit)
        self._write(call, _RINGING, None, None)
        self._bound(now)

    def call_answered(
        self, call_id: str, from_tag: str, callee: str, response: Response, now: float
    ) -> None:
        key = _key(call_id, from_tag)
        call = self._calls.get(key)
        if call is None:
            # A 2xx that crossed our CANCEL is forwarded even after a failure.
            call = self._failed.pop(key, None)
            if call is None:
                self.unknown += 1
                return
            self._calls[key] = call
            call.result = _RINGING
        tag = _to_tag(response)
        if tag and tag not in call.legs and len(call.legs) < MOST_LEGS:
            call.legs[tag] = True
        if call.result is not _RINGING:
            return
        call.answered = now
        call.connect = self._utc()
        if callee:
            call.callee = _short(callee)
        if "session-expires" in response.names:
            call.session = session_interval(response.get("session-expires"))
        self._wait(call, now + self._patience(call))
        self._write(call, _TALKING, None, None)
        self._bound(now)

    def call_failed(
        self, call_id: str, from_tag: str, status: int, reason: str, now: float
    ) -> None:
        key = _key(call_id, from_tag)
        call = self._calls.get(key)
        if call is None:
            self.unknown += 1
            return
        if call.result is not _RINGING:
            return
        del self._calls[key]
        self._forget_deadline(call)
        call.failed = now
        result = CallResult.CANCELED if status == 487 else CallResult.FAILED
        self._write(call, result, self._utc(), 0.0, status, _short(reason))
        self._failed[key] = call
        if len(self._failed) > self._most_failed:
            self._failed.popitem(last=False)

    def call_ended(self, call_id: str, tags: tuple[str, str], now: float) -> None:
        call = self._find(call_id, tags)
        if call is None:
            self.unknown += 1
        elif call.result is _TALKING:  # a BYE to an early dialog leaves the INVITE to fail
            # When two phones answered at once, the call ends with the last leg.
            legs = call.legs
            for tag in tags:
                if tag in legs:
                    legs[tag] = False
            if True not in legs.values():
                self._end(call, CallResult.COMPLETED, now)

    def call_refreshed(
        self, call_id: str, tags: tuple[str, str], expires: int | None, now: float
    ) -> None:
        """See ICallObserver; an ``expires`` of 0 says that the session timer was given up."""
        call = self._find(call_id, tags)
        if call is None or call.result is not _TALKING:
            return
        if expires is not None:
            call.session = expires
        self._wait(call, now + self._patience(call))

    # -- what time does ----------------------------------------------------------------

    def tick(self, now: float) -> None:
        """End the calls whose time has run out; to be called about once a second."""
        while self._next < int(now):
            for call in self._seconds.pop(self._next, ()):
                call.second = _NOWHERE
                if call.deadline > now:
                    self._wait(call, call.deadline)
                else:
                    timed = call.session and self._patience(call) < self._limit
                    self._end(call, CallResult.EXPIRED if timed else CallResult.LOST, now)
            self._next += 1
        failed = self._failed
        while failed and next(iter(failed.values())).failed + RETRY_TIME <= now:
            failed.popitem(last=False)

    def _patience(self, call: _Call) -> float:
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

    def _wait(self, call: _Call, deadline: float) -> None:
        """Note when to end a call; a later time than before costs nothing now."""
        call.deadline = deadline
        second = max(int(deadline), self._next)
        if call.second != _NOWHERE:
            if call.second <= second:
                return
            self._forget_deadline(call)
        call.second = second
        waiting = self._seconds.get(second)
        if waiting is None:
            self._seconds[second] = {call}
        else:
            waiting.add(call)

    def _forget_deadline(self, call: _Call) -> None:
        waiting = self._seconds.get(call.second)
        if waiting is not None:
            waiting.discard(call)
            if not waiting:
                del self._seconds[call.second]
        call.second = _NOWHERE

    # -- rows --------------------------------------------------------------------------

    def _find(self, call_id: str, tags: tuple[str, str]) -> _Call | None:
        """Find a call by its dialog; either side may have sent the message."""
        calls = self._calls
        one, other = tags
        return calls.get(_key(call_id, one)) or calls.get(_key(call_id, other))

    def _bound(self, now: float) -> None:
        while len(self._calls) > self._most:
            self.evicted += 1
            self._end(next(iter(self._calls.values())), CallResult.LOST, now)

    def _end(self, call: _Call, result: CallResult, now: float) -> None:
        del self._calls[call.call_id, call.from_tag]
        self._forget_deadline(call)
        talked = round(now - call.answered, 3) if call.connect is not None else 0.0
        self._write(call, result, self._utc(), talked)

    def _write(
        self,
        call: _Call,
        result: CallResult,
        end: float | None,
        duration: float | None,
        code: int = 0,
        reason: str = "",
    ) -> None:
        call.result = result
        self._append(
            [
                "call",
                call.call_id,
                call.from_tag,
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


def _record(call: _Call) -> CallRecord:
    return CallRecord(
        call_id=call.call_id,
        from_tag=call.from_tag,
        caller=call.caller,
        callee=call.callee,
        dialed=call.dialed,
        start=call.start,
        connect=call.connect,
        result=call.result,
        version=call.version,
    )


def _to_tag(response: Response) -> str:
    """The callee's tag; empty when To is malformed, which is the caller's to notice."""
    try:
        return response.to.tag
    except RemoteError:
        return ""


def _key(call_id: str, tag: str) -> Key:
    if len(call_id) <= LONGEST_TEXT and len(tag) <= LONGEST_TEXT:
        return call_id, tag
    return _short(call_id), _short(tag)


def _short(text: str) -> str:
    """Bound a text that a peer chose: 64 KiB of it fit into a message."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:_HEAD]}~{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
