"""SIP messages: raw header lines whose values are parsed when somebody asks for them.

RFC 3261 section 7.  A line that nobody touches is written back byte for byte.  Messages are
mutable and belong to one owner at a time; ``copy`` gives another owner its own.
"""

from __future__ import annotations

from typing import Final, TypeVar

from sipx.core.errors import RemoteError
from sipx.core.grammar import is_token, parse_number, split_list
from sipx.core.nameaddr import NameAddr, parse_nameaddr, parse_nameaddrs
from sipx.core.uri import Uri, parse_uri
from sipx.core.via import Via, parse_via

# RFC 3261 section 7.3.3 and the IANA registry of compact forms.
COMPACT_NAMES: Final = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
_SPELLINGS: Final = {
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "mime-version": "MIME-Version",
    "www-authenticate": "WWW-Authenticate",
    "rack": "RAck",
    "rseq": "RSeq",
    "sip-etag": "SIP-ETag",
    "sip-if-match": "SIP-If-Match",
}
# What we write most, spelled out.
_PREFIXES: Final = {
    name: f"{_SPELLINGS.get(name) or name.title()}: ".encode()
    for name in (
        "via record-route route max-forwards cseq contact to from expires max-breadth allow "
        "proxy-authenticate www-authenticate supported date"
    ).split()
}
LARGEST_CSEQ: Final = 2**31 - 1  # RFC 3261 section 8.1.1.5
REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    423: "Interval Too Brief",
    440: "Max-Breadth Exceeded",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
}

_KNOWN_METHODS: Final = frozenset(
    "INVITE ACK BYE CANCEL REGISTER OPTIONS SUBSCRIBE NOTIFY PUBLISH REFER MESSAGE INFO PRACK "
    "UPDATE".split()
)
_REMEMBERED: Final = {
    "call-id": "_call_id",
    "cseq": "_cseq",
    "from": "_from",
    "to": "_to",
    "via": "_via",
}

T = TypeVar("T", bound="Message")


def header_line(name: str, value: str) -> bytes:
    """A header as a line; the name is given in lower case."""
    prefix = _PREFIXES.get(name)
    if prefix is None:
        prefix = (_SPELLINGS.get(name) or name.title()).encode("utf-8", "surrogateescape") + b": "
    return prefix + value.encode("utf-8", "surrogateescape")


def _value(line: bytes) -> str:
    text = line.partition(b":")[2].decode("utf-8", "surrogateescape").strip()
    if "\r\n" in text:
        text = " ".join(part.strip() for part in text.split("\r\n"))
    return text


