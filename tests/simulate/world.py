"""A world made of a seed: a node, phones, a bad network, and calls at random.

What must be true at its end, whatever the seed, is in ``World.check``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.support.calls import (
    BUSY,
    DECLINES,
    MOST_TRIES,
    RINGS,
    Call,
    CallState,
    End,
    Plan,
    answers,
)
from tests.support.phones import Phone
from tests.support.simnode import DOMAIN, SimulatedNode
from tests.support.vnet import Clock, Conditions, Network

USERS = ("200", "201", "202", "203", "204")
FAR_USERS = ("301", "302")  # of another node with a domain of its own, if there is one
FAR = "far.test"
MOST_PHONES = 3  # of a user
BUSY_TIME = 60.0  # seconds in which calls begin
SETTLED = 45.0  # seconds after which what two phones think of a call is the same
OVER = 420.0  # seconds after which everything is over: a call that rings, Timer C, Timer B twice


class Wrong(AssertionError):
    """A world did not end as it must; says with which seed."""


class World:
    """One run.

    Attributes:
        summary: how the calls ended, for those who look.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = rng = Random(seed)
        self.clock = Clock()
        self.network = Network(self.clock, seed)
        self.node = self._node("10.0.0.1", USERS, DOMAIN)
        self.nodes = {DOMAIN: self.node}
        if rng.random() < 0.3:
            self.nodes[FAR] = self._node("10.9.0.1", FAR_USERS, FAR)
        self.phones: list[Phone] = []
        self.strangers: list[Phone] = []
        self.made: list[Call] = []
        self.summary: dict[str, int] = {}
        self._people()

    def _node(self, host: str, users: Sequence[str], domain: str) -> SimulatedNode:
        rng = self.random
        return SimulatedNode(
            self.network,
            host,
            users={user: f"secret-{user}" for user in users},
            domain=domain,
            ring_time=rng.choice((0, 0, 10)),
            digest=rng.choice((("md5",), ("md5", "sha-256"), ("sha-256", "md5"))),
        )

    def _people(self) -> None:
        rng = self.random
        for number, user in enumerate((*USERS, *FAR_USERS)):
            domain = DOMAIN if user in USERS else FAR
            if domain not in self.nodes:
                continue
            for extra in range(rng.randint(1, MOST_PHONES)):
                phone = Phone(
                    self.network,
                    user,
                    f"10.0.{number + 1}.{extra + 1}",
                    password=f"secret-{user}",
                    domain=domain,
                    proxy=self.nodes[domain].address,
                    algorithm=rng.choice(("MD5", "SHA-256")),
                )
                phone.remembers = rng.random() < 0.7
                self.phones.append(phone)
        self.network.names["elsewhere.test"] = "192.0.2.9"
        self.strangers = [
            Phone(self.network, "stranger", "192.0.2.9", domain="elsewhere.test"),
        ]

    @property
    def everybody(self) -> list[Phone]:
        """All phones."""
        return self.phones + self.strangers

    # -- what happens ------------------------------------------------------------------

    def run(self) -> None:
        """Let it happen, and check it.

        Raises:
            Wrong: it did not end as it must.
        """
        rng = self.random
        self.network.conditions = Conditions(
            loss=rng.choice((0.0, 0.0, 0.05, 0.1, 0.2)),
            duplication=rng.choice((0.0, 0.1)),
            reordering=rng.choice((0.0, 0.1)),
            delay=(0.0, rng.choice((0.002, 0.05, 0.2, 0.4))),
        )
        self._register()
        for _ in range(rng.randint(4, 14)):
            self.clock.after(rng.uniform(0, BUSY_TIME), self._call)
        if rng.random() < 0.2:
            self._disk_trouble()
        if rng.random() < 0.3:
            step = rng.choice((-3600.0, 3600.0))
            self.clock.after(rng.uniform(0, BUSY_TIME), lambda: self.clock.step(step))
        self.clock.advance(BUSY_TIME + 60)
        self._settle()
        self._check_agreement()
        self._end_all()
        self.check()

    def _register(self) -> None:
        for phone in self.phones:
            q = self.random.choice(("", ";q=1.0", ";q=0.5", ";q=0.2"))
            for _ in range(20):
                phone.register(phone.contact + q, expires=590)
                self.clock.until(lambda done=phone.registered: len(done) > 0, 40)  # type: ignore[misc]
                if phone.registered.pop() == 200:
                    break
            else:
                raise self.wrong(f"{phone.user} could not register")

    def _disk_trouble(self) -> None:
        start = self.random.uniform(0, BUSY_TIME)

        def broken(now: bool) -> Callable[[], None]:
            return lambda: setattr(self.node.journal, "broken", now)

        self.clock.after(start, broken(True))
        self.clock.after(start + self.random.uniform(1, 20), broken(False))

    def _plan(self) -> Plan:
        rng = self.random
        choice = rng.random()
        if choice < 0.55:
            return answers(rng.uniform(0, 12))
        if choice < 0.65:
            return BUSY
        if choice < 0.7:
            return DECLINES
        if choice < 0.8:
            return Plan(rng.choice((404, 480, 488, 500, 503)), rng.uniform(0, 3))
        if choice < 0.9:
            target = rng.choice(
                ("sip:202@example.test", "sip:203@example.test", "sip:stranger@elsewhere.test")
            )
            return Plan(302, rng.uniform(0, 2), None, (f"<{target}>",))
        return RINGS

    def _call(self) -> None:
        rng = self.random
        for phone in self.everybody:
            phone.plan = self._plan()
        caller = rng.choice(self.everybody)
        users = [f"sip:{user}@{DOMAIN}" for user in USERS]
        if FAR in self.nodes:
            users += [f"sip:{user}@{FAR}" for user in FAR_USERS]
        others = ["9196", "777", "sip:stranger@elsewhere.test"]
        if caller in self.strangers:
            others = []
        target = rng.choice([*users, *users, *others])
        call = caller.call(target)
        self.made.append(call)
        if rng.random() < 0.25:
            self.clock.after(rng.uniform(0, 10), call.hang_up)
        elif rng.random() < 0.8:
            end = rng.uniform(5, 60)
            if rng.random() < 0.4:
                self.clock.after(end, lambda: self._callee_hangs_up(call))
            else:
                self.clock.after(end, call.hang_up)
        if rng.random() < 0.4:
            method = rng.choice(("INVITE", "UPDATE", "INFO"))
            self.clock.after(rng.uniform(1, 40), lambda: self._change(call, method))

    def _legs(self, call: Call) -> list[Call]:
        """The called sides of a call."""
        return [
            leg
            for phone in self.everybody
            for leg in phone.calls
            if leg.call_id == call.call_id and not leg.outgoing
        ]

    def _callee_hangs_up(self, call: Call) -> None:
        for leg in self._legs(call):
            if leg.state is CallState.TALKING:
                leg.hang_up()

    def _change(self, call: Call, method: str) -> None:
        sides = [call, *self._legs(call)]
        side = self.random.choice(sides)
        if side.state is CallState.TALKING and (side.outgoing or side.acknowledged):
            side.ask(method)

    def _settle(self) -> None:
        """Let what rings for ever be canceled, and retransmissions come to their end."""
        for call in self.made:
            if call.state in {CallState.CALLING, CallState.RINGING}:
                call.hang_up()
        self.clock.advance(SETTLED + 40)

    def _end_all(self) -> None:
        for phone in self.everybody:
            for call in phone.calls:
                call.hang_up()
        self.clock.advance(OVER)

    # -- what must be true -------------------------------------------------------------

    def wrong(self, what: str) -> Wrong:
        """Say what is wrong, with the seed and the latest messages."""
        calls = "\n".join(
            f"{call.call_id}: {call} {call.heard}\n    {[str(leg) for leg in self._legs(call)]}"
            for call in self.made
        )
        return Wrong(
            f"seed {self.seed}: {what}\n{self.network.conditions}\n{self.network.show()}\n{calls}"
        )

    def _check_agreement(self) -> None:
        """Who talks, talks with somebody; who has given up, has told the other or could not."""
        for call in self.made:
            talking = [leg for leg in self._legs(call) if leg.state is CallState.TALKING]
            echo = call.dialog is not None and "9196" in call.dialog.target
            if call.state is CallState.TALKING:
                dialog = call.dialog
                assert dialog is not None
                mine = [leg for leg in talking if leg.local_tag == dialog.remote_tag]
                lost = [leg for leg in self._legs(call) if self._unheard(leg)]
                if not mine and not echo and not lost:
                    raise self.wrong(f"{call} talks with nobody")
                talking = [leg for leg in talking if leg not in mine]
            if talking and not self._unheard(call):
                raise self.wrong(f"{talking} talk with nobody")

    def _unheard(self, call: Call) -> bool:
        """Whether a BYE of it was never answered."""
        return any(method == "BYE" and status != 200 for method, status in call.heard)

    def check(self) -> None:
        """Look whether everything has ended as it must."""
        for phone in self.everybody:
            left = {name: number for name, number in phone.residue().items() if number}
            if left:
                raise self.wrong(f"{phone.user} has {left} left")
        for domain, node in self.nodes.items():
            left = {name: number for name, number in node.residue().items() if number}
            if left:
                raise self.wrong(f"the node of {domain} has {left} left")
            open_ = [row for row in node.journal.rows if row["end"] is None]
            if open_ or node.journal.unbound:
                raise self.wrong(f"{domain}: {open_} have no end, {node.journal.unbound} unbound")
        if self.network.flying or self.clock.waiting:
            raise self.wrong(f"{self.network.flying} datagrams, {self.clock.waiting} timers left")
        self._check_records()

    def _check_records(self) -> None:
        rows = {
            domain: {key[:2]: row for key, row in node.journal.calls.items()}
            for domain, node in self.nodes.items()
        }
        for domain, node in self.nodes.items():
            if len(rows[domain]) < len(node.journal.calls):
                raise self.wrong(f"{domain}: a call has two records: {node.journal.rows}")
        for call in self.made:
            key = (call.call_id, call.local_tag)
            found = {domain: row for domain, of in rows.items() if (row := of.pop(key, None))}
            # A stranger's home is where it called.
            row = found.get(call.phone.domain) or next(iter(found.values()), None)
            if row is None:
                if call.status not in {0, 407}:
                    raise self.wrong(f"{call} with {call.status} has no record")
                continue
            result, code = row["result"], row["failure_code"]
            self.summary[result] = self.summary.get(result, 0) + 1
            if row["end"] is None or row["duration"] is None or row["duration"] < 0:
                raise self.wrong(f"{row} has no end")
            if 200 <= call.status < 300 and result != "completed":
                raise self.wrong(f"{call} was answered: {row}")
            if (
                call.status >= 300
                and (result, code) not in {("failed", call.status), ("canceled", call.status)}
                # The answer was lost, and the request that was sent again challenged.
                and not (call.status == 407 and (call.wanted_end or call._tries >= MOST_TRIES))
            ):
                raise self.wrong(f"{call} ended with {call.status}: {row}")
            if call.end is End.CANCELED and call.status == 487 and result != "canceled":
                raise self.wrong(f"{call} was canceled: {row}")
        if any(rows.values()):
            raise self.wrong(f"records of nothing: {rows}")


def run(seed: int) -> dict[str, int]:
    """Run one world; gives how its calls ended.

    Raises:
        Wrong: see there.
    """
    world = World(seed)
    try:
        world.run()
    except Wrong:
        raise
    except Exception as error:
        raise world.wrong(f"{type(error).__name__}: {error}") from error
    return world.summary
