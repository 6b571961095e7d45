"""Simulated phones that register, call, answer and hang up (RFC 3261 sections 8 to 15).

What a phone is told to do is a method; what happened to it is in lists.  Time is the
network's clock, and all that goes over the network may be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sipx.core.digest import ALGORITHMS, Challenge, answer, parse_challenge
from sipx.core.message import Request, Response
from tests.support.builders import request, response
from tests.support.calls import MOST_TRIES, Call, CallState, answers
from tests.support.endpoint import Endpoint, Received, Sent, next_hop
from tests.support.simnode import DOMAIN, PORT
from tests.support.vnet import Address, Network


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
