"""Digits as sound: made, and found by the Goertzel algorithm. ITU-T Q.23, Q.24.

The detector looks at blocks of 12.75 ms. The eight Goertzel filters of a block are one product with
a matrix: for a block this short that costs less than eight recursions would.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.core.codecs.codec import Samples
from media.core.tones import peak

RATE: Final = 8000
LOW: Final = (697, 770, 852, 941)
HIGH: Final = (1209, 1336, 1477, 1633)
KEYS: Final = ("123A", "456B", "789C", "*0#D")

BLOCK: Final = 102
"""Samples; long enough to tell the tones apart, short enough for two whole ones in 40 ms."""
FAINTEST: Final = -45.0
"""dBm0 of both tones together."""
TWIST: Final = 10 ** (8.5 / 10)
REVERSE_TWIST: Final = 10 ** (8.5 / 10)
"""How much stronger the low tone may be than the high one, and the other way, in power. Q.24 asks
for 4 to 8 dB; a block whose edges cut a tone adds a little."""
CLEAR: Final = 10 ** (6.5 / 10)
"""How much stronger each tone is than the others of its group, in power."""
PURE: Final = 0.61
"""Share of the block's power in the two tones. A tone 1.5 % off its filter keeps 0.75 of its power
in it; 15 dB of noise take 0.03."""
PURE_RUN: Final = 0.715
"""The same, as mean over the blocks that make a digit: speech seldom keeps it up."""
BLOCKS: Final = 2
"""Equal blocks that make a digit, and other blocks that end one."""
STEADY: Final = 10 ** (6 / 10)
"""How much the power of blocks that make a digit may differ: a key is switched, a voice swells."""


def generate(digit: str, seconds: float, rate: int = RATE, level: float = -9.0) -> Samples:
    """The sound of a digit.

    Args:
        digit: one of ``0-9*#ABCD``.
        seconds: how long it is.
        rate: samples a second.
        level: of each tone, in dBm0.
    """
    row = next(number for number, keys in enumerate(KEYS) if digit in keys)
    high = HIGH[KEYS[row].index(digit)]
    at = 2 * math.pi * np.arange(round(seconds * rate)) / rate
    sound = peak(level) * (np.sin(LOW[row] * at) + np.sin(high * at))
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def _filters() -> NDArray[np.complex64]:
    at = np.arange(BLOCK)
    hertz = np.array(LOW + HIGH)[:, None]
    return np.exp(-2j * np.pi * hertz * at / RATE).astype(np.complex64)


_FILTERS: Final = _filters()
_LEAST_POWER: Final = BLOCK * peak(FAINTEST) ** 2 / 2


class InbandDetector:
    """Finds digits in the sound of one stream at 8 kHz.

    Attributes:
        digit: the one that is down, or empty.
    """

    def __init__(self) -> None:
        self._waiting = np.zeros(0, np.float32)
        self._run = ""
        self._count = 0
        self._powers: list[float] = []
        self._shares: list[float] = []
        self.digit = ""

    def feed(self, samples: Samples) -> str:
        """Take sound; return the digits that went down in it, in order."""
        sound = np.concatenate((self._waiting, samples.astype(np.float32)))
        whole = len(sound) // BLOCK
        self._waiting = sound[whole * BLOCK :]
        if not whole:
            return ""
        blocks = sound[: whole * BLOCK].reshape(whole, BLOCK)
        power = np.einsum("bs,bs->b", blocks, blocks)
        if not self._run and not self.digit and not (power > _LEAST_POWER).any():
            return ""
        found = np.abs(blocks @ _FILTERS.T) ** 2 * (2 / BLOCK)
        return "".join(
            self._step(block, float(total)) for block, total in zip(found, power, strict=True)
        )

    def _step(self, found: NDArray[np.float32], total: float) -> str:
        digit, share = _digit_of(found, total)
        if digit != self._run:
            self._run, self._count = digit, 0
            self._powers, self._shares = [], []
        self._count += 1
        if digit == self.digit:
            return ""
        if digit:
            self._powers.append(total)
            self._shares.append(share)
            steady = max(self._powers[-BLOCKS:]) < min(self._powers[-BLOCKS:]) * STEADY
            pure = sum(self._shares[-BLOCKS:]) / BLOCKS >= PURE_RUN
            if self._count >= BLOCKS and steady and pure:
                self.digit = digit
                return digit
        elif self._count >= BLOCKS:
            self.digit = ""
        return ""


def _digit_of(found: NDArray[np.float32], total: float) -> tuple[str, float]:
    """The digit that a block is, or an empty text; and the share of its power in two tones."""
    if total < _LEAST_POWER:
        return "", 0.0
    powers = found.tolist()
    lows, highs = powers[:4], powers[4:]
    low, high = max(lows), max(highs)
    share = (low + high) / total
    if share < PURE or low > high * TWIST or high > low * REVERSE_TWIST:
        return "", share
    row, column = lows.index(low), highs.index(high)
    lows[row] = highs[column] = 0.0
    if max(lows) * CLEAR > low or max(highs) * CLEAR > high:
        return "", share
    return KEYS[row][column], share
