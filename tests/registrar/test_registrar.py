"""What a REGISTER does and is answered, rule by rule."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipx.core.errors import LocalError
from sipx.core.flowid import FlowId
from sipx.core.message import Response
from sipx.registrar import registrar as rules
from sipx.registrar.registrar import MOST_BINDINGS_OF_USER, SPREAD_FROM
from tests.registrar.desk import FLOW, Desk, listed

HOME = "sip:200@192.0.2.77"
DESK = "sip:200@192.0.2.78"
MOBILE = "sip:200@192.0.2.79;transport=tcp"
UUID = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
OTHER_UUID = "urn:uuid:2b1a4d5c-0000-4000-8000-000000000001"


def of(uri: str, instance: str = "") -> str:
    """A Contact value."""
    return f"<{uri}>" + (f';+sip.instance="<{instance}>"' if instance else "")


class DeskCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk()

    def assertRefused(self, response: Response, status: int, reason: str = "") -> None:
        """The request was refused, and nothing was written."""
        self.assertEqual(response.status, status, response)
        if reason:
            self.assertEqual(response.reason, reason)
        self.assertFalse(response.has("contact"))


class AddressOfRecordTests(DeskCase):
    """Whose bindings a request is about: RFC 3261 section 10.3, steps 4 and 5."""

    def test_own(self) -> None:
        """A user registers his own address."""
        response = self.desk.register(of(HOME), expires=60)
        self.assertEqual((response.status, listed(response)), (200, {HOME: 60}))

    def test_spellings(self) -> None:
        """Parameters, a display name, the port, escapes and an alias mean the same user."""
        for aor in (
            "<sip:200@example.com;user=phone>",
            '"Anna" <sip:200@EXAMPLE.com:5060>',
            "sip:200@example.com",
            "<sip:%32%30%30@example.com>",
            "<sip:reception@example.com>",
            "<sips:200@example.com>",
        ):
            desk = Desk()
            self.assertEqual(desk.register(of(HOME), expires=60, aor=aor).status, 200, aor)
            self.assertEqual(desk.contacts(), [HOME], aor)

    def test_unknown(self) -> None:
        """An address that nobody has is 404."""
        response = self.desk.register(of(HOME), aor="<sip:999@example.com>")
        self.assertRefused(response, 404, "No such user here")

    def test_elsewhere(self) -> None:
        """An address of another domain, or none of SIP, is 404."""
        for aor in ("<sip:200@example.net>", "<sip:200@example.com:5080>", "<tel:200>"):
            response = self.desk.register(of(HOME), aor=aor)
            self.assertRefused(response, 404, "Not an address of this domain")

    def test_of_somebody_else(self) -> None:
        """Nobody registers, removes or reads the address of another user."""
        self.desk.register(of(HOME), expires=60)
        for contacts in ((of(DESK),), ("*",), ()):
            response = self.desk.register(
                *contacts, expires=0, user="201", aor="<sip:200@example.com>", call_id="x"
            )
            self.assertRefused(response, 403)
        self.assertEqual(self.desk.contacts(), [HOME])

    def test_nobody(self) -> None:
        """Who did not authenticate is nobody."""
        response = self.desk.register(of(HOME), user="", aor="<sip:200@example.com>")
        self.assertRefused(response, 403)


class AnswerTests(DeskCase):
    """The 200."""

    def test_headers(self) -> None:
        """It has our tag, the date, and for each contact q, what remains, and the instance."""
        response = self.desk.register(of(HOME, UUID) + ";q=0.5", expires=60)
        self.assertEqual(response.to.tag, "ours")
        self.assertEqual(response.get("date"), "Fri, 15 Jan 2027 08:00:00 GMT")
        self.assertEqual(
            response.every("contact"), [f'<{HOME}>;expires=60;q=0.5;+sip.instance="<{UUID}>"']
        )
        self.assertEqual(response.get("content-length"), "0")

    def test_date_goes_on(self) -> None:
        """The date is that of the moment."""
        self.desk.register()
        self.desk.advance(1.5)
        self.assertEqual(self.desk.register().get("date"), "Fri, 15 Jan 2027 08:00:01 GMT")

    def test_lists_all(self) -> None:
        """All bindings of the user are listed, whoever made them, best first."""
        self.desk.register(of(HOME) + ";q=0.2", expires=60)
        self.desk.advance(10.4)
        response = self.desk.register(of(DESK), expires=100, call_id="other")
        self.assertEqual(list(listed(response).items()), [(DESK, 100), (HOME, 49)])

    def test_last_second(self) -> None:
        """A contact that is still there never shows 0, which would say that it is not."""
        self.desk.register(of(HOME), expires=60)
        self.desk.advance(59.9)
        self.assertEqual(listed(self.desk.register()), {HOME: 1})
        self.desk.advance(0.1)
        self.assertEqual(listed(self.desk.register()), {})

    def test_whole_seconds(self) -> None:
        """What was granted is what is said, whatever fractions the clock shows."""
        for step in range(200):
            desk = Desk()
            desk.now = 2**14 - 50 + step * 0.0731
            self.assertEqual(listed(desk.register(of(HOME), expires=60 + step)), {HOME: 60 + step})

    def test_query(self) -> None:
        """Without Contact nothing changes and all is listed."""
        self.assertEqual(listed(self.desk.register()), {})
        self.desk.register(of(HOME), expires=60)
        records = list(self.desk.journal.records)
        self.assertEqual(listed(self.desk.register(expires=0)), {HOME: 60})
        self.assertEqual(self.desk.journal.records, records)

    def test_empty_contact(self) -> None:
        """A Contact without value is no query."""
        self.assertRefused(self.desk.register(""), 400, "Malformed Contact")


class IntervalTests(DeskCase):
    """How long a registration lasts."""

    def test_asked(self) -> None:
        """The parameter goes before the header, which goes before the default."""
        for contact, expires, granted in (
            (of(HOME) + ";expires=90", None, 90),
            (of(HOME) + ";expires=90", 60, 90),
            (of(HOME), 60, 60),
            (of(HOME), None, 7200),
            (of(HOME), 30, 30),
            (of(HOME), 7200, 7200),
            (of(HOME), 7201, 7200),
            (of(HOME), 2**32 - 1, 7200),
            (HOME + ";expires=90", 60, 90),
        ):
            response = Desk().register(contact, expires=expires)
            self.assertEqual(listed(response), {HOME: granted}, (contact, expires))

    def test_too_brief(self) -> None:
        """One contact below the minimum is 423, and none is registered."""
        for contacts, expires in (
            ((of(HOME),), 29),
            ((of(HOME) + ";expires=1",), 3600),
            ((of(DESK), of(HOME) + ";expires=29"), 3600),
        ):
            response = self.desk.register(*contacts, expires=expires)
            self.assertRefused(response, 423, "Interval Too Brief")
            self.assertEqual(response.get("min-expires"), "30")
            self.assertEqual(self.desk.contacts(), [])

    def test_malformed(self) -> None:
        """What is no number of seconds is 400."""
        for contact, expires in (
            (of(HOME), "soon"),
            (of(HOME), "-1"),
            (of(HOME), "1.5"),
            (of(HOME), ""),
            (of(HOME), 2**32),
            (of(HOME) + ";expires", 60),
            (of(HOME) + ";expires=x", 60),
            (of(HOME) + ';expires="60"', 60),
            (of(HOME) + f";expires={2**32}", 60),
        ):
            self.assertRefused(self.desk.register(contact, expires=expires), 400)

    def test_limits_are_options(self) -> None:
        """Other limits hold when they are given."""
        desk = Desk(min_expires=300, max_expires=500)
        self.assertEqual(desk.register(of(HOME), expires=299).get("min-expires"), "300")
        self.assertEqual(listed(desk.register(of(HOME))), {HOME: 500})

    def test_limits_that_contradict(self) -> None:
        """A minimum above the maximum is our own fault."""
        self.assertRaises(LocalError, Desk, min_expires=501, max_expires=500)

    def test_spread(self) -> None:
        """From 600 s up a grant is spread over 80 to 100 percent, never above."""
        for asked, random, granted in (
            (SPREAD_FROM - 1, 0.999, 599),
            (600, 0.0, 600),
            (600, 0.999, 481),
            (3600, 0.5, 3240),
            (3600, 0.999999, 2881),
            (7200, 0.999999, 5761),
            (100_000, 0.999999, 5761),
        ):
            desk = Desk()
            desk.random = random
            response = desk.register(of(HOME), expires=asked)
            self.assertEqual(listed(response), {HOME: granted}, (asked, random))
            self.assertEqual(desk.bindings()[0].expires, desk.now + granted)

    def test_spread_and_minimum(self) -> None:
        """Spreading does not go below the minimum."""
        desk = Desk(min_expires=590)
        desk.random = 0.9
        self.assertEqual(listed(desk.register(of(HOME), expires=600)), {HOME: 590})

    def test_one_value(self) -> None:
        """All contacts of a request get the same value, unless they asked for less."""
        self.desk.random = 0.5
        response = self.desk.register(
            of(HOME), of(DESK) + ";expires=3500", of(MOBILE) + ";expires=60", expires=3600
        )
        self.assertEqual(listed(response), {HOME: 3240, DESK: 3240, MOBILE: 60})

    def test_ends(self) -> None:
        """A binding is there until its last moment, and is swept after it."""
        self.desk.register(of(HOME), expires=60)
        self.desk.advance(59.99)
        self.assertEqual(self.desk.contacts(), [HOME])
        self.desk.advance(0.01)
        self.assertEqual(self.desk.contacts(), [])
        self.assertEqual(self.desk.location.count(), 1)
        self.desk.advance(1)
        self.desk.registrar.expire(self.desk.now)
        self.assertEqual(self.desk.location.count(), 0)
        self.assertEqual(self.desk.journal.records[-1], ["unbind", "200", HOME])
        self.assertEqual(self.desk.journal.rows, {})

    def test_wall_clock(self) -> None:
        """A step of the wall clock changes nothing in memory."""
        for step in (3600, -3600):
            desk = Desk()
            desk.register(of(HOME), expires=60)
            desk.utc += step
            self.assertEqual(listed(desk.register()), {HOME: 60})
            desk.now += 59
            desk.registrar.expire(desk.now)
            self.assertEqual(desk.contacts(), [HOME])
            self.assertEqual(listed(desk.register(of(HOME), expires=60)), {HOME: 60})


class RemovalTests(DeskCase):
    """Expires 0."""

    def test_one(self) -> None:
        """A contact with expires 0 is removed; the others stay."""
        self.desk.register(of(HOME), of(DESK), expires=60)
        response = self.desk.register(of(HOME) + ";expires=0")
        self.assertEqual(listed(response), {DESK: 60})
        self.assertEqual(self.desk.journal.records[-1], ["unbind", "200", HOME])

    def test_unknown(self) -> None:
        """Removing what is not there succeeds and does nothing."""
        response = self.desk.register(of(HOME), expires=0)
        self.assertEqual((response.status, listed(response)), (200, {}))
        self.assertEqual(self.desk.journal.records, [])

    def test_move(self) -> None:
        """One request may remove a contact and add another."""
        self.desk.register(of(HOME), expires=60)
        response = self.desk.register(of(HOME) + ";expires=0", of(DESK), expires=60)
        self.assertEqual(listed(response), {DESK: 60})

    def test_all(self) -> None:
        """``*`` with Expires 0 removes what anybody registered for the user."""
        self.desk.register(of(HOME), expires=60, call_id="a")
        self.desk.register(of(DESK), expires=60, call_id="b")
        self.desk.register(of(HOME), expires=60, user="201")
        response = self.desk.register("*", expires=0, call_id="c")
        self.assertEqual((response.status, listed(response)), (200, {}))
        self.assertEqual(list(self.desk.journal.rows), [("201", HOME)])
        self.assertEqual(self.desk.contacts("201"), [HOME])

    def test_all_misused(self) -> None:
        """``*`` with anything else is 400."""
        self.desk.register(of(HOME), expires=60)
        for contacts, expires in (
            (("*",), None),
            (("*",), 60),
            (("*", of(DESK)), 0),
            ((f"{of(DESK)}, *",), 0),
            (("*", "*"), 0),
            (("*;expires=0",), 0),
            (("<*>",), 0),
        ):
            self.assertRefused(self.desk.register(*contacts, expires=expires), 400)
        self.assertEqual(self.desk.contacts(), [HOME])

    def test_all_out_of_order(self) -> None:
        """``*`` that is not younger than a binding of its Call-ID removes nothing."""
        self.desk.register(of(HOME), expires=60, cseq=5)
        self.desk.register(of(DESK), expires=60, cseq=1, call_id="other")
        self.assertRefused(self.desk.register("*", expires=0, cseq=5), 500, "Out Of Order")
        self.assertEqual(len(self.desk.contacts()), 2)


class OrderTests(DeskCase):
    """Call-ID and CSeq: RFC 3261 section 10.3, step 7."""

    def test_older(self) -> None:
        """A lower or equal CSeq of the same Call-ID is 500 and changes nothing."""
        self.desk.register(of(HOME), expires=60, cseq=10)
        records = list(self.desk.journal.records)
        for cseq in (10, 9, 1):
            for contacts, expires in (((of(HOME),), 90), ((of(HOME),), 0), (("*",), 0)):
                response = self.desk.register(*contacts, expires=expires, cseq=cseq)
                self.assertRefused(response, 500, "Out Of Order")
        self.assertEqual(self.desk.journal.records, records)
        self.assertEqual(listed(self.desk.register()), {HOME: 60})

    def test_younger(self) -> None:
        """A higher CSeq refreshes."""
        self.desk.register(of(HOME), expires=60, cseq=10)
        self.assertEqual(listed(self.desk.register(of(HOME), expires=90, cseq=11)), {HOME: 90})
        self.assertEqual(self.desk.bindings()[0].cseq, 11)

    def test_other_call_id(self) -> None:
        """A CSeq of another Call-ID says nothing."""
        self.desk.register(of(HOME), expires=60, cseq=10)
        response = self.desk.register(of(HOME), expires=90, cseq=1, call_id="rebooted")
        self.assertEqual(listed(response), {HOME: 90})

    def test_ended(self) -> None:
        """What has ended does not count, swept or not."""
        self.desk.register(of(HOME), expires=60, cseq=10)
        self.desk.advance(60)
        self.assertEqual(listed(self.desk.register(of(HOME), expires=60, cseq=10)), {HOME: 60})

    def test_whole_or_not_at_all(self) -> None:
        """One contact that is out of order, malformed or too brief spoils the whole request."""
        self.desk.register(of(HOME), expires=60, cseq=10)
        self.desk.register(of(DESK), expires=60, cseq=3)
        before = list(self.desk.bindings())
        records = list(self.desk.journal.records)
        for contacts in (
            (of(DESK), of(HOME), of(MOBILE)),
            (of(DESK) + ";expires=0", of(HOME)),
        ):
            response = self.desk.register(*contacts, expires=90, cseq=10)
            self.assertRefused(response, 500, "Out Of Order")
        for spoiled in (";q=2", ";expires=1", ";expires=x", ";q=0.5;q=0.5", ";+sip.instance"):
            response = self.desk.register(of(DESK), of(MOBILE) + spoiled, expires=90, cseq=11)
            self.assertIn(response.status, {400, 423}, spoiled)
        self.assertEqual(self.desk.bindings(), tuple(before))
        self.assertEqual(self.desk.journal.records, records)

    def test_contacts_one_by_one(self) -> None:
        """Contacts that a request of the same Call-ID does not name stay."""
        self.desk.register(of(HOME), expires=60)
        self.desk.register(of(DESK), expires=60)
        self.assertEqual(self.desk.contacts(), [DESK, HOME])


class ContactTests(DeskCase):
    """Which contacts are the same, which come first, which are none."""

    def test_preference(self) -> None:
        """Highest q first, the latest first among equals."""
        self.desk.register(of("sip:a@h") + ";q=0.5", of("sip:b@h") + ";q=0.9", expires=60)
        self.desk.register(of("sip:c@h") + ";q=0.5", expires=60)
        self.desk.register(of("sip:d@h"), expires=60)
        self.assertEqual(self.desk.contacts(), ["sip:d@h", "sip:b@h", "sip:c@h", "sip:a@h"])
        self.desk.register(of("sip:a@h") + ";q=0.5", expires=60)
        self.assertEqual(self.desk.contacts(), ["sip:d@h", "sip:b@h", "sip:a@h", "sip:c@h"])

    def test_q(self) -> None:
        """A q is 0 to 1 with three decimals at most."""
        for q, value in (
            ("0", 0.0), ("0.", 0.0), ("0.0", 0.0), ("0.7", 0.7), ("0.123", 0.123),
            ("1", 1.0), ("1.", 1.0), ("1.000", 1.0),
        ):  # fmt: skip
            desk = Desk()
            desk.register(f"{of(HOME)};q={q}", expires=60)
            self.assertEqual([binding.q for binding in desk.bindings()], [value], q)
        for q in ("2", "1.1", "1.001", "0.1234", "-0.5", ".5", "00.5", "0,5", "x", "1e-1", '"1"'):
            self.assertRefused(self.desk.register(f"{of(HOME)};q={q}", expires=60), 400)
        self.assertRefused(self.desk.register(f"{of(HOME)};q", expires=60), 400)

    def test_equivalent(self) -> None:
        """A contact that is equivalent by 19.1.4 replaces, and the new spelling is kept."""
        self.desk.register(of("sip:200@Phone.example.com;transport=TCP"), expires=60)
        other = "sip:%32%300@phone.example.com;transport=tcp;line=1"
        self.assertEqual(listed(self.desk.register(of(other), expires=90)), {other: 90})
        self.assertEqual(list(self.desk.journal.rows), [("200", other)])

    def test_not_equivalent(self) -> None:
        """Contacts that differ in what decides stand side by side."""
        contacts = [
            HOME, "sip:201@192.0.2.77", HOME + ":5060", "sips:200@192.0.2.77",
            HOME + ";transport=udp", HOME + ";transport=tcp", "sip:200:x@192.0.2.77",
        ]  # fmt: skip
        for contact in contacts:
            self.desk.register(of(contact), expires=60)
        self.assertEqual(self.desk.contacts(), contacts[::-1])

    def test_not_equivalent_same_key(self) -> None:
        """Contacts that only differ in a parameter that both have stand side by side."""
        one, two = HOME + ";line=1", HOME + ";line=2"
        self.desk.register(of(one), expires=60)
        self.desk.register(of(two), expires=60)
        self.assertEqual(self.desk.contacts(), [two, one])
        self.desk.register(of(one), expires=0)
        self.assertEqual(self.desk.contacts(), [two])

    def test_twice_in_one_request(self) -> None:
        """Of equivalent contacts in one request the last counts."""
        self.desk.register(of(HOME) + ";expires=60", of(HOME) + ";expires=90")
        self.assertEqual(listed(self.desk.register()), {HOME: 90})
        self.desk.register(of(HOME), of(HOME) + ";expires=0", expires=60)
        self.assertEqual(self.desk.contacts(), [])

    def test_as_target(self) -> None:
        """A contact is kept as it may stand in a Request-URI."""
        self.desk.register("<sip:200@192.0.2.77;method=INVITE?Subject=x>", expires=60)
        self.assertEqual(self.desk.contacts(), [HOME])

    def test_not_sip(self) -> None:
        """Contacts that are no SIP addresses are ignored as long as others remain."""
        response = self.desk.register("<mailto:a@b>", of(HOME), "<tel:+12>", expires=60)
        self.assertEqual(listed(response), {HOME: 60})
        response = self.desk.register("<mailto:a@b>", expires=60)
        self.assertRefused(response, 403, "No contact is a SIP address")

    def test_malformed(self) -> None:
        """What is no contact is 400."""
        for contact in (
            "<sip:>", "<sip:a@b", "200@h", "<sip:a@b:0>", "<sip:a@b>>", '"a <sip:a@b>',
            "<sip:a@b>;;", "<sip:\udcffa@b>", "<sip:a b@c>",
        ):  # fmt: skip
            self.assertRefused(self.desk.register(contact, expires=60), 400)

    def test_several_in_a_line(self) -> None:
        """Contacts may stand in one line, names with commas among them."""
        self.desk.register(f'"A, <b>;q=0" <{HOME}>;q=0.5, <{DESK}>', expires=60)
        self.assertEqual(self.desk.contacts(), [DESK, HOME])

    def test_by_contact(self) -> None:
        """A binding is found by its contact; who registered it first keeps it."""
        self.desk.register(of(HOME), expires=60, user="200")
        self.desk.register(of(HOME), expires=60, user="201")
        self.desk.register(of(HOME), expires=90, user="200")
        key = "sip:200:@192.0.2.77:;"
        found = self.desk.location.by_contact(key)
        assert found is not None
        self.assertEqual((found.user, found.expires), ("200", 1090.0))
        self.desk.register(of(HOME), expires=0, user="200")
        found = self.desk.location.by_contact(key)
        assert found is not None
        self.assertEqual(found.user, "201")
        self.desk.register(of(HOME), expires=0, user="201")
        self.assertIsNone(self.desk.location.by_contact(key))


class InstanceTests(DeskCase):
    """``+sip.instance``, and what names a phone."""

    def test_reboot(self) -> None:
        """A phone that comes back elsewhere takes the place of what it left behind."""
        self.desk.register(of(HOME, UUID), expires=3600)
        self.desk.register(of(MOBILE, OTHER_UUID), expires=3600, call_id="other")
        response = self.desk.register(of(DESK, UUID), expires=3600, call_id="rebooted")
        self.assertEqual(listed(response), {DESK: 3600, MOBILE: 3600})
        self.assertEqual(sorted(self.desk.journal.rows), [("200", DESK), ("200", MOBILE)])

    def test_moved(self) -> None:
        """So does one that only got another address and keeps its Call-ID."""
        self.desk.register(of(HOME, UUID), expires=60)
        self.assertEqual(listed(self.desk.register(of(DESK, UUID), expires=60)), {DESK: 60})

    def test_late(self) -> None:
        """A request from before the move is out of order."""
        self.desk.register(of(DESK, UUID), expires=60, cseq=8)
        response = self.desk.register(of(HOME, UUID), expires=60, cseq=7)
        self.assertRefused(response, 500, "Out Of Order")

    def test_several_of_one(self) -> None:
        """The contacts of an instance that one request names stand side by side."""
        contacts = (of(HOME, UUID), of(DESK, UUID))
        self.desk.register(*contacts, expires=60)
        self.assertEqual(listed(self.desk.register(*contacts, expires=90)), {HOME: 90, DESK: 90})

    def test_removal(self) -> None:
        """Removing one contact of an instance does not remove another."""
        self.desk.register(of(HOME, UUID), expires=60)
        self.desk.register(of(DESK, UUID), expires=0)
        self.assertEqual(self.desk.contacts(), [HOME])

    def test_of_another_user(self) -> None:
        """The same instance of two users are two registrations: a phone with two lines."""
        self.desk.register(of(HOME, UUID), expires=60)
        self.desk.register(of("sip:201@192.0.2.77", UUID), expires=60, user="201")
        self.assertEqual(self.desk.location.count(), 2)

    def test_nil(self) -> None:
        """The nil UUID names no phone."""
        nil = "urn:uuid:00000000-0000-0000-0000-000000000000"
        self.desk.register(of(HOME, nil), expires=60)
        self.desk.register(of(DESK, nil), expires=60, call_id="other")
        self.assertEqual(self.desk.contacts(), [DESK, HOME])

    def test_instrument(self) -> None:
        """The authentication name names the phone, else the instance: its MAC or all of it."""
        for instrument, instance, expected in (
            ("", "", ""),
            ("lobby", "", "lobby"),
            ("lobby", UUID, "lobby"),
            ("", UUID, "00a0c91e6bf6"),
            ("", UUID.upper(), "00a0c91e6bf6"),
            ("", OTHER_UUID, OTHER_UUID),
            ("", "urn:example:7", "urn:example:7"),
        ):
            desk = Desk()
            desk.register(of(HOME, instance), expires=60, instrument=instrument)
            self.assertEqual(desk.bindings()[0].instrument, expected)
            self.assertEqual(desk.bindings()[0].instance, instance)

    def test_malformed(self) -> None:
        """An instance that could not be written back is 400."""
        for value in ("", "=", '=""', '="<>"', '="<a b>"', '="<a\\"b>"', '="<\u00fc>"'):
            response = self.desk.register(f"{of(HOME)};+sip.instance{value}", expires=60)
            self.assertRefused(response, 400)


class PathTests(DeskCase):
    """Path: RFC 3327."""

    def test_kept(self) -> None:
        """It is kept in its order, given back, and renewed by each request."""
        path = ["<sip:near.example.com;lr>", '"Far, far" <sip:x@far.example.com;lr>;a=b']
        response = self.desk.register(
            of(HOME), expires=60, headers=["Supported: path", f"Path: {path[0]}, {path[1]}"]
        )
        self.assertEqual(response.every("path"), path)
        self.assertEqual(self.desk.bindings()[0].path, tuple(path))
        self.assertEqual(self.desk.journal.records[0][7], path)
        self.desk.register(of(HOME), expires=60)
        self.assertEqual(self.desk.bindings()[0].path, ())

    def test_unsupported(self) -> None:
        """A phone that does not support it is told."""
        response = self.desk.register(of(HOME), expires=60, headers=["Path: <sip:a;lr>"])
        self.assertRefused(response, 420)
        self.assertEqual(response.get("unsupported"), "path")

    def test_malformed(self) -> None:
        """What cannot be a Route is 400."""
        for path in ("sip:a;lr", "<tel:1>", "<sip:>", "x", "<sip:a;lr>, <", '"\udcff" <sip:a>'):
            headers = ["Supported: path", f"Path: {path}"]
            self.assertRefused(self.desk.register(of(HOME), expires=60, headers=headers), 400)


class KeepingTests(DeskCase):
    """What of a request is kept, and where."""

    def test_binding(self) -> None:
        """A binding knows its request, its flow and its times."""
        flow = FlowId("tcp", "192.0.2.1", 5060, "198.51.100.7", 49152)
        self.desk.register(of(HOME), expires=60, cseq=7, headers=["User-Agent: Phone/1"], flow=flow)
        (binding,) = self.desk.bindings()
        self.assertEqual(
            (binding.call_id, binding.cseq, binding.flow, binding.user_agent),
            ("phone", 7, flow, "Phone/1"),
        )
        self.assertEqual((binding.expires, binding.registered), (1060.0, self.desk.utc))

    def test_records(self) -> None:
        """The journal gets what the store needs, with times in utc."""
        self.desk.register(of(HOME, UUID) + ";q=0.5", expires=60, cseq=7)
        self.assertEqual(
            self.desk.journal.records,
            [["bind", "200", HOME, 0.5, self.desk.utc + 60, "phone", 7, [], str(FLOW), UUID,
              "00a0c91e6bf6", "", self.desk.utc]],
        )  # fmt: skip

    def test_refresh(self) -> None:
        """A refresh is one record; only another spelling of the contact removes the former."""
        self.desk.register(of(HOME), expires=60)
        self.desk.register(of(HOME), expires=60)
        self.desk.register(of("sip:200@192.0.2.77;x"), expires=60)
        self.assertEqual(
            [record[0] for record in self.desk.journal.records], ["bind", "bind", "unbind", "bind"]
        )

    def test_user_agent(self) -> None:
        """A long User-Agent is cut, and what no database takes is replaced."""
        self.desk.register(of(HOME), expires=60, headers=["User-Agent: " + "x" * 500])
        self.assertEqual(self.desk.bindings()[0].user_agent, "x" * 128)
        self.desk.register(of(HOME), expires=60, headers=["User-Agent: T\u00e9l\udcff"])
        self.assertEqual(self.desk.bindings()[0].user_agent, "T\u00e9l?")

    def test_call_id(self) -> None:
        """A Call-ID that no database takes is 400."""
        self.assertRefused(self.desk.register(of(HOME), call_id="a\udcff"), 400)

    def test_journal_failing(self) -> None:
        """What cannot be kept is not acknowledged; a query is, and nothing is swept."""
        self.desk.register(of(HOME), expires=60)
        self.desk.journal.failing = True
        for contacts, expires in (((of(DESK),), 60), ((of(HOME),), 0), (("*",), 0)):
            response = self.desk.register(*contacts, expires=expires)
            self.assertRefused(response, 503)
            self.assertEqual(response.get("retry-after"), "30")
        self.assertEqual(listed(self.desk.register()), {HOME: 60})
        self.desk.advance(62)
        self.desk.registrar.expire(self.desk.now)
        self.assertEqual((self.desk.contacts(), self.desk.location.count()), ([], 1))
        self.desk.journal.failing = False
        self.desk.registrar.expire(self.desk.now)
        self.assertEqual(self.desk.location.count(), 0)

    def test_forget(self) -> None:
        """A user who is removed loses his bindings."""
        self.desk.register(of(HOME), of(DESK), expires=60)
        self.assertEqual(self.desk.registrar.forget("200"), 2)
        self.assertEqual(self.desk.registrar.forget("200"), 0)
        self.assertEqual((self.desk.contacts(), self.desk.journal.rows), ([], {}))

    def test_forget_strangers(self) -> None:
        """Only who is a user still keeps his bindings; an alias of that name does not count."""
        self.desk.register(of(HOME), expires=60)
        self.desk.register(of(HOME), expires=60, user="201")
        self.desk.users.swap({"200": "201", "201": "201"})
        self.desk.registrar.forget_strangers()
        self.assertEqual(list(self.desk.journal.rows), [("201", HOME)])


class RestartTests(DeskCase):
    """Bindings come back from what the journal's records made."""

    def test_same(self) -> None:
        """All that is known of a binding survives."""
        headers = ["Supported: path", "Path: <sip:near;lr>", "User-Agent: Phone/1"]
        self.desk.register(of(HOME, UUID) + ";q=0.5", expires=60, headers=headers)
        self.desk.register(of(DESK), expires=90, call_id="other")
        before = self.desk.bindings()
        self.assertEqual(self.desk.restart(), 0)
        self.assertEqual(self.desk.bindings(), before)
        self.assertRefused(self.desk.register(of(HOME), expires=60, cseq=1), 500, "Out Of Order")

    def test_order(self) -> None:
        """The latest registered comes first again, however the store gives the rows."""
        for contact in (DESK, HOME, MOBILE):
            self.desk.register(of(contact), expires=60, call_id=contact)
            self.desk.advance(1)
        for _ in range(2):
            self.desk.restart()
            self.assertEqual(self.desk.contacts(), [MOBILE, HOME, DESK])
            self.desk.journal.rows = dict(reversed(self.desk.journal.rows.items()))

    def test_ended_meanwhile(self) -> None:
        """What ended while nobody was there is removed from the store."""
        self.desk.register(of(HOME), expires=60)
        self.desk.register(of(DESK), expires=600)
        self.desk.advance(100)
        self.desk.restart()
        self.assertEqual(listed(self.desk.register()), {DESK: 500})
        self.assertEqual(list(self.desk.journal.rows), [("200", DESK)])

    def test_removed_meanwhile(self) -> None:
        """So is what belongs to nobody."""
        self.desk.register(of(HOME), expires=60)
        self.desk.register(of(HOME), expires=60, user="201")
        self.desk.users.swap({"200": "300", "300": "300"})
        self.desk.restart()
        self.assertEqual((self.desk.location.count(), self.desk.journal.rows), (0, {}))

    def test_other_monotonic_clock(self) -> None:
        """The monotonic clock may begin anew."""
        self.desk.register(of(HOME), expires=60)
        self.desk.now = 3.0
        self.desk.restart()
        self.assertEqual(listed(self.desk.register()), {HOME: 60})

    def test_wall_clock_stepped_back(self) -> None:
        """Nothing lasts longer than a registration can."""
        self.desk.register(of(HOME), expires=60)
        self.desk.utc -= 1e6
        self.desk.restart()
        self.assertEqual(listed(self.desk.register()), {HOME: 7200})

    def test_unreadable(self) -> None:
        """A row that cannot be read is counted, and the others are there."""
        self.desk.register(of(HOME), of(DESK), expires=60)
        row = dict(self.desk.journal.rows["200", HOME])
        row["contact"] = "rubbish"
        self.desk.journal.rows["200", HOME] = row
        self.assertEqual(self.desk.restart(), 1)
        self.assertEqual(self.desk.contacts(), [DESK])


