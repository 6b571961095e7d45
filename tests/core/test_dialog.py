"""Tests of sipx.core.dialog: what two user agents keep of each other (RFC 3261 section 12)."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.dialog import LONGEST_FIELD, MOST_ROUTES, Dialog, copy_record_route
from sipx.core.errors import RemoteError
from sipx.core.message import Request, reply
from tests.support.builders import request, response


def invite(*headers: str, contact: str = "<sip:bob@192.0.2.9:5070;ob>") -> Request:
    """What makes a dialog."""
    return request(
        "INVITE",
        "sip:200@example.test",
        *headers,
        sender='"Bob" <sip:bob@elsewhere.test>',
        tag="theirs",
        call_id="c1",
        cseq=7,
        contact=contact,
    )


class DialogTests(SynchronousTestCase):
    """Both sides of a dialog."""

    def test_as_server(self) -> None:
        """The callee's requests go to the Contact along Record-Route as it stands."""
        routes = ("Record-Route: <sip:p2;lr>, <sip:p1;lr>",)
        dialog = Dialog.as_server(invite(*routes), "ours")
        bye = dialog.make("BYE", "<sip:200@192.0.2.1>")
        self.assertEqual(bye.uri_text, "sip:bob@192.0.2.9:5070;ob")
        self.assertEqual(bye.every("route"), ["<sip:p2;lr>", "<sip:p1;lr>"])
        self.assertEqual(bye.get("from"), "<sip:200@example.test>;tag=ours")
        self.assertEqual(bye.get("to"), '"Bob" <sip:bob@elsewhere.test>;tag=theirs')
        self.assertEqual((bye.call_id, bye.cseq), ("c1", (1, "BYE")))
        self.assertEqual(dialog.make("BYE").cseq, (2, "BYE"))
        self.assertEqual(dialog.key, ("c1", "ours", "theirs"))

    def test_as_client(self) -> None:
        """The caller's requests travel the Record-Route of the response in reverse."""
        made = invite()
        made.add("record-route", "<sip:p2;lr>")
        made.add("record-route", "<sip:p1;lr>")
        answer = response(made, 200, to_tag="callee", contact="<sip:200@192.0.2.2>")
        dialog = Dialog.as_client(made, answer)
        ack = dialog.make("ACK", cseq=7)
        self.assertEqual(ack.every("route"), ["<sip:p1;lr>", "<sip:p2;lr>"])
        self.assertEqual((ack.uri_text, ack.cseq), ("sip:200@192.0.2.2", (7, "ACK")))
        self.assertEqual(dialog.make("BYE").cseq, (8, "BYE"))

    def test_strict_router(self) -> None:
        """A first hop without lr becomes the Request-URI, the target the last Route (12.2.1.1)."""
        dialog = Dialog.as_server(invite("Record-Route: <sip:old>, <sip:p1;lr>"), "ours")
        made = dialog.make("INFO")
        self.assertEqual(made.uri_text, "sip:old")
        self.assertEqual(made.every("route"), ["<sip:p1;lr>", "<sip:bob@192.0.2.9:5070;ob>"])

    def test_order(self) -> None:
        """A request that is not newer than the last one is out of order."""
        dialog = Dialog.as_server(invite(), "ours")
        for number, good in ((7, False), (8, True), (8, False), (6, False), (100, True)):
            made = request("INFO", "sip:200@192.0.2.1", cseq=number)
            self.assertIs(dialog.follows(made), good, number)

    def test_target_refresh(self) -> None:
        """A Contact moves the target; without one it stays."""
        dialog = Dialog.as_server(invite(), "ours")
        dialog.refresh(invite(contact=""))
        self.assertEqual(dialog.target, "sip:bob@192.0.2.9:5070;ob")
        dialog.refresh(invite(contact="<sip:bob@192.0.2.10>"))
        self.assertEqual(dialog.target, "sip:bob@192.0.2.10")

    def test_stored(self) -> None:
        """It comes back from JSON as it was."""
        dialog = Dialog.as_server(invite("Record-Route: <sip:p1;lr>"), "ours")
        dialog.make("NOTIFY")
        again = Dialog.load(json.loads(json.dumps(dialog.stored())))
        self.assertEqual(again.stored(), dialog.stored())
        self.assertEqual(again.make("BYE").to_bytes(), dialog.make("BYE").to_bytes())

    def test_stored_by_somebody_else(self) -> None:
        """What is no dialog is none."""
        good = Dialog.as_server(invite(), "ours").stored()
        for bad in ({}, {**good, "target": 1}, {**good, "call_id": None}):
            with self.assertRaises((KeyError, TypeError)):
                Dialog.load(bad)

    def test_refused(self) -> None:
        """Without a usable Contact, or with more than is kept, there is no dialog."""
        for made in (
            invite(contact=""),
            invite(contact="*"),
            invite(contact="<tel:123>"),
            invite(contact=f"<sip:{'x' * LONGEST_FIELD}@192.0.2.9>"),
            invite(*["Record-Route: <sip:p;lr>"] * (MOST_ROUTES + 1)),
        ):
            with self.assertRaises(RemoteError) as caught:
                Dialog.as_server(made, "ours")
            self.assertEqual(caught.exception.status, 400)

    def test_record_route_of_the_answer(self) -> None:
        """What makes a dialog returns the Record-Route as it came."""
        made = invite("Record-Route: <sip:p2;lr>,<sip:p1;lr>")
        answer = reply(made, 200, "", "ours")
        copy_record_route(made, answer)
        self.assertEqual(answer.every("record-route"), made.every("record-route"))
