"""The component ``cdr``: call records, made of what the proxy saw."""

from __future__ import annotations

from twisted.application.service import IService, Service

from sipx.cdr.calls import MOST_CALLS, Calls
from sipx.interfaces import IActiveCalls, ICallObserver, ICallRecordStore, INodeContext


def cdr(context: INodeContext) -> IService:
    """Build the call records of a node; blocks while it reads those without an end."""
    now = context.monotonic()
    hours = context.options.get("max-call-hours", 24)
    calls = Calls(context.journal.append, context.utc, now, limit=hours * 3600.0)
    calls.carry_over(context.get(ICallRecordStore).unfinished(), now)
    health = context.health
    health.gauge("calls_active", lambda: len(calls), MOST_CALLS)
    health.gauge("calls_evicted", lambda: calls.evicted)
    health.gauge("calls_unknown", lambda: calls.unknown)
    health.gauge("calls_refused", lambda: calls.refused)
    health.set("cdr", True, f"{len(calls)} calls going on since before the start")
    context.repeat(1.0, calls.tick)
    context.provide(ICallObserver, calls)
    context.provide(IActiveCalls, calls)
    return Service()
