"""The `sipx` command: its words, what it asks of a node, what it shows."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from twisted.internet import reactor, utils
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from config.cli import main
from config.cli.ladder import ladder
from config.cli.output import cell_text, pad, safe, width
from config.commands.interfaces import Imported
from config.exchange.users_csv import COLUMNS
from config.model.password import ALPHABET
from sipx.core.callrecord import CallRecord, CallResult
from sipx.interfaces import IActiveCalls, IJournalSink, ILocation, IWireTrace
from tests.config.apicase import ApiTestCase
from tests.config.parts import PASSWORD, binding
from tests.contract.stores import UTC, call
from tests.support.fakes import FakeCalls, FakeLocation, FakeTrace

ROOT = Path(__file__).parents[2]


class Done(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(words: Sequence[str], stdin: str = "", terminal: bool = False) -> Done:
    """Run a command in this process."""
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    with redirect_stdout(out), redirect_stderr(err), mock.patch("sys.stdin", io.StringIO(stdin)):
        status = main(words)
    return Done(status, out.getvalue(), err.getvalue())


class CommandTestCase(ApiTestCase):
    """A served API and commands that ask it."""

    async def sipx(self, *words: str, stdin: str = "", terminal: bool = False) -> Done:
        """Run a command on this node."""
        words = ("--state", str(self.state), *words)
        return await deferToThread(run, words, stdin, terminal)

    async def ask(self, *words: str) -> Any:
        """Run a command that succeeds; gives its JSON."""
        done = await self.sipx("-o", "json", *words)
        self.assertEqual((done.status, done.err), (0, ""))
        return json.loads(done.out)

    async def add(self, name: str, *words: str) -> None:
        """Make a user."""
        done = await self.sipx(
            "user", "add", name, "--password", "-", *words, stdin=PASSWORD + "\n"
        )
        self.assertEqual((done.status, done.err), (0, ""))


class UserTests(CommandTestCase):
    """Commands on one user."""

    async def test_life(self) -> None:
        """A user is added, listed, shown, changed and removed."""
        await self.add("200", "--first-name", "Änna", "--alias", "1", "--alias", "2")
        done = await self.sipx("user", "list")
        self.assertEqual(
            done.out.splitlines(),
            [
                "NAME  FIRST NAME  LAST NAME  ALIASES  EMAIL  ENABLED",
                "200   Änna                   1 2             yes",
            ],
        )
        self.assertIn("first name  Änna", (await self.sipx("user", "show", "200")).out)
        done = await self.sipx("user", "change", "200", "--no-alias", "--disable")
        self.assertEqual((done.status, done.out), (0, "200: changed\n"))
        shown = await self.ask("user", "show", "200")
        self.assertEqual((shown["aliases"], shown["enabled"]), ([], False))
        self.assertEqual(await self.ask("user", "list"), [shown])
        self.assertEqual((await self.sipx("user", "remove", "200")).out, "200: removed\n")
        self.assertEqual(await self.ask("user", "list"), [])

    async def test_password_from_stdin(self) -> None:
        """A password comes in a line of stdin and is not shown."""
        done = await self.sipx("user", "add", "200", "--password", "-", stdin=f"{PASSWORD}\r\nx\n")
        self.assertEqual((done.status, done.out), (0, "200: added\n"))
        before = self.configuration.accounts.accounts["200"]
        done = await self.sipx(
            "-o", "json", "user", "passwd", "200", "--password", "-", stdin="another-one"
        )
        self.assertEqual(json.loads(done.out), {"name": "200"})
        self.assertNotEqual(self.configuration.accounts.accounts["200"].ha1_md5, before.ha1_md5)

    async def test_random_password(self) -> None:
        """A random password is shown once: on a terminal, or with -o json."""
        done = await self.sipx("user", "add", "200")
        self.assertEqual(done.status, 1)
        self.assertIn("--password -", done.err)
        self.assertEqual(self.configuration.version, 0)
        shown = (await self.ask("user", "add", "200"))["password"]
        self.assertEqual(len(shown), 14)
        self.assertLessEqual(set(shown), set(ALPHABET))
        done = await self.sipx("user", "passwd", "200", terminal=True)
        self.assertRegex(done.out, r"password: [a-z0-9]{14}   \(shown only now\)\n")

    async def test_refused(self) -> None:
        """What the node refuses is one line on stderr and status 1."""
        await self.add("200")
        for words, text in (
            (("user", "add", "200", "--password", "-"), "name is already taken.\n"),
            (("user", "show", "9"), "There is no user 9.\n"),
            (("user", "remove", "../health"), "There is nothing at this address"),
            (("user", "change", "200"), "Nothing to change"),
            (("user", "change", "200", "--enable", "--disable"), "cannot both"),
            (("user", "add", "201", "--password", "x"), "others see"),
        ):
            done = await self.sipx(*words, stdin=PASSWORD)
            self.assertEqual((done.status, done.out), (1, ""), words)
            self.assertIn(text, done.err)
            self.assertEqual(done.err.count("\n"), 1)
            self.assertTrue(done.err.startswith("sipx: "))

    async def test_state_anywhere(self) -> None:
        """--state and -o may stand before or after the command; SIPX_STATE does too."""
        await self.add("200")
        state = str(self.state)
        for words in (
            ("--state", state, "-o", "json", "user", "list"),
            ("user", "list", "--state", state, "-o", "json"),
            ("user", "-ojson", "list", f"--state={state}"),
            ("--state", "/nowhere", "-o", "table", "user", "list", "--state", state, "-o", "json"),
        ):
            done = await deferToThread(run, words)
            self.assertEqual(done.status, 0, done.err)
            self.assertEqual(len(json.loads(done.out)), 1)
        with mock.patch.dict(os.environ, {"SIPX_STATE": state}):
            self.assertEqual((await deferToThread(run, ["user", "list"])).status, 0)

    async def test_subprocess(self) -> None:
        """The command works as a process of its own, and quietly when nobody reads on."""
        await self.add("200")
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SIPX_STATE": str(self.state)}
        out, err, status = await utils.getProcessOutputAndValue(
            sys.executable, ["-m", "config.cli", "user", "list", "-o", "json"], environment
        )
        self.assertEqual((status, err), (0, b""))
        self.assertEqual(json.loads(out)[0]["name"], "200")
        command = f"{sys.executable} -m config.cli user list | true"
        out, err, status = await utils.getProcessOutputAndValue(
            "/bin/sh", ["-c", command], environment
        )
        self.assertEqual((out, err, status), (b"", b"", 0))


class ImportTests(CommandTestCase):
    """Files of users."""

    def file(self, rows: Sequence[Sequence[str]]) -> str:
        """Write a file."""
        path = Path(self.mktemp())
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        return str(path)

    async def test_import(self) -> None:
        """Good rows are imported in portions; bad ones are said with their lines; status 1."""
        rows = [[str(1000 + n), "", "", PASSWORD, f"F{n}"] for n in range(600)]
        rows[300][3] = "short"
        rows[301][3] = ""
        rows[302] += ["", "", "", "", "0011223344"]
        done = await self.sipx("users", "import", self.file(rows), terminal=True)
        self.assertEqual(done.status, 1)
        lines = done.out.splitlines()
        self.assertEqual(lines[0], "added 599, changed 0, unchanged 0, left out 1")
        self.assertIn("1 new users had no SIP password", lines[1])
        self.assertEqual(lines[2], "kept, but not used yet: Phone serial number")
        self.assertIn("line 302: password is shorter than 8 characters\n", done.err)
        self.assertIn("\r[" + "#" * 40 + "] 100 %\n", done.err)
        self.assertEqual(len(self.configuration.accounts.accounts), 599)
        self.assertEqual(self.configuration.version, 3)

    async def test_dry_run(self) -> None:
        """A dry run says what would be, and no bar where there is no terminal."""
        done = await self.sipx("users", "import", "--dry-run", self.file([["200"], ["201"]]))
        self.assertEqual((done.status, done.err), (0, ""))
        self.assertTrue(done.out.startswith("would be added 2,"))
        self.assertEqual(self.configuration.version, 0)

    async def test_json(self) -> None:
        """As JSON, everything is in one object."""
        total = await self.ask("users", "import", self.file([["200", "", "", PASSWORD]]))
        self.assertEqual((total["created"], total["failed"]), (1, []))
        self.assertEqual(
            set(total),
            {*Imported.__dataclass_fields__} - {"generated"}
            | {"dry_run", "generated_passwords", "kept_columns"},
        )

    async def test_export(self) -> None:
        """What is exported can be imported, and changes nothing."""
        await self.add("200", "--first-name", 'A "b", c', "--alias", "1", "--alias", "2")
        done = await self.sipx("users", "export")
        rows = list(csv.reader(io.StringIO(done.out)))
        self.assertEqual(rows[0], list(COLUMNS))
        self.assertEqual(rows[1][:7], ["200", "", "", "", 'A "b", c', "", "1 2"])
        path = self.mktemp()
        await self.sipx("users", "export", path)
        self.assertEqual((await self.ask("users", "import", path))["unchanged"], 1)

    async def test_no_file(self) -> None:
        """A file that cannot be read or written is one sentence."""
        for words in (("import", "/nowhere/x"), ("export", "/nowhere/x"), ("import", "/tmp")):
            done = await self.sipx("users", *words)
            self.assertEqual(done.status, 1)
            self.assertIn(words[1], done.err)


class TelephonyTests(CommandTestCase):
    """Looking at a node at work."""

    async def test_registrations(self) -> None:
        """All pages of registrations are shown."""
        bindings = [binding("200", n) for n in range(1500)]
        bindings.append(binding("201", 0))
        self.context.provide(ILocation, FakeLocation(bindings))
        self.assertEqual(len(await self.ask("registrations")), 1501)
        (found,) = await self.ask("registrations", "--user", "201")
        self.assertEqual(
            sorted(found),
            ["contact", "expires_in", "flow", "instance", "path", "q", "user", "user_agent"],
        )
        done = await self.sipx("registrations", "--user", "201")
        self.assertIn("201   sip:201@phone0  0.5  600", done.out)

    async def test_calls(self) -> None:
        """Active calls are shown; nothing in them commands a terminal."""
        record = CallRecord("c1", "t", "200\x1b[2J", "201", "201", UTC)
        self.context.provide(IActiveCalls, FakeCalls([record]))
        self.assertEqual((await self.ask("calls"))[0]["result"], "ringing")
        out = (await self.sipx("calls")).out
        self.assertIn("ringing", out)
        self.assertNotIn("\x1b", out)

    async def test_records(self) -> None:
        """Call records are shown with the names that scripts rely on."""
        sink: Any = self.context.get(IJournalSink)
        failed: dict[str, Any] = {
            "end": UTC + 3,
            "result": CallResult.FAILED.value,
            "failure_code": 486,
        }
        calls = [call(f"c{n}", start=UTC + n) for n in range(5)]
        sink.apply(
            [*calls, call("c9", start=UTC + 9, failure_reason="Busy Here", **failed)], (1, 1)
        )
        found = await self.ask("cdr", "--limit", "3")
        self.assertEqual([one["call_id"] for one in found], ["c9", "c4", "c3"])
        self.assertEqual(
            list(found[0]),
            "call_id from_tag caller callee dialed start connect end duration result"
            " failure_code failure_reason".split(),
        )
        self.assertIn("failed 486 Busy Here", (await self.sipx("cdr")).out)
        self.assertEqual(len(await self.ask("cdr", "--call-id", "c1", "--user", "200")), 1)
        self.assertEqual((await self.sipx("cdr", "--limit", "0")).status, 1)
        self.assertEqual((await self.sipx("cdr", "--before", "x")).status, 1)

    async def test_trace(self) -> None:
        """A call is drawn, printed or given as JSON."""
        text = "INVITE sip:201@pbx.test SIP/2.0\r\nFrom: \x1b[2J\r\n\r\n"
        message = {
            "time": UTC,
            "source": "127.0.0.1:5062",
            "destination": "127.0.0.1:5060",
            "transport": "udp",
            "summary": "INVITE sip:201@pbx.test SIP/2.0",
            "text": text,
        }
        self.context.provide(IWireTrace, FakeTrace({"a/b": [message]}))
        self.assertEqual((await self.ask("trace", "a/b"))[0]["text"], text)
        self.assertIn("INVITE sip:201@pbx.test", (await self.sipx("trace", "a/b")).out)
        raw = (await self.sipx("trace", "a/b", "--raw")).out
        self.assertIn(
            "127.0.0.1:5062 -> 127.0.0.1:5060 udp\nINVITE sip:201@pbx.test SIP/2.0\n", raw
        )
        self.assertNotIn("\x1b", raw)
        self.assertIn("a/b", (await self.sipx("trace")).out)
        self.assertEqual((await self.sipx("trace", "x")).status, 1)

    async def test_odd_call_ids(self) -> None:
        """A call is found by whatever Call-ID its phone chose, and as the list writes it."""
        message = {
            "time": UTC,
            "source": "127.0.0.1:5062",
            "destination": "127.0.0.1:5060",
            "transport": "udp",
            "summary": "BYE sip:201@x SIP/2.0",
            "text": "BYE sip:201@x SIP/2.0\r\n\r\n",
        }
        ids = [
            ".",
            "..",
            "a/..",
            "./a",
            "//",
            "a/b/",
            "%",
            "%2F",
            "a%zz",
            "?",
            "a?b#c",
            "é",
            "日本",
        ]
        ids += ["a|b", "<a>", "-x", "\udcff@phone", "a\x1bb"]
        self.context.provide(IWireTrace, FakeTrace({call_id: [message] for call_id in ids}))
        for call_id in ids:
            done = await self.sipx("trace", "--", call_id)
            self.assertIn("BYE sip:201@x", done.out, (call_id, done.err))
        for one in await self.ask("trace"):
            done = await self.sipx("trace", "--", one["call_id"])
            self.assertIn("BYE sip:201@x", done.out, (one, done.err))

    async def test_health(self) -> None:
        """A node that is not well is status 1."""
        done = await self.sipx("health")
        self.assertEqual((done.status, done.out.splitlines()[0]), (0, "well"))
        self.context.health.set("disk", False, "full")
        self.flushLoggedErrors()
        done = await self.sipx("health")
        self.assertEqual((done.status, done.out.splitlines()[0]), (1, "not well"))
        self.assertIn("disk           FAILS  full", done.out)


class NobodyTests(TestCase):
    """There is no node, or something else."""

    def setUp(self) -> None:
        self.state = Path(self.mktemp()).absolute()
        self.state.mkdir(parents=True)

    def sipx(self, *words: str) -> str:
        """Run a command that fails; gives its sentence."""
        done = run(["--state", str(self.state), *words])
        self.assertEqual((done.status, done.out), (1, ""))
        self.assertEqual(done.err.count("\n"), 1, done.err)
        return done.err

    @contextmanager
    def served(self, status: int, answer: bytes) -> Iterator[None]:
        """Something that answers everything alike."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            self.leave(server.server_port)
            yield
            server.shutdown()
            thread.join()

    def leave(self, port: int) -> None:
        """Leave what a node leaves in its state folder."""
        url = f"http://127.0.0.1:{port}/api/v1/"
        (self.state / "api.json").write_text(json.dumps({"url": url}))
        (self.state / "api-token").write_text("x" * 43 + "\n")

    def test_not_running(self) -> None:
        """A folder without a running node says where and what to do."""
        twistd = Path(sys.executable).with_name("twistd")
        words = f"No node is running at {self.state}: start one with `{twistd} -n sipx --state"
        self.patch(os, "environ", {**os.environ, "PATH": "/nowhere"})
        self.assertIn(words, self.sipx("calls"))
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            port = taken.getsockname()[1]
        self.leave(port)
        self.assertIn(words, self.sipx("calls"))

    def test_damaged(self) -> None:
        """A damaged address file is said."""
        self.leave(1)
        for text in ("{", "[]", "{}"):
            (self.state / "api.json").write_text(text)
            self.assertIn("api.json is damaged", self.sipx("calls"))

    def test_stranger(self) -> None:
        """What is not a node is not believed."""
        with self.served(200, b"<html>"):
            self.assertIn("not a node", self.sipx("calls"))
        with self.served(500, b"[]"):
            self.assertIn("The node answers 500", self.sipx("calls"))

    def test_wrong_words(self) -> None:
        """A wrong command line is one sentence and status 1."""
        for words in ((), ("dance",), ("user",), ("user", "add"), ("calls", "--x"), ("-o", "xml")):
            self.assertIn("--help", self.sipx(*words))

    def test_abbreviations(self) -> None:
        """An option is said in full."""
        for words, full in (
            (("--stat", "x", "calls"), "--stat; did you mean --state?"),
            (("calls", "--sta=x"), "--sta; did you mean --state?"),
            (("cdr", "--lim", "1"), "--lim; did you mean --limit?"),
            (("user", "change", "200", "--no"), "--no; did you mean --no-alias?"),
        ):
            self.assertIn(full, self.sipx(*words))

    def test_no_password(self) -> None:
        """Who ends the input where a password is asked for gets one sentence."""
        self.leave(1)
        for error in (EOFError, KeyboardInterrupt):
            words = ["--state", str(self.state), "user", "passwd", "200", "--password", "-"]
            out, err = io.StringIO(), io.StringIO()
            stdin = mock.patch("sys.stdin", Terminal())
            asked = mock.patch("getpass.getpass", side_effect=error)
            with redirect_stdout(out), redirect_stderr(err), stdin, asked:
                status = main(words)
            self.assertEqual(status, 1 if error is EOFError else 130)
            self.assertRegex(err.getvalue(), r"\Asipx: [^\n]+\n\Z")

    async def test_interrupted(self) -> None:
        """Ctrl-C while the node is asked is one line and status 130."""
        with closing(socket.create_server(("127.0.0.1", 0))) as silent:
            self.leave(silent.getsockname()[1])
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "SIPX_STATE": str(self.state)}
            script = (
                "import _thread, threading, sys, config.cli\n"
                "from http.client import HTTPConnection\n"
                "HTTPConnection.getresponse = lambda self: _thread.interrupt_main()"
                " or threading.Event().wait(20)\n"
                "sys.exit(config.cli.main(['calls']))"
            )
            out, err, status = await utils.getProcessOutputAndValue(
                sys.executable, ["-c", script], environment
            )
        self.assertEqual((out, err, status), (b"", b"sipx: interrupted\n", 130))

    async def test_nobody_reads(self) -> None:
        """Much output that nobody reads, and none that can be written, bring no traceback."""
        record = {"start": None, "failure_code": 0, "result": "x" * 1000}
        members = ("caller", "dialed", "callee", "duration", "call_id", "failure_reason")
        answer = {"records": [{**dict.fromkeys(members, ""), **record}] * 1000, "next": None}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SIPX_STATE": str(self.state)}
        sipx = f"{sys.executable} -m config.cli"
        with self.served(200, json.dumps(answer).encode()):
            for command, said in (
                (f"{sipx} cdr --limit 1000 | head -1", b""),
                (f"{sipx} cdr --limit 1000 -o json | head -1", b""),
                (f"{sipx} --help | true", b""),
                (f"{sipx} cdr > /dev/full", b"sipx: No space left on device.\n"),
            ):
                _, err, _ = await utils.getProcessOutputAndValue(
                    "/bin/sh", ["-c", command], environment
                )
                self.assertEqual(err, said, command)

    def test_help(self) -> None:
        """Help names all commands."""
        out = io.StringIO()
        with redirect_stdout(out):
            self.assertRaises(SystemExit, main, ["--help"])
        for word in ("user", "users", "registrations", "calls", "cdr", "trace", "health"):
            self.assertIn(f"\n    {word} ", out.getvalue())

    async def test_light(self) -> None:
        """The command imports neither Twisted nor zope, so it starts at once."""
        script = (
            "import sys, config.cli, config.exchange.users_csv\n"
            "config.cli.main(['--state', '/nowhere', 'calls'])\n"
            "print([name for name in sys.modules if name.split('.')[0] in ('twisted', 'zope')])"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        out, _, _ = await utils.getProcessOutputAndValue(
            sys.executable, ["-c", script], environment
        )
        self.assertEqual(out, b"[]\n")
        self.assertIsNotNone(reactor)


class LadderTests(SynchronousTestCase):
    """A call as a drawing."""

    def message(self, source: str, destination: str, summary: str) -> dict[str, Any]:
        """A message as the API shows it."""
        return {
            "time": "2026-11-23T08:00:00.123456Z",
            "source": source,
            "destination": destination,
            "summary": summary,
        }

    def test_drawn(self) -> None:
        """Each address has a column; arrows go from source to destination."""
        lines = list(
            ladder(
                [
                    self.message("a:1", "b:2", "INVITE sip:201@x SIP/2.0"),
                    self.message("b:2", "c:3", "INVITE sip:201@c SIP/2.0"),
                    self.message("c:3", "b:2", "SIP/2.0 200 OK"),
                    self.message("a:1", "c:3", "ACK sip:201@c SIP/2.0"),
                    self.message("a:1", "a:1", "OPTIONS \x1b"),
                ]
            )
        )
        drawn = [line[14:] for line in lines]
        self.assertEqual(lines[0].split(), ["a:1", "b:2", "c:3"])
        self.assertEqual(
            drawn[1:],
            [
                "            |                       |                       |",
                "            |   INVITE sip:201@x    |                       |",
                "            |---------------------->|                       |",
                "            |                       |   INVITE sip:201@c    |",
                "            |                       |---------------------->|",
                "            |                       |        200 OK         |",
                "            |                       |<----------------------|",
                "            |                 ACK sip:201@c                 |",
                "            |---------------------------------------------->|",
                "            | OPTIONS \ufffd (to itself) |                       |",
                "            |                       |                       |",
            ],
        )
        self.assertRegex(lines[2], r"^\d\d:\d\d:00\.123 ")

    def test_width(self) -> None:
        """Long summaries are cut so that the drawing fits; addresses and arrows are whole."""
        contact = "sip:201@192.168.100.101:50600;transport=tcp;ob"
        ends = ("192.168.100.100:5060", "192.168.100.101:50600", "10.0.0.1:5060")
        messages = [
            self.message(ends[0], ends[1], f"INVITE {contact} SIP/2.0"),
            self.message(ends[1], ends[2], f"INVITE {contact} SIP/2.0"),
            self.message(ends[2], ends[2], f"INVITE {contact} SIP/2.0"),
            self.message(ends[0], ends[2], f"ACK {contact} SIP/2.0"),
        ]
        for columns in (90, 120, 400):
            lines = list(ladder(messages, columns))
            self.assertLessEqual(max(map(len, lines)), columns)
            self.assertEqual(lines[0].split(), list(ends))
            self.assertEqual(sum(line.count(">") for line in lines), 3)
            cut = [line for line in lines if "INVITE si" in line and "…" in line]
            self.assertEqual(len(cut), 0 if columns == 400 else 3, lines)
        self.assertIn(contact, "\n".join(ladder(messages, 400)))


class OutputTests(SynchronousTestCase):
    """What a terminal gets."""

    def test_safe(self) -> None:
        """Nothing that a terminal obeys is written."""
        self.assertEqual(safe("a\x1b[2J\r\n\u202eb\udce9ü"), "a\ufffd[2J\ufffd\ufffd\ufffdb\ufffdü")
        self.assertEqual(safe("a\n\tb\x07", keep="\n\t"), "a\n\tb\ufffd")

    def test_cells(self) -> None:
        """Values are written as people read them."""
        values = [None, True, False, 1.0, 0.25, ["a", 1], "x\x00", 600, 0.0079, 0.1]
        self.assertEqual(
            [cell_text(value) for value in values],
            ["", "yes", "no", "1", "0.25", "a 1", "x\ufffd", "600", "0.008", "0.1"],
        )
        self.assertEqual((width("日本"), pad("日", 4)), (4, "日  "))
