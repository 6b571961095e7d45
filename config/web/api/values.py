"""The JSON that the API shows: what of a value, under which name, in which form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from config.model.user import User
from sipx.core.binding import Binding
from sipx.core.callrecord import CallRecord


def time_text(utc: float | None) -> str | None:
    """Write a time as ISO 8601 in UTC, with microseconds."""
    if utc is None:
        return None
    try:
        moment = datetime.fromtimestamp(utc, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_value(text: str) -> float:
    """Read such a time; one without a zone is UTC.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def user_value(user: User) -> dict[str, Any]:
    """Show a user.  There is no password in a user that could be shown."""
    return {
        "name": user.name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "aliases": list(user.aliases),
        "enabled": user.enabled,
        "extras": dict(user.extras),
    }


def registration_value(binding: Binding, now: float) -> dict[str, Any]:
    """Show a binding; ``now`` in monotonic seconds."""
    return {
        "user": binding.user,
        "contact": binding.contact,
        "q": binding.q,
        "expires_in": max(0, int(binding.expires - now)),
        "user_agent": binding.user_agent,
        "flow": None if binding.flow is None else str(binding.flow),
        "path": list(binding.path),
        "instance": binding.instance,
    }


def call_value(record: CallRecord) -> dict[str, Any]:
    """Show a call, active or recorded."""
    return {
        "call_id": record.call_id,
        "from_tag": record.from_tag,
        "caller": record.caller,
        "callee": record.callee,
        "dialed": record.dialed,
        "start": time_text(record.start),
        "connect": time_text(record.connect),
        "end": time_text(record.end),
        "duration": record.duration,
        "result": str(record.result),
        "failure_code": record.failure_code,
        "failure_reason": record.failure_reason,
    }
