"""The component that knows who sent a request; declared in twisted/plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.application.service import Service

from sipx.auth.authenticator import MOST_DERIVED, Authenticator
from sipx.auth.interfaces import IAuthenticator
from sipx.auth.nonce import MOST_COUNTED, Nonces
from sipx.interfaces import IConfiguration

if TYPE_CHECKING:
    from twisted.application.service import IService

    from sipx.auth.snapshot import AccountSnapshot
    from sipx.interfaces import INodeContext


def auth(context: INodeContext) -> IService:
    """Build the authenticator and provide it as IAuthenticator.

    Needs the option ``digest`` (see `sipx.auth.challenge.parse_algorithms`) and IConfiguration.
    """
    realm = context.identity.realm
    configuration = context.get(IConfiguration)

    def accounts() -> AccountSnapshot:
        found: AccountSnapshot = configuration.accounts
        return found

    nonces = Nonces(context.keys.subkey("nonce"), realm)
    authenticator = Authenticator(
        realm,
        context.options["digest"],
        nonces,
        accounts,
        context.keys.unseal,
        epoch=context.utc() - context.monotonic(),
    )
    context.provide(IAuthenticator, authenticator)
    gauge = context.health.gauge
    gauge(
        "auth_nonces",
        lambda: nonces.counted(context.monotonic() + authenticator.epoch),
        MOST_COUNTED,
    )
    gauge("auth_nonces_evicted", lambda: nonces.evicted)
    gauge("auth_derived", authenticator.remembered, MOST_DERIVED)
    gauge("auth_verified", lambda: authenticator.verified)
    gauge("auth_wrong", lambda: authenticator.wrong)
    gauge("auth_stale", lambda: authenticator.stale)
    service = Service()
    service.setName("auth")
    return service
