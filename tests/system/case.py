"""What the system tests have in common: a node of their own, its users, its records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from tests.support.node import Node
from tests.support.processes import until

SHOWN = 8_000  # characters of the log around a failure inside the node
RECORDED = 10.0  # seconds within which a call that ended is in the call records


def password(user: str) -> str:
    """Give the SIP password of a user of these tests."""
    return f"secret-{user}"


class NodeTestCase(TestCase):
    """A running node with users, new for every test."""

    timeout = 60
    options: Sequence[str] = ()
    users: Sequence[str] = ("201", "202")

    async def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.node = self.make_node()
        await self.node.start()
        await self.node.import_users({user: password(user) for user in self.users})

    async def tearDown(self) -> None:
        """Nothing that a test does may make a node fail inside."""
        log = self.node.process.text
        (self.folder / "node.log").write_text(log)
        for word in ("Traceback", "Unhandled"):
            if word in log:
                start = max(0, log.index(word) - SHOWN // 4)
                self.fail(f"The node's log has a {word}:\n{log[start : start + SHOWN]}")

    def make_node(self) -> Node:
        """Make a node on this test's state folder; it is stopped when the test is over."""
        node = Node(self.folder / "state", options=self.options)
        self.addCleanup(node.stop)
        return node

    async def only_record(self) -> dict[str, Any]:
        """Wait for the record of the only call there was."""
        (record,) = await self.ended_records(1)
        return record

    async def ended_records(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many calls have ended; there must be a record of each and no others."""

        async def ended() -> list[dict[str, Any]] | None:
            records: list[dict[str, Any]] = await self.node.ask("cdr")
            return records if sum(bool(record["end"]) for record in records) >= count else None

        records = await until(ended, RECORDED, f"{count} call records with an end")
        self.assertEqual(len(records), count, records)
        return records

    async def contacts(self) -> list[str]:
        """List the registered contacts, in order."""
        return sorted(row["contact"] for row in await self.node.ask("registrations"))
