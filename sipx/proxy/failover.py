"""The next hops of one branch, tried until one speaks (RFC 3263 section 4.3, RFC 3261 16.7, 16.9).

A branch whose next hop answers 503, times out or cannot be reached goes on to the next one with a
new branch id, and the failed one is avoided for a while. A next hop that is silent does not get
the 32 s of its transaction while there are others: whoever lives answers an INVITE with 100 at once
(17.2.1), and any other request after 4 s (RFC 4320 section 4.1). Should it speak later all the
same, its ringing is canceled and its 2xx is taken.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from sipx.core.responsecontext import BranchState

if TYPE_CHECKING:
    from sipx.core.message import Request, Response
    from sipx.core.responsecontext import Branch
    from sipx.interfaces import IFlow
    from sipx.net.layer import ClientTransaction
    from sipx.net.ways import Ways
    from sipx.proxy.forking import Forwarding

INVITE_PATIENCE: Final = 4.0  # seconds for the first sign of life, while there are other next hops
OTHER_PATIENCE: Final = 8.0  # the same for other methods
MOST_ATTEMPTS: Final = 6  # next hops of a branch that are sent the request
LONGEST_RETRY_AFTER: Final = 300.0  # seconds for which a 503 is believed (21.5.4)


class Attempts:
    """One branch on its way through its next hops.

    Attributes:
        deadline: monotonic seconds at which patience with the current one ends.
    """

    __slots__ = (
        "_branch",
        "_forwarding",
        "_left",
        "_request",
        "_tried",
        "_ways",
        "deadline",
        "wheel_slot",
    )

    def __init__(
        self, forwarding: Forwarding, branch: Branch, request: Request, ways: Ways
    ) -> None:
        """Take a branch and where it may go; the request is sent to each as it is."""
        self._forwarding = forwarding
        self._branch = branch
        self._request = request
        self._ways = ways
        self._left = MOST_ATTEMPTS
        self._tried = False  # something was sent
        self.deadline = math.inf
        self.wheel_slot = -1

    def start(self) -> None:
        """Send the request to the first next hop that can be reached."""
        self._ways.next(self._opened)

    def _opened(self, flow: Any) -> None:
        """A flow stands, or none of them can be had."""
        now = self._forwarding.clock()
        branch = self._branch
        if branch.state is BranchState.ENDED:
            return
        if isinstance(flow, Exception) or branch.canceling:
            self._forwarding.unreachable(branch, flow, now)
        else:
            self._send(flow, now)
        self._forwarding.flush()

    def _send(self, flow: IFlow, now: float) -> None:
        self._left -= 1
        request = self._request
        branch = self._branch
        if self._more:
            branch.attempts = self
            patience = INVITE_PATIENCE if request.method == "INVITE" else OTHER_PATIENCE
            self.deadline = now + patience
            self._forwarding.watch(self)
            request = request.copy()
        else:
            self.deadline = math.inf
        if self._tried:
            branch.state = BranchState.TRYING  # nothing was heard of this one
        self._tried = True
        self._forwarding.send(branch, request, flow, now)

    @property
    def _more(self) -> bool:
        return self._left > 0 and self._ways.more

    @property
    def _stopped(self) -> bool:
        """Whether nobody wants the branch to go on."""
        return self._branch.canceling or self._branch.state is BranchState.ENDED

    def responded(self, transaction: ClientTransaction, response: Response, now: float) -> bool:
        """A next hop spoke.

        Returns:
            Whether that is all there is to it; False when it is the branch's response.
        """
        status = response.status
        if transaction is not self._branch.transaction:
            return self._late(transaction, status, now)
        self.deadline = math.inf
        if status != 503:
            return False
        self._ways.avoid(_retry_after(response))
        return self._next()

    def _late(self, transaction: ClientTransaction, status: int, now: float) -> bool:
        """One that we gave up spoke all the same."""
        if status < 200:
            self._forwarding.cancel(transaction, now)
            return True
        if status >= 300:
            return True
        current: Any = self._branch.transaction
        self._branch.transaction = transaction  # the other is late from now on
        self.deadline = math.inf
        if current is not None and self._branch.state is BranchState.PROCEEDING:
            self._forwarding.cancel(current, now)
        return False

    def failed(self, transaction: ClientTransaction) -> bool:
        """A next hop will not speak: it timed out, or its connection is gone.

        Returns:
            Whether the branch goes on.
        """
        if transaction is not self._branch.transaction:
            return True
        self.deadline = math.inf
        self._ways.avoid()
        return self._next()

    def expired(self, now: float) -> None:
        """The current next hop has been silent for too long."""
        self.deadline = math.inf
        if not self._stopped:
            self._ways.avoid()
            self._next()

    def _next(self) -> bool:
        if self._stopped or not self._more:
            return False
        # Nobody is current until a flow stands: what the former one says is late.
        self._branch.transaction = None
        self._ways.next(self._opened)
        return True


def _retry_after(response: Response) -> float:
    """The seconds for which a server wants to be left alone; 0 when it does not say."""
    text = (response.get("retry-after") or "").lstrip()
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return min(LONGEST_RETRY_AFTER, float(digits[:9])) if digits else 0.0
