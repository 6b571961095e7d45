"""A name server for tests: answers from a zone, or misbehaves as it is told.

Its messages are made by twisted.names' own server code or by hand, never by the resolver's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.names import dns

Record = tuple[str, int, Any]  # name, seconds to live, payload


def a(name: str, address: str, ttl: int = 60) -> Record:
    """Make an A record."""
    return name, ttl, dns.Record_A(address, ttl)


def aaaa(name: str, address: str, ttl: int = 60) -> Record:
    """Make an AAAA record."""
    return name, ttl, dns.Record_AAAA(address, ttl)


def srv(name: str, priority: int, weight: int, port: int, target: str, ttl: int = 60) -> Record:
    """Make an SRV record."""
    return name, ttl, dns.Record_SRV(priority, weight, port, target.rstrip("."), ttl)


def naptr(name: str, order: int, service: str, replacement: str, ttl: int = 60) -> Record:
    """Make a NAPTR record as RFC 3263 wants it."""
    flags, regexp = b"s", b""
    record = dns.Record_NAPTR(order, 50, flags, service.encode(), regexp, replacement.encode(), ttl)
    return name, ttl, record


def cname(name: str, target: str, ttl: int = 60) -> Record:
    """Make a CNAME record."""
    return name, ttl, dns.Record_CNAME(target, ttl)


class Zone:
    """What a name server knows.

    Attributes:
        records: all of them.
        asked: (name, type) of each query, in order.
        code: of its answers; NXDOMAIN by itself where it knows no such name.
        silent: it answers nothing.
        truncates: datagrams say that there is more.
        chases: it follows aliases itself.
        lies: further records in each answer.
        negative: seconds for which an absence is good; None leaves the SOA out.
        change: changes a message before it goes.
    """

    def __init__(self, *records: Record) -> None:
        self.records = list(records)
        self.asked: list[tuple[str, str]] = []
        self.code = dns.OK
        self.silent = False
        self.truncates = False
        self.chases = True
        self.lies: list[Record] = []
        self.negative: int | None = 30
        self.change: Callable[[dns.Message], None] = lambda message: None

    def answer(self, data: bytes, stream: bool) -> bytes | None:
        """Answer a query; None when it stays silent."""
        query = dns.Message()
        query.fromStr(data)
        question = query.queries[0]
        name = question.name.name.decode().lower()
        self.asked.append((name, dns.QUERY_TYPES.get(question.type, str(question.type))))
        if self.silent:
            return None
        reply = dns.Message(id=query.id, answer=1, recDes=1, recAv=1)
        reply.queries = query.queries
        reply.rCode = self.code
        if self.truncates and not stream:
            reply.trunc = 1
        elif self.code == dns.OK:
            reply.answers = [
                header(record) for record in self.lies + self._find(name, question.type)
            ]
            if not reply.answers:
                if not any(record[0].lower() == name for record in self.records):
                    reply.rCode = dns.ENAME
                if self.negative is not None:
                    soa = dns.Record_SOA("ns", "root", 1, 1, 1, 1, self.negative, self.negative)
                    reply.authority = [header(("zone", self.negative, soa))]
        reply.maxSize = 0 if stream else 1232  # what does not fit is cut, and the message says so
        self.change(reply)
        return bytes(reply.toStr())

    def _find(self, name: str, kind: int) -> list[Record]:
        found: list[Record] = []
        for _ in range(20):
            here = [record for record in self.records if record[0].lower() == name]
            fitting = [record for record in here if kind == record[2].TYPE]
            alias = [record for record in here if record[2].TYPE == dns.CNAME]
            found += fitting or alias
            if fitting or not alias or not self.chases:
                break
            name = alias[0][2].name.name.decode().lower()
        return found


def header(record: Record) -> dns.RRHeader:
    """A record as it stands in a message."""
    name, ttl, payload = record
    return dns.RRHeader(name, payload.TYPE, dns.IN, ttl, payload)


class _Datagrams(DatagramProtocol):
    noisy = False

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        answer = self._zone.answer(datagram, False)
        if answer is not None:
            self.transport.write(answer, addr)  # type: ignore[union-attr]


class _Stream(Protocol):
    factory: Any

    def __init__(self) -> None:
        self._buffer = b""

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 2:
            end = 2 + int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < end:
                return
            answer = self.factory.zone.answer(self._buffer[2:end], True)
            self._buffer = self._buffer[end:]
            if answer is not None:
                self.transport.write(len(answer).to_bytes(2, "big") + answer)  # type: ignore[union-attr]


class NameServer:
    """A zone on real sockets, at one port of 127.0.0.1.

    Attributes:
        port: of UDP and TCP.
    """

    def __init__(self, reactor: Any, zone: Zone) -> None:
        factory: Any = Factory.forProtocol(_Stream)
        factory.noisy = False
        factory.zone = zone
        for _ in range(20):
            datagrams = reactor.listenUDP(0, _Datagrams(zone), "127.0.0.1")
            self.port: int = datagrams.getHost().port
            try:
                stream = reactor.listenTCP(self.port, factory, interface="127.0.0.1")
                break
            except CannotListenError:
                datagrams.stopListening()
        self._ports: Sequence[Any] = (datagrams, stream)

    async def stop(self) -> None:
        """Close its sockets."""
        for port in self._ports:
            await port.stopListening()
