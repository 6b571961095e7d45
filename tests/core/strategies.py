"""Hypothesis strategies for what the parser reads: well formed, in all its spellings.

They draw text as it may stand on the wire (RFC 3261 section 25.1), so that a test can say both
what was written and what must be read.
"""

from __future__ import annotations

from string import ascii_letters, digits

from hypothesis import strategies as st

from sipx.core.message import COMPACT_NAMES

UNRESERVED = ascii_letters + digits + "-_.!~*'()"
TOKEN_CHARS = ascii_letters + digits + "-.!%*_+`'~"
METHODS = "INVITE ACK BYE CANCEL REGISTER OPTIONS SUBSCRIBE NOTIFY PUBLISH REFER MESSAGE".split()
_SHORT = {name: short for short, name in COMPACT_NAMES.items()}


def texts(alphabet: str, least: int = 1, most: int = 8) -> st.SearchStrategy[str]:
    """Texts of some characters."""
    return st.text(alphabet, min_size=least, max_size=most)


def joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts one after the other."""
    return st.tuples(*parts).map("".join)


def optional(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A text or nothing."""
    return st.one_of(st.just(""), part)


def spellings(name: str) -> st.SearchStrategy[str]:
    """A header name in long and compact form, and in any case."""
    forms = [name, name.title(), name.upper()]
    if name in _SHORT:
        forms += [_SHORT[name], _SHORT[name].upper()]
    return st.sampled_from(forms)


tokens = texts(TOKEN_CHARS)
escapes = st.integers(0, 255).flatmap(
    lambda octet: st.sampled_from([f"%{octet:02x}", f"%{octet:02X}"])
)


def escaped(alphabet: str, least: int = 1, most: int = 6) -> st.SearchStrategy[str]:
    """Texts in which some characters are ``%HH``."""
    pieces = st.one_of(st.sampled_from(alphabet), st.sampled_from(alphabet), escapes)
    return st.lists(pieces, min_size=least, max_size=most).map("".join)


users = escaped(UNRESERVED + "&=+$,;?/")
passwords = escaped(UNRESERVED + "&=+$,", 0)
_labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
host_names = st.lists(_labels, min_size=1, max_size=3).map(".".join)
addresses = st.ip_addresses(v=4).map(str)
references = st.ip_addresses(v=6).map(lambda address: f"[{address}]")
hosts = st.one_of(host_names, host_names.map(str.upper), addresses, references)
ports = st.integers(1, 65535).map(lambda port: f":{port}")

uri_params = st.lists(
    st.one_of(
        st.sampled_from(
            ["transport=udp", "transport=TCP", "user=phone", "lr", "method=INVITE", "ttl=1",
             "maddr=192.0.2.1", "Transport=tls"]
        ),
        joined(
            texts(ascii_letters).map(lambda name: f"x-{name}"),
            optional(joined(st.just("="), escaped(UNRESERVED + "[]/:&+$", 1))),
        ),
    ),
    max_size=4,
    unique_by=lambda param: param.partition("=")[0].lower(),
).map(lambda params: "".join(f";{param}" for param in params))  # fmt: skip
uri_headers = optional(
    st.lists(
        joined(escaped(UNRESERVED + "[]/?:+$"), st.just("="), escaped(UNRESERVED + "[]/?:+$", 0)),
        min_size=1,
        max_size=3,
    ).map(lambda headers: "?" + "&".join(headers))
)
sip_uris = joined(
    st.sampled_from(["sip:", "sips:", "SIP:"]),
    optional(joined(users, optional(joined(st.just(":"), passwords)), st.just("@"))),
    hosts,
    optional(ports),
    uri_params,
    uri_headers,
)
tel_uris = joined(
    st.just("tel:"),
    optional(st.just("+")),
    joined(st.sampled_from(digits), texts(digits + "-.()", 0)),
    optional(st.just(";phone-context=example.com")),
)
other_uris = st.sampled_from(
    ["mailto:a@b.example", "http://h.example/p?q=1;x", "urn:service:sos", "im:a@h", "h323:a"]
)
uris = st.one_of(sip_uris, sip_uris, tel_uris, other_uris)

