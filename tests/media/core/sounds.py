"""Sounds that tests listen to, and how alike two of them are."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

import numpy as np
from numpy.typing import NDArray

from media.core import wav

Samples = NDArray[np.int16]

ESPEAK = shutil.which("espeak-ng")
TEXT = (
    "The quick brown fox jumps over the lazy dog. Please enter your account number, followed by "
    "the pound key. You have seven new messages and nineteen saved messages. Eeny meeny miny moe. "
    "Oh, who knows where the wind blows, and the moon moves through blue pools. We were away a "
    "year ago. Zero one two three four five six seven eight nine. The meeting begins at a quarter "
    "past eleven on Wednesday the thirtieth of October. How much wood would a woodchuck chuck?"
)
VOICES = ("en-us", "en-gb", "en+f2", "en+f3", "en+m3", "en+m7", "de", "fr", "es", "it")


def sine(hertz: float, seconds: float, rate: int, level: float = 8000.0) -> Samples:
    at = np.arange(round(seconds * rate))
    return np.rint(level * np.sin(2 * np.pi * hertz * at / rate)).astype(np.int16)


def noise(seconds: float, rate: int, level: float = 3000.0, seed: int = 1) -> Samples:
    draw = np.random.default_rng(seed).normal(0, level, round(seconds * rate))
    return np.clip(draw, -32768, 32767).astype(np.int16)


def buzz(seconds: float, seed: int = 1) -> Samples:
    """Something like a voice at 8 kHz: a buzz of wandering pitch through two formants, in words."""
    draw = np.random.default_rng(seed)
    count = round(seconds * 8000)
    at = np.arange(count) / 8000
    knots = np.arange(0, seconds + 0.25, 0.25)
    pitch = np.interp(at, knots, draw.uniform(85, 260, len(knots)))
    phase = 2 * np.pi * np.cumsum(pitch) / 8000
    first = np.interp(at, knots, draw.uniform(250, 900, len(knots)))
    second = np.interp(at, knots, draw.uniform(900, 2500, len(knots)))
    loud = np.interp(at, knots, draw.choice([0.0, 0.4, 1.0], len(knots)))
    sound = np.zeros(count)
    for harmonic in range(1, 16):
        hertz = harmonic * pitch
        gain = (
            0.2 + 1 / (1 + ((hertz - first) / 60) ** 2) + 0.7 / (1 + ((hertz - second) / 90) ** 2)
        )
        sound += gain * np.sin(harmonic * phase) / harmonic**0.5
    return np.clip(9000 * loud * sound, -32768, 32767).astype(np.int16)


@cache
def speech(minutes: float) -> Samples:
    """Speech at 8 kHz by espeak-ng, in many voices and pitches."""
    assert ESPEAK
    parts: list[Samples] = []
    size = 0
    for round_ in range(100):
        for number, voice in enumerate(VOICES):
            pitch = (20, 45, 70, 90)[(round_ + number) % 4]
            speed = 130 + 20 * ((round_ * 3 + number) % 4)
            data = subprocess.run(
                [ESPEAK, "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", TEXT],
                check=True,
                capture_output=True,
            ).stdout
            parts.append(wav.read(data).at(8000))
            size += len(parts[-1])
            if size >= minutes * 60 * 8000:
                return np.concatenate(parts)
    raise AssertionError("espeak-ng said too little")


def frames(sound: Samples, size: int) -> list[Samples]:
    return [sound[at : at + size] for at in range(0, len(sound) - size + 1, size)]


def signal_to_noise(sound: Samples, copy: Samples, most_delay: int = 0) -> float:
    """Decibels, at the best of some delays of the copy."""
    best = -999.0
    for delay in range(most_delay + 1):
        length = len(sound) - most_delay
        wanted = sound[:length].astype(np.float64)
        error = copy[delay : delay + length].astype(np.float64) - wanted
        best = max(best, 10 * np.log10(np.sum(wanted**2) / max(float(np.sum(error**2)), 1e-9)))
    return best
