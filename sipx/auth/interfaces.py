"""What the room of authentication offers to others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from sipx.auth.authenticator import Identity, Refusal


class IAuthenticator(Interface):
    """Challenges requests and checks the credentials they bring, by digest.

    Whether a request needs credentials, and with which status it is challenged (401 with
    WWW-Authenticate, 407 with Proxy-Authenticate), is for its caller to know.
    """

    realm: str = Attribute("The realm of all challenges.")
    epoch: float = Attribute("What to add to monotonic seconds to get the stamp of nonces.")

    def challenges(stale: bool, stamp: float) -> list[str]:
        """Make challenges, all with one fresh nonce.

        Args:
            stale: True after ``Refusal.STALE``: the client's password was not at fault.
            stamp: ``epoch`` plus monotonic seconds.

        Returns:
            Header values, one per algorithm offered, in the order to send them in.
        """

    def is_ours(value: str) -> bool:
        """Say whether a challenge, or credentials, may be of our realm, however it is written.

        What says so belongs to nobody but this node and its users: credentials of our realm are
        not sent on, and a challenge of our realm that another server gives is not passed back,
        or it would collect answers that are good for us.
        """

    def verify(values: Sequence[str], method: str, stamp: float) -> Identity | Refusal:
        """Check the credentials of a request.

        Args:
            values: of all its Authorization, or of all its Proxy-Authorization headers.
            method: of the request.
            stamp: ``epoch`` plus monotonic seconds.

        Returns:
            Who sent it; or why that is not known, to be answered with fresh challenges.

        Raises:
            RemoteError: 400; a Digest value is malformed, or there are too many.
        """
