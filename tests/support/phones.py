"""Simulated phones that register, call, answer and hang up (RFC 3261 sections 8 to 15).

What a phone is told to do is a method; what happened to it is in lists.  Time is the
network's clock, and all that goes over the network may be lost.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sipx.core.digest import ALGORITHMS, Challenge, answer, parse_challenge
from sipx.core.message import Request, Response
from tests.support.builders import SDP, request, response
from tests.support.endpoint import Endpoint, Received, Sent, next_hop
from tests.support.simnode import DOMAIN, PORT
from tests.support.vnet import Address, Network, Timer

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


class Phone:
    """A phone of a user, or, without a password, a stranger's.

    Attributes:
        plan: what it does when it is called.
        calls: all its calls.
        registered: statuses of all REGISTERs that came to an end, 0 for no answer.
        last: the last final response to a REGISTER.
        challenges: how often it was challenged.
        acknowledges: whether it sends ACK for 2xx.
        remembers: whether it uses a nonce again, with the next count.
    """

    def __init__(
        self,
        network: Network,
        user: str,
        host: str,
        *,
        password: str = "",
        domain: str = DOMAIN,
        proxy: Address | None = None,
        algorithm: str = "MD5",
        name: str = "",
        port: int = PORT,
    ) -> None:
        """Switch it on.

        Args:
            network: to be on.
            user: whose it is.
            host: its address.
            password: the user's.
            domain: the user's.
            proxy: where everything goes that has no Route; None: where the URI says.
            algorithm: the one it answers, if it is offered.
            name: the authentication name, ``user/instrument``; the user by default.
            port: its port.
        """
        self.network = network
        self.clock = network.clock
        self.user = user
        self.domain = domain
        self.endpoint = Endpoint(network, (host, port))
        self.endpoint.user = self._request
        self.endpoint.canceled = self._canceled
        self.contact = f"<sip:{user}@{host}:{port}>"
        self.sender = f"<sip:{user}@{domain}>"
        self.plan = answers(1.0)
        self.calls: list[Call] = []
        self.registered: list[int] = []
        self.last: Response | None = None
        self.challenges = 0
        self.acknowledges = True
        self.remembers = True
        self._password = password
        self._proxy = proxy
        self._algorithm = algorithm
        self._name = name or user
        self._challenge: Challenge | None = None
        self._header = ""
        self._count = 0
        self._register_cseq = 0
        self._ringing: dict[int, Call] = {}

    @property
    def call_now(self) -> Call:
        """Its latest call."""
        return self.calls[-1]

    def residue(self) -> dict[str, int]:
        """Count what must not be left."""
        return {
            "transactions": self.endpoint.transactions,
            "calls": sum(call.state is not CallState.ENDED for call in self.calls),
            "answers": sum(len(call._answers) for call in self.calls),
        }

    def forget(self) -> None:
        """Forget calls that are over."""
        self.calls = [call for call in self.calls if call.state is not CallState.ENDED]
        self._ringing.clear()
        self.endpoint.received.clear()
        self.endpoint.stray.clear()
        del self.registered[:-1]

    # -- what a user does --------------------------------------------------------------

    def register(
        self,
        *contacts: str,
        expires: int | None = 300,
        to: str = "",
        headers: Sequence[str] = (),
    ) -> None:
        """Register.

        Args:
            contacts: values of Contact; its own by default.
            expires: seconds, None without the header.
            to: an address of record that is not the user's.
            headers: more lines.
        """
        lines = [f"Contact: {contact}" for contact in contacts or (self.contact,)]
        if expires is not None:
            lines.append(f"Expires: {expires}")
        self._register_cseq += 2 * MOST_TRIES  # those between are for challenges
        made = request(
            "REGISTER",
            f"sip:{self.domain}",
            *lines,
            *headers,
            sender=self.sender,
            to=to or self.sender,
            tag=f"r{self.endpoint.number()}",
            call_id=f"register-{self.user}-{self.endpoint.address[0]}",
            cseq=self._register_cseq,
        )

        def done(made: Request, message: Response | None) -> None:
            self.registered.append(0 if message is None else message.status)
            self.last = message

        self.ask(made, done)

    def call(self, target: str, *headers: str, routes: Sequence[str] = ()) -> Call:
        """Call a user of the own domain, or a URI."""
        uri = target if ":" in target else f"sip:{target}@{self.domain}"
        number = self.endpoint.number()
        call = Call(self, True, f"{self.user}-{number}@{self.endpoint.address[0]}")
        self.calls.append(call)
        call.begin(uri, headers, routes)
        return call

    def ask(
        self,
        made: Request,
        done: Callable[[Request, Response | None], None],
        tries: int = 0,
    ) -> Sent:
        """Send any request, answer challenges, and tell what comes of it.

        Args:
            made: without Via and credentials.
            done: called with the final response, or None when there is none; for INVITE
                with each 2xx.
            tries: how often it was tried.
        """
        plain = made.copy()
        self.authorize(made)

        def heard(message: Response) -> None:
            status = message.status
            if status < 200:
                return
            if status in {401, 407} and tries < MOST_TRIES - 1 and self.learn(message):
                again = plain.copy()
                again.set("cseq", f"{again.cseq[0] + 1} {again.method}")
                self.ask(again, done, tries + 1)
                return
            done(made, message)

        return self.endpoint.send(made, self.hop(made), heard, lambda: done(made, None))

    # -- digest ------------------------------------------------------------------------

    def learn(self, message: Response) -> bool:
        """Take a challenge; False when it cannot be answered."""
        self.challenges += 1
        header = "www-authenticate" if message.status == 401 else "proxy-authenticate"
        offered = [parse_challenge(value) for value in message.every(header)]
        known = [
            challenge
            for challenge in offered
            if challenge is not None and challenge.algorithm.upper() in ALGORITHMS
        ]
        if not known or not self._password:
            return False
        preferred = [one for one in known if one.algorithm.upper() == self._algorithm]
        self._challenge = (preferred or known)[0]
        self._count = 0
        self._header = "authorization" if message.status == 401 else "proxy-authorization"
        return True

    def authorize(self, made: Request) -> None:
        """Add credentials, if there is a challenge to answer."""
        if self._challenge is None or made.method in {"ACK", "BYE", "CANCEL"}:
            return
        self._count += 1
        credentials = answer(
            self._challenge,
            self._name,
            self._password,
            made.method,
            made.uri_text,
            f"cnonce{self.endpoint.number():08d}",
            self._count,
        )
        header = "authorization" if made.method == "REGISTER" else "proxy-authorization"
        made.add(header, str(credentials))
        if not self.remembers:
            self._challenge = None

    # -- requests that come ------------------------------------------------------------

    def hop(self, made: Request) -> Address:
        """Where a request goes: its first Route, the proxy, or its Request-URI."""
        routes = made.addresses("route", "Route")
        if routes:
            uri = routes[0].uri
        elif self._proxy is not None:
            return self._proxy
        else:
            uri = made.uri
        return next_hop(uri.host, uri.port, self.network)

    def _request(self, received: Received) -> None:
        made = received.request
        method, tag = made.method, made.to.tag
        if method == "ACK":
            call = self._find(made)
            if call is None:
                self.endpoint.stray.append(made)
            else:
                call.acknowledge(made.cseq[0])
        elif tag:
            call = self._find(made)
            if call is None:
                self.endpoint.respond(received, response(made, 481))
            else:
                call.within(received)
        elif method == "INVITE":
            plan = self.plan
            call = Call(self, False, made.call_id)
            self.calls.append(call)
            self._ringing[id(received)] = call
            call.ring(received, plan)
        else:
            status = 200 if method in {"OPTIONS", "MESSAGE", "INFO"} else 501
            self.endpoint.respond(received, response(made, status, to_tag="x"))

    def _find(self, made: Request) -> Call | None:
        for call in self.calls:
            if call.call_id == made.call_id and call.local_tag == made.to.tag:
                return call
        return None

    def _canceled(self, received: Received) -> None:
        call = self._ringing.get(id(received))
        if call is not None:
            call.canceled()


def _without_tag(value: str) -> str:
    return value.rpartition(";tag=")[0]
