"""Who sent a request: its digest credentials against the accounts.

Needs the accounts' HA1 values only.  The digest-uri is hashed as it came and is not compared
with the Request-URI: SIPp and many phones put the domain there, proxies on the way rewrite
the Request-URI, and a nonce with its count is good for one request anyway.  It may be as long
as a whole header value may (sipx.core.digest.LONGEST).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from zope.interface import implementer

from sipx.auth.challenge import OFFERABLE, ChallengeWriter
from sipx.auth.interfaces import IAuthenticator
from sipx.auth.nonce import Nonces, Verdict
from sipx.auth.snapshot import Account, AccountSnapshot, password_context
from sipx.core.digest import (
    MD5,
    SHA256,
    Algorithm,
    Credentials,
    compute_ha1,
    parse_credentials,
    verify,
)
from sipx.core.errors import RemoteError

MOST_VALUES: Final = 16
"""Credentials in one request; who passes this many realms is not a phone."""

LONGEST_USERNAME: Final = 256
"""Characters of an authentication name; the instrument in it is stored with bindings."""

MOST_DERIVED: Final = 20_000
"""``user/instrument`` names whose HA1 is kept: about 8 MB."""


@dataclass(slots=True)
class Identity:
    """Who sent a request.

    Attributes:
        user: the account's name.
        instrument: what the authentication name has after its first ``/``; empty without one.
        index: of the value that proved it, which a proxy removes.
    """

    user: str
    instrument: str
    index: int


class Refusal(Enum):
    """Why it is not known who sent a request.  Each is answered with a fresh challenge.

    Attributes:
        MISSING: no credentials for our realm that answer what we offer: none at all, another
            algorithm, no ``qop=auth`` (RFC 2069 clients too), an empty response.
        WRONG: the response is wrong or the user unknown; not told which.
        STALE: the nonce is too old, not ours, or was used with this count or a higher one:
            the challenge says ``stale=true``, so that the phone asks nobody for a password.
    """

    MISSING = auto()
    WRONG = auto()
    STALE = auto()


@dataclass(frozen=True, slots=True)
class _Derived:
    """HA1 values of a ``user/instrument`` name, and the sealed password they came from."""

    sealed: bytes = field(repr=False)
    md5: str = field(repr=False)
    sha256: str = field(repr=False)


_NOBODY: Final = Account("", "0" * MD5.length, "0" * SHA256.length, b"")


@implementer(IAuthenticator)
class Authenticator:
    """Challenges and verifies for one realm.

    Attributes:
        realm: of all challenges.
        epoch: see IAuthenticator.
        verified: requests whose sender was found.
        wrong: those with a wrong response or an unknown user.
        stale: those with a nonce that could not be used, or not again.
    """

    def __init__(
        self,
        realm: str,
        algorithms: tuple[str, ...],
        nonces: Nonces,
        accounts: Callable[[], AccountSnapshot],
        unseal: Callable[[bytes, str], str],
        epoch: float = 0.0,
        most_derived: int = MOST_DERIVED,
    ) -> None:
        """Take the parts.

        Args:
            realm: of the accounts' HA1 values.
            algorithms: names of `OFFERABLE`, in the order to offer them.
            nonces: of the same realm.
            accounts: gives the current snapshot.
            unseal: opens ``Account.sealed``, given its ``password_context``.
            epoch: see IAuthenticator.
            most_derived: HA1 values kept of ``user/instrument`` names.
        """
        self.realm = realm
        self._realm_text = realm.replace("\\", "").casefold()
        self.epoch = epoch
        self.verified = 0
        self.wrong = 0
        self.stale = 0
        offered = tuple(OFFERABLE[name] for name in algorithms)
        # As clients write it; absent means MD5.
        self._offered = {algorithm.name: algorithm for algorithm in offered}
        if MD5 in offered:
            self._offered[""] = MD5
        self._writer = ChallengeWriter(realm, offered)
        self._nonces = nonces
        self._accounts = accounts
        self._unseal = unseal
        self._most_derived = most_derived
        self._derived: OrderedDict[str, _Derived] = OrderedDict()  # least lately used first

    def challenges(self, stale: bool, stamp: float) -> list[str]:
        return self._writer.write(self._nonces.issue(stamp), stale)

    def verify(self, values: Sequence[str], method: str, stamp: float) -> Identity | Refusal:
        if len(values) > MOST_VALUES:
            raise RemoteError(400, "Too many credentials")
        for index, value in enumerate(values):
            credentials = parse_credentials(value)
            if credentials is None or credentials.realm != self.realm:
                continue
            name = credentials.algorithm
            algorithm = self._offered.get(name) or self._offered.get(name.upper())
            if (
                algorithm is None
                or credentials.qop.lower() != "auth"
                or not credentials.nonce
                or not credentials.response
            ):
                continue
            return self._check(credentials, algorithm, method, index, stamp)
        return Refusal.MISSING

    def is_ours(self, value: str) -> bool:
        # Not parsed: what we cannot read, another may.
        return self._realm_text in value.replace("\\", "").casefold()

    def remembered(self) -> int:
        """Count the derived HA1 values that are kept."""
        return len(self._derived)

    def _check(
        self, credentials: Credentials, algorithm: Algorithm, method: str, index: int, stamp: float
    ) -> Identity | Refusal:
        nonce = credentials.nonce
        if self._nonces.check(nonce, stamp) is not Verdict.VALID:
            self.stale += 1
            return Refusal.STALE
        username = credentials.username
        if len(username) > LONGEST_USERNAME:
            raise RemoteError(400, "Authentication name too long")
        if not username.isprintable():  # nor is what came as octets that are no UTF-8
            raise RemoteError(400, "Authentication name not printable")
        accounts = self._accounts().accounts
        user, slash, instrument = username.partition("/")
        account = accounts.get(user)
        # An unknown user costs the same work as a known one, on somebody else's account.
        derived = None
        if slash:
            derived = self._derived.get(username)
            if derived is None or account is None or derived.sealed != account.sealed:
                derived = self._derive(username, account or next(iter(accounts.values()), _NOBODY))
            ha1 = derived.md5 if algorithm is MD5 else derived.sha256
        else:
            hashed = account or _NOBODY
            ha1 = hashed.ha1_md5 if algorithm is MD5 else hashed.ha1_sha256
        right = verify(algorithm, credentials, ha1, method)
        if account is None or not right or not ha1:
            self.wrong += 1
            return Refusal.WRONG
        if not self._nonces.use(nonce, credentials.count, stamp):
            self.stale += 1
            return Refusal.STALE
        if derived is not None:
            self._remember(username, derived)
        self.verified += 1
        return Identity(account.user, instrument, index)

    def _derive(self, username: str, account: Account) -> _Derived:
        if account is _NOBODY:
            return _Derived(b"", _NOBODY.ha1_md5, _NOBODY.ha1_sha256)
        password = self._unseal(account.sealed, password_context(account.user))
        return _Derived(
            account.sealed,
            compute_ha1(MD5, username, self.realm, password),
            compute_ha1(SHA256, username, self.realm, password),
        )

    def _remember(self, username: str, derived: _Derived) -> None:
        """Keep what a right response proved worth keeping; strangers cannot fill the table."""
        self._derived[username] = derived
        self._derived.move_to_end(username)
        if len(self._derived) > self._most_derived:
            self._derived.popitem(last=False)
