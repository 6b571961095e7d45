"""SipXecs' rule files: what they become, what is refused, and that what is written reads again."""

from __future__ import annotations

from datetime import UTC as ZONE
from datetime import date, datetime
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from config.compile.rules import rules
from config.exchange.sipxecs_export import Unwritable, export, valid_time
from config.exchange.sipxecs_import import edits
from config.exchange.sipxecs_xml import NAMESPACE, Inexpressible, read
from config.model.entities import KINDS, entity
from sipx.routing.snapshot import Gateway, Period, RoutingSnapshot, Rule, Schedule
from tests.config.test_cli import CommandTestCase
from tests.config.test_compile import OUTSIDE, SERVICES
from tests.support.fakes import UTC

MAPPING = f"""<?xml version="1.0" encoding="UTF-8"?>
<mappings xmlns="{NAMESPACE}urlmap-00-00">
 <hostMatch>
  <hostPattern>other.example</hostPattern>
  <userMatch><userPattern>.</userPattern><permissionMatch><transform>
   <host>${{SIPXCHANGE_DOMAIN_NAME}}</host></transform></permissionMatch></userMatch>
 </hostMatch>
 <hostMatch>
  <hostPattern>${{SIPXCHANGE_DOMAIN_NAME}}</hostPattern>
  <userMatch><!--Operator--><userPattern>100</userPattern><userPattern>0</userPattern>
   <permissionMatch><transform>
    <url>&lt;sip:IVR@vm.example;action=autoattendant;schedule_id=aa_1;locale=en&gt;</url>
   </transform></permissionMatch></userMatch>
  <userMatch><!--Voicemail--><callTag>VM</callTag><userPattern>101</userPattern>
   <permissionMatch><transform>
    <url>&lt;sip:IVR@vm.example;action=retrieve;locale=en&gt;</url>
   </transform></permissionMatch></userMatch>
  <userMatch><userPattern>8xxx</userPattern><permissionMatch><transform>
    <url>&lt;sip:IVR@vm.example;mailbox={{vdigits}};action=deposit;locale=en&gt;</url>
   </transform></permissionMatch></userMatch>
  <userMatch><userPattern>.</userPattern><permissionMatch>
   <permission>Voicemail</permission>
   <transform><user>~~vm~{{user}}</user><fieldparams>q=0.1</fieldparams></transform>
  </permissionMatch></userMatch>
 </hostMatch>
</mappings>
"""
FALLBACK = f"""<mappings xmlns="{NAMESPACE}fallback-00-00">
 <hostMatch><hostPattern>${{SIPXCHANGE_DOMAIN_NAME}}</hostPattern>
  <userMatch><!--Local--><userPattern>9xxxxxxx</userPattern><userPattern>xxxxxxx</userPattern>
   <transform><user>{{vdigits}}</user><host>gw1.example</host>
    <urlparams>sipxecs-lineid=1</urlparams><headerparams>expires=7200</headerparams>
    <fieldparams>q=0.933</fieldparams>
    <fieldparams>sipx-ValidTime="5a0:7bc:2730:0"</fieldparams></transform>
   <transform><user>00{{vdigits}}</user><host>gw2.example:5062</host>
    <urlparams>transport=tcp</urlparams><fieldparams>q=0.867</fieldparams>
    <fieldparams>sipx-ValidTime="5a0:7bc:2730:0"</fieldparams></transform>
  </userMatch>
  <userMatch><!--Help--><userPattern>sos</userPattern><userPattern>911</userPattern>
   <userPattern>9911</userPattern>
   <transform><user>911</user><host>gw1.example</host></transform></userMatch>
 </hostMatch>
</mappings>
"""
AUTH = f"""<mappings xmlns="{NAMESPACE}urlauth-00-00">
 <hostMatch><hostPattern>gw1.example</hostPattern><userMatch><userPattern>xxxxxxx</userPattern>
  <permissionMatch><permission>perm_1</permission></permissionMatch></userMatch></hostMatch>
 <hostMatch><hostPattern>gw2.example:5062</hostPattern><userMatch>
  <userPattern>00xxxxxxx</userPattern>
  <permissionMatch><permission>perm_1</permission></permissionMatch></userMatch></hostMatch>
 <hostMatch><ruleType>Emergency</ruleType><hostPattern>gw1.example</hostPattern><userMatch>
  <userPattern>911</userPattern><permissionMatch/></userMatch></hostMatch>
 <hostMatch><hostPattern>gw1.example</hostPattern><userMatch><userPattern>.</userPattern>
  <permissionMatch><permission>NoAccess</permission></permissionMatch></userMatch></hostMatch>
</mappings>
"""


