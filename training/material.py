"""The sounds that scenes are mixed of: labelled clips, rendered music and synthetic sounds, split by group."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, oaconvolve, resample, sosfilt

from training.synthesis import RATE_HZ, electronic_music, random_event, rhythm, room

LABELS = ("speech", "music", "general")
CLIP_LABELS = (*LABELS, "bed", "hit")
"""What clips may be: events, backgrounds, and single drum hits to play rhythms on."""
Samples = np.ndarray


HELD_OUT_COLLECTIONS = (
    "asterisk-fr", "asterisk-ru", "klettres-ar", "klettres-cs", "klettres-en_GB", "klettres-he", "klettres-hu",
    "klettres-nb", "klettres-nds", "klettres-pt_BR", "klettres-tn", "0ad-voices", "0ad-music", "warzone-sounds",
    "lincity-sounds", "lincity-music",
)  # fmt: skip
"""Kept out of training as a whole: voices, languages, effects and music of which no clip trains."""


@dataclass
class Pool:
    """Recorded and rendered sounds by label."""

    clips: dict[str, dict[str, list[Samples]]] = field(default_factory=lambda: {label: {} for label in CLIP_LABELS})
    """By label, then by collection, so that a large one does not drown the others."""
    rendered: dict[str, list[Samples]] = field(default_factory=lambda: {label: [] for label in LABELS})
    synthetic_share: float = 0.35
    """Share of the sounds that are neither speech nor music which are synthesised."""

    def draw(self, rng: np.random.Generator, label: str) -> Samples:
        """One sound (num_samples,), trimmed, peak about 1, changed at random."""
        if label == "general" and rng.random() < self.synthetic_share:
            return random_event(rng)
        if label == "music":
            return vary(rng, _crop(rng, self._music(rng), label), label)
        rendered_share = {"speech": 0.0, "general": 0.07}[label]
        if self.rendered[label] and rng.random() < rendered_share:
            samples = self.rendered[label][rng.integers(len(self.rendered[label]))]
        else:
            samples = self.recorded(rng, label)
        return vary(rng, _crop(rng, samples, label), label)

    def _music(self, rng: np.random.Generator) -> Samples:
        kind = rng.choice(["recorded", "rendered", "driven", "rhythm", "electronic"], p=[0.42, 0.27, 0.08, 0.09, 0.14])
        if kind == "rhythm" and self.clips["hit"]:
            return rhythm(rng, [self.recorded(rng, "hit") for _ in range(int(rng.integers(1, 6)))])
        if kind == "electronic":
            hits = [self.recorded(rng, "hit") for _ in range(4)] if self.clips["hit"] else []
            return electronic_music(rng, hits)
        if kind in ("rendered", "driven") and self.rendered["music"]:
            samples = self.rendered["music"][rng.integers(len(self.rendered["music"]))]
            # An amplifier driven into clipping, as rock music is played.
            return np.tanh(samples * rng.uniform(3, 20)) if kind == "driven" else samples
        return self.recorded(rng, "music")

    def recorded(self, rng: np.random.Generator, label: str) -> Samples:
        """A clip as it is, of a collection drawn by the square root of its size."""
        collections = self.clips[label]
        names = sorted(collections)
        weights = np.sqrt([len(collections[name]) for name in names])
        chosen = collections[names[rng.choice(len(names), p=weights / weights.sum())]]
        return chosen[rng.integers(len(chosen))]

    def bed(self, rng: np.random.Generator) -> Samples | None:
        """A recorded background: rain, wind, water, a crowd; None if the pool has none."""
        return self.recorded(rng, "bed") if self.clips["bed"] else None


def in_held_out(group: str, share: float) -> bool:
    """Whether a group of related recordings is kept out of training; always the same answer for the same name."""
    digest = hashlib.sha256(group.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def group_of(name: str) -> str:
    """Recordings that sound alike: two excerpts of a piece, one stamp's takes in one language."""
    return re.sub(r"-\d\.flac$", "", name)


def is_held_out(clip: dict[str, str], share: float) -> bool:
    """Whether training must not see a clip: a whole collection, or a group of those that are in both halves."""
    collection = clip.get("collection")
    if collection in HELD_OUT_COLLECTIONS:
        return True
    divided = collection is None or clip["label"] in ("bed", "hit")
    return divided and in_held_out(group_of(Path(clip["file"]).name), share)


def load_pool(folders: Sequence[Path], rendered: Path | None, held_out: bool | None, share: float) -> Pool:
    """Clips of folders with clips.jsonl, and what `training.render` rendered.

    `held_out` None takes all of them, False those to train with, True those kept out.
    """
    pool = Pool()
    for folder in folders:
        for line in (folder / "clips.jsonl").read_text().splitlines():
            clip = json.loads(line)
            if held_out is None or is_held_out(clip, share) == held_out:
                samples, _ = soundfile.read(folder / clip["file"], dtype="float32")
                # A few clips are labelled but hold nothing except zeros.
                if np.abs(samples).max(initial=0.0) > 1e-3:
                    collection = clip.get("collection", Path(clip["file"]).name.split("-")[0])
                    pool.clips[clip["label"]].setdefault(collection, []).append(trim(samples))
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
    longest = (
        int(rng.choice([rng.uniform(2, 8), rng.uniform(5, 18)]) * RATE_HZ)
        if label != "speech"
        else int(rng.uniform(8, 20) * RATE_HZ)
    )
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
        wet = oaconvolve(samples, room(rng, far=bool(rng.random() < 0.4)))
        samples = trim(wet, 32.0)
    peak = max(float(np.abs(samples).max()), 1e-6)
    return (samples / peak).astype(np.float32)
