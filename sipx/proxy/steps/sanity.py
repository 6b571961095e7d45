"""Is it a request that can be processed?  RFC 3261 sections 8.2.2, 16.3 and 20."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.core.errors import RemoteError
from sipx.core.parser import VERSION_DEFECT
from sipx.proxy.passage import DROP, Rejection

if TYPE_CHECKING:
    from sipx.proxy.passage import Passage

_SCHEMES: Final = frozenset({"sip", "sips", "tel"})
_SINGLE: Final = ("from", "to", "call-id", "cseq", "max-forwards")
_TAGLESS: Final = frozenset({"REGISTER"})


class Sanity:
    """Rejects what is malformed, with the reason in plain words."""

    def __init__(self, stateless_tag: str) -> None:
        """Take the To tag that responses without a transaction have: their ACK ends here."""
        self._tag = stateless_tag

    def check(self, passage: Passage) -> Rejection | None:
        request = passage.request
        try:
            tag = request.to.tag
            if request.method == "ACK" and tag == self._tag:
                return DROP
            if request.defects:
                return _defect(request.defects)
            names = request.names
            for name in _SINGLE:
                if names.count(name) > 1:
                    return Rejection(400, f"More than one {name.title()} header")
            request.from_  # noqa: B018  raises when malformed
            request.call_id  # noqa: B018
            if request.cseq[1] != request.method:
                return Rejection(400, "The CSeq method is not the request's method")
            uri = passage.uri = request.uri
        except RemoteError as error:
            return Rejection(error.status, error.reason)
        if uri.scheme not in _SCHEMES:
            return Rejection(416, f"Unsupported URI Scheme {uri.scheme[:32]}")
        passage.in_dialog = bool(tag) and request.method not in _TAGLESS
        return None


def _defect(defects: tuple[str, ...]) -> Rejection:
    if VERSION_DEFECT in defects:
        return Rejection(505, VERSION_DEFECT)
    if "Message Too Large" in defects:
        return Rejection(513, "Message Too Large")
    return Rejection(400, defects[0])
