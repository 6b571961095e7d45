"""The registrar: what a REGISTER does to the bindings of a user, and what it is answered.

RFC 3261 section 10.3.  Knows nothing of sockets, reactors or clocks: time and randomness are
arguments, what must survive goes to the journal, the answer is returned.

Where this registrar decides what the RFC leaves open, or does more:

- A request is applied as a whole or not at all, to memory and journal alike.
- ``+sip.instance`` names one phone: a contact of an instance takes the place of the contacts
  that the same instance left behind, unless the same request names them too.  So a phone that
  came back with another address (and, after a reboot, another Call-ID) rings once.
- Without an instance, contacts that a request does not name stay, even under the same Call-ID:
  a phone may register several contacts one by one.  Only when a user has no room left do the
  oldest contacts of the same Call-ID make room: they are what a phone leaves behind that gets
  another port with each connection.
- Contacts that are no SIP addresses are ignored; when no other remains the answer is 403, since
  a 200 would say that the phone can be reached.
- When a grant is spread, one value holds for all contacts of the request: who asked for less
  than it gets what he asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any, Final

from sipx.core.binding import Binding
from sipx.core.errors import LocalError, RemoteError
from sipx.core.flowid import FlowId
from sipx.core.message import Request, Response, reply
from sipx.core.uri import equivalent, parse_uri
from sipx.core.wayback import way_to
from sipx.interfaces import IConfiguration, IJournal
from sipx.registrar.bindings import Bindings
from sipx.registrar.contacts import LARGEST_EXPIRES, Contact, instrument_of, read_contacts
from sipx.registrar.path import read_path
from sipx.registrar.refusal import Refused, storable

MOST_BINDINGS: Final = 200_000  # of the node; about a kilobyte each
MOST_BINDINGS_OF_USER: Final = 10  # each of them rings at every call
LONGEST_CALL_ID: Final = 256  # characters
LONGEST_USER_AGENT: Final = 128  # characters; what is beyond is cut off
RETRY_AFTER: Final = "30"  # seconds, when this node cannot keep a registration now
MOST_SWEPT: Final = 5000  # bindings in one sweep; the next one goes on
SPREAD_FROM: Final = 600  # seconds; shorter grants are left as they are
SPREAD: Final = 0.2  # what is taken off at most, so that phones do not all come back at once


class Registrar:
    """Keeps bindings as REGISTER requests ask for it."""

    def __init__(
        self,
        location: Bindings,
        configuration: IConfiguration,
        journal: IJournal,
        is_ours: Callable[[str, int | None], bool],
        random: Callable[[], float],
        min_expires: int = 30,
        max_expires: int = 7200,
    ) -> None:
        """Make a registrar.

        Args:
            location: where bindings are kept.
            configuration: whose routing slice knows the users.
            journal: told of every change before it is made.
            is_ours: whether a host and a port, None when absent, are this node's domain.
            random: gives 0.0 up to, not including, 1.0.
            min_expires: seconds; shorter registrations are refused.
            max_expires: seconds; longer ones are shortened, and it is the default.

        Raises:
            LocalError: the limits contradict each other.
        """
        if not 0 < min_expires <= max_expires:
            raise LocalError(
                f"Registrations cannot last at least {min_expires} and at most {max_expires} s"
            )
        self._location = location
        self._configuration = configuration
        self._journal = journal
        self._is_ours = is_ours
        self._random = random
        self._min_expires = min_expires
        self._max_expires = max_expires
        self._date = (0, b"")

    # -- requests --------------------------------------------------------------------

    def register(
        self,
        request: Request,
        user: str,
        instrument: str,
        flow: FlowId | None,
        to_tag: str,
        now: float,
        utc: float,
    ) -> Response:
        """Do what a REGISTER asks for.

        Args:
            request: addressed to our domain.
            user: who authenticated; empty when nobody did.
            instrument: which of the user's phones, when the authentication name says so.
            flow: what the request came over.
            to_tag: for the answer.
            now: monotonic seconds.
            utc: seconds since the epoch.

        Returns:
            The answer: a 200 that lists all bindings of the address of record, or a refusal
            after which everything is as it was.
        """
        try:
            owner = self._owner(request, user)
            path = read_path(request)
            if "contact" in request.names:
                self._change(request, owner, instrument, flow, path, now, utc)
            return self._listing(request, owner, path, to_tag, now, utc)
        except RemoteError as error:
            response = reply(request, error.status, error.reason, to_tag)
            if isinstance(error, Refused):
                response.add(*error.header)
            return response

    def _owner(self, request: Request, user: str) -> str:
        """Find whose bindings a request is about, and whether the sender may change them."""
        aor = request.to.uri
        if not aor.is_sip or not self._is_ours(aor.host, aor.port):
            raise RemoteError(404, "Not an address of this domain")
        owner = self._configuration.routing.names.get(aor.name)
        if owner is None:
            raise RemoteError(404, "No such user here")
        if owner != user:
            raise RemoteError(403, "Only the user's own credentials may register an address")
        return owner

    def _change(
        self,
        request: Request,
        user: str,
        instrument: str,
        flow: FlowId | None,
        path: tuple[str, ...],
        now: float,
        utc: float,
    ) -> None:
        if self._journal.failing:
            raise Refused(503, "Registrations cannot be stored now", "retry-after", RETRY_AFTER)
        call_id = request.call_id
        if len(call_id) > LONGEST_CALL_ID:
            raise RemoteError(403, f"The Call-ID is longer than {LONGEST_CALL_ID} characters")
        if not storable(call_id):
            raise RemoteError(400, "Malformed Call-ID")
        order = (call_id, request.cseq[0])
        asked = request.number("expires", "Expires", LARGEST_EXPIRES)
        values = request.listed("contact")
        held = self._location.held(user)
        if "*" in values:
            if len(values) > 1 or asked != 0:
                raise RemoteError(400, "Contact * goes with Expires 0 and without other contacts")
            _in_order(held, order, now)
            self._apply(user, held, ())
            return
        contacts = read_contacts(values)
        longest = self._require(contacts, self._max_expires if asked is None else asked)
        removed = _replaced(held, contacts)
        _in_order(removed, order, now)
        added: list[Binding] = []
        if longest:
            grant = self._grant(longest)
            agent = _user_agent(request)
            via = request.via
            for contact in contacts:
                seconds = contact.expires or 0
                if not seconds:
                    continue
                binding = Binding(
                    user,
                    contact.uri.text,
                    contact.q,
                    now + (seconds if seconds < grant else grant),
                    call_id,
                    order[1],
                    path,
                    way_to(contact.uri, path, via, flow),
                    contact.instance,
                    instrument or (contact.instance and instrument_of(contact.instance)),
                    agent,
                    utc,
                )
                added.append(binding)
        if len(held) != len(removed):
            for binding in held:
                if binding.expires <= now and not _among(binding, removed):
                    removed.append(binding)
        if len(added) > len(removed):
            self._make_room(held, removed, added, call_id)
        self._apply(user, removed, added, now, utc)

    def _require(self, contacts: Sequence[Contact], default: int) -> int:
        """Fill in how long contacts are asked to last.

        Returns:
            The longest of them, in seconds; 0 when all are to be removed.
        """
        longest = 0
        for contact in contacts:
            seconds = default if contact.expires is None else contact.expires
            if 0 < seconds < self._min_expires:
                raise Refused(423, "Interval Too Brief", "min-expires", str(self._min_expires))
            contact.expires = seconds = min(seconds, self._max_expires)
            longest = max(longest, seconds)
        return longest

    def _grant(self, seconds: int) -> int:
        """Decide how long a registration lasts for which so many seconds were asked."""
        if seconds < SPREAD_FROM:
            return seconds
        return max(seconds - int(seconds * SPREAD * self._random()), self._min_expires)

    def _make_room(
        self,
        held: Sequence[Binding],
        removed: list[Binding],
        added: Sequence[Binding],
        call_id: str,
    ) -> None:
        """Keep the limits of a user and of the node; may add to what is removed."""
        kept = [binding for binding in held if not _among(binding, removed)]
        excess = len(kept) + len(added) - MOST_BINDINGS_OF_USER
        if excess > 0:
            former = [binding for binding in kept if binding.call_id == call_id]
            if len(former) < excess:
                raise RemoteError(403, f"More than {MOST_BINDINGS_OF_USER} contacts registered")
            former.sort(key=_age)
            removed += former[:excess]
        if self._location.count() - len(removed) + len(added) > MOST_BINDINGS:
            raise Refused(503, "Too many registrations", "retry-after", RETRY_AFTER)

    def _apply(
        self,
        user: str,
        removed: Sequence[Binding],
        added: Sequence[Binding],
        now: float = 0.0,
        utc: float = 0.0,
        asked: bool = True,
    ) -> None:
        """Write a change to the journal, then make it."""
        append = self._journal.append
        for old in removed:
            for new in added:
                if new.contact == old.contact:
                    break
            else:
                append(["unbind", user, old.contact])
        for new in added:
            append(
                [
                    "bind",
                    user,
                    new.contact,
                    new.q,
                    new.expires - now + utc,
                    new.call_id,
                    new.cseq,
                    list(new.path),
                    "" if new.flow is None else str(new.flow),
                    new.instance,
                    new.instrument,
                    new.user_agent,
                    new.registered,
                ]
            )
        if removed or added:
            self._location.change(user, removed, added, asked)

    def _listing(
        self,
        request: Request,
        user: str,
        path: tuple[str, ...],
        to_tag: str,
        now: float,
        utc: float,
    ) -> Response:
        """Make the 200 that lists all bindings of a user."""
        response = reply(request, 200, "OK", to_tag)
        names, lines = response.names, response.lines
        for binding in self._location.bindings(user, now):
            # A little more than the difference, which is a little less than what was granted.
            seconds = int(binding.expires - now + 0.001) or 1
            value = f"Contact: <{binding.contact}>;expires={seconds};q={binding.q:g}"
            if binding.instance:
                value += f';+sip.instance="<{binding.instance}>"'
            names.append("contact")
            lines.append(value.encode("ascii"))
        for entry in path:
            response.add("path", entry)
        second = int(utc)
        if second != self._date[0]:
            self._date = (second, b"Date: " + formatdate(second, usegmt=True).encode("ascii"))
        names.append("date")
        lines.append(self._date[1])
        return response

    # -- without a request -----------------------------------------------------------

    def expire(self, now: float) -> None:
        """Remove what has ended; cheap when nothing has.

        While the journal cannot be written all stays: who looks up bindings does not see
        those that ended.
        """
        if self._journal.failing:
            return
        for binding in self._location.expire(now, MOST_SWEPT):
            self._journal.append(["unbind", binding.user, binding.contact])

    def forget(self, user: str) -> int:
        """Remove all bindings of a user.

        Returns:
            How many there were.
        """
        held = self._location.held(user)
        self._apply(user, held, (), asked=False)
        return len(held)

    def forget_strangers(self) -> None:
        """Remove the bindings of all users that the configuration no longer has."""
        names = self._configuration.routing.names
        for user in self._location.users():
            if names.get(user) != user:
                self.forget(user)

    def restore(self, rows: Sequence[Mapping[str, Any]], now: float, utc: float) -> int:
        """Take over stored bindings at start.

        What ended meanwhile, or belongs to nobody, is removed from the store by the journal.
        Nothing lasts longer than a new registration could, whatever the wall clock did.

        Args:
            rows: as IBindingStore gives them.
            now: monotonic seconds.
            utc: seconds since the epoch.

        Returns:
            How many rows could not be read; they are left alone.
        """
        names = self._configuration.routing.names
        users: dict[str, list[Binding]] = {}
        unreadable = 0
        for row in sorted(rows, key=_registered, reverse=True):
            seconds = min(row["expires"] - utc, self._max_expires)
            user = row["user"]
            if seconds <= 0 or names.get(user) != user:
                self._journal.append(["unbind", user, row["contact"]])
                continue
            binding = Binding(
                user,
                row["contact"],
                row["q"],
                now + seconds,
                row["call_id"],
                row["cseq"],
                tuple(row["path"]),
                FlowId.parse(row["flow"]),
                row["instance"],
                row["instrument"],
                row["user_agent"],
                row["registered"],
            )
            try:
                parse_uri(binding.contact)
            except RemoteError:
                unreadable += 1
            else:
                users.setdefault(user, []).append(binding)
        for user, added in users.items():
            self._location.change(user, (), added)
        return unreadable


def _in_order(bindings: Sequence[Binding], order: tuple[str, int], now: float) -> None:
    """See that no binding which a request replaces is younger than the request."""
    call_id, cseq = order
    for binding in bindings:
        if binding.call_id == call_id and cseq <= binding.cseq and binding.expires > now:
            raise RemoteError(500, "Out Of Order")


def _replaced(held: Sequence[Binding], contacts: Sequence[Contact]) -> list[Binding]:
    """Find the bindings that contacts of a request update, remove or take the place of."""
    found = []
    for binding in held:
        for contact in contacts:
            if (
                contact.uri.text == binding.contact
                or (contact.instance and contact.instance == binding.instance and contact.expires)
                or equivalent(contact.uri, parse_uri(binding.contact))
            ):
                found.append(binding)
                break
    return found


def _among(wanted: Binding, bindings: Sequence[Binding]) -> bool:
    return any(binding is wanted for binding in bindings)


def _age(binding: Binding) -> tuple[int, float]:
    return (binding.cseq, binding.expires)


def _registered(row: Mapping[str, Any]) -> float:
    registered: float = row["registered"]
    return registered


def _user_agent(request: Request) -> str:
    text = (request.get("user-agent") or "")[:LONGEST_USER_AGENT]
    if storable(text):
        return text
    return text.encode("utf-8", "replace").decode("utf-8")
