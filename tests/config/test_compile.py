"""The snapshot that routing works with: what comes of rules, groups and users."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from config.compile.rules import literal, rules
from config.model.edits import Do, Edit
from config.model.entities import KINDS, entity
from config.model.rules import KINDS as RULES
from sipx.routing.snapshot import (
    Codes,
    Gateway,
    Period,
    Ring,
    RoutingSnapshot,
    Schedule,
    UserEntry,
)
from tests.config.parts import edit
from tests.config.test_plan import PlanTestCase, add, change, gone

Case = tuple[str, dict[str, Any], list[tuple[tuple[str, ...], str]]]

# A kind, what is not as by default, and the patterns and transforms that come of it.
OUTSIDE: tuple[Case, ...] = (
    ("local", {}, [(("9xxxxxxx", "xxxxxxx"), "{vdigits}")]),
    ("local", {"pstn_prefix_optional": False}, [(("9xxxxxxx",), "{vdigits}")]),
    ("long_distance", {}, [(("91" + "x" * 10, "1" + "x" * 10), "1{vdigits}")]),
    (
        "long_distance",
        {"long_distance_prefix_optional": True, "area_codes": ["212", "646"]},
        [
            (
                tuple(head + code + "xxxxxxx" for head in ("91", "1", "9", "")),
                "1" + code + "{vdigits}",
            )
            for code in ("212", "646")
        ],
    ),
    (
        "toll_free",
        {"area_codes": ["800"]},
        [(("91800xxxxxxx", "1800xxxxxxx"), "1800{vdigits}")],
    ),
    ("restricted", {}, [(("91900xxxxxxx", "1900xxxxxxx"), "1900{vdigits}")]),
    ("international", {}, [(("9011x.", "011x."), "011{vdigits}")]),
    (
        "mobile",
        {"pstn_prefix": "", "area_codes": ["017"], "length": 11},
        [(("017xxxxxxxx",), "017{vdigits}")],
    ),
)
DEPOSIT = "IVR;mailbox={vdigits};action=deposit"
SERVICES: tuple[Case, ...] = (
    ("emergency", {}, [(("sos", "911", "9911"), "911")]),
    ("emergency", {"number": "112", "optional_prefix": ""}, [(("sos", "112"), "112")]),
    (
        "voicemail",
        {"did": "+15551"},
        [
            (("101", "+15551"), "IVR;action=retrieve"),
            (("8xxx",), DEPOSIT),
            (("~~vm~.",), DEPOSIT),
            (("~~ff~.",), "IVR;mailbox={vdigits};action=faxrx"),
        ],
    ),
    (
        "attendant",
        {"aliases": ["0", "exit"]},
        [(("100", "0", "e\\xit"), "IVR;action=autoattendant;schedule_id=aa_7")],
    ),
    (
        "intercom",
        {"code": "Auto Answer"},
        [
            (
                ("*76.",),
                "{vdigits}?Alert-Info=Auto%20Answer"
                "&Call-Info=%3Csip%3Alocalhost%3E%3Banswer-after%3D5",
            )
        ],
    ),
    ("paging", {}, [(("*77.",), "{vdigits};Alert-info=sipXpage")]),
    ("park", {"orbits": ["501"]}, [(("501",), "{digits}"), (("*4501",), "{digits}")]),
    ("authcode", {"aliases": ["81"]}, [(("*82", "81"), "ACC;command=auth")]),
    ("callback", {}, [(("*92.",), "CBB;callee={vdigits}")]),
    ("domain_alias", {"domains": ["example.net"]}, [(("example.net",), "{user}")]),
    (
        "custom",
        {"patterns": ["9x."], "call": "0{vdigits}"},
        [(("9x.",), "0{vdigits}")],
    ),
    ("site_to_site", {"patterns": ["7xxx"]}, [(("7xxx",), "{digits}")]),
)


class RuleTests(SynchronousTestCase):
    """Kinds of rules, by the table of the North American plan."""

    def parts(self, kind: str, **fields: Any) -> list[tuple[tuple[str, ...], str]]:
        """Compile a rule; gives patterns and transforms."""
        own = {one.name for one in KINDS["rule"].fields_of({"kind": kind})}
        gateways = {"gateways": ["a"]} if "gateways" in own else {}
        found, errors = entity(KINDS["rule"], "x", {"kind": kind, **gateways, **fields})
        assert found is not None, errors
        made = rules(found, 7, {"a": 3})
        for rule in made:
            self.assertEqual((rule.id, rule.name, rule.kind), (7, "x", kind))
            self.assertEqual(rule.gateways, (3,) if gateways else ())
        return [(rule.patterns, rule.call) for rule in made]

    def test_outside(self) -> None:
        """Numbers of the public network."""
        for kind, fields, expected in OUTSIDE:
            self.assertEqual(self.parts(kind, **fields), expected)

    def test_own_services(self) -> None:
        """Numbers of the node's own services."""
        for kind, fields, expected in SERVICES:
            self.assertEqual(self.parts(kind, **fields), expected)

    def test_every_kind(self) -> None:
        """Each kind of rule is in one of the two tables."""
        self.assertEqual({kind for kind, _, _ in (*OUTSIDE, *SERVICES)}, set(RULES))

    def test_literal(self) -> None:
        """What has a meaning in a pattern is escaped."""
        self.assertEqual(literal("a.x[1]\\*"), "a\\.\\x\\[1\\]\\\\*")


