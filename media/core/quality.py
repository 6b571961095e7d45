"""An estimate of how speech is judged: the E-model, ITU-T G.107, with most terms at their defaults.

``R = 93.2 - Id - Ie,eff``, and ``MOS`` of R by annex B:

- ``Id``, delay: ``0.024 d + 0.11 (d - 177.3)`` where d, the one way delay in ms, is above 177.3
  (the usual approximation of section 7.4);
- ``Ie,eff``, codec and loss: ``Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl)`` with BurstR 1: loss
  that is not in bursts. Ie and Bpl of G.711 with concealment are those of G.113 appendix I.

It is a narrow band scale: G.722 and Opus are rated as good as G.711, not better. The estimate
knows nothing of echo, noise or level.
"""

from __future__ import annotations

from typing import Final

BASE: Final = 93.2
_IMPAIRMENTS: Final = {
    "PCMU": (0.0, 25.1),
    "PCMA": (0.0, 25.1),
    "G722": (0.0, 20.0),
    "L16": (0.0, 25.1),
    "OPUS": (0.0, 20.0),
}
_UNKNOWN: Final = (10.0, 15.0)


def rating(codec: str, lost_share: float, one_way: float) -> float:
    """The transmission rating R, 0 to 93.2.

    Args:
        codec: its name in SDP.
        lost_share: of the packets, 0 to 1, those too late included.
        one_way: seconds from mouth to ear.
    """
    delay = one_way * 1000
    impairment = 0.024 * delay + (0.11 * (delay - 177.3) if delay > 177.3 else 0.0)
    equipment, robustness = _IMPAIRMENTS.get(codec.upper(), _UNKNOWN)
    percent = lost_share * 100
    equipment += (95 - equipment) * percent / (percent + robustness)
    return min(max(BASE - impairment - equipment, 0.0), BASE)


def mean_opinion_score(codec: str, lost_share: float, one_way: float) -> float:
    """MOS, 1 (bad) to 4.4 (as good as a telephone gets); arguments as of ``rating``."""
    r = rating(codec, lost_share, one_way)
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
