"""The subscriptions of a node: values, and the tables they are found in.

RFC 6665 section 4.  Nothing here sends or waits; ``sipx.events.notifier`` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sipx.core.dialog import Dialog
from sipx.core.event import Event
from sipx.core.flowid import FlowId

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = tuple[str, str, str, str]


class Subscription:
    """One subscription.

    Attributes:
        dialog: its dialog; we are the server of its SUBSCRIBE.
        event: package and id.
        resource: what is watched, as the package calls it.
        subscriber: the user that watches.
        flow: what its SUBSCRIBE came over, when the Contact alone does not say where to go.
        contact: our Contact value in it.
        content_type: of its documents.
        expires: monotonic seconds at which it ends.
        version: of the next document.
        serial: of the latest document, -1 before the first.
        sent: monotonic seconds of the latest NOTIFY.
        waiting: the answer to a NOTIFY is still to come.
        stale: something has changed since the latest NOTIFY.
        due: not before these monotonic seconds the next NOTIFY may go.
        ended: it is over; answers that come later mean nothing.
        deadline: when the wheel wakes it.
        wheel_slot: the wheel's.
    """

    __slots__ = (
        "contact",
        "content_type",
        "deadline",
        "dialog",
        "due",
        "ended",
        "event",
        "expires",
        "flow",
        "resource",
        "sent",
        "serial",
        "stale",
        "subscriber",
        "version",
        "waiting",
        "wheel_slot",
    )

    def __init__(
        self,
        dialog: Dialog,
        event: Event,
        resource: str,
        subscriber: str,
        flow: FlowId | None,
        contact: str,
        content_type: str,
        expires: float,
    ) -> None:
        self.dialog = dialog
        self.event = event
        self.resource = resource
        self.subscriber = subscriber
        self.flow = flow
        self.contact = contact
        self.content_type = content_type
        self.expires = expires
        self.version = 0
        self.serial = -1
        self.sent = -math.inf
        self.waiting = False
        self.stale = False
        self.due = -math.inf
        self.ended = False
        self.deadline = math.inf
        self.wheel_slot = -1

    @property
    def key(self) -> Key:
        """What it is stored under: Call-ID, our tag, package, id."""
        return self.dialog.call_id, self.dialog.local_tag, self.event.package, self.event.id

    def details(self) -> dict[str, Any]:
        """What is stored beside key and expiry, as plain JSON values."""
        return {
            "dialog": self.dialog.stored(),
            "resource": self.resource,
            "subscriber": self.subscriber,
            "flow": "" if self.flow is None else str(self.flow),
            "contact": self.contact,
            "content_type": self.content_type,
            "version": self.version,
        }

    @classmethod
    def load(cls, row: Mapping[str, Any], expires: float) -> Subscription:
        """Make one of a stored row.

        Raises:
            KeyError, TypeError: the row holds something else.
        """
        details = row["details"]
        subscription = cls(
            Dialog.load(details["dialog"]),
            Event(row["package"], row["event_id"]),
            details["resource"],
            details["subscriber"],
            FlowId.parse(details["flow"]),
            details["contact"],
            details["content_type"],
            expires,
        )
        subscription.version = int(details["version"])
        return subscription


class Subscriptions:
    """All of them: by dialog, by resource, by subscriber."""

    def __init__(self) -> None:
        self._all: dict[Key, Subscription] = {}
        self._of_resource: dict[tuple[str, str], dict[Key, Subscription]] = {}
        self._of_user: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._all.values()))

    def find(self, call_id: str, local_tag: str, remote_tag: str, event: Event) -> Any:
        """Find the subscription of a SUBSCRIBE inside its dialog; None when there is none."""
        found = self._all.get((call_id, local_tag, event.package, event.id))
        return found if found is not None and found.dialog.remote_tag == remote_tag else None

    def watching(self, package: str, resource: str) -> list[Subscription]:
        """The subscriptions to a resource."""
        return list(self._of_resource.get((package, resource), {}).values())

    def count(self, user: str) -> int:
        """How many a user has."""
        return self._of_user.get(user, 0)

    def add(self, subscription: Subscription) -> bool:
        """Put one in.

        Returns:
            Whether it is the first one to its resource.
        """
        key = subscription.key
        self._all[key] = subscription
        user = subscription.subscriber
        self._of_user[user] = self._of_user.get(user, 0) + 1
        place = subscription.event.package, subscription.resource
        others = self._of_resource.setdefault(place, {})
        others[key] = subscription
        return len(others) == 1

    def remove(self, subscription: Subscription) -> bool:
        """Take one out.

        Returns:
            Whether it was the last one to its resource.
        """
        key = subscription.key
        del self._all[key]
        user = subscription.subscriber
        left = self._of_user[user] - 1
        if left:
            self._of_user[user] = left
        else:
            del self._of_user[user]
        place = subscription.event.package, subscription.resource
        others = self._of_resource[place]
        del others[key]
        if not others:
            del self._of_resource[place]
        return not others
