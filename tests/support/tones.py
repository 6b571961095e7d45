"""Tones: written to a WAV file, and recognized in one with the Goertzel algorithm."""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Sequence
from pathlib import Path

RATE = 8_000  # samples a second, as G.711 has them
WINDOW = 0.1  # seconds that are looked at at a time
AMPLITUDE = 12_000  # of 32767
QUIET = 200.0  # root mean square of a window that counts as silent
CLEAR = 0.8  # share of a window's power that a tone has when it is there


def write_tone(path: Path, hertz: float, seconds: float) -> None:
    """Write a sine tone, 16 bit, one channel."""
    count = round(seconds * RATE)
    samples = (round(AMPLITUDE * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(count))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{count}h", *samples))


def tone_share(samples: Sequence[float], hertz: float, rate: int) -> float:
    """Measure which share of the power of a window lies at one frequency.

    Args:
        samples: the window; longer windows tell near frequencies apart better.
        hertz: frequency to look for.
        rate: samples a second.

    Returns:
        0 to about 1; 0 when the window is silent.
    """
    power = sum(sample * sample for sample in samples)
    if power < QUIET * QUIET * len(samples):
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hertz / rate)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    found = last * last + before * before - coefficient * last * before
    return 2 * found / (len(samples) * power)


def seconds_of_tone(path: Path, hertz: float) -> float:
    """Measure for how long a recording has clearly one tone, in seconds; 0 for an empty file."""
    with wave.open(str(path), "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
        data = file.readframes(file.getnframes())
    samples = struct.unpack(f"<{len(data) // 2}h", data[: len(data) // 2 * 2])[::channels]
    size = round(WINDOW * rate)
    windows = (samples[start : start + size] for start in range(0, len(samples) - size + 1, size))
    return WINDOW * sum(tone_share(window, hertz, rate) >= CLEAR for window in windows)
