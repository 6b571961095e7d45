"""What compiling the configuration costs: ``python -m tests.benchmarks.compile``.

Ten thousand users in 20 groups, one of three with forwarding, 500 rules and 50 gateways.
Milliseconds: everything anew, as at the start of a node, and what one edit puts in force.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from config.commands.configuration import AccountChange, Configuration, EntityChange
from config.model.entities import KINDS, entity
from config.storage.entities import Stored
from config.storage.users import StoredAccount

USERS = 10_000
RULES = 500
GATEWAYS = 50
GROUPS = 20
ROUNDS = 7
WHOLE_LIMIT = 2000.0  # milliseconds
USER_LIMIT = 20.0  # milliseconds


class Clear:
    """A key ring that seals nothing: what sealing costs is measured elsewhere."""

    def seal(self, text: str, context: str) -> bytes:
        """Give the octets."""
        return text.encode()

    def unseal(self, sealed: bytes, context: str) -> str:
        """Give the text."""
        return sealed.decode()


class Read:
    """A database that has been read."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    def read_now(self, work: Any) -> Any:
        """Give what was read."""
        return self._parts


def thing(kind: str, name: str, number: int = 0, /, **fields: Any) -> Stored:
    """Make a thing."""
    found, errors = entity(KINDS[kind], name, fields)
    assert found is not None, errors
    return Stored(found, number, float(number))


def plan() -> list[Stored]:
    """Make what is configured beside users."""
    found = [
        thing("group", f"g{n}", weight=n, permissions={"Mobile": bool(n % 2)})
        for n in range(GROUPS)
    ]
    found += [
        thing("gateway", f"gw{n}", n + 1, address=f"gw{n}.example.com") for n in range(GATEWAYS)
    ]
    for n in range(RULES):
        fields = {"area_codes": [f"{n:03}", f"{n + 1:03}"], "gateways": [f"gw{n % GATEWAYS}"]}
        found.append(thing("rule", f"r{n}", n + 100, kind="long_distance", **fields))
    for n in range(USERS):
        more: dict[str, Any] = {"groups": [f"g{n % GROUPS}"]}
        if n % 3 == 0:
            more["rings"] = [{"number": f"{n + 1}"}, {"number": f"{n + 2}", "parallel": True}]
        found.append(thing("telephony", str(n), **more))
    return found


def measure(what: str, work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Print the milliseconds that ``work`` takes, the best of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = perf_counter()
        work()
        best = min(best, (perf_counter() - start) * 1e3)
    print(f"{what:48} {best:9.2f} ms")
    return best


def main() -> None:
    """Measure and print.

    Raises:
        SystemExit: a limit is not kept.
    """
    things = plan()
    accounts = [StoredAccount(str(n), b"tell-nobody-1", (f"a{n}",)) for n in range(USERS)]
    current = Configuration(Clear(), "bench")
    database: Any = Read(1, accounts, things)
    whole = measure("everything anew", lambda: current.load(database), 3)
    version = iter(range(2, 1_000_000))

    def user() -> None:
        before = accounts[7]
        after = before._replace(aliases=("other",))
        current.swap(next(version), [AccountChange(before, after)])
        current.swap(next(version), [AccountChange(after, before)])

    def of_kind(kind: str, **fields: Any) -> Callable[[], None]:
        before = next(one for one in things if one.entity.kind == kind)
        after, errors = entity(KINDS[kind], before.entity.name, {**before.entity.fields, **fields})
        assert after is not None, errors
        changes = [EntityChange(before, before._replace(entity=after))]
        return lambda: current.swap(next(version), [], changes)

    one = measure("a user's alias, twice", user) / 2
    forwarding = measure("a user's forwarding", of_kind("telephony", dnd=True))
    measure("a rule", of_kind("rule", enabled=False))
    measure("a gateway", of_kind("gateway", prefix="0"))
    measure("a group, and so all users", of_kind("group", description="x"))
    print(f"limits: {WHOLE_LIMIT} ms for everything, {USER_LIMIT} ms for a user")
    if whole > WHOLE_LIMIT or max(one, forwarding) > USER_LIMIT:
        raise SystemExit("a limit is not kept")


if __name__ == "__main__":
    main()
