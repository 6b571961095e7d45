"""Tests of sipx.net.component: sockets are bound, listened on and closed."""

from __future__ import annotations

import resource
import socket
from typing import Any
from unittest.mock import patch

from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from sipx.interfaces import ITransport, IWireTrace
from sipx.net.component import FILES_CHANGE, dns, signaling, tcp, udp
from sipx.net.interfaces import IHops, ISignaling
from sipx.node.errors import StartError
from sipx.node.identity import make_identity
from tests.proxy.house import House

LISTEN = ["127.0.0.1", "127.0.0.2"]


class ComponentTests(SynchronousTestCase):
    """The transports of a node."""

    def setUp(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.reactor: Any = MemoryReactorClock()
        self.context = House().context
        self.context._provided.clear()
        self.context.reactor = self.reactor
        self.context.identity = make_identity("realm", "x", LISTEN, self.port)

    @property
    def everywhere(self) -> str:
        """All addresses, as health names them."""
        return ", ".join(f"{host}:{self.port}" for host in LISTEN)

    def said(self, part: str) -> str:
        """What health says of a part that is well."""
        found = self.context.health.report()["parts"][part]
        self.assertTrue(found["ok"])
        text: str = found["text"]
        return text

    def test_signaling(self) -> None:
        """The layer, its trace and the local transport, with gauges."""
        signaling(self.context)
        layer = self.context.get(ISignaling)
        self.assertEqual([transport.name for transport in layer.transports()], ["local"])
        self.assertEqual(self.context.get(IWireTrace).calls(1), [])
        gauges = self.context.health.report()["gauges"]
        self.assertEqual(gauges["transactions"]["value"], 0)
        self.assertTrue(gauges["transactions"]["limit"])
        self.assertTrue(all(gauge["value"] is not None for gauge in gauges.values()))

    def test_udp(self) -> None:
        """A socket for each address, read while the node runs."""
        signaling(self.context)
        service = udp(self.context)
        (transport,) = self.context.every(ITransport)
        self.assertEqual(transport.addresses(), [(host, self.port) for host in LISTEN])
        self.assertEqual(len(self.reactor.getReaders()), 0)
        service.startService()
        self.assertEqual(len(self.reactor.getReaders()), 2)
        self.assertEqual(self.said("udp"), f"listening: {self.everywhere}")
        with self.assertRaises(StartError) as caught:
            udp(self.context)
        self.assertIn("is in use by another program", str(caught.exception))
        service.stopService()
        self.assertEqual(len(self.reactor.getReaders()), 0)

    def test_tcp(self) -> None:
        """Each address is listened on while the node runs."""
        signaling(self.context)
        service = tcp(self.context)
        (transport,) = self.context.every(ITransport)
        service.startService()
        self.assertEqual([entry[3] for entry in self.reactor.tcpServers], LISTEN)
        self.assertEqual([host for host, _ in transport.addresses()], LISTEN)
        self.assertIn(f"listening: {self.everywhere}", self.said("tcp"))
        self.assertEqual(self.reactor.tcpServers[0][1].logPrefix(), "SIP over TCP")
        gauges = self.context.health.report()["gauges"]
        self.assertLess({"tcp_broken", "tcp_cut_off", "tcp_refused"}, set(gauges))
        service.stopService()

    def test_dns(self) -> None:
        """Name servers that were given are named in health, which says when none answers."""
        signaling(self.context)
        self.context.options = {"dns": (("192.0.2.53", 53), ("2001:db8::53", 5353))}
        service = dns(self.context)
        service.startService()
        hops = self.context.get(IHops)
        self.assertEqual(self.said("dns"), "name servers: 192.0.2.53:53, [2001:db8::53]:5353")
        hops._resolver.answering = False
        for tick in range(round(FILES_CHANGE * 10) + 2):
            self.context._repeats.tick(tick / 10)
        found = self.context.health.report()["parts"]["dns"]
        self.assertFalse(found["ok"])
        self.assertIn("name others with --dns", found["text"])
        gauges = self.context.health.report()["gauges"]
        self.assertLess({"dns_answers", "dns_queries", "next_hops_avoided"}, set(gauges))
        self.assertIsNotNone(self.context.get(ISignaling).back)
        service.stopService()

    def test_open_files(self) -> None:
        """Where fewer files may be open than there may be connections, health says how many."""
        signaling(self.context)
        for files, said in ((1024, "only 1024 open files"), (65536, "")):
            service = tcp(self.context)
            self.addCleanup(service.stopService)
            with patch.object(resource, "getrlimit", lambda _, files=files: (files, files)):
                service.startService()
            ports = [entry[0] for entry in self.reactor.tcpServers][-2:]
            everywhere = ", ".join(f"{h}:{p}" for h, p in zip(LISTEN, ports, strict=True))
            text = self.said("tcp").removeprefix(f"listening: {everywhere}")
            self.assertIn(said, text)
            self.assertEqual(bool(said), bool(text), text)

    def test_tcp_port_in_use(self) -> None:
        """An address that cannot be had is one sentence."""
        signaling(self.context)
        service = tcp(self.context)

        def refuse(port: int, factory: Any, backlog: int, host: str) -> None:
            raise CannotListenError(host, port, OSError(98, "Address already in use"))

        with patch.object(self.reactor, "listenTCP", refuse):
            error = self.assertRaises(StartError, service.startService)
        self.assertIn(f"TCP port {self.port} on 127.0.0.1 is in use", str(error))
