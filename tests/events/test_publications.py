"""Tests of sipx.events.publications: PUBLISH from first to last (RFC 3903 section 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipx.core.errors import RemoteError
from sipx.core.message import Response
from sipx.events import publications
from sipx.events.interfaces import Document, IEventPackage
from sipx.events.publications import Publication, Publications
from sipx.ua.incoming import IncomingRequest
from tests.support.builders import request


@implementer(IEventPackage)
class Weather:
    """A package that takes publications.

    Attributes:
        told: the bodies that were told of each change.
    """

    name = "weather"
    content_types = ("text/plain",)
    default_expires = 3600
    min_expires = 60
    max_expires = 7200
    interval = 1.0
    publishable = True

    def __init__(self) -> None:
        self.told: list[list[bytes]] = []

    def resource(self, name: str) -> str | None:
        return name if name in {"200", "201"} else None

    def allows(self, resource: str, subscriber: str) -> bool:
        return True

    def document(self, resource: str, content_type: str, version: int, since: int) -> Document:
        return Document(content_type, b"")

    def watched(self, resource: str, watching: bool) -> None:
        """Nobody does."""

    def attach(self, changed: Callable[[str], None]) -> None:
        """Nobody is."""

    def published(self, resource: str, publications: Sequence[Publication]) -> None:
        self.told.append([publication.body for publication in publications])


class PublicationTests(SynchronousTestCase):
    """A user's devices publish."""

    def setUp(self) -> None:
        self.now = 1000.0
        self.package = Weather()
        self.tags = 0
        self.store = Publications(self.tag)

    def tag(self) -> str:
        """Make an entity-tag."""
        self.tags += 1
        return f"e{self.tags}"

    def publish(
        self, body: str = "", *headers: str, user: str = "200", target: str = "200"
    ) -> Response:
        """Publish, and give the answer."""
        made = request("PUBLISH", f"sip:{target}@example.test", *headers, body=body)
        answers: list[Any] = []
        flow: Any = None  # nobody looks at it
        incoming = IncomingRequest(
            made, flow, user, "", "t", self.now, lambda answer, _: answers.append(answer)
        )
        try:
            self.store.publish(incoming, self.package)
        except RemoteError as error:
            return incoming.reply(error.status, error.reason)
        answer: Response = answers[0]
        return answer

    def test_first_to_last(self) -> None:
        """Publish, refresh, change, remove: each answer has a new entity-tag."""
        first = self.publish("rain")
        self.assertEqual(
            (first.status, first.get("expires"), first.get("sip-etag")), (200, "3600", "e1")
        )
        refreshed = self.publish("", "SIP-If-Match: e1", "Expires: 9000")
        self.assertEqual((refreshed.get("expires"), refreshed.get("sip-etag")), ("7200", "e2"))
        self.assertEqual(self.publish("sun", "SIP-If-Match: e2").get("sip-etag"), "e3")
        self.assertEqual(self.publish("", "SIP-If-Match: e3", "Expires: 0").status, 200)
        self.assertEqual(self.package.told, [[b"rain"], [b"sun"], []])
        self.assertEqual(len(self.store), 0)

    def test_old_tag(self) -> None:
        """A tag that is not the latest, or somebody else's, is 412, and nothing changes."""
        self.publish("rain")
        self.publish("", "SIP-If-Match: e1")
        for tag, target in (("e1", "200"), ("nonsense", "200"), ("e2", "201")):
            answer = self.publish("snow", f"SIP-If-Match: {tag}", target=target, user=target)
            self.assertEqual(answer.status, 412, tag)
        self.assertEqual(self.package.told, [[b"rain"]])

    def test_two_devices(self) -> None:
        """Each device has its own; the package sees all of them."""
        self.publish("rain")
        self.publish("sun")
        self.assertEqual(self.package.told[-1], [b"rain", b"sun"])

    def test_expires(self) -> None:
        """What is not refreshed ends."""
        self.publish("rain", "Expires: 60")
        self.store.tick(self.now + 59)
        self.assertEqual(len(self.store), 1)
        self.store.tick(self.now + 60.2)
        self.assertEqual((len(self.store), self.package.told[-1]), (0, []))

    def test_published_for_no_time(self) -> None:
        """Expires 0 at first is taken and forgotten."""
        self.assertEqual(self.publish("rain", "Expires: 0").status, 200)
        self.assertEqual(len(self.store), 0)

    def test_refused(self) -> None:
        """Each mistake gets its own answer, and nothing is kept."""
        large = "x" * (publications.LARGEST_BODY + 1)
        for status, body, headers, user, target in (
            (404, "rain", (), "200", "nobody"),
            (403, "rain", (), "201", "200"),
            (403, "rain", (), "", "200"),
            (423, "rain", ("Expires: 59",), "200", "200"),
            (400, "rain", ("Expires: soon",), "200", "200"),
            (400, "", (), "200", "200"),
            (413, large, (), "200", "200"),
        ):
            answer = self.publish(body, *headers, user=user, target=target)
            self.assertEqual(answer.status, status, (headers, user, target))
        self.assertEqual((len(self.store), self.package.told), (0, []))

    def test_limits(self) -> None:
        """A user has so many devices, and the node so many publications."""
        with patch.object(publications, "MOST_OF_RESOURCE", 1):
            self.publish("rain")
            self.assertEqual(self.publish("sun").status, 403)
        with patch.object(publications, "MOST_PUBLICATIONS", 1):
            self.assertEqual(self.publish("sun").status, 503)
        self.assertEqual(len(self.store), 1)
