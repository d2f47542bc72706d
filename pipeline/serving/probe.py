"""Clips that servers are checked with, made by code: the same samples everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from annotators.base import Samples

RATE_HZ = 16_000
FULL_SCALE = 32_768


def probe_clip(duration_ms: int) -> NDArray[np.int16]:
    """16 kHz mono: a voice-like tone in syllables, a whistle that climbs for 5 s and starts again, bells, and noise.

    All of it moves all the time, so that no two stretches that a server encodes are alike.
    """
    seconds = np.arange(RATE_HZ * duration_ms // 1000) / RATE_HZ
    pitch = 2 * np.pi * (140 * seconds - 8 * np.cos(2 * np.pi * 0.7 * seconds))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 3.1 * seconds + np.sin(seconds))
    voice = syllables * sum(np.sin(harmonic * pitch) / harmonic for harmonic in range(1, 13))
    climbing = seconds % 5.0
    whistle = np.sin(2 * np.pi * (400 * climbing + 260 * climbing**2))
    ringing = seconds % 1.3
    bell = np.exp(-4 * ringing) * np.sin(2 * np.pi * 1870 * ringing)
    noise = np.random.default_rng(20_260).integers(-1000, 1001, len(seconds)) / 1000 * (0.5 + 0.5 * np.sin(seconds))
    mix = 0.2 * voice + 0.15 * whistle + 0.2 * bell + 0.05 * noise
    clip: NDArray[np.int16] = np.round(mix * 0.8 * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return clip


def as_heard(clip: NDArray[np.int16]) -> Samples:
    """What a server decodes from the clip's file: float32 in [-1, 1)."""
    samples: Samples = clip.astype(np.float32) / np.float32(FULL_SCALE)
    return samples
