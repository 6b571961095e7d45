"""Does it require what nobody here knows?  RFC 3261 sections 8.2.2.3 and 16.3 step 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.proxy.passage import Rejection

if TYPE_CHECKING:
    from sipx.core.message import Request
    from sipx.node.identity import Identity
    from sipx.proxy.passage import Passage


SERVED_OPTIONS: Final = frozenset({"path"})  # RFC 3327, by the registrar


class ProxyRequire:
    """Refuses extensions required of proxies; none is known yet."""

    def check(self, passage: Passage) -> Rejection | None:
        if "proxy-require" not in passage.request.names:
            return None
        if passage.request.method in {"ACK", "CANCEL"}:
            return None
        return unsupported(passage.request, "proxy-require", frozenset())


class RegistrarRequire:
    """Refuses extensions that the registrar does not know before asking who wants them.

    The registrar looks at Require first and authenticates then (RFC 3261 section 10.3 steps 2
    and 3); any other user agent server does it the other way round (8.2).
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def check(self, passage: Passage) -> Rejection | None:
        request = passage.request
        if request.method != "REGISTER" or "require" not in request.names or passage.routed:
            return None
        uri = passage.uri
        if not (uri.is_sip and self._identity.is_ours(uri.host, uri.port)):
            return None
        return unsupported(request, "require", SERVED_OPTIONS)


def unsupported(request: Request, header: str, known: frozenset[str]) -> Rejection | None:
    """Find the option tags of a header that are not known: 420 with Unsupported."""
    unknown = [tag for tag in request.listed(header) if tag.lower() not in known]
    if not unknown:
        return None
    return Rejection(420, "Bad Extension", [("unsupported", ", ".join(unknown))])
