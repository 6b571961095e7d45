"""The timer values of SIP transactions: RFC 3261 appendix A, RFC 6026, RFC 4320."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timers:
    """How long transactions wait, in seconds.

    Four values are chosen, the others follow from them. RFC 3261 turns D, I, J and K
    into zero and leaves A, E and G out when the transport is reliable; that is
    the transaction's business, the values here are those of an unreliable one.

    Attributes:
        t1: T1, the estimated round trip.
        t2: T2, the longest gap between retransmissions of a non-INVITE request or of
            the final response to an INVITE.
        t4: T4, the longest time that a message stays in the network.
        timer_d: Timer D, how long the client answers retransmitted 300-699 responses to
            an INVITE with ACK: at least 32 s.
        trying: how long the user of an INVITE server transaction may think before 100
            (Trying) is sent for it, RFC 3261 section 17.2.1.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    timer_d: float = 32.0
    trying: float = 0.2

    @property
    def timer_a(self) -> float:
        """Timer A: first gap between INVITE requests, doubles without a bound."""
        return self.t1

    @property
    def timer_b(self) -> float:
        """Timer B: an INVITE without any response has failed."""
        return 64 * self.t1

    @property
    def timer_e(self) -> float:
        """Timer E: first gap between non-INVITE requests, doubles up to T2."""
        return self.t1

    @property
    def timer_f(self) -> float:
        """Timer F: a non-INVITE request without a final response has failed."""
        return 64 * self.t1

    @property
    def timer_g(self) -> float:
        """Timer G: first gap between 300-699 responses to an INVITE, doubles up to T2."""
        return self.t1

    @property
    def timer_h(self) -> float:
        """Timer H: no ACK came for a 300-699 response."""
        return 64 * self.t1

    @property
    def timer_i(self) -> float:
        """Timer I: how long retransmitted ACKs are absorbed."""
        return self.t4

    @property
    def timer_j(self) -> float:
        """Timer J: how long retransmitted non-INVITE requests are answered."""
        return 64 * self.t1

    @property
    def timer_k(self) -> float:
        """Timer K: how long retransmitted responses to a non-INVITE are absorbed."""
        return self.t4

    @property
    def timer_l(self) -> float:
        """Timer L: how long the server waits for a 2xx to pass or an ACK, RFC 6026."""
        return 64 * self.t1

    @property
    def timer_m(self) -> float:
        """Timer M: how long the client waits for 2xx of other branches, RFC 6026."""
        return 64 * self.t1

    @property
    def timer_e_settles(self) -> float:
        """When a client's Timer E is reset to T2, counted from the request.

        Before it nobody sends 100 to a non-INVITE request over an unreliable transport,
        at it everybody who has not answered does: RFC 4320 section 4.1.
        """
        gap = elapsed = self.t1
        while 2 * gap < self.t2:
            gap *= 2
            elapsed += gap
        return elapsed


DEFAULT = Timers()
