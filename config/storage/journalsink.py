"""Feeds the database from the journal.

A batch holds many states of the same registration or call; only the last of each is
stored.  The position is stored with them, so a batch that comes twice changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.logger import Logger
from zope.interface import implementer

from config.storage import bindings, callrecords, journalposition, subscriptions
from config.storage.errors import StorageError
from config.storage.interfaces import IDatabase, Transaction
from sipx.core.callrecord import CallResult
from sipx.interfaces import IJournalSink

log = Logger()

Record = Sequence[Any]
Key = tuple[Any, ...]

_BIND_LENGTH: Final = 1 + len(bindings.COLUMNS)
_CALL_LENGTH: Final = 1 + len(callrecords.COLUMNS)
_SUBSCRIPTION_LENGTH: Final = 1 + len(subscriptions.COLUMNS)
_ESCAPED_OCTET: Final = re.compile("[\udc80-\udcff]")
_UNSTORABLE: Final = re.compile("[\ud800-\udfff\x00]")
_RESULTS: Final = frozenset(result.value for result in CallResult)
_LARGEST: Final = 2**63 - 1


@implementer(IJournalSink)
class JournalSink:
    """What the journal is applied to."""

    def __init__(self, database: IDatabase) -> None:
        self._database = database
        self.refused = 0  # records that no database would take

    def position(self) -> tuple[int, int]:
        return self._database.read_now(journalposition.get)

    def apply(self, records: Sequence[Record], upto: tuple[int, int]) -> None:
        batch = _Batch()
        batch.take(records)
        try:
            self._database.write_now(lambda tx: batch.store(tx, upto))
        except (StorageError, UnicodeEncodeError, OverflowError, TypeError) as error:
            # A value that the database cannot hold must not stop the journal forever: mend
            # what can be mended, and leave out what cannot.
            if isinstance(error, StorageError) and not _is_about_values(error):
                raise
            self._apply_mended(batch, upto)

    def _apply_mended(self, batch: _Batch, upto: tuple[int, int]) -> None:
        refused = batch.mend()
        self.refused += refused
        if refused:
            log.error("{count} journal records cannot be stored and are left out", count=refused)
        self._database.write_now(lambda tx: batch.store(tx, upto))


class _Batch:
    """The last state of everything that a batch of records is about."""

    def __init__(self) -> None:
        self.bound: dict[Key, Record] = {}
        self.unbound: dict[Key, Record] = {}
        self.calls: dict[Key, Record] = {}
        self.subscribed: dict[Key, Record] = {}
        self.unsubscribed: dict[Key, Record] = {}

    def take(self, records: Sequence[Record]) -> None:
        """Add records, in the order in which they were written."""
        bound, unbound, calls = self.bound, self.unbound, self.calls
        for record in records:
            try:
                kind = record[0]
                if kind == "bind":
                    bound[record[1], record[2]] = record
                elif kind == "call":
                    calls[record[1], (record[2], record[6])] = record
                elif kind == "unbind":
                    # What is bound again later in the batch is deleted first, then stored.
                    key = record[1], record[2]
                    bound.pop(key, None)
                    unbound[key] = key
                elif kind == "subscribe":
                    self.subscribed[tuple(record[1:5])] = record
                elif kind == "unsubscribe":
                    subscription = tuple(record[1:5])
                    self.subscribed.pop(subscription, None)
                    self.unsubscribed[subscription] = subscription
                else:
                    log.error("a journal record of the kind {kind!r} is left out", kind=kind)
            except (IndexError, TypeError):
                log.error("a journal record without its key is left out: {record!r}", record=record)

    async def store(self, tx: Transaction, upto: tuple[int, int]) -> None:
        """Bring the database to where these records end."""
        if self.unbound:
            await bindings.take_away(tx, list(self.unbound))
        if self.bound:
            await bindings.put(tx, [_binding_row(record) for record in self.bound.values()])
        if self.calls:
            await callrecords.put(tx, [record[1:] for record in self.calls.values()])
        if self.unsubscribed:
            await subscriptions.take_away(tx, list(self.unsubscribed))
        if self.subscribed:
            rows = [_subscription_row(record) for record in self.subscribed.values()]
            await subscriptions.put(tx, rows)
        await journalposition.put(tx, upto)

    def mend(self) -> int:
        """Make everything storable; gives the number of records that had to be left out."""
        before = len(self)
        self.bound = _mended(self.bound, _mended_bind)
        self.unbound = {
            key: key for key in (_mended_key(key) for key in self.unbound) if key is not None
        }
        calls = ((key, _mended_call(record)) for key, record in self.calls.items())
        self.calls = {key: record for key, record in calls if record is not None}
        self.subscribed = {
            key: record for key, record in self.subscribed.items() if _is_subscription(record)
        }
        self.unsubscribed = {key: key for key in self.unsubscribed if _is_subscription_key(key)}
        return before - len(self)

    def __len__(self) -> int:
        kinds = (self.bound, self.unbound, self.calls, self.subscribed, self.unsubscribed)
        return sum(map(len, kinds))


def _binding_row(record: Record) -> list[Any]:
    row = list(record[1:])
    path = row[6]
    row[6] = json.dumps(path) if path else "[]"
    if row[7] is None:
        row[7] = ""
    return row


def _subscription_row(record: Record) -> list[Any]:
    return [*record[1:6], json.dumps(record[6])]


def _is_subscription(record: Record) -> bool:
    """Whether a record can be stored; who made it refuses what is no text (RFC 6665)."""
    return (
        len(record) == _SUBSCRIPTION_LENGTH
        and _is_subscription_key(record[1:5])
        and isinstance(record[5], int | float)
        and isinstance(record[6], dict)
    )


def _is_subscription_key(key: Sequence[Any]) -> bool:
    return len(key) == len(subscriptions.KEY) and all(
        isinstance(text, str) and not _UNSTORABLE.search(text) for text in key
    )


def _is_about_values(error: StorageError) -> bool:
    """Whether the database found the values wrong, not the time or the disk."""
    cause = error.__cause__
    return type(cause).__name__ in (
        "IntegrityError",
        "DataError",
        "InterfaceError",
        "ProgrammingError",
    )


def _mended(
    records: dict[Key, Record], mend: Callable[[Record], Record | None]
) -> dict[Key, Record]:
    mended = (mend(record) for record in records.values())
    return {(record[1], record[2]): record for record in mended if record is not None}


def _mended_bind(record: Record) -> Record | None:
    if len(record) != _BIND_LENGTH:
        return None
    kind, user, contact, q, expires, call_id, cseq, path, *texts, registered = record
    if not (
        all(isinstance(text, str) for text in (user, contact, call_id))
        and all(isinstance(number, int | float) for number in (q, expires, registered))
        and isinstance(cseq, int)
        and abs(cseq) <= _LARGEST
    ):
        return None
    hops = [_uri(hop) for hop in path or () if isinstance(hop, str)]
    rest = [_text(text) if isinstance(text, str) else "" for text in texts]
    key = (_text(user), _uri(contact))
    return [kind, *key, q, expires, _text(call_id), cseq, hops, *rest, registered]


def _mended_key(key: Key) -> Key | None:
    user, contact = key
    if not (isinstance(user, str) and isinstance(contact, str)):
        return None
    return _text(user), _uri(contact)


def _mended_call(record: Record) -> Record | None:
    if len(record) != _CALL_LENGTH:
        return None
    kind, *texts, start, connect, end, result, code, reason, duration, version = record
    if not (
        isinstance(start, int | float)
        and all(isinstance(text, str) for text in (*texts, reason))
        and all(number is None or isinstance(number, int | float) for number in (connect, end))
        and (duration is None or isinstance(duration, int | float))
        and isinstance(code, int)
        and isinstance(version, int)
        and max(abs(code), abs(version)) <= _LARGEST
        and result in _RESULTS
    ):
        return None
    words = [_text(text) for text in texts]
    return [kind, *words, start, connect, end, result, code, _text(reason), duration, version]


def _uri(text: str) -> str:
    """A URI with octets that are not UTF-8: escaped, it means the same."""
    return _text(_ESCAPED_OCTET.sub(lambda octet: f"%{ord(octet[0]) - 0xDC00:02X}", text))


def _text(text: str) -> str:
    """A text with octets that are not UTF-8: no database stores them as text."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
