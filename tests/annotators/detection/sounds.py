"""Waveforms made in the test, and a plain one in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples


@dataclass(frozen=True)
class ArrayWaveform:
    """Implements Waveform."""

    samples: Samples
    forced_block: int | None = None
    """Block size to give whatever was asked for."""

    @property
    def num_samples(self) -> int:
        return len(self.samples)

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[Samples]:
        step = self.forced_block or block_samples
        for start in range(0, len(self.samples), step):
            yield self.samples[start : start + step]

    def read(self, start: int, stop: int) -> Samples:
        return self.samples[start:stop]


def noise(seconds: float, level_db: float, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    return (10 ** (level_db / 20) * rng.standard_normal(int(seconds * DETECTION_RATE_HZ))).astype(np.float32)


def tune(seconds: float, level_db: float) -> Samples:
    """A melody of harmonic notes, three a second."""
    t = np.arange(int(seconds * DETECTION_RATE_HZ)) / DETECTION_RATE_HZ
    steps = np.array([0, 4, 7, 12, 7, 4, 5, 9])[(t * 3).astype(int) % 8]
    phase = 2 * np.pi * np.cumsum(262 * 2 ** (steps / 12)) / DETECTION_RATE_HZ
    decay = np.exp(-3 * ((t * 3) % 1))
    wave = sum(np.sin(k * phase) / k for k in range(1, 6)) * decay
    return (10 ** (level_db / 20) * wave / np.sqrt(np.mean(wave**2))).astype(np.float32)


def beeps(seconds: float, level_db: float) -> Samples:
    t = np.arange(int(seconds * DETECTION_RATE_HZ)) / DETECTION_RATE_HZ
    wave = np.sin(2 * np.pi * 1000 * t) * ((t * 4) % 1 < 0.5)
    return (10 ** (level_db / 20) * 1.4 * wave).astype(np.float32)


def mixed(seconds: float, *parts: tuple[float, Samples]) -> Samples:
    """Parts at their times in seconds over digital silence."""
    out = np.zeros(int(seconds * DETECTION_RATE_HZ), dtype=np.float32)
    for at, samples in parts:
        start = int(at * DETECTION_RATE_HZ)
        out[start : start + len(samples)] += samples[: len(out) - start]
    return out
