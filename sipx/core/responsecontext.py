"""The response context of a forking proxy, RFC 3261 sections 16.6 to 16.10.

Decides which branches run, which are canceled and which response goes upstream; sends
nothing itself.  Inputs are method calls that carry ``now``; consequences come back as
actions, and ``deadline`` says when to call ``expired``.  Non-INVITE rules are RFC 4320's.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from sipx.core.message import Response
from sipx.core.target import Target

MOST_BRANCHES: Final = 64  # of one request, recursion included; further targets are ignored

# 4xx responses that tell the caller how to do better come before the others (16.7 step 6).
_HELPFUL: Final = frozenset({401, 407, 415, 420, 484})


class BranchState(enum.IntEnum):
    """How far a branch is."""

    WAITING = 0  # its group has not been started
    TRYING = 1  # sent, nothing heard
    PROCEEDING = 2  # a provisional response came
    ENDED = 3  # a final response came, or we gave it up


class Branch:
    """One target being tried.

    Attributes:
        target: where it goes.
        state: how far it is.
        status: final status, 0 before it; ours when no response came.
        response: the final response, None when the status is ours.
        canceling: a CANCEL is due or was sent.
        given_up: it rang for too long; the next group does not wait for it, the end does.
        transaction: whatever the driver keeps with it.
        attempts: whatever the driver keeps of its other next hops.
    """

    __slots__ = (
        "attempts",
        "canceled",
        "canceling",
        "deadline",
        "given_up",
        "response",
        "state",
        "status",
        "target",
        "transaction",
    )

    def __init__(self, target: Target) -> None:
        self.target = target
        self.state = BranchState.WAITING
        self.status = 0
        self.response: Response | None = None
        self.canceling = False
        self.canceled = False
        self.given_up = False
        self.deadline = math.inf
        self.transaction: object | None = None
        self.attempts: object | None = None


class Start(NamedTuple):
    """Send the request to the branch's target."""

    branch: Branch


class Cancel(NamedTuple):
    """Send CANCEL on the branch."""

    branch: Branch


class Recurse(NamedTuple):
    """A 3xx came: offer its contacts with ``add``, then call ``ended``."""

    branch: Branch
    response: Response


class Forward(NamedTuple):
    """Send a response upstream; one of our own making when ``response`` is None."""

    status: int
    response: Response | None
    branch: Branch | None


Action = Start | Cancel | Recurse | Forward