class SnapshotTests(PlanTestCase):
    """What is in force."""

    @property
    def routing(self) -> RoutingSnapshot:
        """The snapshot."""
        return self.configuration.routing

    def test_empty(self) -> None:
        """A node without a plan has the defaults."""
        self.assertEqual(self.routing, RoutingSnapshot())

    async def test_user(self) -> None:
        """A user has the permissions of sipXecs' defaults and rings for 20 s."""
        await self.commands.add_user(edit("200", aliases=("a",)), "test")
        user = self.routing.users["200"]
        self.assertEqual(user, UserEntry("200", permissions=user.permissions))
        for name, granted in (("LocalDialing", True), ("900Dialing", False), ("Voicemail", True)):
            self.assertEqual(name in user.permissions, granted)
        await self.commands.update_user(edit("200", enabled=False), "test")
        self.assertEqual(dict(self.routing.users), {})

    async def test_groups(self) -> None:
        """Of groups the highest weight wins, and the user's own over all."""
        await self.commands.add_user(edit("200"), "test")
        await self.edit(
            add("permission", "perm_1", default=True),
            add("branch", "berlin", timezone="Europe/Berlin"),
            add("branch", "munich"),
            add(
                "group",
                "light",
                weight=1,
                branch="munich",
                timezone="Asia/Tokyo",
                permissions={"LocalDialing": False, "900Dialing": True, "perm_1": False},
            ),
            add(
                "group",
                "heavy",
                weight=2,
                branch="berlin",
                permissions={"900Dialing": False, "Mobile": False, "TollFree": False},
            ),
            change("telephony", "200", groups=["heavy", "light"], permissions={"TollFree": True}),
        )
        user = self.routing.users["200"]
        expected = {
            "LocalDialing": False,
            "900Dialing": False,
            "perm_1": False,
            "Mobile": False,
            "TollFree": True,
            "LongDistanceDialing": True,
        }
        self.assertEqual({name: name in user.permissions for name in expected}, expected)
        self.assertEqual((user.branch, user.timezone), ("berlin", "Asia/Tokyo"))
        await self.edit(change("group", "light", weight=3, timezone=""))
        user = self.routing.users["200"]
        self.assertEqual((user.branch, user.timezone), ("munich", ""))
        self.assertIn("900Dialing", user.permissions)

    async def test_plan(self) -> None:
        """Everything that is configured is in the snapshot."""
        await self.commands.add_user(edit("200"), "test")
        await self.edit(
            add("gateway", "pstn", address="gw.example.com", caller_default="100", longest=15),
            add("branch", "berlin", networks=["10.0.0.0/8"]),
            add(
                "schedule",
                "open",
                timezone="Europe/Berlin",
                periods=[{"days": "weekdays", "start": "8:30", "stop": "24:00"}],
                holidays=["2026-12-25"],
            ),
            add("rule", "Local", kind="local", gateways=["pstn"], schedule="open"),
            add("rule", "First", 1, kind="custom", patterns=["1"]),
            add("huntgroup", "sales", extension="300", rings=[{"number": "200"}]),
            change("telephony", "200", rings=[{"number": "201", "parallel": True}]),
            change("codes", "node", global_pickup="*78*"),
            change("enum", "node", enabled=True),
            change("isn", "node", prefix="00"),
        )
        routing = self.routing
        (gateway,) = routing.gateways.values()
        self.assertEqual(
            (gateway.name, gateway.port, gateway.caller_id.default, gateway.longest),
            ("pstn", None, "100", 15),
        )
        self.assertIsInstance(gateway, Gateway)
        self.assertEqual([rule.name for rule in routing.rules], ["First", "Local"])
        self.assertEqual(routing.rules[1].gateways, (gateway.id,))
        self.assertEqual(routing.rules[1].schedule, "open")
        self.assertEqual(
            routing.schedules["open"],
            Schedule(
                "open",
                "Europe/Berlin",
                (Period(frozenset(range(5)), 510, 1440),),
                frozenset({date(2026, 12, 25)}),
            ),
        )
        self.assertEqual(routing.branches["berlin"].networks, ("10.0.0.0/8",))
        self.assertEqual(routing.groups["300"], routing.groups["sales"])
        self.assertEqual(routing.groups["300"].rings, (Ring("200"),))
        self.assertEqual(routing.users["200"].rings, (Ring("201", parallel=True),))
        self.assertEqual(routing.codes, Codes("*78", "*78*", "*4"))
        self.assertEqual((routing.enum.enabled, routing.isn.prefix), (True, "00"))

    async def test_same_as_anew(self) -> None:
        """After every edit the snapshot is what compiling everything anew would give."""
        steps: list[Any] = [
            lambda: self.commands.add_user(edit("200", aliases=("a", "b")), "test"),
            lambda: self.edit(add("gateway", "g", address="a.example"), add("branch", "berlin")),
            lambda: self.edit(
                add("rule", "L", kind="local", gateways=["g"]),
                add("group", "sales", branch="berlin", permissions={"Mobile": False}),
                change("telephony", "200", groups=["sales"], dnd=True),
            ),
            lambda: self.commands.add_user(edit("201", aliases=("c",)), "test"),
            lambda: self.edit(change("group", "sales", permissions={"TollFree": False})),
            lambda: self.edit(change("gateway", "g", address="b.example")),
            lambda: self.edit(add("rule", "M", 1, kind="mobile", gateways=["g"])),
            lambda: self.edit(change("rule", "L", 1)),
            lambda: self.edit(change("branch", "berlin", timezone="Europe/Berlin")),
            lambda: self.commands.update_user(edit("201", aliases=()), "test"),
            lambda: self.edit(change("telephony", "200", groups=[])),
            lambda: self.edit(gone("group", "sales"), gone("rule", "L"), gone("user", "200")),
            lambda: self.plan.rollback(5, "test"),
            lambda: self.edit(
                Edit(do=Do.PUT, kind="rule", name="L", fields={"kind": "mobile", "enabled": False})
            ),
        ]
        for number, step in enumerate(steps):
            await step()
            now = self.configuration
            before = now.routing, now.accounts
            now.load(self.database)
            self.assertEqual((now.routing, now.accounts), before, number)
            self.assertEqual(now.version, number + 1)

    async def test_shares(self) -> None:
        """Where one user changes, everything else is the very same object."""
        await self.commands.add_user(edit("200"), "test")
        await self.edit(
            add("gateway", "g", address="a.example"),
            add("rule", "L", kind="local", gateways=["g"]),
        )
        before = self.routing
        await self.commands.add_user(edit("201"), "test")
        await self.edit(change("telephony", "200", dnd=True))
        after = self.routing
        for name in ("rules", "gateways", "schedules", "branches", "groups", "codes"):
            self.assertIs(getattr(before, name), getattr(after, name))
        self.assertTrue(after.users["200"].dnd)
        self.assertFalse(before.users["200"].dnd)
        self.assertIs(before.users["200"].permissions, after.users["201"].permissions)
        names = itertools.chain(before.names, before.users)
        self.assertNotIn("201", set(names))
