"""The REST API, on a port of the loopback address."""

from __future__ import annotations

import json
import stat
from typing import Any
from urllib.parse import quote

from twisted.internet import reactor, task
from twisted.web.resource import Resource

from config.model.user import UserEdit
from config.storage.callrecords import CallRecordStore
from config.web import site
from config.web.api.telephony import Telephony
from config.web.api.users import IMPORT_LIMIT, Users
from config.web.component import api
from config.web.routes import Access, Api
from sipx.core.callrecord import CallRecord, CallResult
from sipx.interfaces import IActiveCalls, IApiAddress, IJournalSink, ILocation, IWireTrace
from sipx.node.errors import StartError
from tests.config.apicase import ApiTestCase, Reply
from tests.config.parts import PASSWORD, binding, edit
from tests.contract.stores import UTC, call
from tests.support.fakes import FakeCalls, FakeLocation, FakeTrace


class DoorTests(ApiTestCase):
    """Who gets in, and what everybody gets."""

    def test_every_route_has_access(self) -> None:
        """No route is without a declared access, and only the root is public."""
        made = Api((Users(None, None), Telephony(None)), "t", "w")  # type: ignore[arg-type]
        public = []
        rules = list(made.app.url_map.iter_rules())
        self.assertGreater(len(rules), 12)
        for rule in rules:
            handler = made.app.endpoints[rule.endpoint]
            declared = getattr(handler, "operation", None)
            assert declared is not None, f"{rule} does not say who may call it"
            self.assertIsInstance(declared.access, Access)
            self.assertIsInstance(rule.endpoint, str)
            if declared.access is Access.PUBLIC:
                public.append(rule.rule)
        self.assertEqual(public, ["/"])

    async def test_no_token(self) -> None:
        """Without the right token there is nothing, but where the token is."""
        for header in (
            "",
            "Bearer",
            "Bearer wrong",
            f"Basic {self.token}",
            f"Bearer {self.token}x",
        ):
            for method, path in (("GET", "users"), ("DELETE", "users/200"), ("GET", "health")):
                reply = await self.ask(method, path, headers={"Authorization": header})
                self.assertEqual(reply.status, 401, header)
                self.assertEqual(reply.headers["content-type"], "application/problem+json")
                self.assertEqual(reply.headers["www-authenticate"], 'Bearer realm="sipx"')
                self.assertIn(str(self.state / "api-token"), reply.value["detail"])
                self.assertNotIn(self.token, reply.text)
        reply = await self.ask("GET", "users", headers={"Authorization": f"bearer  {self.token} "})
        self.assertEqual(reply.status, 200)

    def test_token_file(self) -> None:
        """The token is drawn once, is private, and a damaged one stops the start."""
        file = self.state / "api-token"
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertGreaterEqual(len(self.token), 43)
        api(self.context)
        self.assertEqual(file.read_text().strip(), self.token)
        file.write_text("x\n")
        error = self.assertRaises(StartError, api, self.context)
        self.assertIn(f"{file} is damaged", str(error))

    async def test_address_file(self) -> None:
        """The address is in the state folder while the API is served."""
        file = self.state / "api.json"
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertEqual(json.loads(file.read_text())["url"], self.url)
        self.assertEqual(self.context.get(IApiAddress).url, self.url)
        await self.service.stopService()
        self.assertFalse(file.exists())

    def test_port_in_use(self) -> None:
        """A port in use is one sentence that names it and the option."""
        self.context.options = {"http-listen": "127.0.0.1", "http-port": self.port}
        error = self.assertRaises(StartError, api(self.context).startService)
        for words in (f"127.0.0.1 port {self.port}", "--http-port", "in use"):
            self.assertIn(words, str(error))

    async def test_headers(self) -> None:
        """Every answer forbids to be kept, framed or guessed at."""
        for path in ("users", "nothing", "users/200"):
            reply = await self.ask("GET", path)
            self.assertEqual(reply.headers["cache-control"], "no-store")
            self.assertEqual(reply.headers["x-content-type-options"], "nosniff")
            self.assertIn("default-src 'none'", reply.headers["content-security-policy"])
            self.assertEqual(reply.headers["x-frame-options"], "DENY")
            self.assertEqual(reply.headers["server"], "sipx")
            self.assertIn("json", reply.headers["content-type"])

    async def test_not_found(self) -> None:
        """What is not there, or takes another method, says so in JSON."""
        for path in ("nothing", "users/", "users/a/b", "../../x", "%ff", "traces/"):
            reply = await self.ask("GET", path)
            self.assertIn(reply.status, (400, 404), path)
            self.assertEqual(reply.value["status"], reply.status)
        reply = await self.ask("PUT", "users")
        self.assertEqual(reply.status, 405)
        self.assertEqual(reply.headers["allow"], "GET, HEAD, POST")
        self.assertEqual((await self.ask("BREW", "users")).status, 501)
        heard = await self.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertIn(b'{"service":"sipx","api":"/api/v1/"}', heard)

    async def test_queries(self) -> None:
        """A query parameter that is not known, doubled, or of the wrong kind is refused."""
        for path in (
            "users?page=2",
            "users?limit=1&limit=2",
            "users?limit=0",
            "users?limit=1001",
            "users?limit=x",
            "users?limit=%31%ff",
            "users?" + "&".join(f"a{n}=1" for n in range(99)),
            "health?x",
            "users/200?x=1",
        ):
            reply = await self.ask("GET", path)
            self.assertEqual(reply.status, 400, path)
            self.assertEqual(reply.headers["content-type"], "application/problem+json")

    async def test_bodies(self) -> None:
        """Only JSON objects are taken, in UTF-8."""
        for data, media_type, status in (
            (b"{", "application/json", 400),
            (b"[]", "application/json", 400),
            (b"", "application/json", 400),
            (b'{"name": NaN}', "application/json", 400),
            (b'"\xff"', "application/json", 400),
            (b"[" * 100_000, "application/json", 400),
            (b"name=1", "application/x-www-form-urlencoded", 415),
            (b"{}", "application/json; charset=latin-1", 415),
            (b"{}", "application/json; charset=UTF-8", 422),
        ):
            reply = await self.ask("POST", "users", data=data, headers={"Content-Type": media_type})
            self.assertEqual(reply.status, status, data[:20])
        reply = await self.ask("GET", "users", {})
        self.assertEqual(reply.status, 400)

    async def test_too_large(self) -> None:
        """A body over the limit is refused before it is read, whichever way it comes."""
        head = b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\n"
        length = b"Content-Length: %d\r\n\r\n" % (site.BODY_LIMIT + 1)
        chunk = b"%x\r\n" % (site.BODY_LIMIT + 1) + b"x" * (site.BODY_LIMIT + 1)
        for octets in (head + length, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk):
            heard = await self.raw(octets)
            self.assertTrue(heard.startswith(b"HTTP/1.1 413 "), heard)
            self.assertEqual(json.loads(heard.partition(b"\r\n\r\n")[2])["status"], 413)

    async def test_nonsense(self) -> None:
        """What is not HTTP gets no traceback and stops nothing."""
        for octets in (
            b"\x16\x03\x01\x00\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \xff\xfe.\r\nConnection: close\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: " + b"a" * 300 + b"\r\nConnection: close\r\n\r\n",
            b"G\xff /api/v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET /%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET /?%ff=%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        ):
            heard = await self.raw(octets)
            self.assertNotIn(b"Traceback", heard)
            self.assertIn(heard[:12], (b"", *(b"HTTP/1.1 %d" % n for n in (200, 400, 404, 501))))
        self.assertEqual((await self.ask("GET", "users")).status, 200)

    async def test_connections(self) -> None:
        """There is a limit to connections, and they are counted down again."""
        self.patch(site, "CONNECTIONS_LIMIT", 0)
        self.assertEqual(await self.raw(b"GET / HTTP/1.1\r\n\r\n"), b"")
        self.patch(site, "CONNECTIONS_LIMIT", 256)
        self.assertEqual((await self.ask("GET", "users")).status, 200)
        while self.service._site.connections:
            await task.deferLater(reactor, 0, lambda: None)

    async def test_fault(self) -> None:
        """A fault of ours is logged with its traceback and answered without."""
        self.patch(self.context, "health", None)
        reply = await self.ask("GET", "health")
        self.assertEqual(reply.status, 500)
        self.assertNotIn("Attribute", reply.text)
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_leaf(self) -> None:
        """Nothing is served but the API."""
        self.assertIsInstance(self.service._site.resource, Resource)
        self.assertTrue(self.service._site.resource.isLeaf)


class UserTests(ApiTestCase):
    """The operations on users."""

    async def add(self, name: str, **fields: Any) -> Reply:
        """Make a user."""
        return await self.ask("POST", "users", {"name": name, "password": PASSWORD, **fields})

    async def test_add(self) -> None:
        """A user is made, shown and in force."""
        reply = await self.add("a+?;1", first_name="Änna", aliases=["1"], email="a@b.example")
        shown = {
            "name": "a+?;1",
            "first_name": "Änna",
            "last_name": "",
            "email": "a@b.example",
            "aliases": ["1"],
            "enabled": True,
            "extras": {},
        }
        self.assertEqual((reply.status, reply.value), (201, shown))
        path = reply.headers["location"]
        self.assertEqual(path, "/api/v1/users/a%2B%3F%3B1")
        self.assertEqual((await self.ask("GET", path[8:])).value, shown)
        self.assertIn("a+?;1", self.configuration.accounts.accounts)
        self.assertEqual([row.actor for row in self.audited()], ["api token"])

    async def test_errors_by_field(self) -> None:
        """A refused edit names every field, and changes nothing."""
        await self.add("200")
        reply = await self.add("200", email="x", aliases=["a b"])
        self.assertEqual(reply.status, 422)
        self.assertEqual([one["field"] for one in reply.value["errors"]], ["email", "aliases"])
        reply = await self.ask("POST", "users", {"name": 5, "enabled": "yes", "aliases": "1"})
        self.assertEqual(
            [one["field"] for one in reply.value["errors"]], ["name", "enabled", "aliases"]
        )
        reply = await self.ask("POST", "users", {"name": "201", "sealed": "x"})
        self.assertEqual(
            reply.value["errors"], [{"field": "sealed", "message": "is not a field here"}]
        )
        reply = await self.ask("PATCH", "users/200", {"name": "201"})
        self.assertEqual(reply.status, 422)
        reply = await self.ask("PATCH", "users/200", {"password": PASSWORD})
        self.assertEqual(reply.status, 422)
        self.assertEqual(len(self.audited()), 1)
        self.assertNotIn(PASSWORD, reply.text)

    async def test_change(self) -> None:
        """A part of a user is changed, the rest stays."""
        await self.add("200", first_name="A", aliases=["1"])
        reply = await self.ask("PATCH", "users/200", {"last_name": "B", "enabled": False})
        self.assertEqual(reply.status, 200)
        self.assertEqual(
            (reply.value["first_name"], reply.value["last_name"], reply.value["enabled"]),
            ("A", "B", False),
        )
        self.assertEqual((await self.ask("PATCH", "users/9", {"last_name": "B"})).status, 404)

    async def test_password(self) -> None:
        """A password is set, and never shown."""
        await self.add("200")
        before = self.configuration.accounts.accounts["200"]
        reply = await self.ask("PUT", "users/200/password", {"password": "something-else"})
        self.assertEqual((reply.status, reply.text), (204, ""))
        self.assertNotEqual(self.configuration.accounts.accounts["200"].ha1_md5, before.ha1_md5)
        reply = await self.ask("PUT", "users/200/password", {"password": "short77"})
        self.assertEqual(reply.status, 422)
        self.assertNotIn("short77", reply.text)
        for body in ({}, {"password": 5}):
            self.assertEqual((await self.ask("PUT", "users/200/password", body)).status, 422)
        self.assertEqual(
            (await self.ask("PUT", "users/9/password", {"password": PASSWORD})).status, 404
        )

    async def test_remove(self) -> None:
        """A user is removed once."""
        await self.add("200")
        self.assertEqual((await self.ask("DELETE", "users/200")).status, 204)
        self.assertEqual((await self.ask("DELETE", "users/200")).status, 404)
        self.assertEqual((await self.ask("GET", "users/200")).status, 404)
        self.assertEqual(dict(self.configuration.accounts.accounts), {})

    async def test_pages(self) -> None:
        """A list comes in pages that fit together."""
        for number in range(7):
            await self.commands.add_user(edit(f"20{number}", aliases=(f"a{number}",)), "test")
        found: list[str] = []
        after: str | None = ""
        pages = 0
        while after is not None:
            reply = (await self.ask("GET", f"users?limit=3&after={after}")).value
            self.assertEqual(reply["total"], 7)
            found += [user["name"] for user in reply["users"]]
            self.assertEqual(reply["users"][0]["aliases"], [f"a{found[-len(reply['users'])][-1]}"])
            after, pages = reply["next"], pages + 1
        self.assertEqual((found, pages), ([f"20{number}" for number in range(7)], 3))

    async def test_import_file(self) -> None:
        """A CSV file is taken whole."""
        csv = (
            'User name,PIN\n200,1234,,secret-200,"Anna",,1 2,,,,,,,,,,,Boss\n'
            "201\n,,,\n,x\na b,,,secret-200\n"
        )
        reply = await self.ask(
            "POST", "users/import", data=csv.encode(), headers={"Content-Type": "text/csv"}
        )
        self.assertEqual(
            reply.value,
            {
                "dry_run": False,
                "created": 2,
                "updated": 0,
                "unchanged": 0,
                "generated_passwords": 1,
                "kept_columns": ["PIN", "Job Title"],
                "failed": reply.value["failed"],
            },
        )
        self.assertEqual([one["line"] for one in reply.value["failed"]], [5, 6])
        shown = (await self.ask("GET", "users/200")).value
        self.assertEqual(shown["extras"], {"Job Title": "Boss"})
        self.assertEqual(shown["aliases"], ["1", "2"])

    async def test_import_portion(self) -> None:
        """A portion says the lines itself; a dry run changes nothing."""
        body = {"rows": [[7, ["200", "", "", "secret-200"]], [9, ["", "x"]]]}
        for dry in ("yes", "no"):
            reply = await self.ask("POST", f"users/import?dry_run={dry}", body)
            self.assertEqual((reply.value["created"], reply.value["dry_run"]), (1, dry == "yes"))
            self.assertEqual(
                reply.value["failed"], [{"line": 9, "reason": "the row has no user name"}]
            )
            self.assertEqual("200" in self.configuration.accounts.accounts, dry == "no")

    async def test_import_refused(self) -> None:
        """What is no portion, or too long a one, is refused whole."""
        bodies: list[Any] = [{}, {"rows": 1}, {"rows": [1]}, {"rows": [[1, [2]]]}, {"x": []}]
        for body in bodies:
            self.assertIn((await self.ask("POST", "users/import", body)).status, (400, 422))
        rows = [[n, [str(n)]] for n in range(IMPORT_LIMIT + 1)]
        self.assertEqual((await self.ask("POST", "users/import", {"rows": rows})).status, 413)
        self.assertEqual(
            (await self.ask("POST", "users/import?dry_run=1", {"rows": []})).status, 400
        )
        self.assertEqual(self.configuration.version, 0)


class TelephonyTests(ApiTestCase):
    """What the node is doing."""

    async def test_absent(self) -> None:
        """A part that does not run is said, with the name of its component."""
        for path, words in (
            ("registrations", "component registrar"),
            ("calls", "component cdr"),
            ("traces", "component signaling"),
            ("traces/x", "component signaling"),
        ):
            reply = await self.ask("GET", path)
            self.assertEqual(reply.status, 503)
            self.assertIn(words, reply.value["detail"])

    async def test_registrations(self) -> None:
        """Registrations are shown, of one user or of all, in pages."""
        bindings = [binding(user, n) for user in ("200", "201") for n in range(3)]
        self.context.provide(ILocation, FakeLocation(bindings))
        reply = (await self.ask("GET", "registrations?user=201&limit=1")).value
        self.assertEqual((reply["total"], reply["next"]), (3, 1))
        self.assertEqual(
            reply["registrations"],
            [
                {
                    "user": "201",
                    "contact": "sip:201@phone0",
                    "q": 0.5,
                    "expires_in": 600,
                    "user_agent": "Phone/1",
                    "flow": "udp:127.0.0.1:5060:127.0.0.1:5062",
                    "path": ["<sip:edge>"],
                    "instance": "urn:uuid:1",
                }
            ],
        )
        reply = (await self.ask("GET", "registrations?limit=4&offset=4")).value
        self.assertEqual(
            ([one["contact"] for one in reply["registrations"]], reply["next"], reply["total"]),
            (["sip:201@phone1", "sip:201@phone2"], None, 6),
        )

    async def test_calls(self) -> None:
        """Active calls are shown, and what was no UTF-8 does not break the answer."""
        record = CallRecord("c\udce9", "t", "200", "201", "201", UTC, UTC + 1.25)
        record.result = CallResult.TALKING
        self.context.provide(IActiveCalls, FakeCalls([record]))
        reply = (await self.ask("GET", "calls")).value
        self.assertEqual(
            reply["calls"],
            [
                {
                    "call_id": "c?",
                    "from_tag": "t",
                    "caller": "200",
                    "callee": "201",
                    "dialed": "201",
                    "start": "2026-11-18T11:06:40.000000Z",
                    "connect": "2026-11-18T11:06:41.250000Z",
                    "end": None,
                    "duration": None,
                    "result": "talking",
                    "failure_code": 0,
                    "failure_reason": "",
                }
            ],
        )

    async def test_records(self) -> None:
        """Call records are filtered, and pages fit together."""
        sink: Any = self.context.get(IJournalSink)
        calls = [
            call(f"c{n}", start=UTC + n / 3, caller=f"20{n % 2}", callee="9") for n in range(9)
        ]
        sink.apply(calls, (1, 1))
        found: list[str] = []
        before: str | None = ""
        while before is not None:
            query = f"&before={quote(before)}" if before else ""
            reply = (await self.ask("GET", f"cdr?limit=2{query}")).value
            found += [one["call_id"] for one in reply["records"]]
            before = reply["next"]
        self.assertEqual(found, [f"c{n}" for n in reversed(range(9))])
        reply = (await self.ask("GET", "cdr?user=201&before=2026-11-18T11:06:41Z")).value
        self.assertEqual([one["call_id"] for one in reply["records"]], ["c1"])
        reply = (await self.ask("GET", f"cdr?call_id=c3&before={UTC + 99}")).value
        self.assertEqual([one["call_id"] for one in reply["records"]], ["c3"])
        for wrong in ("yesterday", "inf", "nan", ""):
            self.assertEqual((await self.ask("GET", f"cdr?before={wrong}")).status, 400)
        self.assertIsInstance(CallRecordStore(self.database).unfinished(), list)

    async def test_traces(self) -> None:
        """A call is found by its Call-ID, whatever characters that has."""
        message = {
            "time": UTC,
            "source": "127.0.0.1:5062",
            "destination": "127.0.0.1:5060",
            "transport": "udp",
            "summary": "INVITE sip:201@x SIP/2.0",
            "text": "INVITE sip:201@x SIP/2.0\r\n\r\n",
        }
        ids = ["a@b", "a/b", "/a//b/", "a%2Fb", "?x=1&y", "é", "{<[\"'`~*+()]>}", ".", ".."]
        self.context.provide(IWireTrace, FakeTrace({call_id: [message] for call_id in ids}))
        for call_id in ids[:-2]:
            reply = await self.ask("GET", f"traces/{quote(call_id, safe='')}")
            self.assertEqual(reply.status, 200, call_id)
            self.assertEqual(reply.value["call_id"], call_id)
            self.assertEqual(reply.value["messages"][0]["time"], "2026-11-18T11:06:40.000000Z")
        for call_id in ids[-2:]:  # which a client that follows RFC 3986 takes out of the path
            for written in (call_id, call_id.replace(".", "%2E")):
                heard = await self.raw(
                    f"GET /api/v1/traces/{written} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                    f"Authorization: Bearer {self.token}\r\n\r\n".encode()
                )
                self.assertIn(b" 200 OK\r\n", heard, written)
        reply = await self.ask("GET", "traces?limit=2")
        self.assertEqual([one["call_id"] for one in reply.value["calls"]], ids[:2])
        self.assertEqual((await self.ask("GET", "traces/unknown")).status, 404)

    async def test_health(self) -> None:
        """Health is shown, also with a gauge that is no number."""
        self.context.health.set("x", False, "broken")
        self.context.health.gauge("odd", lambda: float("nan"))
        reply = (await self.ask("GET", "health")).value
        self.assertFalse(reply["ok"])
        self.assertEqual(reply["parts"]["x"], {"ok": False, "text": "broken"})
        self.assertIsNone(reply["gauges"]["odd"]["value"])


class SecretTests(ApiTestCase):
    """No secret ever comes out."""

    async def test_no_secret_in_any_answer(self) -> None:
        """Whatever is asked, no answer holds a password, a PIN, an HA1, a key or the token."""
        secrets = {"PIN": "11112222", "Additional phone settings": "admin/password=33334444"}
        await self.commands.import_users(
            [
                (
                    2,
                    UserEdit(
                        name="200", password=PASSWORD, secrets=secrets, extras={"Custom 1": "c"}
                    ),
                )
            ],
            "test",
            False,
        )
        account = self.configuration.accounts.accounts["200"]
        hidden = [PASSWORD, "11112222", "33334444", account.ha1_md5, account.ha1_sha256, self.token]
        hidden += [account.sealed.hex(), repr(account.sealed)]
        made = self.service._site.resource._klein._app
        bodies: list[Any] = [
            None,
            {},
            {"password": PASSWORD},
            {"name": "200", "password": PASSWORD},
            {"rows": [[1, ["200", "11112222", "", PASSWORD]]]},
        ]
        answered = set()
        for rule in made.url_map.iter_rules():
            path = rule.rule.removeprefix("/api/v1/").replace("<name>", "200")
            path = path.replace("<rest:call_id>", "c1").replace("/", "/") or "users"
            for method in sorted(rule.methods - {"DELETE"}):
                for body in bodies:
                    reply = await self.ask(method, path, body)
                    answered.add(reply.status)
                    shown = reply.text + repr(reply.headers)
                    for secret in hidden:
                        self.assertNotIn(secret, shown, (method, path))
        self.assertTrue({200, 204, 400, 422, 503} <= answered, answered)
