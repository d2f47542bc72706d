"""The sounds that scenes are mixed of: labelled clips, rendered music and synthetic sounds, split by group."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, resample, sosfilt

from training.synthesis import RATE_HZ, random_event, room

LABELS = ("speech", "music", "general")
Samples = np.ndarray


@dataclass
class Pool:
    """Recorded and rendered sounds by label."""

    clips: dict[str, list[Samples]] = field(default_factory=lambda: {label: [] for label in LABELS})
    rendered: dict[str, list[Samples]] = field(default_factory=lambda: {label: [] for label in LABELS})
    synthetic_share: float = 0.45
    """Share of the sounds that are neither speech nor music which are synthesised."""

    def draw(self, rng: np.random.Generator, label: str) -> Samples:
        """One sound (num_samples,), trimmed, peak about 1, changed at random."""
        if label == "general" and rng.random() < self.synthetic_share:
            return random_event(rng)
        rendered_share = {"speech": 0.0, "music": 0.6, "general": 0.1}[label]
        source = self.rendered if self.rendered[label] and rng.random() < rendered_share else self.clips
        samples = _crop(rng, source[label][rng.integers(len(source[label]))], label)
        return vary(rng, samples, label)


def in_held_out(group: str, share: float) -> bool:
    """Whether a group of related recordings is kept out of training; always the same answer for the same name."""
    digest = hashlib.sha256(group.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def group_of(name: str) -> str:
    """Recordings that sound alike: two excerpts of a piece, one stamp's takes in one language."""
    return re.sub(r"-\d\.flac$", "", name)


def load_pool(folder: Path, rendered: Path | None, held_out: bool | None, share: float) -> Pool:
    """Clips of a folder with clips.jsonl, and what `training.render` rendered.

    `held_out` None takes all of them, False those to train with, True those kept out.
    """
    pool = Pool()
    for line in (folder / "clips.jsonl").read_text().splitlines():
        clip = json.loads(line)
        group = group_of(Path(clip["file"]).name)
        if held_out is None or in_held_out(group, share) == held_out:
            samples, _ = soundfile.read(folder / clip["file"], dtype="float32")
            # A few clips are labelled but hold nothing except zeros.
            if np.abs(samples).max(initial=0.0) > 1e-3:
                pool.clips[clip["label"]].append(trim(samples))
    for path in sorted(rendered.glob("*.flac")) if rendered else []:
        if held_out is None or in_held_out(path.name, share) == held_out:
            samples, _ = soundfile.read(path, dtype="float32")
            trimmed = trim(samples)
            if len(trimmed) > RATE_HZ // 4:
                pool.rendered[path.name.split("-")[0]].append(trimmed)
    return pool


def trim(samples: Samples, range_db: float = 40.0) -> Samples:
    """`samples` without the ends that stay `range_db` under its loudest 20 ms, peak 1."""
    hop = RATE_HZ // 50
    count = len(samples) // hop
    if count < 3:
        return samples / max(float(np.abs(samples).max(initial=0)), 1e-6)
    power = np.square(samples[: count * hop].reshape(count, hop)).mean(axis=1)
    loud = np.flatnonzero(power >= power.max() * 10 ** (-range_db / 10))
    cut = samples[loud[0] * hop : (loud[-1] + 1) * hop]
    return cut / max(float(np.abs(cut).max()), 1e-6)


def _crop(rng: np.random.Generator, samples: Samples, label: str) -> Samples:
    longest = int(rng.uniform(3, 18) * RATE_HZ) if label != "speech" else int(rng.uniform(8, 20) * RATE_HZ)
    if len(samples) <= longest:
        return samples
    start = int(rng.integers(0, len(samples) - longest))
    cut = samples[start : start + longest].copy()
    fade = int(rng.uniform(0.005, 0.3) * RATE_HZ)
    cut[:fade] *= np.linspace(0, 1, fade)
    cut[-fade:] *= np.linspace(1, 0, fade)
    return trim(cut)


def vary(rng: np.random.Generator, samples: Samples, label: str) -> Samples:
    """The same sound as another voice or animal, in another place or through another microphone."""
    if rng.random() < 0.6:
        reach = {"speech": 0.12, "music": 0.3, "general": 0.5}[label]
        factor = float(np.exp(rng.uniform(-reach, reach)))
        samples = resample(samples, max(256, int(len(samples) * factor)))
    if rng.random() < 0.4:
        low, high = rng.uniform(40, 400), rng.uniform(2500, 7800)
        band = sosfilt(butter(1, [low, high], "band", fs=RATE_HZ, output="sos"), samples)
        samples = rng.uniform(0, 0.5) * samples + band
    if rng.random() < 0.25:
        wet = fftconvolve(samples, room(rng, far=bool(rng.random() < 0.4)))
        samples = trim(wet, 32.0)
    peak = max(float(np.abs(samples).max()), 1e-6)
    return (samples / peak).astype(np.float32)