def imported(*texts: str) -> Any:
    """What files become."""
    return edits(read(text.encode()) for text in texts)


class ImportTests(SynchronousTestCase):
    """Reading."""

    def refused(self, *texts: str) -> str:
        """Read what is refused; gives why."""
        with self.assertRaises(Inexpressible) as caught:
            imported(*texts)
        self.assertTrue(caught.exception.line)
        return str(caught.exception)

    def test_internal(self) -> None:
        """Services and domain aliases become rules; what every node does is noted."""
        found = imported(MAPPING)
        self.assertEqual(
            [(one["name"], one["fields"]) for one in found.edits],
            [
                ("other.example", {"kind": "domain_alias", "domains": ["other.example"]}),
                ("Operator", {"kind": "attendant", "extension": "100", "aliases": ["0"]}),
                (
                    "Voicemail",
                    {
                        "kind": "voicemail",
                        "extension": "101",
                        "transfer_prefix": "8",
                        "extension_length": 3,
                    },
                ),
            ],
        )
        self.assertEqual(found.notes, ["line 21: . is done by every node"])

    def test_outside(self) -> None:
        """Three files become one rule: gateways with their prefixes, permissions, schedule."""
        found = {
            (one["kind"], one["name"]): one["fields"] for one in imported(FALLBACK, AUTH).edits
        }
        self.assertEqual(
            found["rule", "Local"],
            {
                "kind": "custom",
                "patterns": ["9xxxxxxx", "xxxxxxx"],
                "call": "{vdigits}",
                "permissions": ["perm_1"],
                "gateways": ["gw1.example", "gw2.example"],
                "schedule": "imported",
            },
        )
        self.assertEqual(
            found["rule", "Help"],
            {
                "kind": "emergency",
                "number": "911",
                "optional_prefix": "9",
                "gateways": ["gw1.example"],
            },
        )
        gateway = found["gateway", "gw2.example"]
        self.assertEqual(
            (gateway["port"], gateway["transport"], gateway["prefix"]), (5062, "tcp", "00")
        )
        self.assertEqual(found["permission", "perm_1"], {})
        # Monday 00:00 to 09:00, and Saturday 23:12 past the end of the week.
        periods = found["schedule", "imported"]["periods"]
        self.assertEqual(
            [(one["days"], one["start"], one["stop"]) for one in periods],
            [(["monday"], "00:00", "09:00"), (["saturday"], "23:12", "24:00")],
        )
        for (kind, name), fields in found.items():
            thing, errors = entity(KINDS[kind], name, fields)
            self.assertIsNotNone(thing, errors)

    def test_refused(self) -> None:
        """What cannot be said is refused with element and line, and so is what is no such file."""
        auth = AUTH.replace("xxxxxxx", "xxxxxx")
        branch = "<callerLocationMatch><callerLocation>b</callerLocation></callerLocationMatch>"
        for texts, expected in (
            ((FALLBACK,), "line 3: <userMatch> leads to a gateway; give authrules.xml"),
            ((FALLBACK, auth), "nobody might call it"),
            (
                (FALLBACK.replace("</userMatch>", branch + "</userMatch>", 1), AUTH),
                "line 11: <callerLocationMatch> is for callers of a branch",
            ),
            (
                (FALLBACK.replace("</userMatch>", "</userMatch>" + branch, 1), AUTH),
                "line 11: <callerLocationMatch> is not known in <hostMatch>",
            ),
            ((FALLBACK.replace("transport=tcp", "foo=1"), AUTH), "the parameter 'foo'"),
            ((FALLBACK.replace("5a0:7bc", "5a0"), AUTH), "cannot be read"),
            ((FALLBACK.replace("7bc:", "zz:"), AUTH), "line 4: <transform> has a sipx-ValidTime"),
            ((FALLBACK.replace("q=0.933", "x=1"), AUTH), "the field parameter 'x'"),
            ((MAPPING.replace("autoattendant", "moh"),), "line 11: <transform> leads to a service"),
            (
                (MAPPING.replace("<callTag>VM</callTag>", "<bogus/>"),),
                "line 14: <bogus> is not known in <userMatch>",
            ),
            ((MAPPING.replace("urlmap", "other"),), "none of sipXecs' rule files"),
            ((MAPPING[:200],), "this is no XML"),
        ):
            self.assertIn(expected, self.refused(*texts))

    def test_hostile(self) -> None:
        """Entities are never resolved, and a DOCTYPE is refused."""
        head = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n'
        text = FALLBACK.replace("<!--Local-->", "<description>&a;</description>")
        self.assertIn("DOCTYPE is not allowed", self.refused(head + text))

    def test_forwarding(self) -> None:
        """The local route is every node's own; any other is refused."""
        text = (
            f'<routes xmlns="{NAMESPACE}forwardingrules-00-00">\n<route mappingType="local">'
            '<routeFrom>a</routeFrom></route>\n<route mappingType="auxiliary SBC"/></routes>'
        )
        self.assertIn("line 3: <route> of the type 'auxiliary SBC'", self.refused(text))
        found = imported(text.replace('\n<route mappingType="auxiliary SBC"/>', ""))
        self.assertEqual(found.edits, [])
        self.assertEqual(len(found.notes), 1)


