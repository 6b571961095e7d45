"""A message, a node, and what becomes of it: the frame that the tables of this package share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.binding import Binding
from tests.support.credentials import answers_to
from tests.support.simnode import SimulatedNode
from tests.support.vnet import Address, Clock, Network

SENDER: Address = ("198.51.100.7", 41000)  # nobody's Via says so: it stands behind a NAT
PHONE: Address = ("10.0.9.9", 5062)
CONTACT = f"sip:phone@{PHONE[0]}:{PHONE[1]}"
QUIET = 400.0  # seconds after which everything must be over
SILENT = 0
FORWARDED = -1

# What a proxy changes in a request (RFC 3261 16.6); all other headers are none of its business.
_OURS = frozenset({"max-forwards", "proxy-authorization", "content-length", "l"})


@dataclass(frozen=True, slots=True)
class Case:
    """What a message deserves.

    Attributes:
        name: of its file, or of the defect.
        section: of the RFC.
        treatment: FORWARDED, SILENT, or the status that answers it.
        why: in words, where the RFC leaves a choice.
        domain: of the node.
        callee: whose phone is registered there.
        sender: who sends it: a user of ours who answers a challenge; empty for a stranger.
        hosts: further hosts that are the node's own.
        to: where it is forwarded.
    """

    name: str
    section: str
    treatment: int
    why: str = ""
    domain: str = "example.com"
    callee: str = "user"
    sender: str = ""
    hosts: Sequence[str] = ()
    to: Address = PHONE


class TortureCase(SynchronousTestCase):
    """Sends bytes to a whole node, and looks at the bytes that leave it."""

    def make_node(self, case: Case) -> SimulatedNode:
        """Start a node for a case."""
        self.clock = Clock()
        self.network = Network(self.clock)
        users = {name: f"pw-{name}" for name in (case.callee, case.sender) if name}
        node = SimulatedNode(self.network, users=users, domain=case.domain, hosts=case.hosts)
        held = Binding(
            case.callee, CONTACT, 1.0, self.clock.now + 1e6, "r", 1, (), None, "", "", "", 0.0
        )
        node.location.change(case.callee, (), [held])
        return node

    def send(self, node: SimulatedNode, data: bytes) -> list[tuple[Address, bytes]]:
        """Let bytes arrive; gives what the node sends soon: retransmissions count once."""
        seen = len(self.network.sent)
        self.network.send(data, SENDER, node.address)
        self.clock.advance(1.5)
        sent = [
            (datagram.destination, datagram.data)
            for datagram in list(self.network.sent)[seen:]
            if datagram.source == node.address
        ]
        return list(dict.fromkeys(sent))

    def offer(self, node: SimulatedNode, case: Case, data: bytes) -> list[tuple[Address, bytes]]:
        """Send bytes, and once more with credentials when a user of ours is asked for them."""
        sent = self.send(node, data)
        if not case.sender:
            return sent
        ((_, challenge),) = sent
        self.assertIn(status(challenge), {401, 407}, case.name)
        method, uri = data.lstrip(b"\r\n").decode("utf-8", "surrogateescape").split(" ")[:2]
        line = answers_to(challenge, case.sender, f"pw-{case.sender}")(method, uri)
        head, blank, body = data.partition(b"\r\n\r\n")
        return self.send(node, head + b"\r\n" + line.strip().encode() + blank + body)

    def assert_treated(self, case: Case, data: bytes) -> list[tuple[Address, bytes]]:
        """A message gets what it deserves, and nothing is left of it.

        Returns:
            What the node sent.
        """
        node = self.make_node(case)
        sent = self.offer(node, case, data)
        shown = f"{case.name} ({case.section}): {sent}"
        if case.treatment == SILENT:
            self.assertEqual(sent, [], shown)
        elif case.treatment == FORWARDED:
            onward = [what for to, what in sent if to == case.to]
            self.assertEqual(len(onward), 1, shown)
            back = [status(what) for to, what in sent if to != case.to]
            self.assertIn(back, ([], [100]), shown)
            self.assert_unharmed(data, onward[0])
        else:
            self.assertEqual([status(what) for _, what in sent], [case.treatment], shown)
            self.assertEqual([to[0] for to, _ in sent], [SENDER[0]], shown)
        self.clock.advance(QUIET)
        left = {name: number for name, number in node.residue().items() if number}
        self.assertEqual(left, {}, shown)
        return sent

    def assert_unharmed(self, came: bytes, went: bytes) -> None:
        """What left is what came, byte for byte, but for what a proxy has to change."""
        start, headers, body = cut(came)
        start_out, headers_out, body_out = cut(went)
        self.assertEqual(start.split()[0], start_out.split()[0])
        length = declared(headers)
        self.assertEqual(body_out, body if length is None else body[:length])
        added = [line for line in headers_out if name(line) in {"via", "record-route"}][:1]
        self.assertTrue(added[0].startswith(b"Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK"))
        theirs = [line for line in headers if not _changed(line)]
        ours = [line for line in headers_out if not _changed(line)]
        self.assertEqual([line for line in ours if b"10.0.0.1" not in line], theirs)


def _changed(line: bytes) -> bool:
    """Whether a proxy has business with a header: Via, routes, hops, credentials, length."""
    return name(line) in _OURS | {"via", "v", "route", "max-breadth"}


def cut(data: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Cut a message into start line, headers with their folds, and body; not by our parser."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    headers: list[bytes] = []
    for line in lines[1:]:
        if line[:1] in {b" ", b"\t"}:
            headers[-1] += b"\r\n" + line
        else:
            headers.append(line)
    return lines[0], headers, body


def name(line: bytes) -> str:
    """The name of a header, in lower case."""
    return line.partition(b":")[0].strip().lower().decode()


def values(data: bytes, *names: str) -> list[str]:
    """The values of some headers, unfolded."""
    return [
        " ".join(line.partition(b":")[2].decode("utf-8", "surrogateescape").split())
        for line in cut(data)[1]
        if name(line) in names
    ]


def declared(headers: list[bytes]) -> int | None:
    """What Content-Length says, None when it is absent."""
    for line in headers:
        if name(line) in {"content-length", "l"}:
            return int(line.partition(b":")[2])
    return None


def status(data: bytes) -> int:
    """The status of a response; 0 for a request."""
    start: Any = data.split(b" ", 2)
    return int(start[1]) if start[0] == b"SIP/2.0" else 0
