"""Tests of sipx.core.wayback: over which flow a phone is reached."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.flowid import FlowId
from sipx.core.uri import parse_uri
from sipx.core.via import parse_via
from sipx.core.wayback import way_to

UDP = FlowId("udp", "192.0.2.1", 5060, "198.51.100.7", 30000)
TCP = UDP._replace(transport="tcp")


class WayToTests(SynchronousTestCase):
    """The flow of a binding."""

    def test_table(self) -> None:
        """A connection is kept; NAT is seen by the Via; who knows its address is believed."""
        known = "198.51.100.7"
        for contact, path, via, flow, way in (
            # no flow, or a Path that says where to go
            (f"sip:200@{known}", (), f"{known}:30000", None, None),
            (f"sip:200@{known}:30000", ("<sip:edge;lr>",), f"{known}:30000", UDP, None),
            (f"sip:200@{known}:30000", ("<sip:edge;lr>",), f"{known}:30000", TCP, None),
            # a connection, whatever is said
            ("sip:200@10.0.0.7:5060", (), "10.0.0.7:5060", TCP, TCP),
            (f"sip:200@{known}:5060;transport=udp", (), f"{known}:5060", TCP, TCP),
            # behind a NAT: the Via names another address than was seen
            ("sip:200@10.0.0.7:5060", (), "10.0.0.7:5060", UDP, UDP),
            ("sip:200@phone.example", (), "phone.example", UDP, UDP),
            (f"sip:200@{known}:5070", (), "10.0.0.7:5060", UDP, UDP),
            # it knows its own address: the Contact is believed, the socket kept
            (f"sip:200@{known}:30000", (), f"{known}:30000", UDP, UDP),
            (f"sip:200@{known}:5070", (), f"{known}:30000", UDP, UDP._replace(port=5070)),
            (f"sip:200@{known}", (), f"{known}:30000", UDP, UDP._replace(port=5060)),
            (f"sip:200@{known};transport=UDP", (), known, UDP, UDP._replace(port=5060)),
            # or it registers somebody elsewhere, or wants another transport
            ("sip:200@203.0.113.5:5060", (), f"{known}:30000", UDP, None),
            (f"sip:200@{known}:30000;transport=tcp", (), f"{known}:30000", UDP, None),
        ):
            found = way_to(
                parse_uri(contact), path, parse_via(f"SIP/2.0/UDP {via};branch=z9hG4bK1"), flow
            )
            self.assertEqual(found, way, (contact, path, via, flow))
