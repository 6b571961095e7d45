"""A call while it lasts, and what is kept of the texts that peers chose."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from sipx.core.callrecord import CallRecord, CallResult

MOST_LEGS: Final = 16  # phones that answered one call at once; of more the first are followed
LONGEST_TEXT: Final = 255  # characters kept of what a peer chose
_HEAD: Final = LONGEST_TEXT - 65  # of a longer one, before a digest that tells it from others

NOWHERE: Final = -1

Key = tuple[str, str]


class Call:
    """A call and what is only known while it lasts; for its observer no more than a handle.

    Attributes:
        key: Call-ID and From tag, shortened.
        start: utc seconds; tells it from others with the same key.
        connect: utc seconds of its answer, None before.
        result: how it stands.
        caller: as CallRecord has it; so are callee, dialed and version.
        legs: the To tags that answered, True while no BYE was seen. Those that ended stay,
            because their 2xx may come once more.
        carried: taken over from a former run of the node, which knew its legs.
        session: seconds of its session timer, 0 without one.
        answered: monotonic seconds.
        failed: monotonic seconds.
        status: that it failed with.
        deadline: monotonic seconds.
        second: where it waits for that.
    """

    __slots__ = (
        "answered",
        "callee",
        "caller",
        "carried",
        "connect",
        "deadline",
        "dialed",
        "failed",
        "key",
        "legs",
        "result",
        "second",
        "session",
        "start",
        "status",
        "version",
    )

    def __init__(self, key: Key, start: float) -> None:
        self.key = key
        self.start = start
        self.connect: float | None = None
        self.result = CallResult.RINGING
        self.caller = self.callee = self.dialed = ""
        self.version = self.status = 0
        self.legs: dict[str, bool] = {}
        self.carried = False
        self.session = 0
        self.answered = 0.0
        self.failed = 0.0
        self.deadline = 0.0
        self.second = NOWHERE

    def has(self, tag: str) -> bool:
        """Whether the phone with a To tag answered it."""
        return tag in self.legs or (self.carried and not self.legs)

    def answer(self, tag: str) -> bool:
        """Note that a phone answered; False when that was known."""
        if tag in self.legs or len(self.legs) >= MOST_LEGS:
            return False
        self.legs[tag] = True
        return True

    def leave(self, tag: str) -> bool:
        """Note the end of a leg; True when it was the last one."""
        if tag in self.legs:
            self.legs[tag] = False
        return True not in self.legs.values()

    def record(self) -> CallRecord:
        """The row of an active call."""
        call_id, from_tag = self.key
        return CallRecord(
            call_id=call_id,
            from_tag=from_tag,
            caller=self.caller,
            callee=self.callee,
            dialed=self.dialed,
            start=self.start,
            connect=self.connect,
            result=self.result,
            version=self.version,
        )


def key_of(call_id: str, tag: str) -> Key:
    """What calls are found by."""
    if len(call_id) <= LONGEST_TEXT and len(tag) <= LONGEST_TEXT:
        return call_id, tag
    return short(call_id), short(tag)


def short(text: str) -> str:
    """Bound a text that a peer chose: 64 KiB of it fit into a message."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:_HEAD]}~{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
