"""A registrar with a clock, users and a journal that tests can read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zope.interface import implementer

from sipx.core.binding import Binding
from sipx.core.flowid import FlowId
from sipx.core.message import Request, Response
from sipx.core.parser import parse_datagram
from sipx.interfaces import IConfiguration, IJournal
from sipx.registrar.bindings import Bindings
from sipx.registrar.registrar import Registrar
from sipx.routing.snapshot import RoutingSnapshot

FLOW = FlowId("udp", "192.0.2.1", 5060, "192.0.2.77", 5060)
COLUMNS = (
    "user contact q expires call_id cseq path flow instance instrument user_agent registered"
).split()


@implementer(IJournal)
class KeptJournal:
    """A journal that keeps its records, and the table that they make."""

    def __init__(self) -> None:
        self.failing = False
        self.records: list[Sequence[Any]] = []
        self.rows: dict[tuple[str, str], Mapping[str, Any]] = {}

    def append(self, record: Sequence[Any]) -> None:
        self.records.append(record)
        kind, user, contact, *_ = record
        if kind == "bind":
            self.rows[user, contact] = dict(zip(COLUMNS, record[1:], strict=True))
        else:
            assert kind == "unbind"
            del self.rows[user, contact]

    def commit(self) -> bool:
        return not self.failing


@implementer(IConfiguration)
class Users:
    """A configuration of names."""

    accounts: Any = None

    def __init__(self, names: Mapping[str, str]) -> None:
        self.routing = RoutingSnapshot(1, names)
        self._listeners: list[Callable[[], None]] = []

    def changed(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def swap(self, names: Mapping[str, str]) -> None:
        """Put another version in place."""
        self.routing = RoutingSnapshot(self.routing.version + 1, names)
        for listener in self._listeners:
            listener()


class Desk:
    """What a test needs to send a REGISTER and to see what it did."""

    def __init__(self, names: Sequence[str] = ("200", "201"), **limits: int) -> None:
        self.now = 1000.0
        self.utc = 1_800_000_000.0
        self.random = 0.0
        self.journal = KeptJournal()
        self.users = Users({name: name for name in names} | {"reception": "200"})
        self.location = Bindings()
        self._limits = limits
        self.registrar = self._make()
        self._cseq = 0

    def _make(self) -> Registrar:
        return Registrar(
            self.location,
            self.users,
            self.journal,
            lambda host, port: host.lower() == "example.com" and port in {None, 5060},
            lambda: self.random,
            **self._limits,
        )

    def restart(self) -> int:
        """Lose the memory and take over what the journal's records made."""
        self.location = Bindings()
        self.registrar = self._make()
        return self.registrar.restore(list(self.journal.rows.values()), self.now, self.utc)

    def advance(self, seconds: float) -> None:
        """Let time pass, without a sweep."""
        self.now += seconds
        self.utc += seconds

    def register(
        self,
        *contacts: str,
        expires: int | str | None = None,
        user: str = "200",
        aor: str = "",
        call_id: str = "phone",
        cseq: int | str = 0,
        headers: Sequence[str] = (),
        instrument: str = "",
        flow: FlowId = FLOW,
    ) -> Response:
        """Send a REGISTER.

        Args:
            contacts: values of Contact, a line each.
            expires: the Expires header.
            user: who authenticated.
            aor: To; by default that of the user.
            call_id: Call-ID.
            cseq: by default one more than the last time.
            headers: more lines.
            instrument: of the authentication name.
            flow: what it comes over.
        """
        if not cseq:
            self._cseq += 1
            cseq = self._cseq
        aor = aor or f"<sip:{user}@example.com>"
        lines = [
            "REGISTER sip:example.com SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK1",
            "Max-Forwards: 70",
            f"From: {aor};tag=1",
            f"To: {aor}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} REGISTER",
            *(f"Contact: {contact}" for contact in contacts),
            *([] if expires is None else [f"Expires: {expires}"]),
            *headers,
        ]
        data = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
        message = parse_datagram(data)
        assert isinstance(message, Request)
        return self.registrar.register(message, user, instrument, flow, "ours", self.now, self.utc)

    def bindings(self, user: str = "200") -> Sequence[Binding]:
        """Look up a user."""
        return self.location.bindings(user, self.now)

    def contacts(self, user: str = "200") -> list[str]:
        """Look up a user's contacts, in order."""
        return [binding.contact for binding in self.bindings(user)]


def listed(response: Response) -> dict[str, int]:
    """Give the contacts of a response with the seconds that they still last."""
    return {
        address.uri_text: int(address.params["expires"] or "")
        for address in response.addresses("contact", "Contact")
    }
