"""The REST resources and the commands of everything that is configured beside users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from config.cli import things
from config.exchange import config_yaml
from config.model.entities import KINDS
from tests.config.parts import edit
from tests.config.test_cli import CommandTestCase

CALENDAR = b"""BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:test\r
BEGIN:VEVENT\r
UID:1\r
DTSTART;VALUE=DATE:20261225\r
DTEND;VALUE=DATE:20261227\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:2\r
DTSTART;VALUE=DATE:20270101\r
RRULE:FREQ=YEARLY;COUNT=3\r
END:VEVENT\r
END:VCALENDAR\r
"""


class ResourceTests(CommandTestCase):
    """REST."""

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        """Ask, and give status and value."""
        reply = await ApiAsk(self, method, path, body)
        return reply.status, reply.value

    async def test_life(self) -> None:
        """A thing is added, shown, listed, changed, put and removed."""
        body = {"name": "PSTN 1", "address": "GW.example.com", "port": 5062}
        status, value = await self.api("POST", "gateways", body)
        self.assertEqual((status, value["address"], value["id"]), (201, "gw.example.com", 1))
        status, value = await self.api("PATCH", "gateways/PSTN%201", {"prefix": "0"})
        self.assertEqual((status, value["prefix"], value["port"]), (200, "0", 5062))
        status, value = await self.api("PUT", "gateways/PSTN%201", {"address": "192.0.2.1"})
        self.assertEqual((status, value["prefix"], value["port"], value["id"]), (200, "", 0, 1))
        self.assertEqual((await self.api("GET", "gateways/PSTN%201"))[1], value)
        status, listed = await self.api("GET", "gateways")
        self.assertEqual((listed["gateways"], listed["total"]), ([value], 1))
        self.assertEqual((await self.api("DELETE", "gateways/PSTN%201"))[0], 204)
        self.assertEqual((await self.api("GET", "gateways/PSTN%201"))[0], 404)

    async def test_refused(self) -> None:
        """A wrong edit is told field by field, with an example."""
        status, value = await self.api(
            "POST", "rules", {"name": "x", "kind": "custom", "patterns": ["9[1"], "length": 3}
        )
        self.assertEqual(status, 422)
        found = {error["field"]: error["message"] for error in value["errors"]}
        self.assertEqual(sorted(found), ["length", "patterns"])
        self.assertIn("right is, for example", found["patterns"])
        status, value = await self.api("POST", "rules", {"name": "x", "kind": "magic"})
        self.assertEqual([error["field"] for error in value["errors"]], ["kind"])
        status, value = await self.api("POST", "rules", {"kind": "custom"})
        self.assertEqual([error["field"] for error in value["errors"]], ["name"])
        status, _ = await self.api("POST", "rules", [])
        self.assertEqual(status, 400)
        self.assertEqual((await self.api("GET", "history"))[1]["changes"], [])

    async def test_order(self) -> None:
        """Rules are listed in their order, in pages, and moved."""
        for name in ("a", "b", "c"):
            body = {"name": name, "kind": "custom", "patterns": ["1x"]}
            await self.api("POST", "rules", body)
        await self.api("PATCH", "rules/c", {"position": 1})
        _, page = await self.api("GET", "rules?limit=2")
        self.assertEqual([one["name"] for one in page["rules"]], ["c", "a"])
        _, page = await self.api("GET", f"rules?limit=2&after={page['next']}")
        self.assertEqual([one["name"] for one in page["rules"]], ["b"])
        self.assertEqual(page["next"], None)

    async def test_telephony(self) -> None:
        """How a user is called is there for every user, under two addresses."""
        await self.commands.add_user(edit("200"), "test")
        status, value = await self.api("GET", "users/200/telephony")
        self.assertEqual((status, value["ring_seconds"], value["rings"]), (200, 20, []))
        await self.api("PATCH", "users/200/telephony", {"rings": [{"number": "201"}]})
        _, value = await self.api("GET", "telephony/200")
        self.assertEqual(value["rings"][0]["seconds"], 30)
        self.assertEqual((await self.api("GET", "users/201/telephony"))[0], 404)

    async def test_single(self) -> None:
        """What there is just one of always is, and goes back to its defaults."""
        _, value = await self.api("GET", "codes")
        self.assertEqual(value["directed_pickup"], "*78")
        _, value = await self.api("PATCH", "codes", {"directed_pickup": "*7"})
        self.assertEqual(value["directed_pickup"], "*7")
        await self.api("DELETE", "codes")
        self.assertEqual((await self.api("GET", "codes"))[1]["directed_pickup"], "*78")

    async def test_permissions(self) -> None:
        """Those that every node has are listed, and cannot be made."""
        _, value = await self.api("GET", "permissions")
        self.assertEqual((value["built_in"]["900Dialing"], value["permissions"]), (False, []))
        status, value = await self.api("POST", "permissions", {"name": "LocalDialing"})
        self.assertEqual((status, value["errors"][0]["field"]), (422, "name"))

    async def test_many(self) -> None:
        """Many edits are one version; those for an outdated one are a conflict."""
        edits = [{"do": "put", "kind": "branch", "name": name} for name in ("a", "b")]
        status, value = await self.api("POST", "config/edits", {"edits": edits, "version": 0})
        self.assertEqual((status, value["version"], len(value["changes"])), (200, 1, 2))
        status, _ = await self.api("POST", "config/edits", {"edits": edits, "version": 0})
        self.assertEqual(status, 409)
        bad: tuple[Any, ...] = ([{}], 1, [{**edits[0], "do": "x"}])
        for wrong in ({"edits": one} for one in bad):
            self.assertEqual((await self.api("POST", "config/edits", wrong))[0], 400)


class ApiAsk:
    """Asks the API itself, past the command of the same name."""

    def __init__(self, case: CommandTestCase, *asked: Any) -> None:
        self._case, self._asked = case, asked

    def __await__(self) -> Any:
        return super(CommandTestCase, self._case).ask(*self._asked).__await__()


class NounTests(CommandTestCase):
    """Commands."""

    def test_nouns(self) -> None:
        """There is a noun for every kind of which there are many."""
        many = {(kind.name, kind.plural) for kind in KINDS.values() if not kind.single}
        self.assertEqual({(noun, plural) for noun, plural, _ in things.NOUNS}, many)

    async def test_life(self) -> None:
        """Things are added, set, moved, listed, shown, removed."""
        ask = self.ask
        await ask("gateway", "add", "pstn", "address=gw.example.com", "enabled=no")
        await ask("rule", "add", "Local", "kind=local", "gateways=pstn", "length=7")
        await ask("rule", "add", "Own", "kind=custom", "patterns=9x.,0[1-9]x", "call={vdigits}")
        await ask("rule", "move", "Own", "1")
        rule = await ask("rule", "set", "Own", "enabled=no")
        self.assertEqual(
            (rule["patterns"], rule["call"], rule["enabled"]),
            (["9x.", "0[1-9]x"], "{vdigits}", False),
        )
        done = await self.sipx("rule", "list")
        self.assertEqual(
            [line.split()[0] for line in done.out.splitlines()], ["NAME", "Own", "Local"]
        )
        done = await self.sipx("rule", "show", "Local")
        self.assertIn("LocalDialing", done.out)
        await ask("rule", "remove", "Own")
        done = await self.sipx("gateway", "remove", "pstn")
        self.assertEqual(done.status, 1)
        self.assertIn("still named by rule Local", done.err)

    async def test_words(self) -> None:
        """A word that cannot be read is told."""
        for word in ("x", "enabled=maybe", "length=x", "=1"):
            done = await self.sipx("rule", "add", "a", word)
            self.assertEqual((done.status, done.out), (1, ""))

    async def test_holidays(self) -> None:
        """Holidays come from an iCalendar file; a wrong one changes nothing."""
        file = Path(self.mktemp())
        file.write_bytes(CALENDAR)
        await self.ask("schedule", "add", "open", "timezone=Europe/Berlin")
        value = await self.ask("schedule", "holidays", "open", str(file))
        expected = ["2026-12-25", "2026-12-26", "2027-01-01", "2028-01-01", "2029-01-01"]
        self.assertEqual(value["holidays"], expected)
        for octets in (b"", b"hello", CALENDAR[:60], CALENDAR.replace(b"DTSTART", b"DTSTAMP")):
            file.write_bytes(octets)
            done = await self.sipx("schedule", "holidays", "open", str(file))
            self.assertEqual(done.status, 1)
            self.assertIn("Nothing was changed", done.err)

    async def test_versions(self) -> None:
        """History, differences, and back."""
        await self.ask("branch", "add", "berlin")
        await self.ask("branch", "set", "berlin", "networks=10.0.0.0/8")
        done = await self.sipx("history")
        self.assertIn("update branch", done.out)
        self.assertEqual((await self.ask("diff", "1"))[0]["after"], ["10.0.0.0/8"])
        await self.ask("rollback", "1")
        self.assertEqual((await self.ask("branch", "show", "berlin"))["networks"], [])
        done = await self.sipx("rollback", "9")
        self.assertEqual(
            (done.status, done.err), (1, "sipx: There is no version 9; there are 0 to 3.\n")
        )

    async def test_file(self) -> None:
        """The file says everything; applied it changes nothing, changed it changes that."""
        await self.commands.add_user(edit("200", first_name="Änna"), "test")
        await self.ask("gateway", "add", "pstn", "address=gw.example.com")
        await self.ask("rule", "add", "Local", "kind=local", "gateways=pstn")
        file = Path(self.mktemp())
        await self.sipx("config", "export", str(file))
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        text = file.read_text()
        self.assertEqual(
            (await self.sipx("config", "apply", str(file))).out, "nothing is different\n"
        )
        file.write_text(text.replace("gw.example.com", "192.0.2.9"))
        done = await self.sipx("config", "diff", str(file))
        self.assertEqual(done.out, "update gateway pstn (address)\n")
        done = await self.sipx("config", "apply", str(file))
        self.assertEqual(done.out, "update gateway pstn (address)\nversion 4 is in force\n")
        self.assertEqual((await self.sipx("config", "export")).out, file.read_text())
        file.write_text("sipx: 1\n")
        await self.sipx("config", "apply", str(file))
        self.assertEqual((await self.ask("user", "list")), [])

    async def test_wrong_file(self) -> None:
        """A wrong file is refused whole, with line, field and what is right."""
        file = Path(self.mktemp())
        head = "sipx: 1\nrules:\n  - name: Local\n    kind: local\n"
        for text, expected in (
            (head + "    length: seven\n", "line 5: rules/Local/length must be a whole number"),
            (
                head + "    gateways: [pstn]\n",
                "line 5: rules/Local/gateways names the gateway pstn",
            ),
            (
                head + "gateways:\n  - name: a\n    address: b\n  - name: c\n    port: 1\n",
                "line 8: gateways/c/address is missing; right is, for example",
            ),
            (head + "  - name: 7\n", "line 5: a name is text"),
            (head + "bogus: 1\n", "line 5: there is no section 'bogus'"),
            (head + "    kind: local\n", "line 5: 'kind' is there twice"),
            ("rules: &a\n  - *a\n", "line"),
            ("sipx: 1\nrules: !!python/name:os.system x\n", "line 2: the tag"),
            ("sipx: 1\nrules: [\n", "line 3: this is no YAML"),
            ("sipx: 2\n", "line 1: the file must say `sipx: 1`"),
        ):
            file.write_text(text)
            done = await self.sipx("config", "apply", str(file))
            self.assertEqual((done.status, done.out), (1, ""), text)
            self.assertIn(expected, done.err)
        self.assertEqual(self.configuration.version, 0)


class FileTests(CommandTestCase):
    """The reader of the file by itself."""

    def test_empty(self) -> None:
        """An empty file is an empty configuration."""
        self.assertEqual(config_yaml.read("").document, {"sipx": 1})
        self.assertEqual(json.loads(json.dumps(config_yaml.read("sipx: 1").document)), {"sipx": 1})
