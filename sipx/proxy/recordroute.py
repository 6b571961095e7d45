"""Record-Route: keeps the node in the dialog, with the dialog's state in the URI.

RFC 3261 section 16.6 step 4 and 16.7 step 8; RFC 5658 where the two sides of the node differ in
address or transport: then there are two entries, each reachable from its own side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.core.errors import RemoteError
from sipx.core.message import header_line
from sipx.core.nameaddr import parse_nameaddr
from sipx.core.routestate import PARAM, host_of, scope_of, seal

if TYPE_CHECKING:
    from sipx.core.message import Request, Response
    from sipx.core.target import Target
    from sipx.core.uri import Uri
    from sipx.interfaces import IFlow

# What creates a dialog (RFC 3261, 6665, 3515).
DIALOG_METHODS: Final = frozenset({"INVITE", "SUBSCRIBE", "REFER"})


class RecordRoute:
    """Writes and corrects our Record-Route entries.

    One is made for each request that creates a dialog.
    """

    __slots__ = ("_authenticated", "_call_id", "_initiator", "_key", "_seen", "_tag", "_written")

    _written: dict[str, tuple[bytes, bytes]]  # each state we wrote, and the far side that it covers

    def __init__(self, key: bytes, request: Request, authenticated: bool) -> None:
        """Take the request as it arrived.

        Args:
            key: of dialog states.
            request: has the initiator's Contact, and its Record-Routes if it came through
                other proxies.
            authenticated: whether the initiator was.

        Raises:
            RemoteError: 400; its Contact or Record-Route is malformed.
        """
        self._key = key
        self._call_id = request.call_id
        self._tag = request.from_.tag
        self._authenticated = authenticated
        self._initiator = _side(request)
        self._written = {}
        self._seen: tuple[bytes, bytes] | None = None  # Contact and Record-Route that need nothing

    def write(self, request: Request, source: IFlow, target: Target, out: IFlow) -> None:
        """Put our entry or entries on top.

        Args:
            request: about to be sent; changed.
            source: where the request came from.
            target: where it goes.
            out: the flow it goes over.
        """
        hop = parse_nameaddr(target.path[0], "Path").uri if target.path else target.uri
        state = self._state(_scope(hop), host_of(out.id.host))
        # A feature server is reached through this node: its own end needs no entry.
        if out.transport == "local":
            out = source
        elif source.transport == "local":
            source = out
        # RFC 5630 section 5.3: as the Request-URI is.
        scheme = "sips" if request.uri_text[:5].lower() == "sips:" else "sip"
        entries = [_entry(scheme, out, state)]
        if source.address != out.address or source.transport != out.transport:
            entries.append(_entry(scheme, source, state))
        request.names[0:0] = ["record-route"] * len(entries)
        request.lines[0:0] = entries

    def correct(self, response: Response) -> None:
        """Widen the scope to where the callee says it is, if that is not where it was called.

        The caller learns its route set from the response; what it carries then covers the
        callee's Contact, or the proxy before it.
        """
        names = response.names
        if "contact" not in names or "record-route" not in names:
            return
        seen = response.lines[names.index("contact")], response.lines[names.index("record-route")]
        if seen == self._seen:
            return  # as in the 180 before
        self._seen = seen
        try:
            values = response.every("record-route")
            if len(values) > 1 or "," in values[0]:
                values = response.listed("record-route")
            state, place = self._own(values)
            if not state:
                return
            if place:
                hop = _scope(parse_nameaddr(values[place - 1], "Record-Route").uri)
            else:
                contact = response.first_address("contact", "Contact")
                if contact is None:
                    return
                hop = _scope(contact.uri)
        except RemoteError:
            return  # the callee's fault, and the caller's to notice
        before, host = self._written[state]
        if hop == before:
            return
        self._seen = None
        wider = self._state(hop, host)
        response.replace_list("record-route", [value.replace(state, wider) for value in values])

    def _own(self, values: list[str]) -> tuple[str, int]:
        for place, value in enumerate(values):
            for state in self._written:
                if state in value:
                    return state, place
        return "", 0

    def _state(self, far: bytes, host: bytes) -> str:
        scopes = [far, host, self._initiator] if self._initiator else [far, host]
        state = seal(self._key, self._call_id, self._tag, self._authenticated, scopes)
        self._written[state] = far, host
        return state


def _side(request: Request) -> bytes:
    """The scope of the initiator: the proxy before us if there is one, else its Contact."""
    first = request.first_address("record-route", "Record-Route")
    if first is None:
        first = request.first_address("contact", "Contact")
    return b"" if first is None else _scope(first.uri)


def _scope(uri: Uri) -> bytes:
    return scope_of(uri.param("maddr") or uri.host, uri.port)


def _entry(scheme: str, flow: IFlow, state: str) -> bytes:
    host, port = flow.address
    # A sips URI without one means TLS; the parameter's value tls is deprecated there.
    plain = flow.transport == "udp" or (scheme == "sips" and flow.transport == "tls")
    transport = "" if plain else f";transport={flow.transport}"
    return header_line("record-route", f"<{scheme}:{host}:{port}{transport};lr;{PARAM}={state}>")
