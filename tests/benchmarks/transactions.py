"""What a step of a transaction and an entry of the timer wheel cost.

Run ``python -m tests.benchmarks.transactions``; figures are microseconds, the best of
several rounds on one core. The goal is well under 0.5 a step and 0.15 a ``put``.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from functools import partial
from time import perf_counter

from sipx.core.transaction import Input, State, Transaction
from sipx.core.transactions import InviteClient, InviteServer, NonInviteClient, NonInviteServer
from sipx.core.wheel import Wheel

ROUNDS = 7
COUNT = 20_000

Flow = tuple[str, type[Transaction], tuple[Input, ...]]

# What each side of an ordinary call and of a registration goes through.
FLOWS: tuple[Flow, ...] = (
    (
        "INVITE client: 100 180 200",
        InviteClient,
        (Input.START, Input.PROVISIONAL, Input.PROVISIONAL, Input.SUCCESS),
    ),
    (
        "INVITE server: 100 180 200",
        InviteServer,
        (
            Input.START,
            Input.RESPOND_PROVISIONAL,
            Input.RESPOND_PROVISIONAL,
            Input.RESPOND_SUCCESS,
        ),
    ),
    (
        "INVITE server: 401 ACK",
        InviteServer,
        (Input.START, Input.RESPOND_FINAL, Input.ACK),
    ),
    ("other client: 200", NonInviteClient, (Input.START, Input.SUCCESS)),
    ("other server: 200", NonInviteServer, (Input.START, Input.RESPOND_SUCCESS)),
)


def best(work: Callable[[], float]) -> float:
    """The shortest of several rounds, in microseconds for one of COUNT."""
    return min(work() for _ in range(ROUNDS)) / COUNT * 1e6


def make(machine: type[Transaction]) -> float:
    """Make transactions."""
    start = perf_counter()
    for _ in range(COUNT):
        machine(False, 0.0)
    return perf_counter() - start


def live(machine: type[Transaction], inputs: tuple[Input, ...]) -> float:
    """Make transactions, feed them and let their last timer end them."""
    start = perf_counter()
    for _ in range(COUNT):
        transaction = machine(False, 0.0)
        feed = transaction.feed
        for event in inputs:
            feed(event, 0.1)
        transaction.expired(100.0)
    seconds = perf_counter() - start
    assert transaction.state is State.TERMINATED
    return seconds


def resend() -> float:
    """Fire the retransmission timer of transactions."""
    transactions = [NonInviteClient(False, 0.0) for _ in range(COUNT)]
    for transaction in transactions:
        transaction.feed(Input.START, 0.0)
    start = perf_counter()
    for transaction in transactions:
        transaction.expired(0.5)
    return perf_counter() - start


def turn_wheel() -> tuple[float, float, float, float]:
    """Put items, move them, take half of them out, let the others fall due."""
    wheel: Wheel[Transaction] = Wheel()
    put = wheel.put
    items: list[Transaction] = [InviteClient(False, 0.0) for _ in range(COUNT)]
    for number, item in enumerate(items):
        item.deadline = 10.0 + 32.0 * number / COUNT
    gc.collect()
    started = perf_counter()
    for item in items:
        put(item, item.deadline)
    placed = perf_counter()
    for item in items:
        put(item, item.deadline)
    moved = perf_counter()
    for item in items[::2]:
        put(item, math.inf)
    ended = perf_counter()
    due = 0
    for tick in range(600):
        due += len(wheel.advance(tick / 10))
    done = perf_counter()
    assert due == COUNT // 2
    assert not len(wheel)
    return placed - started, moved - placed, 2 * (ended - moved), done - ended


def main() -> None:
    """Print the figures."""
    gc.collect()
    gc.freeze()
    print(f"{'make a transaction':<44}{best(partial(make, InviteClient)):8.3f}")
    for name, machine, inputs in FLOWS:
        whole = best(partial(live, machine, inputs))
        steps = len(inputs) + 1
        print(f"{name + ', made to ended':<44}{whole:8.3f} {whole / steps:8.3f} a step")
    print(f"{'expired: a retransmission':<44}{best(resend):8.3f}")
    rounds = [turn_wheel() for _ in range(ROUNDS)]
    for part, name in enumerate(("put", "put, not earlier", "put, ended", "advance, an item")):
        print(f"{'wheel: ' + name:<44}{min(r[part] for r in rounds) / COUNT * 1e6:8.3f}")


if __name__ == "__main__":
    main()
