"""Bytes to messages, RFC 3261 sections 7 and 18.3.

The head is split once; values stay unparsed.  What is not SIP at all raises ``NotSip`` and
deserves silence; what is SIP with something wrong becomes a message with ``defects``, so
that a request can be answered with a 400 that says what is wrong.
"""

from __future__ import annotations

import re
from typing import Final

from sipx.core.errors import RemoteError
from sipx.core.grammar import is_token
from sipx.core.message import COMPACT_NAMES, Message, Request, Response

LARGEST_MESSAGE: Final = 65536  # bytes; above it 513
MOST_HEADERS: Final = 512
_KNOWN_SPELLINGS: Final = 2048  # spellings of header names remembered; peers choose them

_SPELLED: Final = (
    "Via Max-Forwards From To Call-ID CSeq Contact Content-Length Content-Type Route "
    "Record-Route Authorization Proxy-Authorization WWW-Authenticate Proxy-Authenticate Expires "
    "User-Agent Server Allow Supported Require Proxy-Require Unsupported Accept Date Event "
    "Subscription-State Session-Expires Min-SE Min-Expires Path Service-Route Reason Replaces "
    "Refer-To Referred-By P-Asserted-Identity P-Preferred-Identity Privacy Allow-Events "
    "Alert-Info Call-Info Warning Retry-After Timestamp Organization Subject RAck RSeq "
    "Content-Disposition Content-Encoding Accept-Encoding Accept-Language Max-Breadth"
).split()
COMMON_NAMES: Final = frozenset(name.lower() for name in _SPELLED)
_METHODS: Final = {
    name.encode(): name
    for name in (
        "INVITE ACK BYE CANCEL REGISTER OPTIONS SUBSCRIBE NOTIFY PUBLISH REFER MESSAGE INFO "
        "PRACK UPDATE"
    ).split()
}
_names: dict[bytes, str] = {
    **{name.encode(): name.lower() for name in _SPELLED},
    **{name.lower().encode(): name.lower() for name in _SPELLED},
    **{short.encode(): name for short, name in COMPACT_NAMES.items()},
    **{short.upper().encode(): name for short, name in COMPACT_NAMES.items()},
}
_status_line = re.compile(rb"SIP/2\.0 ([0-9]{3}) (.*)", re.IGNORECASE | re.DOTALL).fullmatch
_request_line = re.compile(rb"([^ ]+) ([^ ]+) (SIP/[0-9]+\.[0-9]+)", re.IGNORECASE).fullmatch
_loose_request = re.compile(
    rb"([A-Za-z0-9\-.!%*_+`'~]+)[ \t]+(\S(?:.*\S)?)[ \t]+(SIP/[0-9]+\.[0-9]+)[ \t]*",
    re.IGNORECASE,
).fullmatch
_content_length = re.compile(
    rb"(?:^|\r\n)(?:Content-Length|l)[ \t]*:[ \t]*(?:\r\n[ \t]+)?([^\r\n]*)", re.IGNORECASE
)
# In a quoted string, and only there, any octet may stand after a backslash: even NUL.  One
# that does not end matches too, with an empty group, so that the search stays linear.
_quoted = re.compile(rb'"[^"\\\x00\r\n]*(?:\\[\x00-\x09\x0b\x0c\x0e-\x7f][^"\\\x00\r\n]*)*("?)')


