"""Valid SIP messages, and what no phone would send: seeded damage done to them.

The same seed always gives the same messages, so a message that does harm can be found again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.support.ports import HOST

LARGEST = 60_000  # bytes; a UDP datagram over IPv4 takes 65507
CHUNK = 128 * 1024  # bytes of messages sent without a pause; Linux gives a socket 208 KiB
OVERHEAD = 768  # bytes that Linux counts for a datagram besides its content
HOW_MANY = (1, 1, 1, 2, 2, 4)  # damages done to one message
RESPONSES = 0.1  # share of messages that are responses
NUMBERS = (
    *b"0 -1 00000000000000000001 65535 65536 2147483647 2147483648 4294967295".split(),
    *b"4294967296 18446744073709551616 1e9 0x10 NaN 1.5 \xd9\xa3".split(),
    b"9" * 400,
    b"",
)
COMPACT = dict(
    pair.split(b"=")
    for pair in b"call-id=i contact=m content-length=l content-type=c from=f to=t via=v subject=s"
    b" supported=k event=o refer-to=r allow-events=u session-expires=x".split()
)
STRANGE = (
    *(bytes([octet]) for octet in b'\0\r\n\t \x7f"\\<>%;?@:,=[](){}'),
    *b"%zz %00 %n%n%s ${x} '-- [::1] ;;;; =;= sip: sips: tel: \xff\xfe \xc0\x80".split(),
    "\N{RIGHT-TO-LEFT OVERRIDE}".encode(),
    b"\r\n\r\n",
)

HEAD = """\
{method} {uri} SIP/2.0
Via: SIP/2.0/{transport} {host}:{port};branch=z9hG4bK{token};rport
Max-Forwards: 70
From: "F. Uzz" <sip:{user}@{domain}>;tag={token}
To: <sip:{user}@{domain}>{to_tag}
Call-ID: {token}@{host}
CSeq: {cseq} {method}
"""
RESPONSE = """\
SIP/2.0 {status}
Via: SIP/2.0/{transport} {host}:{port};branch=z9hG4bK{token}
Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx{token};received={host}
Record-Route: <sip:{host};lr>
From: <sip:{user}@{domain}>;tag={token}
To: <sip:{user}@{domain}>;tag=b{token}
Call-ID: {token}@{host}
CSeq: 1 INVITE
Contact: <sip:{user}@{host}:{port}>
"""
CONTACT = "Contact: <sip:{user}@{host}:{port};transport={transport}>"
ROUTE = "Route: <sip:{host};lr>, <sip:{domain};lr;state=abcdef0123456789>\n"
SDP = """\
v=0
o=- 20518 0 IN IP4 203.0.113.1
s=-
c=IN IP4 {host}
t=0 0
m=audio {port} RTP/AVP 0 8 101
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
m=video 0 RTP/AVP 96
"""
PRESENCE = """\
<?xml version="1.0"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:{user}@{domain}">
<tuple id="a"><status><basic>open</basic></status></tuple></presence>
"""


@dataclass(frozen=True)
class Kind:
    """A kind of request.

    Attributes:
        method: its method.
        lines: header lines after the first ones.
        mime: content type of the body.
        body: what it carries.
        tag: whether it has a To tag, as inside a dialog.
    """

    method: str
    lines: str
    mime: str = ""
    body: str = ""
    tag: bool = False


OFFER = "application/sdp", SDP
REQUESTS = (
    Kind("REGISTER", CONTACT + ";expires=600;q=0.7\nSupported: path, outbound\n"),
    Kind("REGISTER", "Contact: *\nExpires: 0\n"),
    Kind("REGISTER", CONTACT + ', "x" <tel:1;a="b,c">;+sip.instance="<urn:uuid:a>"\n'),
    Kind("INVITE", CONTACT + "\nSupported: replaces, timer\n", *OFFER),
    Kind("INVITE", CONTACT + "\nSession-Expires: 1800;refresher=uac\nMin-SE: 90\n"),
    Kind("INVITE", CONTACT + "\nReplaces: a@b;to-tag=1;from-tag=2\n", *OFFER),
    Kind("INVITE", CONTACT + "\n" + ROUTE, *OFFER, tag=True),
    Kind("ACK", ROUTE, tag=True),
    Kind("BYE", ROUTE + "Reason: SIP;cause=200;text=done\n", tag=True),
    Kind("CANCEL", "Reason: SIP ;cause=487\n"),
    Kind("OPTIONS", "Accept: application/sdp, */*;q=0.1\n"),
    Kind("SUBSCRIBE", CONTACT + "\nEvent: dialog;id=7\nExpires: 3600\n"),
    Kind("SUBSCRIBE", CONTACT + "\nEvent: message-summary\nExpires: 0\n"),
    Kind("NOTIFY", "Event: refer\nSubscription-State: active;expires=60\n", tag=True),
    Kind("PUBLISH", "Event: presence\nExpires: 60\n", "application/pidf+xml", PRESENCE),
    Kind("REFER", CONTACT + "\nRefer-To: <sip:9@{domain}?Replaces=a%3Bto-tag%3D1>\n", tag=True),
    Kind("MESSAGE", "Subject: hello\n", "text/plain", "Hello.\n"),
    Kind("INFO", ROUTE, "application/dtmf-relay", "Signal=5\nDuration=160\n", tag=True),
    Kind("UPDATE", CONTACT + "\n" + ROUTE, *OFFER, tag=True),
    Kind("PRACK", "RAck: 1 1 INVITE\n", tag=True),
    Kind("FOO", "X-Unknown: yes\nRequire: nothing-known\n"),
)
STATUSES = (
    *("100 Trying", "180 Ringing", "200 OK", "302 Moved Temporarily"),
    *("401 Unauthorized", "486 Busy Here", "503 Service Unavailable"),
)

COPIED = re.compile(rb"(?i)(?:via|v|from|f|to|t|call-id|i|cseq|record-route) *:")

Damage = Callable[[random.Random, bytes], bytes]
Credentials = Callable[[str, str], str]
"""Gives the Authorization line, or nothing, for a method and a Request-URI."""


def _place(rng: random.Random, data: bytes) -> int:
    return rng.randrange(len(data)) if data else 0


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    """Turn over one bit in up to eight places."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if changed else 0):
        changed[_place(rng, data)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def delete_bytes(rng: random.Random, data: bytes) -> bytes:
    """Leave out up to forty bytes in a row."""
    start = _place(rng, data)
    return data[:start] + data[start + rng.randint(1, 40) :]


def repeat_bytes(rng: random.Random, data: bytes) -> bytes:
    """Write up to forty bytes several times."""
    start, length = _place(rng, data), rng.randint(1, 40)
    return data[:start] + data[start : start + length] * rng.choice((2, 3, 50)) + data[start:]


def insert_strange(rng: random.Random, data: bytes) -> bytes:
    """Put in something that parsers stumble over: NULs, broken UTF-8, delimiters, line ends."""
    start = _place(rng, data)
    return data[:start] + rng.choice(STRANGE) + data[start:]


def truncate(rng: random.Random, data: bytes) -> bytes:
    """Cut off the end."""
    return data[: _place(rng, data)]


def swap_lines(rng: random.Random, data: bytes) -> bytes:
    """Exchange two lines, the first one too."""
    lines = data.split(b"\r\n")
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\r\n".join(lines)


def delete_line(rng: random.Random, data: bytes) -> bytes:
    """Leave out one line."""
    lines = data.split(b"\r\n")
    del lines[rng.randrange(len(lines))]
    return b"\r\n".join(lines)


def duplicate_line(rng: random.Random, data: bytes) -> bytes:
    """Write one line twice, or very often."""
    lines = data.split(b"\r\n")
    number = rng.randrange(len(lines))
    lines[number : number + 1] = [lines[number]] * rng.choice((2, 2, 2, 200))
    return b"\r\n".join(lines)


def fold(rng: random.Random, data: bytes) -> bytes:
    """Continue a header line on the next one."""
    spaces = [match.start() for match in re.finditer(rb" ", data)]
    if not spaces:
        return data
    place = rng.choice(spaces)
    return data[:place] + b"\r\n" + rng.choice((b" ", b"\t", b"   ", b"")) + data[place + 1 :]


def change_number(rng: random.Random, data: bytes) -> bytes:
    """Put a huge, negative, empty or foreign number where a number is."""
    numbers = list(re.finditer(rb"\d+", data))
    if not numbers:
        return data
    number = rng.choice(numbers)
    return data[: number.start()] + rng.choice(NUMBERS) + data[number.end() :]


def change_length(rng: random.Random, data: bytes) -> bytes:
    """Give the body another length than it has, several, or none."""
    length = rng.choice((*NUMBERS, str(rng.randrange(2_000)).encode(), b"5\r\nContent-Length: 6"))
    return re.sub(rb"(?i)(content-length *: *)\d+", lambda match: match.group(1) + length, data)


def compact_names(rng: random.Random, data: bytes) -> bytes:
    """Use compact header names, sometimes in the other case or with space before the colon."""
    lines = data.split(b"\r\n")
    for number, line in enumerate(lines):
        name, colon, value = line.partition(b":")
        short = COMPACT.get(name.strip().lower())
        if colon and short and rng.random() < 0.7:
            lines[number] = (
                rng.choice((short, short.upper())) + rng.choice((b":", b" :", b"\t:")) + value
            )
    return b"\r\n".join(lines)


def stretch_value(rng: random.Random, data: bytes) -> bytes:
    """Make a header value very long."""
    lines = data.split(b"\r\n")
    number = rng.randrange(len(lines))
    lines[number] += rng.choice(
        (b"a", b";a=b", b",<sip:a@b>", b" ", b"(", b'"', b"%41")
    ) * rng.choice((300, 3_000))
    return b"\r\n".join(lines)


def empty_value(rng: random.Random, data: bytes) -> bytes:
    """Leave a header without a value, or a name without a colon."""
    lines = data.split(b"\r\n")
    number = rng.randrange(len(lines))
    lines[number] = lines[number].partition(b":")[0] + rng.choice((b":", b": ", b""))
    return b"\r\n".join(lines)


def bare_line_end(rng: random.Random, data: bytes) -> bytes:
    """End one line, or every line, otherwise than with CR LF."""
    lines = data.split(b"\r\n")
    end = rng.choice((b"\n", b"\r", b"\n\r", b"\r\r\n"))
    if rng.random() < 0.2:
        return end.join(lines)
    place = rng.randint(1, max(1, len(lines) - 1))
    return b"\r\n".join(lines[:place]) + end + b"\r\n".join(lines[place:])


def glue(rng: random.Random, data: bytes) -> bytes:
    """Put a second copy behind or into the first."""
    start = rng.choice((len(data), _place(rng, data)))
    return data[:start] + data + data[start:]


def damage_value(rng: random.Random, data: bytes) -> bytes:
    """Damage the value of one header, or one line of the body, and nothing else."""
    lines = data.split(b"\r\n")
    number = rng.randrange(len(lines))
    name, colon, value = lines[number].rpartition(b": ")
    lines[number] = name + colon + rng.choice(LOCAL)(rng, value)
    return b"\r\n".join(lines)


LOCAL: Sequence[Damage] = (
    *(flip_bits, delete_bytes, repeat_bytes, insert_strange, insert_strange, truncate),
    *(change_number, change_number),
)
DAMAGES: Sequence[Damage] = (
    *([damage_value] * 12),  # the other ones seldom get past the first look at the whole
    *(flip_bits, delete_bytes, repeat_bytes, insert_strange, truncate, swap_lines, delete_line),
    *(duplicate_line, fold, change_number, change_length, compact_names, stretch_value),
    *(empty_value, bare_line_end, glue),
)


def no_credentials(method: str, uri: str) -> str:
    """Be nobody."""
    return ""


def _damaged(rng: random.Random, data: bytes) -> bytes:
    for damage in rng.choices(DAMAGES, k=rng.choice(HOW_MANY)):
        data = damage(rng, data)[:LARGEST]
    return data


class Mutator:
    """Makes valid messages and damages them.

    Args:
        seed: of the damage.
        domain: the server's.
        user: who sends them, and to whom.
        port: of the sender, for Via and Contact.
        transport: "UDP" or "TCP", for Via and Contact.
        credentials: gives the Authorization line of a request.
    """

    def __init__(
        self,
        seed: int,
        *,
        domain: str,
        user: str,
        port: int,
        transport: str,
        credentials: Credentials = no_credentials,
    ) -> None:
        self._rng = random.Random(seed)
        self._answers = random.Random(seed)  # when they are asked for must not change the rest
        self._values = {
            "host": HOST,
            "domain": domain,
            "port": port,
            "transport": transport,
            "user": user,
            "callee": user,
        }
        self._credentials = credentials

    def valid(self) -> bytes:
        """Make a message in a transaction and a dialog of its own."""
        rng = self._rng
        token, cseq = f"{rng.getrandbits(64):016x}", rng.randint(1, 99)
        values = {**self._values, "token": token, "cseq": cseq}
        if rng.random() < RESPONSES:
            response = RESPONSE.format(status=rng.choice(STATUSES), **values)
            return f"{response}Content-Length: 0\n\n".replace("\n", "\r\n").encode()
        kind = rng.choice(REQUESTS)
        uri = "sip:{domain}" if kind.method == "REGISTER" else "sip:{user}@{domain}"
        uri = uri.format(**values)
        tag = ";tag=c0ffee" if kind.tag else ""
        head = HEAD.format(method=kind.method, uri=uri, to_tag=tag, **values)
        head += self._credentials(kind.method, uri) + kind.lines.format(**values)
        body = kind.body.format(**values).replace("\n", "\r\n").encode()
        head += f"Content-Type: {kind.mime}\n" if kind.mime else ""
        head += f"Content-Length: {len(body)}\n\n"
        return head.replace("\n", "\r\n").encode() + body

    def mutated(self) -> bytes:
        """Make a message and damage it in one or several ways."""
        return _damaged(self._rng, self.valid())

    def answer(self, request: bytes) -> bytes:
        """Make a damaged response to a request that the server sent.

        Args:
            request: whole and well-formed.
        """
        lines = [line for line in request.split(b"\r\n") if COPIED.match(line)]
        status = f"SIP/2.0 {self._answers.choice(STATUSES)}".encode()
        contact = f"Contact: <sip:{HOST}:{self._values['port']}>".encode()
        return _damaged(
            self._answers,
            b"\r\n".join((status, *lines, contact, b"Content-Length: 0", b"", b"")),
        )

    def chunks(self, count: int) -> Iterator[list[bytes]]:
        """Give so many damaged messages, in lists that a socket's buffer has room for."""
        chunk: list[bytes] = []
        space = CHUNK
        for _ in range(count):
            message = self.mutated()
            space -= len(message) + OVERHEAD
            if chunk and space < 0:
                yield chunk
                chunk, space = [], CHUNK - len(message) - OVERHEAD
            chunk.append(message)
        yield chunk
