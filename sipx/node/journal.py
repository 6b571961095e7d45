"""The journal: what is about to be acknowledged, on disk first.

Records are appended on the reactor and written with one ``write(2)`` per commit, which
survives ``kill -9``; ``sync`` bounds what a power loss takes. What was written is read from
another thread, to feed the database, and never beyond what was written whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from sipx.interfaces import IHealth, IJournal
from sipx.node.errors import StartError
from sipx.node.segments import Position, decode, encode, numbers, path_of, whole_length

log = Logger()

SEGMENT_OCTETS = 16 * 1024 * 1024
# While the disk is full, who acknowledges refuses; what ends meanwhile (calls) waits here.
PENDING_OCTETS = 4 * 1024 * 1024
# A record is made of header values; a message has at most 64 KiB.
RECORD_OCTETS = 256 * 1024


@implementer(IJournal)
class Journal:
    """The journal of one node, open for writing and reading."""

    def __init__(
        self,
        folder: Path,
        health: IHealth,
        write: Callable[[int, bytes], int] = os.write,
        segment_octets: int = SEGMENT_OCTETS,
        pending_octets: int = PENDING_OCTETS,
    ) -> None:
        """Open the journal; a torn tail is cut off.

        Args:
            folder: made when absent.
            health: told in the part ``journal``.
            write: as ``os.write``; a test's may fail.
            segment_octets: a segment is followed by the next when it is this long.
            pending_octets: what is kept while it cannot be written; more is dropped.

        Raises:
            StartError: it cannot be opened.
        """
        self.failing = False
        self.dropped = 0
        self.corrupt = 0
        self._folder = folder
        self._health = health
        self._write = write
        self._segment_octets = segment_octets
        self._pending_limit = pending_octets
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._to_sync: list[int] = []
        self._dirty = False
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            number = max(numbers(folder), default=1)
            self._file = self._open(number)
            end = whole_length(self._file)
            torn = os.fstat(self._file).st_size - end
            os.ftruncate(self._file, end)
            self._sync_folder()
        except OSError as error:
            raise StartError(
                f"The journal in {folder} cannot be opened: {error.strerror}."
            ) from error
        # Replaced as a whole, so that another thread sees it before or after a commit.
        self._end: Position = (number, end)
        health.set("journal", True, f"cut {torn} octets of a torn record" if torn else "writing")
        health.gauge("journal_pending_octets", lambda: self._pending_size, pending_octets)
        health.gauge("journal_dropped_records", lambda: self.dropped)
        health.gauge("journal_corrupt_records", lambda: self.corrupt)

    @property
    def end(self) -> Position:
        """The position after the last record that was written."""
        return self._end

    @property
    def dirty(self) -> bool:
        """Whether something was written since ``sync`` was called last."""
        return self._dirty or bool(self._to_sync)

    def append(self, record: Sequence[Any]) -> None:
        line = encode(record)
        size = self._pending_size + len(line)
        if size > self._pending_limit or len(line) > RECORD_OCTETS:
            self._drop(record, len(line))
            return
        self._pending.append(line)
        self._pending_size = size

    def commit(self) -> bool:
        if not self._pending:
            return True
        data = b"".join(self._pending)
        segment, end = self._end
        try:
            written = self._write(self._file, data)
            if written != len(data):
                raise OSError(None, f"only {written} of {len(data)} octets were written")
        except OSError as error:
            self._fail(error, end)
            return False
        self._pending.clear()
        self._pending_size = 0
        self._dirty = True
        end += len(data)
        self._end = (segment, end)
        if self.failing:
            self.failing = False
            self._health.set("journal", True, "writing again")
        if end >= self._segment_octets:
            self._next_segment(segment + 1)
        return True

    def sync(self) -> None:
        """Wait until what was written is on the disk; blocks, for one thread at a time.

        Raises:
            OSError: the disk does not say so.
        """
        self._dirty = False
        rolled = bool(self._to_sync)
        while self._to_sync:
            file = self._to_sync.pop(0)
            try:
                os.fsync(file)
            finally:
                os.close(file)
        os.fsync(self._file)
        if rolled:
            self._sync_folder()

    def close(self) -> None:
        """Write and sync what is there, and close the files."""
        try:
            self.commit()
            self.sync()
        finally:
            os.close(self._file)
            self._file = -1

    def skip_to(self, position: Position) -> None:
        """Write from now on after a position that the database has already applied.

        A power loss can take the end of the journal while the database kept it; records
        written below its position would never be read.
        """
        if position > self._end:
            self._next_segment(position[0] + 1)

    def read(self, position: Position, limit: int) -> tuple[list[list[Any]], Position]:
        """Read records that were written; may be called from another thread.

        Args:
            position: as given by a former call, or (0, 0).
            limit: octets to read at most; one record is read in any case.

        Returns:
            The records and the position after them. Lines that are not what was written are
            left out, logged and counted in ``corrupt``.
        """
        segment, offset = position
        last, end = self._end
        available = [number for number in numbers(self._folder) if number >= segment]
        if not available or available[0] > last:
            return [], position
        if available[0] != segment:
            segment, offset = available[0], 0
        with path_of(self._folder, segment).open("rb") as file:
            whole = end if segment == last else os.fstat(file.fileno()).st_size
            if offset >= whole:
                following = [number for number in available if segment < number <= last]
                return [], (following[0], 0) if following else position
            file.seek(offset)
            data = file.read(min(max(limit, RECORD_OCTETS), whole - offset))
        length = data.rfind(b"\n") + 1
        if not length:
            # Only damage leaves a segment without a line feed: it ends here.
            self._count_corrupt(segment, offset, data)
            return [], (segment, offset + len(data))
        return self._decode(segment, offset, data[:length]), (segment, offset + length)

    def trim(self, position: Position) -> None:
        """Remove the segments that end before a position; may be called from a thread."""
        for number in numbers(self._folder):
            if number < min(position[0], self._end[0]):
                path_of(self._folder, number).unlink(missing_ok=True)

    def backlog(self, position: Position) -> int:
        """Count the octets that were written after a position."""
        last, end = self._end
        later = [number for number in numbers(self._folder) if position[0] <= number < last]
        whole = end + sum(path_of(self._folder, number).stat().st_size for number in later)
        return max(0, whole - position[1])

    def _decode(self, segment: int, offset: int, data: bytes) -> list[list[Any]]:
        records = []
        for line in data[:-1].split(b"\n"):
            record = decode(line)
            if record is None:
                self._count_corrupt(segment, offset, line)
            else:
                records.append(record)
            offset += len(line) + 1
        return records

    def _count_corrupt(self, segment: int, offset: int, line: bytes) -> None:
        self.corrupt += 1
        text = (
            f"{self.corrupt} damaged records skipped, the last one in"
            f" {path_of(self._folder, segment).name} at {offset} ({len(line)} octets)"
        )
        log.error("journal: {text}", text=text)
        self._health.set("journal records", False, text)

    def _drop(self, record: Sequence[Any], size: int) -> None:
        self.dropped += 1
        text = f"{self.dropped} records dropped, the last one a {record[0]!r} of {size} octets:" + (
            " it is too long" if size > RECORD_OCTETS else " the disk takes nothing"
        )
        if self.dropped == 1:
            log.critical("journal: {text}", text=text)
        self._health.set("journal records", False, text)

    def _fail(self, error: OSError, end: int) -> None:
        self.failing = True
        self._health.set(
            "journal",
            False,
            f"cannot be written: {error.strerror}; registrations are refused, call records wait"
            " meanwhile",
        )
        try:
            os.ftruncate(self._file, end)
        except OSError:
            # Should even this fail, the next segment must not begin with half a line.
            log.failure("journal: half a record could not be cut off")
            self._next_segment(self._end[0] + 1)

    def _next_segment(self, number: int) -> None:
        """Go on in a new segment; when it cannot be made, in this one."""
        try:
            file = self._open(number)
        except OSError:
            log.failure("journal: segment {number} could not be made", number=number)
            return
        self._to_sync.append(self._file)
        self._file = file
        self._end = (number, 0)

    def _sync_folder(self) -> None:
        """Make the names of new segments survive a power loss."""
        file = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def _open(self, number: int) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(path_of(self._folder, number), flags, 0o600)
