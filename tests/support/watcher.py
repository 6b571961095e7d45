"""A phone's subscriber: it subscribes, answers NOTIFY and keeps what it was told."""

from __future__ import annotations

from xml.etree import ElementTree

from sipx.core.message import Request, Response
from tests.support.builders import request, response
from tests.support.endpoint import Received
from tests.support.phones import Phone


class Watcher:
    """One subscription as its subscriber sees it.

    Attributes:
        statuses: final answers to SUBSCRIBE, 0 for none.
        last: the latest of them.
        notifies: each NOTIFY.
        answer: status that NOTIFY gets, 0 for none.
        headers: lines of these answers.
        times: when each NOTIFY came.
    """

    def __init__(self, phone: Phone, event: str = "reg", target: str = "") -> None:
        self.phone = phone
        self.event = event
        self.uri = f"sip:{target or phone.user}@{phone.domain}"
        self.statuses: list[int] = []
        self.last: Response | None = None
        self.notifies: list[Request] = []
        self.times: list[float] = []
        self.answer = 200
        self.headers: tuple[str, ...] = ()
        self._call_id = f"sub-{phone.user}-{phone.endpoint.number()}"
        self._to = ""
        self._contact = ""
        self._cseq = 0
        phone.endpoint.user = self._request

    def subscribe(self, expires: int | None = 600, *headers: str, event: str = "") -> None:
        """Subscribe, or refresh what there is."""
        self._cseq += 10
        lines = [f"Event: {event or self.event}", *headers]
        if expires is not None:
            lines.append(f"Expires: {expires}")
        made = request(
            "SUBSCRIBE",
            self._contact or self.uri,
            *lines,
            sender=self.phone.sender,
            to=f"<{self.uri}>",
            to_tag=self._to,
            tag="w",
            call_id=self._call_id,
            cseq=self._cseq,
            contact=self.phone.contact,
        )
        self.phone.ask(made, self._done)

    def _done(self, made: Request, message: Response | None) -> None:
        self.last = message
        self.statuses.append(0 if message is None else message.status)
        if message is not None and message.status == 200:
            self._to = message.to.tag
            self._contact = message.addresses("contact", "Contact")[0].uri_text

    def _request(self, received: Received) -> None:
        made = received.request
        assert made.method == "NOTIFY", made
        self.notifies.append(made)
        self.times.append(self.phone.clock.now)
        if self.answer:
            answer = response(made, self.answer, "", *self.headers)
            self.phone.endpoint.respond(received, answer)

    @property
    def states(self) -> list[str]:
        """The Subscription-State of each NOTIFY, without the seconds left."""
        states = [notify.get("subscription-state") or "" for notify in self.notifies]
        return ["active" if state.startswith("active") else state for state in states]

    def document(self, number: int = -1) -> ElementTree.Element:
        """The body of a NOTIFY, the latest by default."""
        return ElementTree.fromstring(self.notifies[number].body)

    def contacts(self, number: int = -1) -> list[tuple[str | None, str | None]]:
        """State and event of each contact in a reginfo document."""
        found = self.document(number).iter("{urn:ietf:params:xml:ns:reginfo}contact")
        return [(contact.get("state"), contact.get("event")) for contact in found]
