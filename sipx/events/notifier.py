"""The notifier: what SUBSCRIBE asks for, and the NOTIFYs that follow (RFC 6665 section 4.2).

Packages say what there is to tell; this says when and to whom.  Holds no socket and no clock:
``send`` takes a NOTIFY, ``now`` is an argument.  What is acknowledged is in the journal first,
so subscriptions outlive the process.

Where the RFC leaves a choice:

- A NOTIFY waits for the answer of the one before, and for the package's interval; what changes
  meanwhile is told in one.
- After a restart CSeq and document version go on far above where they can have been
  (``RESTART_GAP``), and everybody is told the state anew, ``RESTART_RATE`` a second.
- A subscriber that answers with what means "I know nothing of it", or not at all, is dropped.
- Only users of this domain may subscribe.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from sipx.core.dialog import Dialog, copy_record_route
from sipx.core.errors import RemoteError
from sipx.core.event import Event, parse_event, subscription_state
from sipx.core.wayback import way_to
from sipx.core.wheel import Wheel
from sipx.events.subscriptions import Subscription, Subscriptions

if TYPE_CHECKING:
    from sipx.core.flowid import FlowId
    from sipx.core.message import Request, Response
    from sipx.events.interfaces import IEventPackage
    from sipx.interfaces import IJournal
    from sipx.ua.incoming import IncomingRequest
    from sipx.ua.outgoing import Done

MOST_SUBSCRIPTIONS: Final = 100_000  # of the node; about 2 KiB each
MOST_SUBSCRIPTIONS_OF_USER: Final = 256  # an attendant console watches many
LARGEST_EXPIRES: Final = 2**32 - 1
RETRY_AFTER: Final = "30"  # seconds, when no subscription can be kept now
LONGEST_RETRY: Final = 600  # seconds for which a subscriber may ask not to be told
RESTART_GAP: Final = 1_000_000  # NOTIFYs that may have gone since a subscription was stored
RESTART_RATE: Final = 50  # NOTIFYs a second after a restart
USER_PART: Final = "~~ev~"  # of our Contact

# Statuses after which a subscription is dropped (RFC 6665 section 4.2.2, RFC 5057 section 5.1).
_GONE: Final = frozenset({404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604})

_log = Logger()

Send = Callable[["Request", "FlowId | None", "Done"], None]


class Notifier:
    """Keeps the subscriptions of a node."""

    def __init__(
        self,
        packages: Sequence[IEventPackage],
        send: Send,
        journal: IJournal,
        monotonic: Callable[[], float],
        utc: Callable[[], float],
    ) -> None:
        """Take the parts.

        Args:
            packages: of two with one name the first counts.
            send: sends a NOTIFY over a flow, or where it leads, and tells what came of it.
            journal: told of each subscription before it is acknowledged.
            monotonic: gives ``now`` where a package, not a message, brings something new.
            utc: gives wall time, for stored expiry.
        """
        self._packages: dict[str, IEventPackage] = {}
        for package in packages:
            self._packages.setdefault(package.name, package)
        self._send = send
        self._journal = journal
        self._monotonic = monotonic
        self._utc = utc
        self._subscriptions = Subscriptions()
        self._wheel: Wheel[Subscription] = Wheel()
        self.dropped = 0  # subscriptions whose subscriber did not answer as one
        for package in self._packages.values():
            package.attach(self._told_of(package.name))

    def __len__(self) -> int:
        return len(self._subscriptions)

    @property
    def timers(self) -> int:
        """How many subscriptions wait for a time: all of them."""
        return len(self._wheel)

    @property
    def allow_events(self) -> str:
        """The value of Allow-Events."""
        return ", ".join(sorted(self._packages))

    def package_of(self, request: Request) -> IEventPackage | None:
        """Find the package that a request is about; None when it is not here.

        Raises:
            RemoteError: 400; its Event is malformed.
        """
        text = request.get("event")
        return None if text is None else self._packages.get(parse_event(text).package)

    # -- SUBSCRIBE -----------------------------------------------------------------------

    def subscribe(self, incoming: IncomingRequest) -> None:
        """Answer a SUBSCRIBE.

        Raises:
            RemoteError: it deserves that answer.
        """
        request = incoming.request
        text = request.get("event")
        if text is None:
            self.refuse_event(incoming)
            return
        event = parse_event(text)
        package = self._packages.get(event.package)
        if package is None:
            self.refuse_event(incoming)
            return
        if not incoming.user:
            raise RemoteError(403, "Only Users Of This Domain May Subscribe")
        expires = request.number("expires", "Expires", LARGEST_EXPIRES)
        expires = package.default_expires if expires is None else expires
        if 0 < expires < package.min_expires:
            response = incoming.reply(423, "Interval Too Brief")
            response.add("min-expires", str(package.min_expires))
            incoming.respond(response, incoming.now)
            return
        expires = min(expires, package.max_expires)
        if self._journal.failing:
            response = incoming.reply(503, "Subscriptions Cannot Be Stored Now")
            response.add("retry-after", RETRY_AFTER)
            incoming.respond(response, incoming.now)
        elif request.to.tag:
            self._refresh(incoming, event, package, expires)
        else:
            self._begin(incoming, event, package, expires)

    def refuse_event(self, incoming: IncomingRequest) -> None:
        """Answer that there is no such package (RFC 6665 section 7.3.2)."""
        response = incoming.reply(489, "Bad Event")
        response.add("allow-events", self.allow_events)
        incoming.respond(response, incoming.now)

    def _begin(
        self, incoming: IncomingRequest, event: Event, package: IEventPackage, expires: int
    ) -> None:
        request, now, user = incoming.request, incoming.now, incoming.user
        resource = package.resource(request.uri.name)
        if resource is None:
            raise RemoteError(404, "Nobody Has This Name Or Number")
        if not package.allows(resource, user):
            raise RemoteError(403, f"{user} May Not Watch This")
        content_type = _acceptable(request, package.content_types)
        if expires:
            self._make_room(incoming)
        dialog = Dialog.as_server(request, incoming.to_tag)
        contact = _contact_of(incoming)
        flow = None
        if not dialog.routes:
            target = request.addresses("contact", "Contact")[0].uri
            flow = way_to(target, (), request.via, incoming.flow.id)
        subscription = Subscription(
            dialog, event, resource, user, flow, contact, content_type, now + expires
        )
        if expires:
            if self._subscriptions.add(subscription):
                package.watched(resource, True)
            self._store(subscription, now)
        else:
            subscription.ended = True  # it asks for the state, once (RFC 6665 section 4.4.3)
        self._acknowledge(incoming, subscription, expires)
        self._notify(subscription, now)

    def _make_room(self, incoming: IncomingRequest) -> None:
        if self._subscriptions.count(incoming.user) >= MOST_SUBSCRIPTIONS_OF_USER:
            raise RemoteError(
                403, f"{incoming.user} Has {MOST_SUBSCRIPTIONS_OF_USER} Subscriptions"
            )
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            raise RemoteError(503, "Too Many Subscriptions")

    def _refresh(
        self, incoming: IncomingRequest, event: Event, package: IEventPackage, expires: int
    ) -> None:
        request, now = incoming.request, incoming.now
        tags = request.to.tag, request.from_.tag
        subscription = self._subscriptions.find(request.call_id, *tags, event)
        if subscription is None:
            raise RemoteError(481, "Subscription Does Not Exist")
        if subscription.subscriber != incoming.user:
            raise RemoteError(403, "The Subscription Is Somebody Else's")
        if not subscription.dialog.follows(request):
            raise RemoteError(500, "Out Of Order")
        subscription.dialog.refresh(request)
        if not subscription.dialog.routes and request.has("contact"):
            target = request.addresses("contact", "Contact")[0].uri
            subscription.flow = way_to(target, (), request.via, incoming.flow.id)
        subscription.expires = now + expires
        if expires:
            self._store(subscription, now)
        else:
            self._forget(subscription)
        self._acknowledge(incoming, subscription, expires)
        if expires and subscription.waiting:
            subscription.stale = True
            self._schedule(subscription, now)
        else:
            self._notify(subscription, now)

    def _acknowledge(
        self, incoming: IncomingRequest, subscription: Subscription, expires: int
    ) -> None:
        response = incoming.reply(200)
        copy_record_route(incoming.request, response)
        response.add("contact", subscription.contact)
        response.add("expires", str(expires))
        incoming.respond(response, incoming.now)

    # -- NOTIFY --------------------------------------------------------------------------

    def _told_of(self, package: str) -> Callable[[str], None]:
        return lambda resource: self.changed(package, resource, self._monotonic())

    def changed(self, package: str, resource: str, now: float) -> None:
        """A resource has changed: tell everybody who watches it, as soon as may be."""
        for subscription in self._subscriptions.watching(package, resource):
            subscription.stale = True
            self._schedule(subscription, now)

    def _schedule(self, subscription: Subscription, now: float) -> None:
        """Send what is to be sent, or let the wheel wake the subscription when it may go."""
        if subscription.stale and not subscription.waiting and subscription.due <= now:
            self._notify(subscription, now)
        self._wait(subscription)

    def _wait(self, subscription: Subscription) -> None:
        if subscription.ended:
            subscription.deadline = math.inf
        elif subscription.stale and not subscription.waiting:
            subscription.deadline = min(subscription.expires, subscription.due)
        else:
            subscription.deadline = subscription.expires
        self._wheel.put(subscription, subscription.deadline)

    def _notify(self, subscription: Subscription, now: float, reason: str = "timeout") -> None:
        """Send the state; when the subscription has ended, with that reason."""
        package = self._packages[subscription.event.package]
        notify = subscription.dialog.make("NOTIFY", subscription.contact)
        notify.add("event", str(subscription.event))
        if subscription.ended:
            notify.add("subscription-state", subscription_state("terminated", reason=reason))
        else:
            left = subscription.expires - now
            notify.add("subscription-state", subscription_state("active", left))
        document = package.document(
            subscription.resource,
            subscription.content_type,
            subscription.version,
            subscription.serial,
        )
        if document.body:
            notify.add("content-type", document.content_type)
            notify.body = document.body
        subscription.version += 1
        subscription.serial = document.serial
        subscription.stale = False
        subscription.waiting = True
        subscription.sent = now
        subscription.due = now + package.interval
        self._wait(subscription)
        self._send(
            notify,
            subscription.flow,
            lambda status, response, at: self._answered(subscription, status, response, at),
        )

    def _answered(
        self, subscription: Subscription, status: int, response: Response | None, now: float
    ) -> None:
        subscription.waiting = False
        if subscription.ended:
            return
        if status >= 300:
            wait = _retry_after(response)
            if status in _GONE or wait is None:
                self.dropped += 1
                self._forget(subscription)
                return
            subscription.stale = True
            subscription.due = now + wait
        self._schedule(subscription, now)

    # -- time and configuration ------------------------------------------------------------

    def tick(self, now: float) -> None:
        """End what has expired, send what may go now."""
        for subscription in self._wheel.advance(now):
            if subscription.expires <= now:
                self.end(subscription, "timeout", now)
            else:
                self._schedule(subscription, now)

    def end(self, subscription: Subscription, reason: str, now: float) -> None:
        """End a subscription and say why (RFC 6665 section 4.1.3)."""
        self._forget(subscription)
        self._notify(subscription, now, reason)

    def revise(self, users: Mapping[str, str], now: float) -> None:
        """The configuration has changed: end what may not go on.

        Args:
            users: names to the names of users.
            now: monotonic seconds.
        """
        for subscription in self._subscriptions:
            package = self._packages[subscription.event.package]
            subscriber = subscription.subscriber
            if package.resource(subscription.resource) != subscription.resource:
                self.end(subscription, "noresource", now)
            elif users.get(subscriber) != subscriber or not package.allows(
                subscription.resource, subscriber
            ):
                self.end(subscription, "rejected", now)

    # -- storing ---------------------------------------------------------------------------

    def _store(self, subscription: Subscription, now: float) -> None:
        expires = subscription.expires - now + self._utc()
        self._journal.append(["subscribe", *subscription.key, expires, subscription.details()])

    def _forget(self, subscription: Subscription) -> None:
        subscription.ended = True
        self._wait(subscription)
        self._journal.append(["unsubscribe", *subscription.key])
        if self._subscriptions.remove(subscription):
            package = self._packages[subscription.event.package]
            package.watched(subscription.resource, False)

    def restore(self, rows: Sequence[Mapping[str, Any]], now: float, utc: float) -> int:
        """Take over stored subscriptions at start.

        What has ended meanwhile, or is to a package that is not here any more, is removed.

        Returns:
            How many rows could not be read; they are left alone.
        """
        unreadable = 0
        for row in rows:
            try:
                left = min(float(row["expires"]) - utc, LARGEST_EXPIRES)
                subscription = Subscription.load(row, now + left)
                package = self._packages.get(subscription.event.package)
            except (KeyError, TypeError, ValueError):
                _log.failure("A stored subscription could not be read")
                unreadable += 1
                continue
            if package is None or left <= 0:
                self._journal.append(["unsubscribe", *subscription.key])
                continue
            subscription.expires = now + min(left, package.max_expires)
            subscription.dialog.local_cseq += RESTART_GAP
            subscription.version += RESTART_GAP
            subscription.stale = True
            subscription.due = now + 1.0 + len(self._subscriptions) / RESTART_RATE
            if self._subscriptions.add(subscription):
                package.watched(subscription.resource, True)
            self._store(subscription, now)
            self._wait(subscription)
        return unreadable


def _acceptable(request: Request, content_types: Sequence[str]) -> str:
    """Choose what the subscriber understands.

    Raises:
        RemoteError: 406; it understands none of them.
    """
    if "accept" not in request.names:
        return content_types[0]
    accepted = {text.partition(";")[0].strip().lower() for text in request.listed("accept")}
    for content_type in content_types:
        if accepted & {content_type, content_type.partition("/")[0] + "/*", "*/*"}:
            return content_type
    raise RemoteError(406, f"Only {' Or '.join(content_types)} Can Be Sent")


def _contact_of(incoming: IncomingRequest) -> str:
    """Our Contact on the side that a request came from."""
    host, port = incoming.flow.address
    transport = incoming.flow.transport
    param = "" if transport == "udp" else f";transport={transport}"
    return f"<sip:{USER_PART}@{host}:{port}{param}>"


def _retry_after(response: Response | None) -> float | None:
    """For how many seconds a failure asks to wait; None when it asks for nothing (4.2.2)."""
    if response is None or not response.has("retry-after"):
        return None
    digits = re.match(r"[0-9]{1,5}", response.get("retry-after") or "")
    return None if digits is None else float(min(int(digits[0]), LONGEST_RETRY))
