"""Does it require what nobody here knows?  RFC 3261 sections 8.2.2.3 and 16.3 step 5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipx.proxy.passage import Rejection

if TYPE_CHECKING:
    from sipx.core.message import Request
    from sipx.proxy.passage import Passage


class ProxyRequire:
    """Refuses extensions required of proxies; none is known yet."""

    def check(self, passage: Passage) -> Rejection | None:
        if "proxy-require" not in passage.request.names:
            return None
        if passage.request.method in {"ACK", "CANCEL"}:
            return None
        return unsupported(passage.request, "proxy-require", frozenset())


def unsupported(request: Request, header: str, known: frozenset[str]) -> Rejection | None:
    """Find the option tags of a header that are not known: 420 with Unsupported."""
    unknown = [tag for tag in request.listed(header) if tag.lower() not in known]
    if not unknown:
        return None
    return Rejection(420, "Bad Extension", [("unsupported", ", ".join(unknown))])
