"""What digest authentication costs: ``python -m tests.benchmarks.digest``.

Microseconds per piece of work, the best of several rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from time import perf_counter

from sipx.auth.authenticator import Authenticator
from sipx.auth.nonce import Nonces
from sipx.auth.snapshot import Account, AccountSnapshot
from sipx.core.digest import (
    MD5,
    SHA256,
    Credentials,
    answer,
    compute_ha1,
    parse_challenge,
    parse_credentials,
    verify,
)

ROUNDS = 7
TIMES = 20_000
USERS = 10_000
REALM = "sipx-0123abcd"
STAMP = 1_700_000_000.0

SIPP = (
    'Digest username="{user}",realm="{realm}",cnonce="{cnonce}",nc={nc},qop=auth,'
    'uri="{uri}",nonce="{nonce}",response="{response}",algorithm=MD5'
)
PHONE = (
    'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
    'response="{response}", algorithm=MD5, cnonce="{cnonce}", qop=auth, nc={nc}'
)


def measure(what: str, work: Callable[[], object]) -> None:
    """Print the microseconds that one call of ``work`` takes."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(TIMES):
            work()
        best = min(best, perf_counter() - start)
    print(f"{what:48} {best / TIMES * 1e6:7.2f} us")


def shaped(shape: str, credentials: Credentials) -> str:
    """Write credentials as SIPp or as a phone does."""
    return shape.format(user=credentials.username, **credentials.params)


def main() -> None:
    """Measure and print."""
    accounts = AccountSnapshot(
        1,
        {
            str(user): Account(
                str(user),
                compute_ha1(MD5, str(user), REALM, "secret"),
                compute_ha1(SHA256, str(user), REALM, "secret"),
                b"sealed",
            )
            for user in range(USERS)
        },
    )
    nonces = Nonces(b"k" * 32, REALM)
    authenticator = Authenticator(
        REALM, ("md5", "sha-256"), nonces, lambda: accounts, lambda sealed, context: "secret"
    )
    challenge = parse_challenge(authenticator.challenges(False, STAMP)[0])
    assert challenge is not None
    credentials = answer(challenge, "4711", "secret", "INVITE", "sip:127.0.0.1", "6b8b4567")
    nonce = credentials.nonce
    sipp, phone = shaped(SIPP, credentials), shaped(PHONE, credentials)
    ha1 = accounts.accounts["4711"].ha1_md5
    sha256_ha1 = accounts.accounts["4711"].ha1_sha256
    counts = count(1)

    measure("nonce: issue", lambda: nonces.issue(STAMP))
    measure("nonce: check, first use", lambda: nonces.check(nonce, STAMP))
    measure("challenges, MD5 and SHA-256", lambda: authenticator.challenges(False, STAMP))
    measure("parse, as SIPp writes", lambda: parse_credentials(sipp))
    measure("parse, as phones write", lambda: parse_credentials(phone))
    measure(
        "parse, a shape not seen before",
        lambda: parse_credentials(sipp.replace("nc=00000001", f"nc={next(counts):08x}")),
    )
    measure("verify, MD5", lambda: verify(MD5, credentials, ha1, "INVITE"))
    measure("verify, SHA-256", lambda: verify(SHA256, credentials, sha256_ha1, "INVITE"))

    # Whole: each answer has a nonce of its own, and is verified once.
    values = []
    for user in range(TIMES * ROUNDS):
        challenge = parse_challenge(authenticator.challenges(False, STAMP + user // 4000)[0])
        assert challenge is not None
        values.append(
            shaped(
                SIPP,
                answer(
                    challenge,
                    str(user % USERS),
                    "secret",
                    "REGISTER",
                    "sip:127.0.0.1",
                    f"{user:08x}",
                ),
            )
        )
    remaining = iter(values)
    stamp = STAMP + len(values) // 4000
    measure(
        "authenticator: a request, fresh nonce each",
        lambda: authenticator.verify((next(remaining),), "REGISTER", stamp),
    )
    print(
        f"verified {authenticator.verified}, wrong {authenticator.wrong},"
        f" stale {authenticator.stale}, evicted {nonces.evicted}"
    )


if __name__ == "__main__":
    main()
