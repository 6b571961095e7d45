"""The rules of the scheme sips: TLS on every hop (RFC 3261 section 26.2, RFC 5630 section 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.proxy.passage import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sipx.core.target import Target
    from sipx.core.uri import Uri
    from sipx.net.interfaces import ISignaling
    from sipx.proxy.passage import Passage

SECURE: Final = frozenset({"tls", "wss"})
NOT_ALLOWED: Final = 380  # the warn-code of RFC 5630 section 6.2


class Sips:
    """Refuses a sips request that did not come over TLS, or that no TLS can carry on."""

    def __init__(self, signaling: ISignaling, is_ours: Callable[[str, int | None], bool]) -> None:
        """Take the transports, and the question whether a host and a port are this node's."""
        self._signaling = signaling
        self._is_ours = is_ours

    def check(self, passage: Passage) -> Rejection | None:
        uri = passage.uri
        if uri.scheme != "sips":
            return None
        passage.elsewhere = not self._is_ours(uri.host, uri.port)
        if all(self._signaling.transport(name) is None for name in SECURE):
            return Rejection(416, "No TLS Here For SIPS")
        if passage.flow.transport not in SECURE:
            return Rejection(403, "SIPS Needs TLS On Every Hop")
        return None


def permitted(targets: Sequence[Target], uri: Uri) -> Sequence[Target]:
    """The targets that a request may be sent to: of a sips URI only those that are sips too.

    A target that is sips for a request that is not stays: it is reached over TLS, with the
    Request-URI in the scheme sip.

    Args:
        targets: found for it.
        uri: its Request-URI.
    """
    if uri.scheme != "sips":
        return targets
    return [target for target in targets if target.server or target.uri.scheme == "sips"]


def unavailable(host: str) -> Rejection:
    """Say that the scheme is why nobody is reached: it might work with sip.

    Args:
        host: of this node, for the Warning.
    """
    warning = f'{NOT_ALLOWED} {host} "SIPS Not Allowed"'
    return Rejection(480, "Nobody Is Registered With SIPS", [("warning", warning)])