class ExportTests(SynchronousTestCase):
    """Writing."""

    def test_again(self) -> None:
        """Every kind of rule that is written reads again, with the same meaning."""
        gateways = {
            3: Gateway(3, "a", "a.example", prefix="0"),
            4: Gateway(4, "b", "192.0.2.1", 5062, "tcp", route="sbc.example"),
        }
        numbers = {"a": 3, "b": 4}
        for kind, fields, _ in (*OUTSIDE, *SERVICES):
            own = {one.name for one in KINDS["rule"].fields_of({"kind": kind})}
            more = {"gateways": ["a", "b"]} if "gateways" in own else {}
            thing, errors = entity(KINDS["rule"], "x", {"kind": kind, **more, **fields})
            assert thing is not None, errors
            if kind == "park":
                continue  # it comes again as custom rules without a service
            before = rules(thing, 7, numbers)
            files = export(RoutingSnapshot(rules=before, gateways=gateways), UTC)
            found = edits(read(octets) for octets in files.values())
            again: list[Rule] = []
            names = {}
            for edit in found.edits:
                made, errors = entity(KINDS[edit["kind"]], edit["name"], edit["fields"])
                assert made is not None, (kind, errors)
                if edit["kind"] == "gateway":
                    names[edit["name"]] = 3 if edit["fields"]["prefix"] else 4
                elif edit["kind"] == "rule":
                    again += rules(made, 7, names)
            same = lambda rule: (rule.patterns, rule.call, rule.gateways, set(rule.permissions))  # noqa: E731
            wanted = [same(rule) for rule in before]
            self.assertEqual([same(rule) for rule in again], wanted, kind)

    def test_valid_time(self) -> None:
        """Periods are minutes of the week from Sunday, in UTC as it then is."""
        schedule = Schedule(
            "s", "Europe/Berlin", (Period(frozenset({0}), 540, 1020), Period(frozenset({6}), 0, 60))
        )
        for month, shift in ((1, 60), (7, 120)):
            moment = datetime(2026, month, 1, tzinfo=ZONE)
            times = [int(one, 16) for one in valid_time(schedule, moment).split(":")]
            monday = [1440 + 540 - shift, 1440 + 1020 - shift]
            sunday = [7 * 1440 - shift, 7 * 1440 - shift + 60]
            self.assertEqual(times, [*(one % 10080 or 10080 for one in sunday), *monday])

    def test_holidays(self) -> None:
        """What the files cannot say is refused by the name of the rule."""
        schedule = Schedule("s", holidays=frozenset({date(2026, 1, 1)}))
        rule = Rule(1, "New year", patterns=("1",), schedule="s")
        with self.assertRaises(Unwritable) as caught:
            export(RoutingSnapshot(rules=(rule,), schedules={"s": schedule}), UTC)
        self.assertIn("rule New year has the schedule s", str(caught.exception))


class CommandTests(CommandTestCase):
    """The commands."""

    async def test_both_ways(self) -> None:
        """Files are imported in one version, exported, and a wrong one changes nothing."""
        folder = Path(self.mktemp())
        folder.mkdir()
        files = []
        for name, text in (("m", MAPPING), ("f", FALLBACK), ("a", AUTH)):
            files.append(str(folder / name))
            (folder / name).write_text(text)
        done = await self.sipx("sipxecs", "import", *files, "--dry-run")
        self.assertEqual((done.status, self.configuration.version), (0, 0))
        done = await self.sipx("sipxecs", "import", *files)
        self.assertEqual((done.status, self.configuration.version), (0, 1), done.err)
        self.assertEqual(
            [one["name"] for one in await self.ask("rule", "list")],
            ["other.example", "Operator", "Voicemail", "Local", "Help"],
        )
        done = await self.sipx("sipxecs", "export", str(folder / "out"))
        self.assertEqual((done.status, len(done.out.splitlines())), (0, 4), done.err)
        (folder / "f").write_text(FALLBACK.replace("transport=tcp", "foo=1"))
        done = await self.sipx("sipxecs", "import", *files)
        self.assertEqual(done.status, 1)
        self.assertIn("/f: line 8: <transform> has the parameter 'foo'", done.err)
        self.assertEqual(self.configuration.version, 1)