quoted_strings = st.lists(
    st.one_of(
        st.sampled_from(ascii_letters + digits + " ,;<>:@=?\t"),
        st.characters(min_codepoint=0xA0, exclude_categories=["Cs"]),
        st.sampled_from(['\\"', "\\\\", "\\a", "\\,"]),
    ),
    max_size=8,
).map(lambda parts: '"' + "".join(parts) + '"')
display_names = st.one_of(
    st.just(""), quoted_strings, st.lists(tokens, min_size=1, max_size=3).map(" ".join)
)
header_params = st.lists(
    joined(
        texts(ascii_letters).map(lambda name: f"p{name}"),
        optional(joined(st.just("="), st.one_of(tokens, hosts, quoted_strings))),
    ),
    max_size=3,
    unique_by=lambda param: param.partition("=")[0].lower(),
).map(lambda params: "".join(f";{param}" for param in params))
bracketed = st.tuples(display_names, uris, header_params)
name_addrs = bracketed.map(lambda parts: f"{parts[0]} <{parts[1]}>{parts[2]}".strip())

branches = texts(ascii_letters + digits, 4, 10).map(lambda text: f"z9hG4bK{text}")
vias = st.builds(
    lambda transport, host, port, branch, rest: (
        f"SIP/2.0/{transport} {host}{port};branch={branch}{rest}"
    ),
    st.sampled_from(["UDP", "TCP", "TLS", "SCTP"]),
    hosts,
    optional(ports),
    branches,
    st.sampled_from(["", ";rport", ";received=192.0.2.9;rport=1024", ";x=y"]),
)
call_ids = joined(
    texts(ascii_letters + digits + "-.!%*_+`'~()<>:\\\"/[]?{}"),
    optional(hosts.map(lambda host: f"@{host}")),
)
_plain = st.text(
    st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cc"]), max_size=20
).map(str.strip)
other_headers = st.tuples(
    st.one_of(
        st.sampled_from(["subject", "user-agent", "x-test", "supported", "organization"]),
        tokens.map(lambda name: f"x-{name.lower()}"),
    ),
    _plain,
)
# White space around the colon, and after the value, as the grammar allows it.
colons = st.sampled_from([":", ": ", " : ", "\t:\t", ":  "])
folds = st.sampled_from(["\r\n ", "\r\n\t", " \r\n  "])


@st.composite
def header_lines(draw: st.DrawFn, fold: bool = True) -> list[tuple[str, str, bytes]]:
    """Headers of a message: canonical name, value, and the line as written."""
    sequence = draw(st.integers(0, 2**31 - 1))
    headers = [
        ("via", draw(vias)),
        ("from", draw(name_addrs) + ";tag=" + draw(tokens)),
        ("to", draw(name_addrs)),
        ("call-id", draw(call_ids)),
        ("cseq", f"{sequence} {draw(st.sampled_from(METHODS))}"),
        *draw(st.lists(other_headers, max_size=3)),
    ]
    lines = []
    for name, value in draw(st.permutations(headers)):
        written = value
        if fold and " " in value and '"' not in value and draw(st.booleans()):
            before, _, after = value.partition(" ")
            written = before + draw(folds) + after
        spelling = draw(spellings(name))
        lines.append((name, value, f"{spelling}{draw(colons)}{written}".encode()))
    return lines


@st.composite
def messages(draw: st.DrawFn, fold: bool = True) -> bytes:
    """Well-formed requests and responses, each with a Content-Length."""
    if draw(st.booleans()):
        start = f"{draw(st.sampled_from([*METHODS, 'FOO', 'x-new']))} {draw(uris)} SIP/2.0"
    else:
        reason = draw(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=12))
        reason = "".join(char for char in reason if char.isprintable())
        start = f"SIP/2.0 {draw(st.integers(100, 699))} {reason}"
    body = draw(st.one_of(st.just(b""), st.binary(max_size=40)))
    lines = [line for _, _, line in draw(header_lines(fold))]
    length = f"{draw(spellings('content-length'))}{draw(colons)}{len(body)}".encode()
    lines.insert(draw(st.integers(0, len(lines))), length)
    return b"\r\n".join([start.encode(), *lines, b"", body])


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Messages in which something was changed: what a broken or hostile peer sends."""
    data = bytearray(draw(messages()))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 6))
        match draw(st.integers(0, 3)):
            case 0:
                del data[place : place + length]
            case 1:
                data[place:place] = draw(st.binary(min_size=1, max_size=4))
            case 2:
                data[place:place] = data[place : place + length] * 3
            case _:
                piece = draw(st.sampled_from([b"\r", b"\n", b"\0", b'"', b"<", b":", b";", b" "]))
                data[place : place + length] = piece
    return bytes(data)
