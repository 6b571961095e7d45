"""Over which flow a binding is reached (RFC 3261 section 10.3, RFC 3581, RFC 5626 in spirit).

A connection is used as long as it lives, whatever the Contact says. Over UDP the phone
behind a NAT is reached where its REGISTER came from; a phone whose Via names the address that
was seen knows its own address, so its Contact is believed, and the request leaves from the
socket on which the phone registered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipx.core.flowid import FlowId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipx.core.uri import Uri
    from sipx.core.via import Via


def way_to(contact: Uri, path: Sequence[str], via: Via, flow: FlowId | None) -> FlowId | None:
    """Choose the flow of a binding.

    Args:
        contact: its URI.
        path: its Path; the first hop of it is looked up when it is used.
        via: the topmost one of the REGISTER.
        flow: what the REGISTER came over.

    Returns:
        The flow; None when the contact or the Path says where to go.
    """
    if flow is None or path:
        return None
    if flow.transport != "udp":
        return flow
    if via.host != flow.host:
        return flow
    if contact.transport not in {"", "udp"} or contact.host != flow.host:
        return None
    port = contact.port or 5060
    if port == flow.port:
        return flow
    return FlowId("udp", flow.local_host, flow.local_port, flow.host, port)