class NotSip(RemoteError):
    """Bytes that are no SIP message; counted and dropped."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, reason)


def parse_datagram(data: bytes) -> Message:
    """Read the message that a datagram holds (18.3).

    Bytes after the length that Content-Length gives are cut off.

    Raises:
        NotSip: no start line can be made out.
    """
    head, blank, body = data.partition(b"\r\n\r\n")
    if not head or head[:2] == b"\r\n":
        data = data.lstrip(b"\r\n")
        head, blank, body = data.partition(b"\r\n\r\n")
    message = parse_head(head)
    if not blank:
        message.defects += ("No empty line after the headers",)
        message.lines = [line.rstrip(b"\r\n") for line in message.lines]
    length, defect = content_length(message)
    if defect:
        message.defects += (defect,)
    elif length is not None:
        if length > len(body):
            message.defects += ("Content-Length is larger than the datagram",)
        elif length < len(body):
            body = body[:length]
    message.body = body
    return message


def parse_head(head: bytes) -> Message:
    """Read start line and headers.

    Args:
        head: everything before the empty line, without the CRLF that ends its last line.

    Raises:
        NotSip: no start line can be made out.
    """
    lines = head.split(b"\r\n")
    ends = len(lines) - 1
    bare = head.count(b"\n") != ends or head.count(b"\r") != ends
    message = _start(lines.pop(0))
    known = _names.get
    try:
        message.names = [known(line[: line.index(b":")]) or _name(line) for line in lines]
        message.lines = lines
    except ValueError:  # a folded line, or one that is no header
        _salvage(message, lines)
    if bare or b"\0" in head or len(lines) > MOST_HEADERS:
        _suspect(message, head, bare)
    return message


def _suspect(message: Message, head: bytes, bare: bool) -> None:
    """Note what is wrong with a head as a whole."""
    if bare:
        message.defects += ("A CR without LF, or an LF without CR, in the headers",)
    if b"\0" in _quoted.sub(_unless_closed, head):
        message.defects += ("A NUL in the headers",)
    if len(message.lines) > MOST_HEADERS:
        message.defects += (f"More than {MOST_HEADERS} headers",)
        del message.lines[MOST_HEADERS:], message.names[MOST_HEADERS:]


def _unless_closed(found: re.Match[bytes]) -> bytes:
    """What is left of a quoted string when those that end are taken out."""
    return b"" if found[1] else found[0]


def content_length(message: Message) -> tuple[int | None, str]:
    """Read Content-Length.

    Returns:
        The length, None when absent; and what is wrong with it, empty when nothing is.
    """
    names = message.names
    if "content-length" not in names:
        return None, ""
    if names.count("content-length") == 1:
        line = message.lines[names.index("content-length")]
        text = line[line.index(b":") + 1 :].strip()
        if text.isdigit() and len(text) < 10:
            return int(text), ""
    values = set(message.every("content-length"))
    if len(values) > 1:
        return None, "Content-Length repeated with different values"
    text_value = values.pop()
    if not (text_value.isascii() and text_value.isdigit()):
        return None, "Content-Length is not a number"
    if len(text_value) > 9:
        return None, "Content-Length is too large"
    return int(text_value), ""


def _start(start: bytes) -> Message:
    """Make the message that a start line begins."""
    parts = start.split(b" ")
    if len(parts) == 3 and parts[2] == b"SIP/2.0":
        method = _METHODS.get(parts[0])
        if method is None:
            method = parts[0].decode("ascii", "replace")
            if not is_token(method):
                raise NotSip("The method is not a token")
        if not parts[1]:
            raise NotSip("No Request-URI")
        return Request(method, parts[1].decode("utf-8", "surrogateescape"), [], [])
    if start[:8] == b"SIP/2.0 " and start[11:12] == b" " and start[8:11].isdigit():
        status, reason = int(start[8:11]), start[12:]
        if not 100 <= status <= 699:
            raise NotSip("The status is none of 100 to 699")
        return Response(status, reason.decode("utf-8", "surrogateescape"), [], [])
    return _odd_start(start)


def _odd_start(start: bytes) -> Message:
    """Make a message of a start line that is written unusually, or is one with a defect."""
    found = _status_line(start)
    if found is not None and 100 <= int(found.group(1)) <= 699:
        reason = found.group(2).decode("utf-8", "surrogateescape")
        return Response(int(found.group(1)), reason, [], [])
    found = _request_line(start)
    defect = ""
    if found is None:
        found = _loose_request(start)
        defect = "The Request-Line has white space where none may be"
    if found is None:
        raise NotSip("No SIP start line")
    method, uri, version = found.groups()
    name = method.decode("ascii", "replace")
    if not is_token(name):
        raise NotSip("The method is not a token")
    request = Request(name, uri.decode("utf-8", "surrogateescape"), [], [])
    if version.upper() != b"SIP/2.0":
        defect = VERSION_DEFECT
    if defect:
        request.defects = (defect,)
    return request


VERSION_DEFECT: Final = "Version Not Supported"


def _name(line: bytes) -> str:
    """The canonical name of a header whose spelling is not known yet.

    Raises:
        ValueError: the line is no header.
    """
    raw = line[: line.index(b":")]
    text = raw.decode("ascii").rstrip(" \t").lower()
    if not is_token(text):
        raise ValueError
    name = COMPACT_NAMES.get(text, text)
    if len(_names) < _KNOWN_SPELLINGS and len(raw) <= 64:
        _names[raw] = name
    return name


def _salvage(message: Message, lines: list[bytes]) -> None:
    """Join folded lines (7.3.1), the fold staying inside, and keep the headers that are some."""
    folded: list[list[bytes]] = []
    for line in lines:
        if line[:1] in {b" ", b"\t"} and folded:
            folded[-1].append(line)
        else:
            folded.append([line])
    for parts in folded:
        line = b"\r\n".join(parts)
        try:
            message.names.append(_names.get(line[: line.index(b":")]) or _name(line))
        except ValueError:
            message.defects += ("A header line has no name and colon",)
            continue
        message.lines.append(line)
