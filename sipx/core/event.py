"""The Event and Subscription-State headers, RFC 6665 section 8.2."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sipx.core.errors import RemoteError
from sipx.core.grammar import PARAM, TOKEN, parse_params

LONGEST_EVENT = 128  # characters of package and id: they are kept with the subscription

_event = re.compile(rf"\s*+({TOKEN})((?:{PARAM})*)\s*", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Event:
    """What a subscription is to.

    Attributes:
        package: name and templates, as written; compared byte by byte (8.2.1).
        id: tells subscriptions of one dialog apart, empty when absent.
    """

    package: str
    id: str = ""

    def __str__(self) -> str:
        return f"{self.package};id={self.id}" if self.id else self.package


def parse_event(text: str) -> Event:
    """Read an Event header.

    Raises:
        RemoteError: 400; it is none.
    """
    found = _event(text)
    if found is None or len(text) > LONGEST_EVENT:
        raise RemoteError(400, "Malformed Event")
    return Event(found[1], parse_params(found[2], "Event").get("id") or "")


def subscription_state(state: str, expires: float = 0.0, reason: str = "") -> str:
    """Write a Subscription-State header.

    Args:
        state: active, pending or terminated.
        expires: seconds left; not written for what is terminated.
        reason: why it is terminated (4.1.3).
    """
    if state != "terminated":
        return f"{state};expires={max(0, round(expires))}"
    return f"terminated;reason={reason}" if reason else state
