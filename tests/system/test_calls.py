"""Registrations and calls of SIPp's phones through a node."""

from __future__ import annotations

from tests.support.peers import require
from tests.support.ports import HOST
from tests.support.sipp import Phone, Sipp
from tests.system.case import NodeTestCase, password

MANY = 10_000  # users that register at once
RATE = 1_000  # registrations begun a second


class SippTestCase(NodeTestCase):
    """A node and SIPp's phones: 201 calls, 202 is called."""

    async def setUp(self) -> None:
        require("sipp")
        await super().setUp()
        self.sipp = Sipp(self.folder, self.node.port, self.node.domain)
        self.addCleanup(self.sipp.stop)

    def phone(self, user: str) -> Phone:
        """Make a phone of a user."""
        return self.sipp.phone(user, password(user))

    async def call(self, calling: str, answering: str) -> None:
        """Register 202, let it play one scenario and let 201 call it with another."""
        callee = self.phone("202")
        await callee.register()
        called = await callee.start(answering)
        await self.phone("201").play(calling, "202")
        await called.passed()

    async def assert_recorded(self, result: str, failure_code: int = 0) -> None:
        """The call of 201 to 202 has one record, with this result."""
        record = await self.only_record()
        self.assertEqual(
            (record["caller"], record["callee"], record["dialed"]), ("201", "202", "202")
        )
        self.assertEqual((record["result"], record["failure_code"]), (result, failure_code))
        self.assertLessEqual(record["start"], record["end"])
        if result == "completed":
            self.assertLessEqual(record["start"], record["connect"])
            self.assertLess(0, record["duration"])
        else:
            self.assertIsNone(record["connect"])
        self.assertEqual(await self.node.ask("calls"), [])


class RegistrationTests(SippTestCase):
    """Phones register with digest."""

    async def test_register(self) -> None:
        """A phone that answers the challenge is registered."""
        phone = self.phone("201")
        await phone.register()
        (row,) = await self.node.ask("registrations")
        self.assertEqual(row["user"], "201")
        self.assertIn(f"{HOST}:{phone.port}", row["contact"])

    async def test_wrong_password(self) -> None:
        """A phone with a wrong password is challenged again and not registered."""
        await self.sipp.phone("201", "wrong").play("register_wrong.xml")
        self.assertEqual(await self.node.ask("registrations"), [])


class ManyRegistrationsTests(SippTestCase):
    """A building full of phones comes back after a power cut."""

    timeout = 90
    users = ()

    async def test_ten_thousand(self) -> None:
        """Ten thousand imported users register at up to 1000 a second, and all are registered."""
        passwords = {str(number): password(str(number)) for number in range(10_000, 10_000 + MANY)}
        await self.node.import_users(passwords, timeout=30)
        await self.sipp.register(passwords, self.phone("10000").port, rate=RATE)
        rows = await self.node.ask("registrations")
        self.assertEqual({row["user"] for row in rows}, set(passwords))
        self.assertEqual(len(rows), MANY)


class CallTests(SippTestCase):
    """Calls between two registered users, and what is recorded of them."""

    async def test_caller_hangs_up(self) -> None:
        """A call is challenged, rings, is answered, and ended by the caller."""
        await self.call("call.xml", "answer.xml")
        await self.assert_recorded("completed")

    async def test_callee_hangs_up(self) -> None:
        """The callee's BYE reaches the caller by the route set."""
        await self.call("call_ended_by_callee.xml", "hang_up.xml")
        await self.assert_recorded("completed")

    async def test_hold(self) -> None:
        """A re-INVITE that holds the call reaches the callee by the route set."""
        await self.call("call_hold.xml", "answer_hold.xml")
        await self.assert_recorded("completed")

    async def test_busy(self) -> None:
        """The 486 of a busy phone reaches the caller."""
        await self.call("call_refused.xml", "busy.xml")
        await self.assert_recorded("failed", 486)

    async def test_cancel(self) -> None:
        """When the caller gives up after a second, the phone stops ringing."""
        await self.call("call_given_up.xml", "ring.xml")
        await self.assert_recorded("canceled", 487)

    async def test_unknown_user(self) -> None:
        """A call to nobody fails with 404."""
        await self.phone("201").play("call_unknown.xml", "299")
        record = await self.only_record()
        self.assertEqual((record["result"], record["failure_code"]), ("failed", 404))

    async def test_trace(self) -> None:
        """The messages of a call are shown by its Call-ID, without the digest that proved who."""
        await self.call("call.xml", "answer.xml")
        record = await self.only_record()
        shown = await self.node.command("trace", record["call_id"])
        self.assertEqual((shown.status, shown.err), (0, ""))
        for word in ("INVITE", "407", "180", "200", "ACK", "BYE"):
            self.assertIn(word, shown.out)
        self.assertNotRegex(shown.out, r'response="?[0-9a-f]{32}')

    async def test_active_call(self) -> None:
        """A call that rings is among the active calls."""
        callee = self.phone("202")
        await callee.register()
        await callee.start("ring.xml")
        calling = await self.phone("201").start("call_ringing.xml", "202")
        await calling.saw("180 Ringing")
        (row,) = await self.node.ask("calls")
        self.assertEqual((row["caller"], row["dialed"], row["result"]), ("201", "202", "ringing"))

    async def test_two_calls(self) -> None:
        """Two calls after each other have a record each."""
        callee, caller = self.phone("202"), self.phone("201")
        await callee.register()
        for _ in range(2):
            called = await callee.start("answer.xml")
            await caller.play("call.xml", "202")
            await called.passed()
        records = await self.ended_records(2)
        self.assertEqual([record["result"] for record in records], ["completed"] * 2)
        self.assertEqual(len({record["call_id"] for record in records}), 2)


class RingTimeTests(SippTestCase):
    """A node whose phones ring for two seconds at most."""

    options = ("--ring-time", "2")

    async def test_nobody_answers(self) -> None:
        """After the ring time the phone stops ringing and the caller gets a final response."""
        await self.call("call_unanswered.xml", "ring.xml")
        record = await self.only_record()
        self.assertEqual(record["result"], "failed")
        self.assertIn(record["failure_code"], (408, 480))


class ForkingTests(SippTestCase):
    """A user with three phones."""

    async def test_one_of_three_answers(self) -> None:
        """All three ring; when one answers, the others are canceled, and there is one record."""
        phones = [self.phone("202") for _ in range(3)]
        for phone in phones:
            await phone.register()
        self.assertEqual(len(await self.contacts()), 3)
        called = [
            await phone.start(scenario)
            for phone, scenario in zip(
                phones, ("ring.xml", "answer_late.xml", "ring.xml"), strict=True
            )
        ]
        await self.phone("201").play("call.xml", "202")
        for run in called:
            await run.passed()
        await self.assert_recorded("completed")

    async def test_caller_gives_up_on_three(self) -> None:
        """When the caller gives up, all three stop ringing."""
        phones = [self.phone("202") for _ in range(3)]
        for phone in phones:
            await phone.register()
        called = [await phone.start("ring.xml") for phone in phones]
        await self.phone("201").play("call_given_up_forked.xml", "202")
        for run in called:
            await run.passed()
        await self.assert_recorded("canceled", 487)
