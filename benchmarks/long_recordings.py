"""Puts long recordings with known content together from labelled clips, to measure `soundseam long` with.

`python -m benchmarks.long_recordings CLIPS TARGET`: CLIPS has `clips.jsonl` (`file`, `label`: speech, music or
general, `text`, `speaker`, `duration` in seconds); TARGET gets FLAC files and `long.jsonl` with chapters, turns, pieces
and sounds. A recording is a row of chapters: talk of one speaker, a conversation of two, one piece of music, or a row
of sounds. Speakers, pieces and sounds return in later chapters.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE_HZ = 16_000
Samples = NDArray[np.float32]
MIN_SPEECH_S, MAX_SPEECH_S = 1.5, 12.0
KINDS = ("talk", "sounds", "music", "conversation", "music", "talk", "sounds", "conversation")


class Labelled(NamedTuple):
    """One clip: a voice's words, an excerpt of a piece, or a sound."""

    path: Path
    name: str
    """The speaker, the piece or the sound."""
    seconds: float


@dataclass
class Mixed:
    """A recording in the making, with its truth in seconds."""

    parts: list[Samples] = field(default_factory=list)
    length: int = 0
    truth: dict[str, list[dict[str, object]]] = field(
        default_factory=lambda: {"chapters": [], "turns": [], "pieces": [], "sounds": []}
    )

    @property
    def now_s(self) -> float:
        return round(self.length / RATE_HZ, 3)

    def add(self, samples: Samples) -> None:
        self.parts.append(samples)
        self.length += len(samples)

    def pause(self, seconds: float, noise: np.random.Generator) -> None:
        """A room's quiet noise, about -70 dBFS."""
        self.add((noise.standard_normal(round(seconds * RATE_HZ)) * 3e-4).astype(np.float32))

    def clip(self, clip: Labelled, kind: str) -> None:
        start_s = self.now_s
        self.add(read_mono(clip.path))
        key = {"turns": "speaker", "pieces": "piece", "sounds": "label"}[kind]
        self.truth[kind].append({key: clip.name, "onset": start_s, "offset": self.now_s})


def read_mono(path: Path) -> Samples:
    """The file at 16 kHz, one channel, at a peak of -6 dBFS."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    mono = mono if rate_hz == RATE_HZ else soxr.resample(mono, rate_hz, RATE_HZ)
    peak = float(np.abs(mono).max(initial=1e-6))
    scaled: Samples = (mono * (0.5 / peak)).astype(np.float32)
    return scaled


def read_clips(folder: Path) -> dict[str, list[Labelled]]:
    """label → its clips; speech only if its speaker is known."""
    found: dict[str, list[Labelled]] = {"speech": [], "music": [], "general": []}
    for line in (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name = row.get("speaker") if row["label"] == "speech" else row.get("piece") or row.get("text")
        if name:
            found[row["label"]].append(Labelled(folder / row["file"], name, row["duration"]))
    found["speech"] = [clip for clip in found["speech"] if MIN_SPEECH_S <= clip.seconds <= MAX_SPEECH_S]
    found["music"] = [clip for clip in found["music"] if clip.seconds >= 15]
    found["general"] = [clip for clip in found["general"] if clip.seconds >= 0.8]
    return found


def put_together(clips: dict[str, list[Labelled]], seed: int, chapters: int) -> Mixed:
    """One recording; equal seeds give equal samples."""
    draw, noise = random.Random(seed), np.random.default_rng(seed)
    voices = draw.sample(sorted({clip.name for clip in clips["speech"]}), 2)
    pieces = draw.sample(sorted({clip.path for clip in clips["music"]}), 2)
    sounds = draw.sample(clips["general"], min(5, len(clips["general"])))
    mixed, start = Mixed(), draw.randrange(len(KINDS))
    mixed.pause(0.5, noise)
    for index in range(chapters):
        kind = KINDS[(start + index) % len(KINDS)]
        onset = mixed.now_s
        for clip, place in _chapter(kind, draw, clips, _Cast(voices, pieces, sounds)):
            mixed.clip(clip, place)
            mixed.pause(draw.uniform(0.25, 0.7) if place == "turns" else draw.uniform(1.0, 2.0), noise)
        mixed.truth["chapters"].append({"kind": kind, "onset": onset, "offset": mixed.now_s})
        mixed.pause(draw.uniform(1.0, 2.5), noise)
    return mixed


class _Cast(NamedTuple):
    """Who and what returns in a recording."""

    voices: Sequence[str]
    pieces: Sequence[Path]
    sounds: Sequence[Labelled]


def _chapter(
    kind: str, draw: random.Random, clips: dict[str, list[Labelled]], cast: _Cast
) -> Iterator[tuple[Labelled, str]]:
    """The clips of a chapter of 25 to 60 s, each with its list in the truth."""
    if kind == "music":
        piece = draw.choice(cast.pieces)
        yield next(clip for clip in clips["music"] if clip.path == piece), "pieces"
        return
    lasting = draw.uniform(25, 60)
    voices = list(cast.voices) if kind == "conversation" else [draw.choice(cast.voices)]
    turn = 0
    while lasting > 0:
        if kind == "sounds":
            clip = draw.choice(cast.sounds)
        else:
            clip = draw.choice([clip for clip in clips["speech"] if clip.name == voices[turn % len(voices)]])
            turn += draw.random() < 0.5
        lasting -= clip.seconds + 0.5
        yield clip, "sounds" if kind == "sounds" else "turns"


def write_recordings(folder: Path, target: Path, count: int, chapters: int, seed: int) -> None:
    target.mkdir(parents=True, exist_ok=True)
    clips, lines = read_clips(folder), []
    for index in range(count):
        mixed = put_together(clips, seed + index, chapters)
        name = f"long-{seed + index:03d}.flac"
        soundfile.write(target / name, np.concatenate(mixed.parts), RATE_HZ)
        lines.append(json.dumps({"file": name, "duration": mixed.now_s, **mixed.truth}, ensure_ascii=False))
    (target / "long.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_recordings", description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--chapters", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    write_recordings(options.clips, options.target, options.count, options.chapters, options.seed)


if __name__ == "__main__":
    main()
