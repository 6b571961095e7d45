"""SIP messages for tests: a line of Python each, valid unless asked otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from sipx.core.message import Message, Request, Response
from sipx.core.parser import parse_datagram

SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\n"
)
_numbers = count(1)


def parsed(text: str | bytes) -> Message:
    """Read a message; line ends may be LF."""
    data = (
        text
        if isinstance(text, bytes)
        else text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    )
    return parse_datagram(data)


def request(
    method: str,
    uri: str,
    *headers: str,
    sender: str = "<sip:stranger@elsewhere.test>",
    to: str = "",
    call_id: str = "",
    tag: str = "t1",
    to_tag: str = "",
    cseq: int = 1,
    via: str = "",
    routes: Sequence[str] = (),
    contact: str = "",
    body: str = "",
    max_forwards: int | None = 70,
) -> Request:
    """Make a request.

    Args:
        method: its method.
        uri: its Request-URI.
        headers: further header lines.
        sender: From without its tag.
        to: To without its tag; the Request-URI by default.
        call_id: a new one by default.
        tag: of From, none when empty.
        to_tag: of To, none when empty.
        cseq: its number.
        via: without one when empty: who sends it puts its own on.
        routes: values of Route.
        contact: value of Contact.
        body: SDP, or whatever.
        max_forwards: None leaves the header out.
    """
    lines = [f"{method} {uri} SIP/2.0"]
    if via:
        lines.append(f"Via: {via}")
    if max_forwards is not None:
        lines.append(f"Max-Forwards: {max_forwards}")
    lines += [f"Route: {route}" for route in routes]
    lines.append(f"From: {sender}" + (f";tag={tag}" if tag else ""))
    lines.append(f"To: {to or f'<{uri}>'}" + (f";tag={to_tag}" if to_tag else ""))
    lines.append(f"Call-ID: {call_id or f'call-{next(_numbers)}'}")
    lines.append(f"CSeq: {cseq} {method}")
    if contact:
        lines.append(f"Contact: {contact}")
    lines += headers
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body.encode())}")
    message = parsed("\r\n".join([*lines, "", body]).encode("utf-8", "surrogateescape"))
    assert isinstance(message, Request)
    assert not message.defects, message.defects
    return message


def response(
    to: Request, status: int, reason: str = "", *headers: str, to_tag: str = "", contact: str = ""
) -> Response:
    """Make the response that a user agent gives.

    Args:
        to: the request; its Record-Routes are copied into what makes a dialog.
        status: 100 to 699.
        reason: its phrase.
        headers: further header lines.
        to_tag: added to To.
        contact: value of Contact.
    """
    lines = [f"SIP/2.0 {status} {reason or 'Whatever'}"]
    for name, line in zip(to.names, to.lines, strict=True):
        if name in {"via", "from", "call-id", "cseq"} or (
            name == "record-route" and 100 < status < 300
        ):
            lines.append(line.decode("utf-8", "surrogateescape"))
        elif name == "to":
            tag = f";tag={to_tag}" if to_tag and not to.to.tag else ""
            lines.append(line.decode("utf-8", "surrogateescape") + tag)
    if contact:
        lines.append(f"Contact: {contact}")
    lines += [*headers, "Content-Length: 0", "", ""]
    message = parsed("\r\n".join(lines).encode("utf-8", "surrogateescape"))
    assert isinstance(message, Response)
    return message
