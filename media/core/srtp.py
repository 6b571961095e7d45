"""SRTP and SRTCP by libsrtp (``pylibsrtp``), where it is installed. RFC 3711, suites of RFC 4568.

libsrtp keeps roll-over counters and replay lists per SSRC, and remembers an SSRC only after a
packet of it proved authentic: a stranger costs nothing.
"""

from __future__ import annotations

from typing import Final

from media.core.rtp import LARGEST_PACKET
from sipx.core.agreement import Keys

try:
    import pylibsrtp
except ImportError:  # no wheel for this machine: SRTP is not offered
    pylibsrtp = None  # type: ignore[assignment]  # stands for a missing module

WINDOW: Final = 256
"""Packets that one may come late behind the newest, 5 s: what is older counts as replayed."""
MOST_SOURCES: Final = 16
"""SSRCs of a peer in one call."""


def is_available() -> bool:
    """Whether this machine can do SRTP: if not, capabilities have ``Security.OFF``."""
    return pylibsrtp is not None


def _session(key: bytes, suite: str, inbound: bool) -> pylibsrtp.Session:
    kind = pylibsrtp.Policy
    profiles = {
        "AES_CM_128_HMAC_SHA1_80": kind.SRTP_PROFILE_AES128_CM_SHA1_80,
        "AES_CM_128_HMAC_SHA1_32": kind.SRTP_PROFILE_AES128_CM_SHA1_32,
    }
    policy = kind(
        key=key,
        ssrc_type=kind.SSRC_ANY_INBOUND if inbound else kind.SSRC_ANY_OUTBOUND,
        srtp_profile=profiles[suite],
    )
    policy.window_size = WINDOW
    return pylibsrtp.Session(policy)


class Protection:
    """The SRTP of one call, both directions.

    Attributes:
        replayed: packets dropped because they came before, or are older than WINDOW.
        forged: packets dropped because their authentication failed, or that are no SRTP.
    """

    __slots__ = ("_receiving", "_sending", "_sources", "forged", "replayed")

    def __init__(self, keys: Keys) -> None:
        """Begin with the keys agreed.

        Raises:
            KeyError: a suite that we do not offer.
            ValueError: a key of another length.
        """
        self._sending = _session(keys.sending, keys.suite, inbound=False)
        self._receiving = _session(keys.receiving, keys.suite, inbound=True)
        self._sources: set[bytes] = set()
        self.replayed = 0
        self.forged = 0

    def protect(self, packet: bytes) -> bytes:
        """Encrypt and sign an RTP packet of at most LARGEST_PACKET octets."""
        return self._sending.protect(packet)

    def protect_control(self, packet: bytes) -> bytes:
        """Encrypt and sign an RTCP packet."""
        return self._sending.protect_rtcp(packet)

    def unprotect(self, packet: bytes) -> bytes | None:
        """The RTP packet in an SRTP packet; None if it is to be dropped (and was counted)."""
        return self._open(packet, packet[8:12], control=False)

    def unprotect_control(self, packet: bytes) -> bytes | None:
        """The RTCP packet in an SRTCP packet; None if it is to be dropped (and was counted)."""
        return self._open(packet, packet[4:8], control=True)

    def _open(self, packet: bytes, source: bytes, control: bool) -> bytes | None:
        new = source not in self._sources
        if len(packet) > LARGEST_PACKET or (new and len(self._sources) >= MOST_SOURCES):
            self.forged += 1
            return None
        session = self._receiving
        try:
            data = session.unprotect_rtcp(packet) if control else session.unprotect(packet)
        except pylibsrtp.Error as error:
            if "replay" in str(error) or "index" in str(error):
                self.replayed += 1
            else:
                self.forged += 1
            return None
        if new:
            self._sources.add(source)
        return data
