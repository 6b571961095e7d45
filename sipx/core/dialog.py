"""A dialog: what two user agents keep of each other, RFC 3261 section 12.

Holds no transactions and no timers.  ``as_server`` and ``as_client`` make one, ``make`` writes
the requests inside it, ``follows`` checks the order of those that come.  INVITE and SUBSCRIBE
usages (RFC 5057) keep one each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sipx.core.errors import RemoteError
from sipx.core.message import Request, Response, header_line
from sipx.core.nameaddr import parse_nameaddr

MOST_ROUTES: Final = 16  # entries of a route set; a longer one comes from a loop or an attack
LONGEST_FIELD: Final = 512  # characters of an address, a tag, a Call-ID that is kept
_MAX_FORWARDS: Final = b"Max-Forwards: 70"

Key = tuple[str, str, str]


class Dialog:
    """The state of one dialog at our side.

    Attributes:
        call_id: the Call-ID.
        local: our From in requests we send, the tag left out.
        local_tag: ours.
        remote: the peer's To in requests we send, the tag left out.
        remote_tag: the peer's; empty for a peer of RFC 2543.
        target: the remote target, a URI as text.
        routes: the route set in the order in which requests of ours travel it.
        local_cseq: of our latest request, 0 before the first.
        remote_cseq: of the peer's latest request, -1 before the first.
    """

    __slots__ = (
        "call_id",
        "local",
        "local_cseq",
        "local_tag",
        "remote",
        "remote_cseq",
        "remote_tag",
        "routes",
        "target",
    )

    def __init__(
        self,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str,
        target: str,
        routes: Sequence[str] = (),
        local_cseq: int = 0,
        remote_cseq: int = -1,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.target = target
        self.routes = tuple(routes)
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq

    @classmethod
    def as_server(cls, request: Request, local_tag: str) -> Dialog:
        """Make the dialog of a request that we accept (12.1.1).

        Args:
            request: INVITE or SUBSCRIBE without a To tag.
            local_tag: the To tag of our response.

        Raises:
            RemoteError: 400; no usable Contact, or what would be kept is too long.
        """
        return cls(
            _kept(request.call_id, "Call-ID"),
            _untagged(request.to, "To"),
            local_tag,
            _untagged(request.from_, "From"),
            _kept(request.from_.tag, "From tag"),
            _target(request),
            _routes(request),
            0,
            request.cseq[0],
        )

    @classmethod
    def as_client(cls, request: Request, response: Response) -> Dialog:
        """Make the dialog of a response that accepted our request (12.1.2).

        Raises:
            RemoteError: 400; no usable Contact, or what would be kept is too long.
        """
        return cls(
            request.call_id,
            _untagged(request.from_, "From"),
            request.from_.tag,
            _untagged(response.to, "To"),
            _kept(response.to.tag, "To tag"),
            _target(response),
            _routes(response)[::-1],
            request.cseq[0],
            -1,
        )

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Dialog:
        """Make one of what ``stored`` gave.

        Raises:
            KeyError, TypeError: it is something else.
        """
        dialog = cls(**{name: stored[name] for name in cls.__slots__})
        texts = (dialog.call_id, dialog.local, dialog.remote, dialog.target, dialog.local_tag)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("A stored dialog holds something else than text")
        return dialog

    def stored(self) -> dict[str, Any]:
        """Give all of it as plain JSON values."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        values["routes"] = list(self.routes)
        return values

    @property
    def key(self) -> Key:
        """What requests from the peer are found by (12.2.2): Call-ID, our tag, its tag."""
        return self.call_id, self.local_tag, self.remote_tag

    def make(self, method: str, contact: str = "", cseq: int | None = None) -> Request:
        """Write a request inside the dialog (12.2.1.1); it has no Via yet.

        Args:
            method: its method.
            contact: our Contact value; none is written when empty.
            cseq: for an ACK, of its INVITE; others count on.
        """
        if cseq is None:
            cseq = self.local_cseq = self.local_cseq + 1
        uri, routes = self.target, self.routes
        if routes and parse_nameaddr(routes[0], "Route").uri.param("lr") is None:
            # A strict router wants itself as Request-URI and the target at the end.
            first = parse_nameaddr(routes[0], "Route").uri_text
            uri, routes = first, (*routes[1:], f"<{uri}>")
        fields = [
            ("from", _tagged(self.local, self.local_tag)),
            ("to", _tagged(self.remote, self.remote_tag)),
            ("call-id", self.call_id),
            ("cseq", f"{cseq} {method}"),
        ]
        if contact:
            fields.append(("contact", contact))
        fields += [("route", route) for route in routes]
        names = ["max-forwards", *(name for name, _ in fields)]
        lines = [_MAX_FORWARDS, *(header_line(name, value) for name, value in fields)]
        return Request(method, uri, names, lines)

    def follows(self, request: Request) -> bool:
        """Whether a request of the peer is in order (12.2.2); it counts from now on.

        One that is not deserves a 500.
        """
        number = request.cseq[0]
        if number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def refresh(self, message: Request | Response) -> None:
        """Take the remote target of a target refresh (12.2.1.2, 12.2.2), if it names one.

        Raises:
            RemoteError: 400; its Contact is none.
        """
        if message.has("contact"):
            self.target = _target(message)


def copy_record_route(request: Request, response: Response) -> None:
    """Put the Record-Route of a request into the response that makes a dialog (12.1.1)."""
    for name, line in zip(request.names, request.lines, strict=True):
        if name == "record-route":
            response.names.append(name)
            response.lines.append(line)


def _tagged(value: str, tag: str) -> str:
    return f"{value};tag={tag}" if tag else value


def _untagged(address: Any, what: str) -> str:
    display = f"{address.display} " if address.display else ""
    return _kept(f"{display}<{address.uri_text}>", what)


def _kept(text: str, what: str) -> str:
    if len(text) > LONGEST_FIELD:
        raise RemoteError(400, f"{what} longer than {LONGEST_FIELD} characters")
    return text


def _target(message: Request | Response) -> str:
    contact = message.first_address("contact", "Contact")
    if contact is None or contact.uri_text == "*":
        raise RemoteError(400, "Missing Contact header")
    uri = contact.uri
    if not uri.is_sip:
        raise RemoteError(400, "The Contact is no SIP address")
    return _kept(uri.as_target().text, "Contact")


def _routes(message: Request | Response) -> list[str]:
    values = message.addresses("record-route", "Record-Route")
    if len(values) > MOST_ROUTES:
        raise RemoteError(400, f"More than {MOST_ROUTES} Record-Route entries")
    return [_kept(f"<{value.uri_text}>{value.params_text}", "Record-Route") for value in values]
