"""The event state compositor: what PUBLISH leaves here (RFC 3903 section 6).

Publications are soft state and end with the process: a phone whose entity-tag is unknown gets
412 and publishes anew, as section 6 wants it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from sipx.core.errors import RemoteError
from sipx.core.wheel import Wheel

if TYPE_CHECKING:
    from sipx.events.interfaces import IEventPackage
    from sipx.ua.incoming import IncomingRequest

MOST_PUBLICATIONS: Final = 50_000  # of the node
MOST_OF_RESOURCE: Final = 16  # devices that publish for one user
LARGEST_BODY: Final = 16_384  # octets
LARGEST_EXPIRES: Final = 2**32 - 1

Place = tuple[str, str]


class Publication:
    """One piece of event state.

    Attributes:
        tag: its entity-tag.
        place: package and resource.
        content_type: of the body, as written.
        body: as published.
        expires: monotonic seconds at which it ends.
        deadline: the same, for the wheel.
        wheel_slot: the wheel's.
    """

    __slots__ = ("body", "content_type", "deadline", "expires", "place", "tag", "wheel_slot")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.tag = ""
        self.content_type = ""
        self.body = b""
        self.expires = 0.0
        self.deadline = math.inf
        self.wheel_slot = -1


class Publications:
    """All publications of a node."""

    def __init__(self, new_tag: Callable[[], str]) -> None:
        """Make an empty store.

        Args:
            new_tag: makes entity-tags, no two alike and none to be guessed.
        """
        self._new_tag = new_tag
        self._places: dict[Place, dict[str, Publication]] = {}
        self._packages: dict[str, IEventPackage] = {}
        self._wheel: Wheel[Publication] = Wheel()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def publish(self, incoming: IncomingRequest, package: IEventPackage) -> None:
        """Answer a PUBLISH to a package that takes them (section 6).

        Raises:
            RemoteError: it deserves that answer, and nothing has changed.
        """
        request, now = incoming.request, incoming.now
        resource = package.resource(request.uri.name)
        if resource is None:
            raise RemoteError(404, "Nobody Has This Name Or Number")
        if not incoming.user or resource != incoming.user:
            raise RemoteError(403, "Only The User Publishes For Himself")
        expires = request.number("expires", "Expires", LARGEST_EXPIRES)
        expires = package.default_expires if expires is None else expires
        if 0 < expires < package.min_expires:
            response = incoming.reply(423, "Interval Too Brief")
            response.add("min-expires", str(package.min_expires))
            incoming.respond(response, now)
            return
        expires = min(expires, package.max_expires)
        place = package.name, resource
        publication = self._find(place, request.get("sip-if-match"))
        if len(request.body) > LARGEST_BODY:
            raise RemoteError(413, f"More Than {LARGEST_BODY} Octets Of State")
        if request.body and not request.has("content-type"):
            raise RemoteError(400, "Missing Content-Type header")
        if publication is None:
            publication = self._new(place, bool(request.body))
        self._packages[package.name] = package
        changed = bool(request.body) or not expires
        if request.body:
            publication.body = request.body
            publication.content_type = request.get("content-type") or ""
        if expires:
            self._keep(publication, now + expires)
        else:
            self._drop(publication)
        response = incoming.reply(200)
        response.add("expires", str(expires))
        response.add("sip-etag", publication.tag or self._new_tag())
        incoming.respond(response, now)
        if changed:
            package.published(resource, self.of(place))

    def of(self, place: Place) -> Sequence[Publication]:
        """What is published of a resource, the oldest first."""
        return list(self._places.get(place, {}).values())

    def tick(self, now: float) -> None:
        """End what was not refreshed."""
        for publication in self._wheel.advance(now):
            place = publication.place
            self._drop(publication)
            self._packages[place[0]].published(place[1], self.of(place))

    def _find(self, place: Place, tag: str | None) -> Publication | None:
        if tag is None:
            return None
        found = self._places.get(place, {}).get(tag.strip())
        if found is None:
            raise RemoteError(412, "Conditional Request Failed")
        return found

    def _new(self, place: Place, has_body: bool) -> Publication:
        if not has_body:
            raise RemoteError(400, "A First PUBLISH Needs A Body")
        if len(self._places.get(place, {})) >= MOST_OF_RESOURCE:
            raise RemoteError(403, f"{MOST_OF_RESOURCE} Devices Publish For This User Already")
        if self._count >= MOST_PUBLICATIONS:
            raise RemoteError(503, "Too Many Publications")
        return Publication(place)

    def _keep(self, publication: Publication, expires: float) -> None:
        """File it under a new entity-tag (section 6 step 6)."""
        if publication.tag:
            del self._places[publication.place][publication.tag]
        else:
            self._count += 1
        publication.tag = self._new_tag()
        publication.expires = publication.deadline = expires
        self._places.setdefault(publication.place, {})[publication.tag] = publication
        self._wheel.put(publication, expires)

    def _drop(self, publication: Publication) -> None:
        if not publication.tag:
            return  # it was published with Expires 0: it never was
        others = self._places[publication.place]
        del others[publication.tag]
        if not others:
            del self._places[publication.place]
        self._count -= 1
        publication.deadline = math.inf
        self._wheel.put(publication, math.inf)
