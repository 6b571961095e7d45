"""The proxy chain: what happens to a new request, in order.

Read top to bottom, the list is the specification of RFC 3261 section 16.3 to 16.5 as sipx
does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipx.core.target import Target
    from sipx.core.uri import Uri
    from sipx.proxy.passage import Passage, Rejection, Step
    from sipx.proxy.steps.admission import Admission
    from sipx.proxy.steps.authenticate import Authenticate
    from sipx.proxy.steps.destination import Destination


class Chain:
    """The steps, and the questions that are asked again later.

    Attributes:
        stateless_tag: the To tag of answers that have no transaction.
        admission: the step that refuses new calls when the node stops.
    """

    def __init__(
        self,
        stateless_tag: str,
        admission: Admission,
        authenticate: Authenticate,
        destination: Destination,
        steps: Sequence[Step],
    ) -> None:
        self.stateless_tag = stateless_tag
        self.admission = admission
        self._authenticate = authenticate
        self._destination = destination
        self._checks = [step.check for step in steps]

    def check(self, passage: Passage) -> Rejection | None:
        """Run the steps until one rejects the request.

        Raises:
            RemoteError: a step met something malformed; it is the answer.
        """
        for check in self._checks:
            rejection = check(passage)
            if rejection is not None:
                return rejection
        return None

    def is_own_challenge(self, value: str) -> bool:
        """Whether a challenge that came back may be of our realm."""
        return self._authenticate.is_own_challenge(value)

    def redirect(self, passage: Passage, uri: Uri) -> Sequence[Target]:
        """Find the targets of a contact that a 3xx named, for the caller of a passage."""
        return self._destination.redirect(passage, uri)
