"""The journal: what was committed is there, whatever happened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipx.interfaces import IJournal
from sipx.node.journal import RECORD_OCTETS, Journal
from sipx.node.segments import decode, encode, path_of
from tests.node.parts import Said, folder, sentence

ROOT = Path(__file__).parents[2]

# Text as header values are decoded: UTF-8 with surrogateescape.
TEXT = st.text(st.characters() | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)

WRITER = """
import os, sys
from pathlib import Path
from sipx.node.health import Health
from sipx.node.journal import Journal
journal = Journal(Path(sys.argv[1]), Health(), segment_octets=4000)
number = 0
while True:
    for _ in range(number % 7 + 1):
        number += 1
        journal.append(["bind", number, "x" * (number % 50)])
    journal.commit()
    os.write(1, b"%d\\n" % number)
"""


def everything(journal: Journal, limit: int = 1) -> list[list[Any]]:
    """Read a journal from its beginning to its end."""
    found: list[list[Any]] = []
    position = (0, 0)
    while True:
        records, upto = journal.read(position, limit)
        if upto == position:
            return found
        found += records
        position = upto


class LineTests(SynchronousTestCase):
    """A record as a line."""

    @settings(derandomize=True, deadline=None)
    @given(st.lists(VALUES, max_size=12))
    def test_round_trip(self, record: list[Any]) -> None:
        """Any record comes back from one line."""
        line = encode(record)
        self.assertEqual(line.count(b"\n"), 1)
        self.assertEqual(line[-1:], b"\n")
        self.assertEqual(decode(line[:-1]), record)

    def test_damage(self) -> None:
        """No octet can be changed, cut off or added."""
        line = encode(["bind", "200", 1.5])[:-1]
        for index in range(len(line)):
            changed = bytearray(line)
            changed[index] ^= 1
            self.assertIsNone(decode(bytes(changed)), index)
            self.assertIsNone(decode(line[:index]), index)
        self.assertIsNone(decode(line + b" "))


class JournalTests(SynchronousTestCase):
    """Writing, reading, and what goes wrong."""

    def setUp(self) -> None:
        self.folder = folder()
        self.health = Said()

    def open(self, **limits: Any) -> Journal:
        journal = Journal(self.folder, self.health, **limits)
        self.addCleanup(journal.close)
        return journal

    def closed_with(self, *records: list[Any]) -> Path:
        """Write records, close, and give the file."""
        journal = Journal(self.folder, self.health)
        for record in records:
            journal.append(record)
        journal.close()
        return path_of(self.folder, 1)

    def test_interface(self) -> None:
        """It is a journal."""
        verifyObject(IJournal, self.open())

    def test_one_write(self) -> None:
        """What a turn appends is written with one write, at the commit."""
        writes: list[bytes] = []

        def write(file: int, data: bytes) -> int:
            writes.append(data)
            return os.write(file, data)

        journal = self.open(write=write)
        journal.append(["a", 1])
        journal.append(["b", 2])
        self.assertEqual((writes, everything(journal)), ([], []))
        self.assertIs(journal.commit(), True)
        self.assertIs(journal.commit(), True)
        self.assertEqual(len(writes), 1)
        self.assertEqual(everything(journal), [["a", 1], ["b", 2]])

    def test_there_after_reopening(self) -> None:
        """A later process finds the records and adds to them."""
        self.closed_with(["a", 1], ["b", 2])
        journal = self.open()
        journal.append(["c", 3])
        journal.commit()
        self.assertEqual(everything(journal), [["a", 1], ["b", 2], ["c", 3]])
        self.assertEqual(os.listdir(self.folder), ["00000001.log"])
        self.assertEqual(path_of(self.folder, 1).stat().st_mode & 0o777, 0o600)

    def test_torn_tail(self) -> None:
        """Wherever the last write was torn, whole records stay and new ones follow."""
        records: list[list[Any]] = [["a", 1], ["b", "two"], ["c", [3]]]
        whole = self.closed_with(*records).read_bytes()
        for length in range(len(whole) + 1):
            path_of(self.folder, 1).write_bytes(whole[:length])
            journal = Journal(self.folder, self.health)
            self.assertIn("cut" if whole[:length][-1:] not in b"\n" else "writing",
                          self.health.parts["journal"][1])  # fmt: skip
            journal.append(["new"])
            journal.commit()
            kept = records[: whole[:length].count(b"\n")]
            self.assertEqual(everything(journal), [*kept, ["new"]])
            self.assertEqual(journal.corrupt, 0)
            journal.close()

    def test_corrupt_line(self) -> None:
        """A damaged line in the middle is skipped, counted and named."""
        path = self.closed_with(["a", 1], ["b", 2], ["c", 3])
        data = path.read_bytes()
        second = data.index(b"\n") + 1
        path.write_bytes(data.replace(b'"b"', b'"x"'))
        journal = self.open()
        self.assertEqual(everything(journal), [["a", 1], ["c", 3]])
        self.assertEqual(journal.corrupt, 1)
        ok, text = self.health.parts["journal records"]
        self.assertFalse(ok)
        self.assertIn(f"1 damaged records skipped, the last one in 00000001.log at {second}", text)

    def test_corrupt_without_end(self) -> None:
        """A former segment that ends in damage does not stop the reading."""
        first = self.closed_with(["a", 1])
        path_of(self.folder, 2).write_bytes(encode(["b", 2]))
        first.write_bytes(first.read_bytes() + b"\0" * 100)
        journal = self.open()
        self.assertEqual(everything(journal), [["a", 1], ["b", 2]])
        self.assertEqual(journal.corrupt, 1)

    def test_disk_full(self) -> None:
        """It fails without half a record, keeps what it could not write, and recovers."""
        full = os.open("/dev/full", os.O_WRONLY)
        self.addCleanup(os.close, full)
        target: list[int] = []
        journal = self.open(write=lambda file, data: os.write((target or [file])[0], data))
        journal.append(["a", 1])
        self.assertTrue(journal.commit())
        target.append(full)
        journal.append(["b", 2])
        self.assertIs(journal.commit(), False)
        self.assertTrue(journal.failing)
        ok, text = self.health.parts["journal"]
        self.assertFalse(ok)
        self.assertIn("No space left on device", text)
        journal.append(["c", 3])
        self.assertIs(journal.commit(), False)
        self.assertEqual(everything(journal), [["a", 1]])
        target.clear()
        self.assertIs(journal.commit(), True)
        self.assertFalse(journal.failing)
        self.assertEqual(self.health.parts["journal"], (True, "writing again"))
        self.assertEqual(everything(journal), [["a", 1], ["b", 2], ["c", 3]])

    def test_short_write(self) -> None:
        """Half of what was to be written is taken back; nobody reads it meanwhile."""
        short = [True]

        def write(file: int, data: bytes) -> int:
            return os.write(file, data[: len(data) // 2] if short else data)

        journal = self.open(write=write)
        for number in range(10):
            journal.append([number])
        self.assertIs(journal.commit(), False)
        self.assertEqual(everything(journal), [])
        self.assertEqual(path_of(self.folder, 1).stat().st_size, 0)
        short.clear()
        self.assertIs(journal.commit(), True)
        self.assertEqual(everything(journal), [[number] for number in range(10)])

    def test_half_that_stays(self) -> None:
        """Where even cutting off fails, the next segment takes over."""
        short = [True]

        def write(file: int, data: bytes) -> int:
            return os.write(file, data[:-3] if short else data)

        def refuse(file: int, length: int) -> None:
            raise OSError(5, "Input/output error")

        journal = self.open(write=write)
        journal.append(["a", 1])
        self.patch(os, "ftruncate", refuse)
        self.assertIs(journal.commit(), False)
        short.clear()
        self.assertIs(journal.commit(), True)
        self.assertEqual(everything(journal), [["a", 1]])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_bounded_while_failing(self) -> None:
        """What waits is bounded; what does not fit is counted loudly, and the rest is kept."""
        full = [True]

        def write(file: int, data: bytes) -> int:
            if full:
                raise OSError(28, "No space left on device")
            return os.write(file, data)

        line = len(encode(["call", "0"]))
        journal = self.open(write=write, pending_octets=3 * line)
        for number in range(5):
            journal.append(["call", str(number)])
            self.assertIs(journal.commit(), False)
        self.assertEqual(journal.dropped, 2)
        self.assertIn("2 records dropped", self.health.parts["journal records"][1])
        self.assertEqual(self.health.gauges["journal_pending_octets"](), 3 * line)
        full.clear()
        self.assertTrue(journal.commit())
        self.assertEqual(everything(journal), [["call", "0"], ["call", "1"], ["call", "2"]])

    def test_too_long(self) -> None:
        """A record that is too long is dropped, not half read later."""
        journal = self.open()
        journal.append(["call", "x" * RECORD_OCTETS])
        journal.append(["call", "x" * (RECORD_OCTETS - 100)])
        journal.append(["b"])
        journal.commit()
        self.assertEqual([record[0] for record in everything(journal)], ["call", "b"])
        self.assertIn("it is too long", self.health.parts["journal records"][1])

    def test_segments(self) -> None:
        """Segments follow each other, are read in order, and are trimmed when applied."""
        journal = self.open(segment_octets=100)
        records = [["bind", number] for number in range(50)]
        for record in records:
            journal.append(record)
            journal.commit()
        journal.sync()
        self.assertFalse(journal.dirty)
        self.assertGreater(len(os.listdir(self.folder)), 5)
        self.assertEqual(everything(journal), records)
        size = sum(path.stat().st_size for path in self.folder.iterdir())
        self.assertEqual(journal.backlog((0, 0)), size)
        self.assertEqual(journal.backlog(journal.end), 0)
        journal.trim((3, 10))
        self.assertEqual(min(os.listdir(self.folder)), "00000003.log")
        self.assertEqual(everything(journal)[-1], ["bind", 49])
        journal.trim((99, 0))
        self.assertEqual(len(os.listdir(self.folder)), 1)

    def test_no_next_segment(self) -> None:
        """When the next segment cannot be made, this one goes on."""
        journal = self.open(segment_octets=100)
        path_of(self.folder, 2).mkdir()
        for number in range(20):
            journal.append(["bind", number])
            self.assertTrue(journal.commit())
        path_of(self.folder, 2).rmdir()
        self.assertEqual(len(everything(journal)), 20)
        self.assertTrue(self.flushLoggedErrors(OSError))

    def test_behind_the_database(self) -> None:
        """After a power loss that took its end, new records come after the database's position."""
        journal = self.open()
        journal.append(["a"])
        journal.commit()
        journal.skip_to((7, 300))
        journal.append(["b"])
        journal.commit()
        records, upto = journal.read((7, 300), 1000)
        while not records:
            records, upto = journal.read(upto, 1000)
        self.assertEqual(records, [["b"]])
        journal.skip_to((1, 0))
        self.assertEqual(journal.end, upto)

    def test_cannot_be_opened(self) -> None:
        """One sentence."""
        self.folder.joinpath("00000001.log").mkdir()
        with sentence(self, "The journal in", "cannot be opened: Is a directory"):
            self.open()

    def test_killed(self) -> None:
        """Whatever was committed before kill -9 is there."""
        command = [sys.executable, "-c", WRITER, str(self.folder)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) as writer:
            assert writer.stdout is not None
            for _ in range(500):
                self.assertTrue(writer.stdout.readline(), "the writer ended by itself")
            writer.kill()
            lines = writer.stdout.read().splitlines(keepends=True)
        told = max((int(line) for line in lines if line.endswith(b"\n")), default=500)
        numbers = [record[1] for record in everything(self.open())]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertGreaterEqual(len(numbers), told)
        self.assertGreater(len(os.listdir(self.folder)), 5)
