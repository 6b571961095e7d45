"""All messages of RFC 4475 and RFC 5118, each with the treatment that its section asks for.

The messages are read from ``../shared/rfc`` beside the checkout (``tests.rfc.shelf``); where that
folder is missing these tests skip. ``tests.rfc.test_defects`` needs no files.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from sipx.core.framing import Broken, StreamFramer
from sipx.core.message import Message
from sipx.core.parser import NotSip, parse_datagram
from tests.rfc.shelf import find_shelf
from tests.rfc.torture import FORWARDED, SILENT, Case, TortureCase

SHELF = find_shelf()
MISSING = "the torture messages are not here: put them into ../shared/rfc, or set SIPX_RFC_SHELF"
IPV6 = "[2001:db8::10]"

RFC4475 = (
    # 3.1.1 valid
    Case("wsinv", "3.1.1.1", FORWARDED, domain="chair-dnrc.example.com", callee="vivekg",
         hosts=("services.example.com",)),
    Case("intmeth", "3.1.1.2", FORWARDED, sender="mundane",
         callee="1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"),
    Case("esc01", "3.1.1.3", FORWARDED, domain="example.net", sender="I have spaces",
         callee="sips:user@example.com"),
    Case("escnull", "3.1.1.4", 401, "the registrar challenges whoever it is"),
    Case("esc02", "3.1.1.5", 405, "no REGISTER, and none of our methods",
         domain="registrar.example.com"),
    Case("lwsdisp", "3.1.1.6", FORWARDED, sender="caller"),
    Case("longreq", "3.1.1.7", FORWARDED),
    Case("dblreq", "3.1.1.8", 401, "what follows the first message is cut off"),
    Case("semiuri", "3.1.1.9", FORWARDED, callee="user;par=u@example.net"),
    Case("transports", "3.1.1.10", FORWARDED, sender="caller"),
    Case("mpart01", "3.1.1.11", FORWARDED, sender="fluffy", to=("127.0.0.1", 5080)),
    Case("unreason", "3.1.1.12", SILENT, "a response that nobody waits for"),
    Case("noreason", "3.1.1.13", SILENT, "a response that nobody waits for"),
    # 3.1.2 invalid
    Case("badinv01", "3.1.2.1", 400),
    Case("clerr", "3.1.2.2", 400),
    Case("ncl", "3.1.2.3", 400),
    Case("scalar02", "3.1.2.4", 400),
    Case("scalarlg", "3.1.2.5", SILENT),
    Case("quotbal", "3.1.2.6", 400),
    Case("ltgtruri", "3.1.2.7", 400),
    Case("lwsruri", "3.1.2.8", 400),
    Case("lwsstart", "3.1.2.9", 400),
    Case("trws", "3.1.2.10", 400),
    Case("escruri", "3.1.2.11", FORWARDED, "liberal: the headers in the URI are ignored"),
    Case("baddate", "3.1.2.12", FORWARDED, "liberal: a proxy has no business with Date"),
    Case("regbadct", "3.1.2.13", 400, sender="user"),
    Case("badaspec", "3.1.2.14", 400, domain="example.org"),
    Case("baddn", "3.1.2.15", 400, domain="example.org"),
    Case("badvers", "3.1.2.16", 505, domain="example.org"),
    Case("mismatch01", "3.1.2.17", 400),
    Case("mismatch02", "3.1.2.18", 400, "501 for a server; a proxy knows no list of methods"),
    Case("bigcode", "3.1.2.19", SILENT),
    # 3.2 transactions
    Case("badbranch", "3.2.1", FORWARDED, "matched as RFC 2543 does"),
    # 3.3 applications
    Case("insuf", "3.3.1", 400),
    Case("unkscm", "3.3.2", 416),
    Case("novelsc", "3.3.3", 416),
    Case("unksm2", "3.3.4", 404, sender="other"),
    Case("bext01", "3.3.5", 420),
    Case("invut", "3.3.6", FORWARDED, "a proxy has no business with the body"),
    Case("regaut01", "3.3.7", 401),
    Case("multi01", "3.3.8", 400),
    Case("mcl01", "3.3.9", 400),
    Case("bcast", "3.3.10", SILENT),
    Case("zeromf", "3.3.11", 483),
    Case("cparam01", "3.3.12", 200, sender="watson"),
    Case("cparam02", "3.3.13", 200, sender="watson"),
    Case("regescrt", "3.3.14", 200, "our policy: the headers in a Contact are dropped",
         sender="user"),
    Case("sdp01", "3.3.15", FORWARDED, "a proxy has no business with Accept"),
    # 3.4 backward compatibility
    Case("inv2543", "3.4.1", FORWARDED, callee="UserB"),
)  # fmt: skip

RFC5118 = (
    Case("ipv6-good", "4.1", 200, domain=IPV6, sender="user", hosts=("example.com",)),
    Case("ipv6-bad", "4.2", 400),
    Case("port-ambiguous", "4.3", 403, "another host than [2001:db8::10], and not ours",
         domain=IPV6, sender="user", hosts=("example.com",)),
    Case("port-unambiguous", "4.4", 403, "our host, another port than ours",
         domain=IPV6, sender="user", hosts=("example.com",)),
    Case("via-received-param-with-delim", "4.5", 403, "valid; from no dialog of ours",
         domain="elsewhere.test"),
    Case("via-received-param-no-delim", "4.5", 407, "valid; we relay for no stranger",
         domain="elsewhere.test"),
    Case("ipv6-in-sdp", "4.6", FORWARDED, domain=IPV6),
    Case("mult-ip-in-header", "4.7", FORWARDED, domain="host.example.net"),
    Case("mult-ip-in-sdp", "4.8", FORWARDED, domain=IPV6),
    Case("ipv4-mapped-ipv6", "4.9", FORWARDED),
    Case("ipv6-bug-abnf-3-colons", "4.10", FORWARDED, domain="[2001:db8:::192.0.2.1]"),
    Case("ipv6-correct-abnf-2-colons", "4.10", FORWARDED, domain="[2001:db8::192.0.2.1]"),
)  # fmt: skip

# The RFC counts one octet for each line end in them.
MISCOUNTED = {"ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6"}


def read(path: Path) -> bytes:
    """Read a message of the shelf."""
    data = path.read_bytes()
    if path.stem in MISCOUNTED:
        head, blank, body = data.partition(b"\r\n\r\n")
        start, _, rest = head.partition(b"Content-Length: ")
        data = start + b"Content-Length: %d" % len(body) + rest.lstrip(b"0123456789") + blank + body
    return data


class Shelf(TortureCase):
    """A folder of messages, and a table of what each deserves."""

    skip = None if SHELF else MISSING
    folder: Path
    table: ClassVar[tuple[Case, ...]]

    def message(self, name: str) -> bytes:
        """A message by its name."""
        return read(next(self.folder.glob(f"{name}.*"), self.folder / name))

    def assert_table(self) -> None:
        """Each message of the folder is in the table, and gets what the table says."""
        names = {path.stem for path in self.folder.iterdir()}
        self.assertEqual({case.name for case in self.table}, names)
        wrong = []
        for case in self.table:
            try:
                self.assert_treated(case, self.message(case.name))
            except AssertionError as error:
                wrong.append(f"{case.name}: {error}")
        self.assertEqual(wrong, [])

    def assert_streams(self) -> None:
        """A stream gives the same messages as datagrams do, wherever it is cut."""
        for case in self.table:
            data = self.message(case.name)
            whole = StreamFramer().feed(data, 0.0)
            framer = StreamFramer()
            pieces = [
                item
                for place in range(len(data))
                for item in framer.feed(data[place : place + 1], 0.0)
            ]
            self.assertEqual([shown(item) for item in pieces], [shown(item) for item in whole])
            try:
                expected = parse_datagram(data)
            except NotSip:
                self.assertIsInstance(whole[0], Broken, case.name)
                continue
            first = whole[0] if whole else None
            if isinstance(first, tuple):
                self.assertEqual(shown(first), shown((expected, b"")), case.name)
            else:  # a stream needs a good length; the datagram had its own
                self.assertTrue(expected.defects or not expected.has("content-length"), case.name)


def shown(item: object) -> object:
    """What can be compared of an item of a stream."""
    if isinstance(item, tuple):
        message: Message = item[0]
        return message.start_line(), message.names, message.lines, message.body, message.defects
    return (item.status, item.reason) if isinstance(item, Broken) else item


class Rfc4475Tests(Shelf):
    """SIP torture test messages."""

    folder = (SHELF or Path()) / "rfc4475"
    table = RFC4475

    def test_table(self) -> None:
        """All 49 get what their sections ask for."""
        self.assert_table()

    def test_streams(self) -> None:
        """So they do on a stream."""
        self.assert_streams()


class Rfc5118Tests(Shelf):
    """SIP torture test messages for IPv6."""

    folder = (SHELF or Path()) / "rfc5118"
    table = RFC5118

    def test_table(self) -> None:
        """All 12 get what their sections ask for."""
        self.assert_table()

    def test_streams(self) -> None:
        """So they do on a stream."""
        self.assert_streams()
