"""Answers that are remembered: for as long as the DNS says, and longer while it is down.

RFC 1035 section 7.4, RFC 2308 (what is not there), RFC 8767 (stale answers).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from sipx.core.locating import Question
from sipx.net.resolver.wire import Answer

MOST_ANSWERS: Final = 8192
SHORTEST_LIFE: Final = 5.0  # seconds for which any answer is believed, whatever its TTL
LONGEST_LIFE: Final = 3600.0  # seconds
LONGEST_ABSENCE: Final = 300.0  # seconds for which a name that is not there is not asked again
FAILURE_LIFE: Final = 5.0  # seconds for which a question that nobody answered is not asked again
STALE_LIFE: Final = 86_400.0  # seconds after its end that an answer may serve (RFC 8767 section 5)
RETRY: Final = 30.0  # seconds between attempts to renew what is stale (RFC 8767 section 5)
AHEAD: Final = 0.1  # share of its life in which an answer in use is renewed before it ends


class Entry:
    """An answer and how long it is good.

    Attributes:
        answer: what was said.
        expires: monotonic seconds until which it is good.
        renew: monotonic seconds from which its use is a reason to ask again.
    """

    __slots__ = ("answer", "expires", "renew")

    def __init__(self, answer: Answer, expires: float, renew: float) -> None:
        self.answer = answer
        self.expires = expires
        self.renew = renew


class Cache:
    """Answers by question, the least recently used going first."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Question, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, question: Question) -> Entry | None:
        """What is remembered, good or stale."""
        found = self._entries.get(question)
        if found is not None:
            self._entries.move_to_end(question)
        return found

    def keep(self, question: Question, answer: Answer, now: float) -> Answer:
        """Remember an answer.

        Returns:
            What to say: the answer, or the former one when this is a failure and that one may
            still serve.
        """
        former = self._entries.get(question)
        serves = former is not None and not former.answer.failed
        if answer.failed and serves and former and now < former.expires + STALE_LIFE:
            former.renew = now + RETRY
            return former.answer
        longest = LONGEST_LIFE if answer.records else LONGEST_ABSENCE
        life = FAILURE_LIFE if answer.failed else max(SHORTEST_LIFE, min(longest, answer.life))
        ahead = AHEAD * life if answer.records else 0.0
        self._entries[question] = Entry(answer, now + life, now + life - ahead)
        self._entries.move_to_end(question)
        if len(self._entries) > MOST_ANSWERS:
            self._entries.popitem(last=False)
        return answer
