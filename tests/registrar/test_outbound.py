"""Over which flow a binding is reached."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.flowid import FlowId
from sipx.core.uri import parse_uri
from sipx.core.via import parse_via
from sipx.registrar.outbound import way_to

SEEN = FlowId("udp", "192.0.2.1", 5060, "198.51.100.7", 40000)
CONNECTION = FlowId("tcp", "192.0.2.1", 5060, "198.51.100.7", 40000)


class WayTests(SynchronousTestCase):
    def test_way(self) -> None:
        """A connection always; over UDP what was seen, unless the phone knows its address."""
        behind, public = "SIP/2.0/UDP 10.0.0.5", "SIP/2.0/UDP 198.51.100.7"
        for contact, via, flow, way in (
            ("sip:a@10.0.0.5", behind, SEEN, SEEN),
            ("sip:a@10.0.0.5:5070;transport=tcp", behind, SEEN, SEEN),
            ("sip:a@10.0.0.5", behind, CONNECTION, CONNECTION),
            ("sip:a@198.51.100.7", public, CONNECTION, CONNECTION),
            ("sip:a@198.51.100.7:40000", public, SEEN, SEEN),
            ("sip:a@198.51.100.7:5070", public, SEEN, SEEN._replace(port=5070)),
            ("sip:a@198.51.100.7;transport=UDP", public, SEEN, SEEN._replace(port=5060)),
            ("sip:a@198.51.100.7;transport=tcp", public, SEEN, None),
            ("sip:a@203.0.113.9", public, SEEN, None),
            ("sip:a@phone.example.com", public, SEEN, None),
            ("sip:a@10.0.0.5", behind, None, None),
        ):
            self.assertEqual(way_to(parse_uri(contact), (), parse_via(via), flow), way, contact)

    def test_path(self) -> None:
        """With a Path, its first hop says where to go."""
        contact, via = parse_uri("sip:a@10.0.0.5"), parse_via("SIP/2.0/UDP 10.0.0.5")
        self.assertIsNone(way_to(contact, ("<sip:near;lr>",), via, CONNECTION))
