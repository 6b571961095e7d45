"""The route set: takes our own Routes off and opens the dialog state in them.

RFC 3261 section 16.4, with a strict router before us (16.4) or after us (16.6 step 6).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sipx.core.errors import RemoteError
from sipx.core.grammar import split_list
from sipx.core.nameaddr import parse_nameaddrs
from sipx.core.routestate import PARAM, unseal
from sipx.core.uri import parse_uri
from sipx.proxy.passage import Rejection

if TYPE_CHECKING:
    from sipx.core.uri import Uri
    from sipx.node.identity import Identity
    from sipx.proxy.passage import Passage


# A Route as sipx.proxy.recordroute writes it and most phones return it: read without parsing.
_written_here = re.compile(
    rb"Route: ?<sips?:([0-9A-Za-z.\-]+):([0-9]{1,5})(?:;transport=[a-z]{2,3})?"
    rb";lr;sx=([0-9A-Za-z_\-]+)>"
).fullmatch


class RouteSet:
    """Pops the Routes that name this node, and believes the state in them if it is ours."""

    def __init__(self, identity: Identity, key: bytes) -> None:
        self._identity = identity
        self._key = key

    def check(self, passage: Passage) -> Rejection | None:
        request = passage.request
        names = request.names
        if "route" not in names:
            return None
        try:
            if passage.uri.params:
                self._strict(passage)
            found = _written_here(request.lines[names.index("route")])
            if found is not None and self._identity.is_ours(found[1].decode(), int(found[2])):
                if passage.in_dialog:
                    self._open(passage, found[3].decode())
                request.pop_first("route")
                if "route" not in names:
                    return None
            values = request.every("route")
            routes = parse_nameaddrs(values, "Route")
            if len(routes) < len(values) or not all(map(split_list, values)):
                raise RemoteError(400, "Empty Route header")
            own = 0
            for route in routes:
                uri = route.uri
                if not self._is_own(uri):
                    break
                own += 1
                value = uri.param(PARAM)
                if value and passage.in_dialog and passage.state is None:
                    self._open(passage, value)
        except RemoteError as error:
            return Rejection(error.status, error.reason)
        for _ in range(own):
            request.pop_first("route")
        passage.routed = len(routes) > own
        return None

    def _is_own(self, uri: Uri) -> bool:
        # A name before the host is somebody's address, not this node as a hop.
        return uri.is_sip and not uri.user and self._identity.is_ours(uri.host, uri.port)

    def _strict(self, passage: Passage) -> None:
        """Undo what a strict router did: our URI as Request-URI, the target as last Route."""
        request = passage.request
        uri = passage.uri
        if uri.param("lr") is None or uri.user or not self._is_own(uri):
            return
        routes = request.listed("route")
        if not routes:
            raise RemoteError(400, "Empty Route header")
        last = parse_nameaddrs([routes[-1]], "Route")[0]
        request.replace_list("route", [f"<{uri.text}>", *routes[:-1]])
        passage.uri = parse_uri(last.uri_text)
        request.uri_text = last.uri_text

    def _open(self, passage: Passage, value: str) -> None:
        request = passage.request
        passage.state = unseal(self._key, value, request.call_id, request.from_.tag, request.to.tag)