class Message:
    """What requests and responses share.

    Attributes:
        names: canonical header names (lower case, long form), one per line.
        lines: the header lines as received, without their final CRLF; a folded header is
            one line with CRLF inside.
        body: what follows the empty line.
        defects: what the parser noticed, in words; a request with defects deserves a 400.
    """

    __slots__ = (
        "_call_id",
        "_cseq",
        "_from",
        "_to",
        "_via",
        "body",
        "defects",
        "lines",
        "names",
    )

    # Values that were asked for before; None until then, and after the header was changed.
    _call_id: str | None
    _cseq: tuple[int, str] | None
    _from: NameAddr | None
    _to: NameAddr | None
    _via: Via | None

    def __init__(self, names: list[str], lines: list[bytes], body: bytes = b"") -> None:
        self.names = names
        self.lines = lines
        self.body = body
        self.defects: tuple[str, ...] = ()
        self._call_id = self._cseq = self._from = self._to = self._via = None

    # -- reading ---------------------------------------------------------------------

    def get(self, name: str) -> str | None:
        """The value of the first header of a name, unfolded; None when absent."""
        names = self.names
        return _value(self.lines[names.index(name)]) if name in names else None

    def every(self, name: str) -> list[str]:
        """The values of all headers of a name, one per line."""
        names = self.names
        found = names.count(name)
        if found == 0:
            return []
        if found == 1:
            return [_value(self.lines[names.index(name)])]
        return [
            _value(line) for known, line in zip(names, self.lines, strict=True) if known == name
        ]

    def listed(self, name: str) -> list[str]:
        """All elements of a header that may be a comma-separated list."""
        return [part for text in self.every(name) for part in split_list(text)]

    def tokens(self, name: str) -> list[str]:
        """The elements of a list of tokens in lower case: option tags, methods."""
        return [part.lower() for part in self.listed(name)]

    def has(self, name: str) -> bool:
        """Whether a header of that name is there."""
        return name in self.names

    def _required(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise RemoteError(400, f"Missing {_SPELLINGS.get(name) or name.title()} header")
        return value

    @property
    def call_id(self) -> str:
        """The Call-ID.

        Raises:
            RemoteError: 400; absent or empty.
        """
        found = self._call_id
        if found is None:
            found = self._required("call-id")
            if len(found.split()) != 1:
                raise RemoteError(400, "Malformed Call-ID")
            self._call_id = found
        return found

    @property
    def cseq(self) -> tuple[int, str]:
        """CSeq number and method.

        Raises:
            RemoteError: 400.
        """
        found = self._cseq
        if found is None:
            found = self._cseq = self._read_cseq()
        return found

    def _read_cseq(self) -> tuple[int, str]:
        text = self._required("cseq")
        parts = text.split()
        if len(parts) == 2:
            number, method = parts
            if method in _KNOWN_METHODS and len(number) < 10 and number.isascii():
                if number.isdigit():
                    return int(number), method
            elif text.isascii() and is_token(method):
                return parse_number(number, "CSeq", LARGEST_CSEQ), method
        raise RemoteError(400, "Malformed CSeq")

    @property
    def from_(self) -> NameAddr:
        """From."""
        found = self._from
        if found is None:
            found = self._from = parse_nameaddr(self._required("from"), "From")
        return found

    @property
    def to(self) -> NameAddr:
        """To."""
        found = self._to
        if found is None:
            found = self._to = parse_nameaddr(self._required("to"), "To")
        return found

    @property
    def via(self) -> Via:
        """The topmost Via value.

        Raises:
            RemoteError: 400; absent or malformed.
        """
        found = self._via
        if found is None:
            text = self._required("via")
            if "," in text:
                text = (split_list(text) or [""])[0]
            found = self._via = parse_via(text)
        return found

    def vias(self) -> list[Via]:
        """All Via values, topmost first."""
        return [parse_via(part) for part in self.listed("via")]

    def addresses(self, name: str, spelling: str) -> list[NameAddr]:
        """All values of a header of addresses: Contact, Route, Record-Route, Path."""
        if name not in self.names:
            return []
        return parse_nameaddrs(self.every(name), spelling)

    def first_address(self, name: str, spelling: str) -> NameAddr | None:
        """The first value of a header of addresses; None when there is none.

        Raises:
            RemoteError: 400.
        """
        text = self.get(name)
        if text is None:
            return None
        if "," in text:
            parts = split_list(text)
            if not parts:
                return None
            text = parts[0]
        return parse_nameaddr(text, spelling)

    def number(self, name: str, spelling: str, largest: int) -> int | None:
        """The value of a header that is a number, None when absent.

        Raises:
            RemoteError: 400.
        """
        text = self.get(name)
        return None if text is None else parse_number(text, spelling, largest)

    # -- changing --------------------------------------------------------------------

    def add(self, name: str, value: str) -> None:
        """Append a header."""
        if name in _REMEMBERED:
            self._forget(name)
        self.names.append(name)
        self.lines.append(header_line(name, value))

    def prepend(self, name: str, value: str) -> None:
        """Put a header before all others."""
        if name in _REMEMBERED:
            self._forget(name)
        self.names.insert(0, name)
        self.lines.insert(0, header_line(name, value))

    def set(self, name: str, value: str) -> None:
        """Make this the only value of a header, in the place of its first line."""
        line = header_line(name, value)
        names = self.names
        if name in _REMEMBERED:
            self._forget(name)
        if name not in names:
            names.append(name)
            self.lines.append(line)
            return
        place = names.index(name)
        if names.count(name) > 1:
            self.remove(name)
            names.insert(place, name)
            self.lines.insert(place, line)
        else:
            self.lines[place] = line

    def remove(self, name: str) -> None:
        """Take out all headers of a name."""
        names, lines = self.names, self.lines
        if name in _REMEMBERED:
            self._forget(name)
        while name in names:
            place = names.index(name)
            del names[place], lines[place]

    def replace_list(self, name: str, values: list[str]) -> None:
        """Make these the values of a header, one line each, where the first one was."""
        place = self.names.index(name) if name in self.names else len(self.names)
        self.remove(name)
        self.names[place:place] = [name] * len(values)
        self.lines[place:place] = [header_line(name, value) for value in values]

    def pop_first(self, name: str) -> None:
        """Take out the topmost value of a list header: a Via, a Route."""
        if name in _REMEMBERED:
            self._forget(name)
        place = self.names.index(name)
        line = self.lines[place]
        if b"," in line:
            rest = split_list(_value(line))[1:]
            if rest:
                self.lines[place] = header_line(name, ", ".join(rest))
                return
        del self.names[place], self.lines[place]

    def set_via(self, via: Via) -> None:
        """Write the topmost Via anew, leaving the others as they are."""
        place = self.names.index("via")
        line = self.lines[place]
        text = str(via)
        if b"," in line:
            text = ", ".join([text, *split_list(_value(line))[1:]])
        self.lines[place] = header_line("via", text)
        self._via = via

    def _copy_to(self: T, other: T) -> T:
        other.names = self.names[:]
        other.lines = self.lines[:]
        other.body = self.body
        other.defects = self.defects
        other._call_id = self._call_id
        other._cseq = self._cseq
        other._from = self._from
        other._to = self._to
        other._via = self._via
        return other

    def _forget(self, name: str) -> None:
        setattr(self, _REMEMBERED[name], None)

    # -- writing ---------------------------------------------------------------------

    def start_line(self) -> bytes:
        """The first line, without CRLF."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """The message as it goes on the wire; Content-Length is added where missing."""
        if "content-length" not in self.names:
            return b"\r\n".join(
                (
                    self.start_line(),
                    *self.lines,
                    b"Content-Length: %d" % len(self.body),
                    b"",
                    self.body,
                )
            )
        return b"\r\n".join((self.start_line(), *self.lines, b"", self.body))


class Request(Message):
    """A request.

    Attributes:
        method: as written, case kept (methods are case-sensitive).
        uri_text: the Request-URI as written.
        transaction_key: what the transaction layer knows it by.
    """

    __slots__ = ("method", "transaction_key", "uri_text")

    def __init__(
        self, method: str, uri_text: str, names: list[str], lines: list[bytes], body: bytes = b""
    ) -> None:
        # As in Message, spelled out: one is made for each message.
        self.names = names
        self.lines = lines
        self.body = body
        self.defects = ()
        self._call_id = self._cseq = self._from = self._to = self._via = None
        self.method = method
        self.uri_text = uri_text
        self.transaction_key = ""

    @property
    def uri(self) -> Uri:
        """The Request-URI, parsed.

        Raises:
            RemoteError: 400 or 414.
        """
        return parse_uri(self.uri_text)

    def start_line(self) -> bytes:
        return f"{self.method} {self.uri_text} SIP/2.0".encode("utf-8", "surrogateescape")

    def copy(self) -> Request:
        """A copy whose headers can be changed without changing these."""
        return self._copy_to(Request(self.method, self.uri_text, [], []))

    def __repr__(self) -> str:
        # It ends up in logs: the URI may hold a password, and anything in its headers.
        place = self.uri_text.partition("?")[0].rpartition("@")[2]
        return f"<Request {self.method} to {place[:64]!r}>"


class Response(Message):
    """A response.

    Attributes:
        status: 100 to 699.
        reason: the reason phrase as written.
    """

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str, names: list[str], lines: list[bytes], body: bytes = b""
    ) -> None:
        super().__init__(names, lines, body)
        self.status = status
        self.reason = reason

    def start_line(self) -> bytes:
        return f"SIP/2.0 {self.status} {self.reason}".encode("utf-8", "surrogateescape")

    def copy(self) -> Response:
        """A copy whose headers can be changed without changing these."""
        return self._copy_to(Response(self.status, self.reason, [], []))

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


def _has_tag(request: Request) -> bool:
    """Whether To has a tag, or is such that nobody could tell."""
    try:
        return bool(request.to.tag)
    except RemoteError:
        return True


def reply(request: Request, status: int, reason: str = "", to_tag: str = "") -> Response:
    """Make the response to a request, RFC 3261 section 8.2.6.

    Args:
        request: only its Via, From, To, Call-ID and CSeq lines are taken.
        status: 100 to 699.
        reason: the phrase; the registered one when empty.
        to_tag: added to To unless that has one; a 100 needs none.
    """
    names: list[str] = []
    lines: list[bytes] = []
    for name, line in zip(request.names, request.lines, strict=True):
        if name in _REPLIED:
            names.append(name)
            lines.append(line)
    if to_tag and "to" in names:
        place = names.index("to")
        if b"tag=" not in lines[place].lower() or not _has_tag(request):
            lines[place] = lines[place].rstrip() + b";tag=" + to_tag.encode()
    names.append("content-length")
    lines.append(b"Content-Length: 0")
    response = Response(status, reason or REASONS.get(status, "Unknown"), names, lines)
    response._via = request._via
    return response


def trying(request: Request, delay: float) -> Response:
    """Make the 100 (Trying) to a request, with its Timestamp (RFC 3261 section 8.2.6.1).

    Args:
        request: what is tried.
        delay: seconds since it came.
    """
    response = reply(request, 100)
    value = request.get("timestamp")
    if value is not None:
        if len(value.split()) == 1:  # what somebody else's delay would mean is not known
            value = f"{value} {delay:.3f}"
        response.set("timestamp", value)
    return response


_REPLIED: Final = frozenset({"via", "from", "to", "call-id", "cseq"})