class LimitTests(DeskCase):
    """Nothing that a phone sends grows without bound."""

    def fill(self) -> None:
        """Register as many contacts as a user may have, each phone with its own Call-ID."""
        for number in range(MOST_BINDINGS_OF_USER):
            contact = of(f"sip:{number}@h")
            self.assertEqual(
                self.desk.register(contact, expires=60, call_id=f"c{number}").status, 200
            )

    def test_bindings_of_user(self) -> None:
        """One contact too many is 403; those that are there can be refreshed and replaced."""
        self.fill()
        response = self.desk.register(of(HOME), expires=60)
        self.assertRefused(response, 403, "More than 10 contacts registered")
        self.assertEqual(self.desk.register(of("sip:3@h"), expires=90, call_id="x").status, 200)
        response = self.desk.register(of("sip:3@h") + ";expires=0", of(HOME), expires=90)
        self.assertEqual(response.status, 200)
        self.assertEqual(len(self.desk.contacts()), 10)

    def test_ended_make_room(self) -> None:
        """What has ended does not count."""
        self.fill()
        self.desk.advance(60)
        response = self.desk.register(of(HOME), expires=60)
        self.assertEqual(listed(response), {HOME: 60})
        self.assertEqual(len(self.desk.journal.rows), 1)

    def test_former_make_room(self) -> None:
        """A phone that gets another port each time does not lock itself out."""
        for port in range(2000, 2030):
            response = self.desk.register(of(f"sip:200@h:{port}"), expires=3600)
            self.assertEqual(response.status, 200)
        self.assertEqual(
            self.desk.contacts(), [f"sip:200@h:{port}" for port in range(2029, 2019, -1)]
        )

    def test_of_one_request(self) -> None:
        """Too many contacts in one request are refused, to add or to remove."""
        for count, expires, status in ((10, 60, 200), (11, 60, 403), (32, 0, 200), (33, 0, 403)):
            contacts = [of(f"sip:{number}@h") for number in range(count)]
            response = Desk().register(*contacts, expires=expires)
            self.assertEqual(response.status, status, count)

    def test_lengths(self) -> None:
        """Texts that are kept have a longest length."""
        path = "Supported: path"
        long = "x" * 600
        for response in (
            self.desk.register(of(f"sip:{long}@h"), expires=60),
            self.desk.register(of(f"sip:{long * 10}@h"), expires=60),
            self.desk.register(of(HOME, long), expires=60),
            self.desk.register(of(HOME), expires=60, call_id=long),
            self.desk.register(of(HOME), expires=60, headers=[path, f"Path: <sip:{long}@h;lr>"]),
            self.desk.register(of(HOME), expires=60, headers=[path, *["Path: <sip:h;lr>"] * 9]),
        ):
            self.assertRefused(response, 403)
        self.assertEqual(self.desk.journal.records, [])

    def test_of_the_node(self) -> None:
        """When the node is full, new contacts get 503 and old ones are refreshed."""
        self.patch(rules, "MOST_BINDINGS", 2)
        self.desk.register(of(HOME), expires=60)
        self.desk.register(of(DESK), expires=60)
        response = self.desk.register(of(HOME), expires=60, user="201")
        self.assertRefused(response, 503, "Too many registrations")
        self.assertEqual(response.get("retry-after"), "30")
        self.assertEqual(self.desk.register(of(HOME), expires=60).status, 200)
