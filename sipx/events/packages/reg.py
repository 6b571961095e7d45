"""The registration event package, RFC 3680: who is registered where.

A user may watch his own registrations.  Every document shows the whole state, with the contacts
that went since the one before (section 5.3.2: terminated contacts are shown once).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from twisted.application.service import IService, Service
from zope.interface import implementer

from sipx.events.interfaces import Document, IEventPackage
from sipx.interfaces import IConfiguration, ILocation, INodeContext

if TYPE_CHECKING:
    from sipx.core.binding import Binding
    from sipx.events.publications import Publication

CONTENT_TYPE: Final = "application/reginfo+xml"
MOST_GONE: Final = 32  # contacts of a user that are remembered as gone
_NAMESPACE: Final = "urn:ietf:params:xml:ns:reginfo"


class _Watched:
    """What has happened to a user while somebody watches.

    Attributes:
        serial: counts changes.
        gone: contacts that went: serial, the binding, and the event that ended it.
        latest: the event by which each contact that stays came to be as it is.
    """

    __slots__ = ("gone", "latest", "serial")

    def __init__(self) -> None:
        self.serial = 0
        self.gone: list[tuple[int, Binding, str]] = []
        self.latest: dict[str, str] = {}


@implementer(IEventPackage)
class RegPackage:
    """Tells of registrations."""

    name = "reg"
    content_types: Sequence[str] = (CONTENT_TYPE,)
    default_expires = 3761  # section 4.4
    min_expires = 60
    max_expires = 86_400
    interval = 5.0  # section 4.10
    publishable = False

    def __init__(
        self,
        location: ILocation,
        names: Callable[[], Mapping[str, str]],
        domain: str,
        monotonic: Callable[[], float],
    ) -> None:
        """Take the parts.

        Args:
            location: where bindings are, and who tells of their changes.
            names: gives every name and alias with its user.
            domain: of the addresses of record.
            monotonic: gives ``now``.
        """
        self._location = location
        self._names = names
        self._domain = domain
        self._monotonic = monotonic
        self._watched: dict[str, _Watched] = {}
        self._changed: Callable[[str], None] = _nobody

    # -- IEventPackage -------------------------------------------------------------------

    def resource(self, name: str) -> str | None:
        return self._names().get(name)

    def allows(self, resource: str, subscriber: str) -> bool:
        return resource == subscriber

    def attach(self, changed: Callable[[str], None]) -> None:
        self._changed = changed

    def watched(self, resource: str, watching: bool) -> None:
        if watching:
            self._watched[resource] = _Watched()
            self._location.watch(resource, self._told)
        else:
            self._watched.pop(resource, None)
            self._location.watch(resource, None)

    def published(self, resource: str, publications: Sequence[Publication]) -> None:
        """Nothing is published of registrations."""

    def document(self, resource: str, content_type: str, version: int, since: int) -> Document:
        watched = self._watched.get(resource) or _Watched()
        now = self._monotonic()
        bindings = self._location.bindings(resource, now)
        gone = [(binding, why) for serial, binding, why in watched.gone if serial > since >= 0]
        contacts = [
            _contact(binding, "active", watched.latest.get(binding.contact, "registered"), now)
            for binding in bindings
        ]
        contacts += [_contact(binding, "terminated", why, now) for binding, why in gone]
        state = "active" if bindings else "terminated" if gone else "init"
        aor = f"sip:{resource}@{self._domain}"
        lines = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<reginfo xmlns="{_NAMESPACE}" version="{version}" state="full">',
            f'<registration aor={quoteattr(aor)} id="{_id(aor)}" state="{state}">',
            *contacts,
            "</registration>",
            "</reginfo>",
        ]
        return Document(content_type, "\n".join(lines).encode("utf-8", "replace"), watched.serial)

    # -- changes ---------------------------------------------------------------------------

    def _told(
        self, user: str, removed: Sequence[Binding], added: Sequence[Binding], asked: bool
    ) -> None:
        """Bindings of somebody who is watched have changed."""
        watched = self._watched[user]
        watched.serial += 1
        now = self._monotonic()
        former = {binding.contact: binding for binding in removed}
        for binding in added:
            before = former.pop(binding.contact, None)
            if before is None:
                event = "registered"
            else:
                event = "shortened" if binding.expires < before.expires else "refreshed"
            watched.latest[binding.contact] = event
        for contact, binding in former.items():
            watched.latest.pop(contact, None)
            why = "expired" if binding.expires <= now else "unregistered" if asked else "rejected"
            watched.gone.append((watched.serial, binding, why))
        del watched.gone[:-MOST_GONE]
        self._changed(user)


def _contact(binding: Binding, state: str, event: str, now: float) -> str:
    attributes = [
        f'id="{_id(binding.user, binding.contact)}"',
        f'state="{state}"',
        f'event="{event}"',
    ]
    if state == "active":
        attributes.append(f'expires="{max(0, int(binding.expires - now))}"')
    attributes += [
        f'q="{binding.q:g}"',
        f"callid={quoteattr(binding.call_id)}",
        f'cseq="{binding.cseq}"',
    ]
    inside = f"<uri>{escape(binding.contact)}</uri>"
    if binding.instance:
        name, value = quoteattr("+sip.instance"), escape(f'"<{binding.instance}>"')
        inside += f"<unknown-param name={name}>{value}</unknown-param>"
    return f"<contact {' '.join(attributes)}>{inside}</contact>"


def _id(*parts: str) -> str:
    """A name that stays the same, on every node (section 5.3)."""
    text = "\n".join(parts).encode("utf-8", "surrogateescape")
    return "r" + blake2b(text, digest_size=8).hexdigest()


def _nobody(_resource: str) -> None:
    """Told of changes until somebody is attached."""


def reg(context: INodeContext) -> IService:
    """Provide the package."""
    configuration = context.get(IConfiguration)
    package = RegPackage(
        context.get(ILocation),
        lambda: configuration.routing.names,
        context.identity.domain,
        context.monotonic,
    )
    context.provide(IEventPackage, package)
    return Service()
