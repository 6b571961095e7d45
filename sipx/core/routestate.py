"""The dialog state that travels in our Record-Route, under a MAC of the cluster key.

A Record-Route URI of ours carries ``sx=VERSION PAYLOAD . MAC``. The payload says whether the
initiator was authenticated and which addresses the dialog may be led to (its scope); the MAC
covers version, Call-ID, the initiator's From tag and payload. So any node of the cluster knows
an in-dialog request from what it carries, and nobody else can make one: what is forged, altered
or copied to another call does not open. The idea is sipXecs' ``sipXecs-rs``; the MAC is
HMAC-SHA256 cut to 136 bits (RFC 2104 section 5).
"""

from __future__ import annotations

import hmac
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from sipx.core.mac import Mac

PARAM: Final = "sx"  # of the Record-Route URI
VERSION: Final = "1"
SCOPE_BYTES: Final = 6  # of the hash of one address; a guess hits one in 2**48
MAC_BYTES: Final = 17  # with them the whole is a multiple of 3 octets: one text, no padding
MOST_SCOPES: Final = 3
_LONGEST: Final = 49  # characters of the parameter: version, and 36 octets
_AUTHENTICATED: Final = 1


@dataclass(frozen=True, slots=True)
class RouteState:
    """What the Record-Route says about its dialog.

    Attributes:
        authenticated: the initiator proved to be one of our users.
        scope: hashes of addresses, in this order: where the callee is reached, the host it is
            behind, where the initiator is reached; see ``seal``.
        from_initiator: the request that carried it says to come from the side that began the
            dialog. Anybody who saw the tags can say so.
    """

    authenticated: bool
    scope: tuple[bytes, ...]
    from_initiator: bool = True

    def covers(self, host: str, port: int | None) -> bool:
        """Whether an address is where the other side of the dialog is reached."""
        place = 0 if self.from_initiator else 2
        return place < len(self.scope) and scope_of(host, port) == self.scope[place]

    def trusts(self, host: str) -> bool:
        """Whether who sends from a host may lead the dialog to the other side.

        Towards the callee everybody may. An initiator who did not authenticate chose his own
        address freely: only the callee's host may send there, or he would have us send whatever
        he likes to whomever he likes.
        """
        if self.from_initiator or self.authenticated:
            return True
        return len(self.scope) > 1 and self.scope[1] == host_of(host)


def host_of(host: str) -> bytes:
    """The hash that stands for a host, whatever the port."""
    text = f"{host.lower()}:*"
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=SCOPE_BYTES).digest()


def scope_of(host: str, port: int | None) -> bytes:
    """The hash that stands for an address in a scope."""
    text = f"{host.lower()}:{port or 5060}"
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=SCOPE_BYTES).digest()


def seal(key: bytes, call_id: str, tag: str, authenticated: bool, scopes: list[bytes]) -> str:
    """Make the parameter's value.

    Args:
        key: shared by the cluster, 32 bytes.
        call_id: of the dialog.
        tag: the initiator's From tag.
        authenticated: whether the initiator was.
        scopes: hashes of where the callee is reached (``scope_of``), of the host it is behind
            (``host_of``), and of where the initiator is reached; what is missing at the end is
            never reached.
    """
    flags = _AUTHENTICATED if authenticated else 0
    payload = bytes((flags,)) + b"".join(scopes[:MOST_SCOPES])
    mac = _mac(key, call_id, tag, payload)
    text = b2a_base64(payload + mac, newline=False).decode()
    return VERSION + text.replace("+", "-").replace("/", "_")


def unseal(key: bytes, value: str, call_id: str, from_tag: str, to_tag: str) -> RouteState | None:
    """Open the parameter's value in an in-dialog request.

    Returns:
        The state; None when there is no To tag, or the value was not made by us for this
        dialog.
    """
    if not to_tag or not value.startswith(VERSION) or len(value) > _LONGEST:
        return None
    if "+" in value or "/" in value or "=" in value:
        return None  # the other alphabet and padding: only one text opens
    text = value[len(VERSION) :].replace("-", "+").replace("_", "/")
    try:
        raw = a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if not payload or (len(payload) - 1) % SCOPE_BYTES or len(mac) != MAC_BYTES:
        return None
    if hmac.compare_digest(mac, _mac(key, call_id, from_tag, payload)):
        from_initiator = True
    elif hmac.compare_digest(mac, _mac(key, call_id, to_tag, payload)):
        from_initiator = False
    else:
        return None
    hashes = payload[1:]
    scope = tuple(
        hashes[start : start + SCOPE_BYTES] for start in range(0, len(hashes), SCOPE_BYTES)
    )
    return RouteState(bool(payload[0] & _AUTHENTICATED), scope, from_initiator)


def _mac(key: bytes, call_id: str, tag: str, payload: bytes) -> bytes:
    # Lengths first: no two different dialogs have the same text.
    text = f"{VERSION}|{len(call_id)}|{call_id}|{len(tag)}|{tag}|".encode(
        "utf-8", "surrogateescape"
    )
    return _keyed(key).digest(text + payload)[:MAC_BYTES]


@lru_cache(8)
def _keyed(key: bytes) -> Mac:
    return Mac(key)