class ResponseContext:
    """All branches of one request.

    Attributes:
        branches: in the order they were added.
        deadline: monotonic seconds at which ``expired`` wants to be called.
        answered: a final response went upstream.
    """

    __slots__ = (
        "_invite",
        "_serial",
        "_stopped",
        "_timer_c",
        "_width",
        "answered",
        "branches",
        "deadline",
    )

    def __init__(
        self,
        invite: bool,
        timer_c: float,
        width: int = MOST_BRANCHES,
    ) -> None:
        """Make a context without targets.

        Args:
            invite: the request is INVITE.
            timer_c: seconds.
            width: branches that may be started together, at least 1: Max-Breadth (RFC 5393).
        """
        self.branches: list[Branch] = []
        self.deadline = math.inf
        self.answered = False
        self._invite = invite
        self._timer_c = timer_c
        self._width = width
        self._stopped = False  # no new branch: 2xx, 6xx or CANCEL
        self._serial: list[list[Branch]] = []  # groups not yet started, next one last

    # -- inputs ----------------------------------------------------------------------

    def add(self, targets: Iterable[Target]) -> int:
        """Add targets that are not there yet (16.5: a URI is tried once).

        Returns:
            How many were added.
        """
        known = {branch.target.uri.text for branch in self.branches}
        fresh: list[Branch] = []
        for target in targets:
            if len(self.branches) >= MOST_BRANCHES:
                break
            if target.uri.text in known:
                continue
            known.add(target.uri.text)
            branch = Branch(target)
            self.branches.append(branch)
            fresh.append(branch)
        if len(fresh) == 1 and not self._serial:
            self._serial.append(fresh)
        elif fresh:
            waiting = [branch for group in self._serial for branch in group] + fresh
            groups: dict[float, list[Branch]] = {}
            for branch in waiting:
                groups.setdefault(branch.target.q, []).append(branch)
            self._serial = [groups[q] for q in sorted(groups)]
        return len(fresh)

    def start(self, now: float) -> list[Action]:
        """Start the next group, or finish when there is none."""
        actions: list[Action] = []
        self._advance(actions, now)
        return actions

    def provisional(self, branch: Branch, response: Response, now: float) -> list[Action]:
        """A 1xx came."""
        if branch.state is BranchState.ENDED:
            # A branch we gave up may still be canceled once it speaks (9.1).
            if branch.canceling and not branch.canceled:
                branch.canceled = True
                return [Cancel(branch)]
            return []
        branch.state = BranchState.PROCEEDING
        actions: list[Action] = []
        if branch.canceling and not branch.canceled:
            branch.canceled = True
            branch.deadline = math.inf  # the client transaction ends 64*T1 after CANCEL
            actions.append(Cancel(branch))
        elif not branch.canceling and branch.target.ring is None and response.status > 100:
            branch.deadline = now + self._timer_c  # 16.7 step 2: Timer C starts again
        if response.status > 100 and not self.answered:
            actions.append(Forward(response.status, response, branch))
        return actions

    def final(self, branch: Branch, response: Response, now: float) -> list[Action]:
        """A final response came."""
        status = response.status
        if status < 300:
            return self._success(branch, response, now)
        if branch.state is BranchState.ENDED:
            return []
        if status == 487 and branch.given_up and not self._stopped:
            self._end(branch, 408, None)  # nobody canceled but we, because it rang too long
            return self._ended(branch, now)
        self._end(branch, status, response)
        if 300 <= status < 400 and not self._stopped and not self.answered:
            return [Recurse(branch, response)]
        return self._ended(branch, now)

    def failed(self, branch: Branch, status: int, now: float) -> list[Action]:
        """A branch ended without a response: 408 timed out, 503 unreachable, or as given."""
        if branch.state is BranchState.ENDED:
            return []
        if branch.canceling and (self._stopped or not branch.given_up):
            status = 487
        self._end(branch, status, None)
        return self._ended(branch, now)

    def ended(self, branch: Branch, now: float, recursed: bool) -> list[Action]:
        """What follows a ``Recurse``, after its contacts were added or refused."""
        if recursed:
            branch.status, branch.response = 0, None  # its targets speak for it
        return self._ended(branch, now)

    def cancel(self, now: float) -> list[Action]:
        """The caller canceled (16.10), or nobody waits any more."""
        self._stopped = True
        actions: list[Action] = []
        self._cancel_pending(actions, now)
        self._advance(actions, now)
        return actions

    def expired(self, now: float) -> list[Action]:
        """Timer C or a ring time ran out: the branch is given up and canceled (16.8).

        One that rings ends with its 487, or with the 2xx that crossed our CANCEL; its client
        transaction sees to it that it does end.
        """
        actions: list[Action] = []
        for branch in self.branches:
            if branch.deadline > now:
                continue
            branch.canceling = True
            if branch.state is BranchState.PROCEEDING:
                branch.given_up = branch.canceled = True
                branch.deadline = math.inf
                actions.append(Cancel(branch))
            else:
                self._end(branch, 408, None)
        self._advance(actions, now)
        self._rearm()
        return actions

    @property
    def running(self) -> bool:
        """Whether any branch has not ended."""
        return any(
            BranchState.WAITING < branch.state < BranchState.ENDED for branch in self.branches
        )

    # -- rules -----------------------------------------------------------------------

    def _success(self, branch: Branch, response: Response, now: float) -> list[Action]:
        if not self._invite and self.answered:
            self._end(branch, response.status, response)
            return []
        first = not self.answered
        self._end(branch, response.status, response)
        self.answered = True
        actions: list[Action] = [Forward(response.status, response, branch)]
        if first:
            self._stopped = True
            if len(self.branches) > 1:
                self._cancel_pending(actions, now)
        return actions

    def _ended(self, branch: Branch, now: float) -> list[Action]:
        actions: list[Action] = []
        if branch.status >= 600 and not self._stopped:
            self._stopped = True
            self._cancel_pending(actions, now)
        self._advance(actions, now)
        return actions

    def _end(self, branch: Branch, status: int, response: Response | None) -> None:
        branch.state = BranchState.ENDED
        branch.status = status
        branch.response = response
        branch.deadline = math.inf

    def _cancel_pending(self, actions: list[Action], now: float) -> None:
        for branch in self.branches:
            if branch.state is BranchState.WAITING:
                self._end(branch, 487, None)
            elif branch.state is not BranchState.ENDED and not branch.canceling:
                branch.canceling = True
                if not self._invite:
                    branch.canceled = True  # 9.1: only INVITE is canceled
                    continue
                if branch.state is BranchState.PROCEEDING:
                    branch.canceled = True
                    branch.deadline = math.inf
                    actions.append(Cancel(branch))
        self._serial.clear()
        self._rearm()

    def _advance(self, actions: list[Action], now: float) -> None:
        """Start the next group when the running one has ended; finish after the last."""
        if self.answered:
            return
        waits = False
        for branch in self.branches:
            if BranchState.WAITING < branch.state < BranchState.ENDED:
                if not branch.given_up:
                    return
                waits = True
        if self._serial and not self._stopped:
            group = self._serial.pop()
            if len(group) > self._width:
                self._serial.append(group[self._width :])
                group = group[: self._width]
            for branch in group:
                branch.state = BranchState.TRYING
                if self._invite:
                    ring = branch.target.ring
                    branch.deadline = now + (self._timer_c if ring is None else ring)
                    if branch.deadline < self.deadline:
                        self.deadline = branch.deadline
                actions.append(Start(branch))
            return
        if waits:
            return
        self.answered = True
        actions.append(self._best())

    def _best(self) -> Forward:
        """Choose the response that goes upstream (16.7 step 6)."""
        best: Branch | None = None
        rank = (9, 0)
        for branch in self.branches:
            status = branch.status
            if status < 300:
                continue
            if status >= 600:
                candidate = (0, 0)
            elif status == 503:
                candidate = (6, 0)  # says least: about one server, not about the user
            else:
                candidate = (status // 100, 0 if status in _HELPFUL else 1)
                if status in {408, 487} and branch.response is None:
                    candidate = (candidate[0], 2)
            if candidate < rank:
                best, rank = branch, candidate
        if best is None:
            return Forward(480, None, None)
        if best.status == 503 and best.response is None:
            return Forward(480, None, best)
        return Forward(best.status, best.response, best)

    def challenges(self) -> list[Response]:
        """All 401 and 407 responses, whose challenges go upstream together (16.7 step 7)."""
        return [
            branch.response
            for branch in self.branches
            if branch.response is not None and branch.status in {401, 407}
        ]

    def _rearm(self) -> None:
        self.deadline = min((branch.deadline for branch in self.branches), default=math.inf)
