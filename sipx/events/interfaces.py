"""What an event package is to the notifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from sipx.events.publications import Publication


class Document(NamedTuple):
    """The body of a NOTIFY.

    Attributes:
        content_type: one of the package's.
        body: empty when there is nothing to say.
        serial: of the state that it shows; the package's own, handed back next time.
    """

    content_type: str
    body: bytes
    serial: int = 0


class IEventPackage(Interface):
    """One event package (RFC 6665 section 5); a component provides it, the notifier runs it."""

    name: str = Attribute("As in the Event header: ``reg``.")
    content_types: Sequence[str] = Attribute("What it writes, the default first.")
    default_expires: int = Attribute("Seconds of a subscription that does not say.")
    min_expires: int = Attribute("Seconds; shorter ones get 423.")
    max_expires: int = Attribute("Seconds; longer ones are shortened.")
    interval: float = Attribute("Least seconds between two NOTIFYs of a subscription.")
    publishable: bool = Attribute("Whether PUBLISH is taken for it (RFC 3903).")

    def resource(name: str) -> str | None:
        """Find what a user part names.

        Returns:
            The key under which changes are told; None when there is nothing of that name.
        """

    def allows(resource: str, subscriber: str) -> bool:
        """Whether a user of ours, or nobody (empty), may watch a resource."""

    def document(resource: str, content_type: str, version: int, since: int) -> Document:
        """Write the state of a resource, always the whole of it.

        Args:
            resource: as ``resource`` gave it.
            content_type: one of the package's, that the subscriber accepts.
            version: of the document in its subscription: 0, 1, 2 ...
            since: serial of the document that this subscription got last, -1 at first.
        """

    def watched(resource: str, watching: bool) -> None:
        """The first subscription to a resource came, or the last one went."""

    def attach(changed: Callable[[str], None]) -> None:
        """Take what is to be called with a resource that has changed."""

    def published(resource: str, publications: Sequence[Publication]) -> None:
        """What is published of a resource has changed; only when ``publishable``."""
