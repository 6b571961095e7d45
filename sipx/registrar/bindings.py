"""All bindings of the node in memory: by user, by contact, by the second in which they end.

Knows nothing of requests, the journal or clocks: ``now`` is an argument, and what a change
means for the database is the caller's business.  Looking up costs the same however many users
there are; so does sweeping, which touches only what is due.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from math import floor

from zope.interface import implementer

from sipx.core.binding import Binding
from sipx.core.uri import parse_uri
from sipx.interfaces import ILocation, Watcher


class _Held:
    """What one user has.

    Attributes:
        bindings: highest q first, the latest registered first among equals.
        keys: ``Uri.key()`` of each contact, in the same order.
        due: the first whole second at which one of the bindings has ended.
    """

    __slots__ = ("bindings", "due", "keys", "user")

    def __init__(self, user: str) -> None:
        self.user = user
        self.bindings: tuple[Binding, ...] = ()
        self.keys: tuple[str, ...] = ()
        self.due = 0


def _key(held: _Held, binding: Binding) -> str:
    """Give what a binding's contact is indexed by: ready made when the user has it already."""
    for place, other in enumerate(held.bindings):
        if other.contact == binding.contact:
            return held.keys[place]
    return parse_uri(binding.contact).key()


def _preference(pair: tuple[Binding, str]) -> float:
    return pair[0].q


@implementer(ILocation)
class Bindings:
    """Where users are registered."""

    def __init__(self) -> None:
        self._users: dict[str, _Held] = {}
        # Contacts of several users may be the same: phones behind different NATs, or one
        # phone that changes hands.  Who came first stays first, so that nobody can draw
        # another user's requests to himself by registering his contact.
        self._contacts: dict[str, tuple[Binding, ...]] = {}
        # The heap has each key of _due once; there are never more than the seconds of the
        # longest registration.
        self._due: dict[int, set[_Held]] = {}
        self._seconds: list[int] = []
        self._count = 0
        self._watchers: dict[str, Watcher] = {}

    # -- ILocation -------------------------------------------------------------------

    def bindings(self, user: str, now: float) -> Sequence[Binding]:
        held = self._users.get(user)
        if held is None:
            return ()
        found = held.bindings
        for binding in found:
            if binding.expires <= now:
                return [alive for alive in found if alive.expires > now]
        return found

    def by_contact(self, uri: str) -> Binding | None:
        found = self._contacts.get(uri)
        if found is None:
            return None
        if len(found) == 1:
            return found[0]
        # Several users say that this is theirs. Whose it is cannot be told, so nobody's
        # connection is used: the address itself decides who is reached.
        return replace(found[0], flow=None, path=())

    def every(self, now: float) -> Iterator[Binding]:
        for held in list(self._users.values()):
            for binding in held.bindings:
                if binding.expires > now:
                    yield binding

    def count(self) -> int:
        return self._count

    def watch(self, user: str, changed: Watcher | None) -> None:
        if changed is None:
            self._watchers.pop(user, None)
        else:
            self._watchers[user] = changed

    # -- what the registrar needs ----------------------------------------------------

    def users(self) -> list[str]:
        """List who has bindings, among them such as have ended and are not swept yet."""
        return list(self._users)

    def held(self, user: str) -> tuple[Binding, ...]:
        """Give a user's bindings, among them such as have ended and are not swept yet."""
        held = self._users.get(user)
        return () if held is None else held.bindings

    def contacts(self) -> int:
        """Count the different contacts."""
        return len(self._contacts)

    def pending(self) -> int:
        """Count what waits to end: each user once, under his next second."""
        return sum(map(len, self._due.values()))

    def change(
        self,
        user: str,
        removed: Sequence[Binding],
        added: Sequence[Binding],
        asked: bool = True,
    ) -> None:
        """Take bindings of a user out and put others in.

        Args:
            user: whose they are.
            removed: from ``held``, the same objects.
            added: they count as the latest registered, the first of them as the very latest.
            asked: whether the user's phone wants it so; for who watches.

        Raises:
            RemoteError: a contact is no URI; nothing has changed.
        """
        self._change(user, removed, added)
        if user in self._watchers and (removed or added):
            self._watchers[user](user, removed, added, asked)

    def _change(self, user: str, removed: Sequence[Binding], added: Sequence[Binding]) -> None:
        held = self._users.get(user)
        if held is None:
            held = _Held(user)
        before = held.bindings
        keys = [_key(held, binding) for binding in added]
        self._users[user] = held
        if len(before) == len(removed) == len(added) == 1 and held.keys[0] == keys[0]:
            self._replace(keys[0], before[0], added[0])
            held.bindings = (added[0],)
            self._schedule(held)
            return
        for old in removed:
            place = _place(held.bindings, old)
            key = held.keys[place]
            held.bindings = held.bindings[:place] + held.bindings[place + 1 :]
            held.keys = held.keys[:place] + held.keys[place + 1 :]
            successors = (new for new, same in zip(added, keys, strict=True) if same == key)
            self._replace(key, old, next(successors, None))
        for new, key in zip(added, keys, strict=True):
            others = self._contacts.get(key, ())
            if not any(new is other for other in others):
                self._contacts[key] = (*others, new)
        if added:
            pairs = [
                *zip(added, keys, strict=True),
                *zip(held.bindings, held.keys, strict=True),
            ]
            pairs.sort(key=_preference, reverse=True)
            held.bindings = tuple([pair[0] for pair in pairs])
            held.keys = tuple([pair[1] for pair in pairs])
        self._count += len(held.bindings) - len(before)
        self._schedule(held)

    def expire(self, now: float, most: int) -> list[Binding]:
        """Take out what has ended.

        Args:
            now: monotonic seconds.
            most: stop after about as many; what is left comes first next time.

        Returns:
            What was taken out.
        """
        ended: list[Binding] = []
        seconds = self._seconds
        while seconds and seconds[0] <= now and len(ended) < most:
            due = self._due[seconds[0]]
            while due and len(ended) < most:
                held = due.pop()
                gone = [binding for binding in held.bindings if binding.expires <= now]
                self.change(held.user, gone, (), asked=False)
                ended += gone
            if not due:
                del self._due[heappop(seconds)]
        return ended

    def _replace(self, key: str, old: Binding, new: Binding | None) -> None:
        """Put a user's new binding of a contact in the old one's place, or nothing."""
        others = self._contacts[key]
        if len(others) == 1:
            if new is None:
                del self._contacts[key]
            else:
                self._contacts[key] = (new,)
            return
        place = _place(others, old)
        middle = () if new is None or any(new is other for other in others) else (new,)
        self._contacts[key] = (*others[:place], *middle, *others[place + 1 :])

    def _schedule(self, held: _Held) -> None:
        """File a user under the second in which his next binding ends; drop him without any."""
        bindings = held.bindings
        due = self._due.get(held.due)
        if not bindings:
            if due is not None:
                due.discard(held)
            del self._users[held.user]
            return
        if len(bindings) == 1:
            first = bindings[0].expires
        else:
            first = min([binding.expires for binding in bindings])
        second = floor(first) + 1
        if due is not None:
            if second == held.due:
                due.add(held)
                return
            due.discard(held)
        held.due = second
        due = self._due.get(second)
        if due is None:
            due = self._due[second] = set()
            heappush(self._seconds, second)
        due.add(held)


def _place(bindings: tuple[Binding, ...], wanted: Binding) -> int:
    """Find a binding by identity: comparing by value costs more than all the rest."""
    for place, binding in enumerate(bindings):
        if binding is wanted:
            return place
    raise LookupError(f"{wanted.user} has no such binding")
