"""What the node is doing: registrations, calls, call records, traces, health."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from config.web.api.asking import number
from config.web.api.values import call_value, registration_value, time_text, time_value
from config.web.problems import Problem
from config.web.routes import Access, Asked, operation
from sipx.interfaces import (
    IActiveCalls,
    ICallRecordStore,
    ILocation,
    INodeContext,
    IWireTrace,
)

PAGE: Final = 100
PAGE_LIMIT: Final = 1000  # values in one answer: 20 ms of work


class Telephony:
    """A node at work; each part of it may be missing."""

    def __init__(self, context: INodeContext) -> None:
        self._context = context

    @operation(
        "GET", "/api/v1/registrations", access=Access.ADMIN, query=("user", "limit", "offset")
    )
    async def registrations(self, asked: Asked) -> Any:
        """List registrations, of one user or of all."""
        limit = number(asked.query, "limit", PAGE, 1, PAGE_LIMIT)
        offset = number(asked.query, "offset", 0, 0, 999_999_999)
        location = self._part(ILocation, "registrar", "registrations")
        now = self._context.monotonic()
        user = asked.query.get("user")
        if user is not None:
            every = location.bindings(user, now)
            total = len(every)
        else:
            every = location.every(now)
            total = location.count()
        found = list(islice(every, offset, offset + limit + 1))
        return {
            "registrations": [registration_value(binding, now) for binding in found[:limit]],
            "next": offset + limit if len(found) > limit else None,
            "total": total,
        }

    @operation("GET", "/api/v1/calls", access=Access.ADMIN, query=("limit",))
    async def calls(self, asked: Asked) -> Any:
        """List the calls that go on, the oldest first."""
        limit = number(asked.query, "limit", PAGE, 1, PAGE_LIMIT)
        active = self._part(IActiveCalls, "cdr", "active calls").active()
        return {"calls": [call_value(record) for record in active[:limit]], "total": len(active)}

    @operation(
        "GET", "/api/v1/cdr", access=Access.ADMIN, query=("limit", "before", "user", "call_id")
    )
    async def records(self, asked: Asked) -> Any:
        """List call records, the latest start first."""
        limit = number(asked.query, "limit", PAGE, 1, PAGE_LIMIT)
        before = _time(asked.query.get("before"))
        store = self._part(ICallRecordStore, "storage", "call records")
        user, call_id = asked.query.get("user"), asked.query.get("call_id")
        found = await store.find(limit + 1, before, user, call_id)
        page = found[:limit]
        return {
            "records": [call_value(record) for record in page],
            # In seconds, because a time in microseconds is not quite what is stored.
            "next": repr(page[-1].start) if len(found) > limit else None,
        }

    @operation("GET", "/api/v1/traces", access=Access.ADMIN, query=("limit",))
    async def traces(self, asked: Asked) -> Any:
        """List the calls that the wire trace has, the latest first."""
        limit = number(asked.query, "limit", PAGE, 1, PAGE_LIMIT)
        found = self._part(IWireTrace, "signaling", "wire trace").calls(limit)
        return {"calls": [_with_time_text(call) for call in found]}

    @operation("GET", "/api/v1/traces/<rest:call_id>", access=Access.ADMIN)
    async def trace(self, asked: Asked, call_id: str) -> Any:
        """Show the messages of a call, with credentials redacted."""
        trace = self._part(IWireTrace, "signaling", "wire trace")
        found = trace.messages(call_id)
        if not found and "?" in call_id:  # as a list shows octets that are not UTF-8
            listed = (str(call["call_id"]) for call in trace.calls(PAGE_LIMIT))
            alike = (one for one in listed if one.encode("utf-8", "replace").decode() == call_id)
            found = trace.messages(next(alike, call_id))
        if not found:
            raise Problem(404, "The trace has no message with this Call-ID, or not any more.")
        return {
            "call_id": call_id,
            "messages": [_with_time_text(message) for message in found],
        }

    @operation("GET", "/api/v1/health", access=Access.ADMIN)
    async def health(self, asked: Asked) -> Any:
        """Say how the node's parts are."""
        report = self._context.health.report()
        return {
            **report,
            "gauges": {
                name: {key: _finite(value) for key, value in gauge.items()}
                for name, gauge in report["gauges"].items()
            },
        }

    @operation("GET", "/", access=Access.PUBLIC)
    async def root(self, asked: Asked) -> Any:
        """Say where the API is."""
        return {"service": "sipx", "api": "/api/v1/"}

    def _part(self, interface: Any, component: str, what: str) -> Any:
        found = self._context.every(interface)
        if not found:
            raise Problem(
                503,
                f"This node has no {what}: its component {component} does not run.",
            )
        return found[0]


def _time(text: str | None) -> float | None:
    if text is None:
        return None
    reads: tuple[Callable[[str], float], ...] = (time_value, float)
    for read in reads:
        try:
            value = read(text)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(value):
            return value
    raise Problem(400, "before is a time such as 2026-11-23T08:00:00Z, or seconds since 1970.")


def _with_time_text(value: Any) -> dict[str, Any]:
    shown = dict(value)
    if isinstance(shown.get("time"), int | float):
        shown["time"] = time_text(shown["time"])
    return shown


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
