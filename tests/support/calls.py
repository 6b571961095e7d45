"""The calls of simulated phones, from one side each (RFC 3261 sections 9 and 12 to 15)."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sipx.core.message import Request, Response
from tests.support.builders import SDP, request, response
from tests.support.endpoint import Received, Sent
from tests.support.vnet import Address, Timer

if TYPE_CHECKING:
    from tests.support.phones import Phone

T1: Final = 0.5
T2: Final = 4.0
MOST_TRIES: Final = 5  # of one request, each with a new challenge
NEVER: Final = math.inf


class CallState(enum.Enum):
    """How a call stands for one of its phones."""

    CALLING = enum.auto()
    RINGING = enum.auto()
    TALKING = enum.auto()
    ENDED = enum.auto()


class End(enum.Enum):
    """Why a call ended, or does not go on."""

    FAILED = enum.auto()  # a final response other than 2xx, or none at all
    CANCELED = enum.auto()
    HUNG_UP = enum.auto()  # by this phone
    LEFT = enum.auto()  # by the other one
    UNACKNOWLEDGED = enum.auto()  # we answered and nobody said ACK


@dataclass(frozen=True, slots=True)
class Plan:
    """What a phone does when it is called.

    Attributes:
        status: its final response.
        after: seconds until that.
        ring: seconds until 180, None without one.
        contacts: values of Contact in a 3xx.
        headers: of the final response.
    """

    status: int = 200
    after: float = 1.0
    ring: float | None = 0.0
    contacts: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


BUSY: Final = Plan(486, 0.0, None)
DECLINES: Final = Plan(603, 0.5)
RINGS: Final = Plan(after=NEVER)


def answers(after: float) -> Plan:
    """Ring, then answer."""
    return Plan(after=after)


def redirects(*contacts: str, status: int = 302) -> Plan:
    """Send the caller elsewhere."""
    return Plan(status, 0.0, None, contacts)


class Dialog:
    """One dialog, seen from one side (section 12)."""

    def __init__(
        self,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str,
        routes: Sequence[str],
        target: str,
        cseq: int,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.routes = list(routes)
        self.target = target
        self.cseq = cseq

    def request(
        self, method: str, contact: str, *headers: str, cseq: int = 0, body: str = ""
    ) -> Request:
        """Make a request inside the dialog, the next one unless ``cseq`` says which."""
        if not cseq:
            self.cseq += 1
            cseq = self.cseq
        return request(
            method,
            self.target,
            *headers,
            sender=self.local,
            tag=self.local_tag,
            to=self.remote,
            to_tag=self.remote_tag,
            call_id=self.call_id,
            cseq=cseq,
            routes=self.routes,
            contact=contact,
            body=body,
        )


class _Answer:
    """A 2xx to an INVITE that is sent again until it is acknowledged (13.3.1.4)."""

    def __init__(self, call: Call, received: Received, message: Response) -> None:
        self._call = call
        self._received = received
        self._message = message
        self._gap = T1
        self._until = call.phone.clock.now + 64 * T1
        self._timer: Timer | None = None
        self._send()

    def _send(self) -> None:
        clock = self._call.phone.clock
        self._call.phone.endpoint.respond(self._received, self._message)
        self._timer = clock.after(self._gap, self._again)
        self._gap = min(2 * self._gap, T2)

    def _again(self) -> None:
        if self._call.phone.clock.now >= self._until:
            self._call.unacknowledged()
        else:
            self._send()

    def stop(self) -> None:
        """It was acknowledged."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Call:
    """One call, at one of its phones.

    Attributes:
        state: how it stands.
        end: why it ended.
        status: the last final response of the INVITE that began it.
        statuses: all its responses, retransmissions left out where a transaction can tell.
        dialog: once it is answered, or on the called side as soon as it rings.
        extra: further answers, each acknowledged and ended (13.2.2.4).
        heard: (method, status) of requests inside the dialog, 0 when there was no response.
        asked: methods of requests that the other side sent inside the dialog.
        acknowledged: the called side got the ACK.
        request: the INVITE that was sent last or that came.
        response: the final response to it, on the calling side.
        wanted_end: somebody here has hung up or canceled.
    """

    def __init__(self, phone: Phone, outgoing: bool, call_id: str) -> None:
        self.phone = phone
        self.outgoing = outgoing
        self.call_id = call_id
        self.state = CallState.CALLING
        self.end: End | None = None
        self.status = 0
        self.statuses: list[int] = []
        self.dialog: Dialog | None = None
        self.extra = 0
        self.heard: list[tuple[str, int]] = []
        self.asked: list[str] = []
        self.acknowledged = False
        self.request: Request
        self.response: Response | None = None
        self.wanted_end = False
        self.local_tag = f"{phone.endpoint.address[0]}-{phone.endpoint.number()}"
        self._tries = 0
        self._sent: Sent | None = None
        self._pending: Sent | None = None  # the latest re-INVITE
        self._received: Received | None = None
        self._acks: dict[tuple[str, int], tuple[bytes, Address]] = {}
        self._answers: dict[int, _Answer] = {}
        self._timers: list[Timer] = []

    def __repr__(self) -> str:
        return f"<Call of {self.phone.user} {self.state.name} {self.end} {self.statuses}>"

    # -- the calling side --------------------------------------------------------------

    def begin(self, uri: str, headers: Sequence[str], routes: Sequence[str]) -> None:
        """Send the INVITE."""
        phone = self.phone
        self._send_invite(
            request(
                "INVITE",
                uri,
                *headers,
                sender=phone.sender,
                tag=self.local_tag,
                call_id=self.call_id,
                cseq=1,
                contact=phone.contact,
                routes=routes,
                body=SDP,
            )
        )

    def _send_invite(self, invite: Request) -> None:
        phone = self.phone
        self.request = invite.copy()
        phone.authorize(invite)
        self._sent = phone.endpoint.send(invite, phone.hop(invite), self._heard, self._failed)

    def _heard(self, message: Response) -> None:
        status = message.status
        if not (200 <= status < 300 and (message.to.tag, message.cseq[0]) in self._acks):
            self.statuses.append(status)
        if status < 200:
            if status > 100 and self.state is CallState.CALLING:
                self.state = CallState.RINGING
            if self.wanted_end:
                self._cancel()
            return
        if status < 300:
            self._answered(message)
            return
        again = self._again(message)
        if again is not None and not self.wanted_end:
            self._send_invite(again)
            return
        self.status, self.response = status, message
        if self.state is not CallState.ENDED:
            self._finish(End.CANCELED if status == 487 and self.wanted_end else End.FAILED)

    def _again(self, message: Response) -> Request | None:
        """Make the request that answers a challenge."""
        if message.status not in {401, 407} or not self.phone.learn(message):
            return None
        self._tries += 1
        if self._tries >= MOST_TRIES:
            return None
        invite = self.request.copy()
        invite.set("cseq", f"{invite.cseq[0] + 1} INVITE")
        return invite

    def _answered(self, message: Response) -> None:
        tag, number = message.to.tag, message.cseq[0]
        known = self._acks.get((tag, number))
        if known is not None:
            if known[0]:
                self.phone.endpoint.again(*known)
            return
        assert tag, "a 2xx without To tag"
        dialog = Dialog(
            self.call_id,
            self.phone.sender,
            self.local_tag,
            _without_tag(message.get("to") or ""),
            tag,
            message.listed("record-route")[::-1],
            message.addresses("contact", "Contact")[0].uri_text,
            number,
        )
        self._acknowledge(dialog, number)
        if self.dialog is None and self.state is not CallState.ENDED:
            self.dialog, self.status, self.response = dialog, message.status, message
            self.state = CallState.TALKING
            if self.wanted_end:
                self._bye(dialog)
        else:
            self.extra += 1
            self.phone.ask(dialog.request("BYE", self.phone.contact), self._note)

    def _acknowledge(self, dialog: Dialog, number: int) -> None:
        phone = self.phone
        ack = dialog.request("ACK", phone.contact, cseq=number)
        hop = phone.hop(ack)
        data = phone.endpoint.send_stateless(ack, hop) if phone.acknowledges else b""
        self._acks[dialog.remote_tag, number] = data, hop

    def _failed(self) -> None:
        self.status = 0
        if self.state is not CallState.ENDED:
            self._finish(End.CANCELED if self.wanted_end else End.FAILED)

    def cancel(self) -> None:
        """Give up a call that was not answered; the CANCEL waits for a response if it must."""
        self.wanted_end = True
        self._cancel()

    def _cancel(self) -> None:
        if self._sent is not None:
            self.phone.endpoint.cancel(self._sent)

    # -- the called side ---------------------------------------------------------------

    def ring(self, received: Received, plan: Plan) -> None:
        """Take an INVITE and do as planned."""
        invite = received.request
        self.request, self._received = invite, received
        self.state = CallState.RINGING
        self.dialog = Dialog(
            self.call_id,
            invite.get("to") or "",
            self.local_tag,
            _without_tag(invite.get("from") or ""),
            invite.from_.tag,
            invite.listed("record-route"),
            invite.addresses("contact", "Contact")[0].uri_text,
            0,
        )
        if plan.ring is not None:
            self._later(plan.ring, self._send_ringing)
        if plan.after < NEVER:
            self._later(plan.after, lambda: self._send_final(plan))

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        if seconds:
            self._timers.append(self.phone.clock.after(seconds, call))
        else:
            call()

    def _send_ringing(self) -> None:
        if self.state is CallState.RINGING:
            self._respond(180, contact=self.phone.contact)

    def _send_final(self, plan: Plan) -> None:
        if self.state is not CallState.RINGING:
            return
        if 200 <= plan.status < 300:
            self.answer(plan.status, *plan.headers)
            return
        headers = [*plan.headers, *(f"Contact: {contact}" for contact in plan.contacts)]
        self._respond(plan.status, *headers)
        self.status = plan.status
        self._finish(End.FAILED)

    def answer(self, status: int = 200, *headers: str) -> None:
        """Pick up."""
        received = self._received
        assert received is not None
        self.status = status
        self.state = CallState.TALKING
        message = self._reply(received.request, status, *headers, contact=self.phone.contact)
        self._answers[received.request.cseq[0]] = _Answer(self, received, message)

    def _reply(self, invite: Request, status: int, *headers: str, contact: str = "") -> Response:
        return response(invite, status, "", *headers, to_tag=self.local_tag, contact=contact)

    def _respond(self, status: int, *headers: str, contact: str = "") -> None:
        assert self._received is not None
        message = self._reply(self._received.request, status, *headers, contact=contact)
        self.phone.endpoint.respond(self._received, message)

    def canceled(self) -> None:
        """The caller gave up."""
        if self.state is CallState.RINGING:
            self._respond(487)
            self.status = 487
            self._finish(End.CANCELED)

    def acknowledge(self, number: int) -> None:
        """An ACK for a 2xx came."""
        waiting = self._answers.pop(number, None)
        if waiting is not None:
            waiting.stop()
        self.acknowledged = True
        if self.wanted_end and self.state is CallState.TALKING and self.dialog is not None:
            self._bye(self.dialog)

    def unacknowledged(self) -> None:
        """No ACK came for a 2xx: the call ends (13.3.1.4)."""
        self._stop()
        if self.state is CallState.TALKING and self.dialog is not None:
            self._bye(self.dialog, End.UNACKNOWLEDGED)

    # -- inside the dialog -------------------------------------------------------------

    def hang_up(self) -> None:
        """End the call, however far it is."""
        if self.state is CallState.TALKING:
            self.wanted_end = True
            if (self.outgoing or self.acknowledged) and self.dialog is not None:
                self._bye(self.dialog)
        elif self.state is CallState.RINGING and not self.outgoing:
            self._send_final(Plan(603, 0.0, None))
        elif self.outgoing and self.state is not CallState.ENDED:
            self.cancel()

    def ask(self, method: str, *headers: str, body: str = "") -> None:
        """Send a request inside the dialog; ``heard`` has what comes of it."""
        assert self.dialog is not None
        made = self.dialog.request(method, self.phone.contact, *headers, body=body)
        sent = self.phone.ask(made, self._note)
        if method == "INVITE":
            self._pending = sent

    def _note(self, made: Request, message: Response | None) -> None:
        status = 0 if message is None else message.status
        if (made.method, status) == ("INVITE", 200) and message is not None:
            key = (message.to.tag, message.cseq[0])
            if key in self._acks:
                self.phone.endpoint.again(*self._acks[key])
                return
            assert self.dialog is not None
            self.dialog.target = message.addresses("contact", "Contact")[0].uri_text
            self._acknowledge(self.dialog, message.cseq[0])
        self.heard.append((made.method, status))
        if self.dialog is not None:
            self.dialog.cseq = max(self.dialog.cseq, made.cseq[0])
        lost = status in {0, 408, 481} and made.method in {"INVITE", "UPDATE"}
        if lost and self.state is CallState.TALKING and self.dialog is not None:
            self._bye(self.dialog)  # 12.2.1.2

    def _bye(self, dialog: Dialog, end: End = End.HUNG_UP) -> None:
        self._finish(end)
        self.phone.ask(dialog.request("BYE", self.phone.contact), self._note)

    def within(self, received: Received) -> None:
        """Answer a request that came inside the dialog."""
        made = received.request
        self.asked.append(made.method)
        phone = self.phone
        if self.state is not CallState.TALKING or self.dialog is None:
            phone.endpoint.respond(received, response(made, 481))
            return
        if made.method in {"INVITE", "UPDATE"}:
            self.dialog.target = made.addresses("contact", "Contact")[0].uri_text
        if made.method == "INVITE":
            message = response(made, 200, contact=phone.contact)
            self._answers[made.cseq[0]] = _Answer(self, received, message)
            return
        phone.endpoint.respond(received, response(made, 200, contact=phone.contact))
        if made.method == "BYE":
            self._finish(End.LEFT)

    # -- the end -----------------------------------------------------------------------

    def _finish(self, end: End) -> None:
        if self.state is not CallState.ENDED:
            self.state = CallState.ENDED
            self.end = end
        if self._pending is not None:
            self.phone.endpoint.abandon(self._pending)
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if end is not End.FAILED and end is not End.CANCELED:
            self._stop()

    def _stop(self) -> None:
        for waiting in self._answers.values():
            waiting.stop()
        self._answers.clear()


def _without_tag(value: str) -> str:
    return value.rpartition(";tag=")[0]
