"""Strips what only nodes of ours may say to each other, and asserted identities.

Internal headers (``X-sipX-...``) and Request-URI parameters (``sipX...``, ``x-sipX-...``) are
believed nowhere; P-Asserted-Identity from a peer that nobody trusts goes too (RFC 3325 section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipx.core.parser import COMMON_NAMES
from sipx.core.routestate import PARAM

if TYPE_CHECKING:
    from sipx.proxy.passage import Passage, Rejection

_HEADER_PREFIX: Final = "x-sipx-"
_PARAM_PREFIXES: Final = ("sipx", "x-sipx")
_UNTRUSTED: Final = "p-asserted-identity"
# Most requests have no others, which is found out at once.
HARMLESS: Final = COMMON_NAMES - {_UNTRUSTED}


class Ingress:
    """Removes internal headers and parameters from whatever comes in."""

    def check(self, passage: Passage) -> Rejection | None:
        request = passage.request
        if not HARMLESS.issuperset(request.names):
            _strip(passage)
        uri = passage.uri
        if uri.params:
            # Without a user it may be our Record-Route, which a strict router put here; who
            # opens the state in it is ``routeset``.
            internal = [
                name
                for name, _ in uri.params
                if (name == PARAM and uri.user) or name.startswith(_PARAM_PREFIXES)
            ]
            if internal:
                passage.uri = stripped = uri.without(*internal)
                request.uri_text = stripped.text
        return None


def _strip(passage: Passage) -> None:
    request = passage.request
    for name in set(request.names) - HARMLESS:
        if name.startswith(_HEADER_PREFIX) or name == _UNTRUSTED:
            request.remove(name)
