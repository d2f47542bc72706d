"""Recall and precision of `soundseam dedup` on a made set, and its speed.

`python -m benchmarks.near_duplicates [FOLDER]` takes clips of FOLDER, or of samples/recordings without one, and
synthesised sounds that are hard to tell apart (melodies on the same notes, beats of the same drums, noises of the same
colour); distorts each in every way; looks for pairs among all; and prints how many were found.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from benchmarks.distortions import DISTORTIONS
from soundseam.annotators.base import Samples
from soundseam.pipeline.audio.decode import DecodeConfig, decode_recording
from soundseam.pipeline.audio.stream import DecodeError
from soundseam.pipeline.dedup.fingerprint import RATE_HZ, Peaks, peaks_of
from soundseam.pipeline.dedup.match import FingerprintIndex, Pair

SAMPLES = Path(__file__).parents[1] / "samples" / "recordings"
MIXED = "scene"
"""A sample that holds the others: its clips are duplicates that this truth does not know."""
SHORTEST_S, LONGEST_S = 3.0, 20.0
ORIGINAL = "original"
SYNTHESISED = ("melody ", "beat ", "noise ")
NO_ACCIDENT = 0.7


class Clip(NamedTuple):
    name: str
    samples: Samples


class Version(NamedTuple):
    clip: str
    distortion: str


class Scores(NamedTuple):
    found: Counter[str]
    """Distortion → originals that were found again by it."""
    of: Counter[str]
    right: int
    wrong: list[tuple[Version, Version, float]]


def main(
    folder: Annotated[Path | None, typer.Argument(help="A folder of audio.", show_default="samples/recordings")] = None,
    synthesised: Annotated[int, typer.Option(help="Synthesised clips of each of the three kinds.")] = 20,
    show_wrong: Annotated[int, typer.Option(help="Print so many of the wrong pairs.")] = 5,
) -> None:
    """Prints recall per distortion, precision over all pairs, and hours of audio per second."""
    clips = [*recorded(folder or SAMPLES), *synthesise(synthesised)]
    seconds = 0.0
    versions: list[Version] = []
    audio_s = 0.0
    with FingerprintIndex() as index:
        for version, samples in distorted(clips):
            started = time.process_time()
            peaks: Peaks = peaks_of(samples)
            index.add(peaks, len(samples) * 1000 // RATE_HZ)
            seconds += time.process_time() - started
            audio_s += len(samples) / RATE_HZ
            versions.append(version)
        started = time.process_time()
        pairs = list(index.pairs())
        matching = time.process_time() - started
    scores = score(versions, pairs)
    report(scores, len(clips), show_wrong)
    hours = audio_s / 3600
    print(
        f"{hours:.2f} h on one core, without decoding: fingerprints {hours / seconds:.2f} h of audio per second, ",
        end="",
    )
    print(f"with comparison {hours / (seconds + matching):.2f} h; {len(pairs)} pairs were found")


def recorded(folder: Path) -> Iterator[Clip]:
    """Stretches of LONGEST_S of every file under `folder`, side by side."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.stem.startswith(MIXED)):
        try:
            with decode_recording(path, DecodeConfig()) as decoded:
                length, step = decoded.waveform.num_samples, int(LONGEST_S * RATE_HZ)
                for start in range(0, length, step):
                    samples = decoded.waveform.read(start, start + step)
                    if len(samples) >= SHORTEST_S * RATE_HZ and np.abs(samples).max() > 0.003:
                        yield Clip(f"{path.relative_to(folder)} {start // RATE_HZ} s", samples)
        except DecodeError:
            continue


def synthesise(count: int) -> Iterator[Clip]:
    """Sounds of three kinds, each made of the same parts in another order."""
    for seed in range(count):
        random = np.random.default_rng(seed)
        yield Clip(f"melody {seed}", _melody(random))
        yield Clip(f"beat {seed}", _beat(random))
        yield Clip(f"noise {seed}", _noise(random))


def _melody(random: np.random.Generator) -> Samples:
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    notes = [_tone(random.choice(scale), random.choice([0.25, 0.5])) for _ in range(24)]
    melody: Samples = np.concatenate(notes)[: 8 * RATE_HZ]
    return melody


def _tone(frequency_hz: float, seconds: float) -> Samples:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    partials = np.sum([np.sin(2 * np.pi * frequency_hz * k * t) / k for k in range(1, 6)], axis=0)
    tone: Samples = (0.2 * partials * np.exp(-3 * t)).astype(np.float32)
    return tone


def _beat(random: np.random.Generator) -> Samples:
    drums = np.random.default_rng(0)
    t = np.arange(RATE_HZ // 8) / RATE_HZ
    kick = np.sin(2 * np.pi * (60 + 200 * np.exp(-40 * t)) * t) * np.exp(-12 * t)
    snare, hat = (drums.standard_normal(len(t)) * np.exp(-decay * t) for decay in (20, 60))
    silence = np.zeros(len(t))
    steps = [random.choice(4) for _ in range(64)]
    beat = np.concatenate([(kick, 0.5 * snare, 0.3 * hat, silence)[step] for step in steps])
    scaled: Samples = (0.3 * beat).astype(np.float32)
    return scaled


def _noise(random: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(random.standard_normal(8 * RATE_HZ))
    frequencies = np.fft.rfftfreq(8 * RATE_HZ, 1 / RATE_HZ)
    coloured = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 50)))
    swell = 1 + 0.5 * np.sin(2 * np.pi * 0.3 * np.arange(len(coloured)) / RATE_HZ)
    noise: Samples = (0.1 * coloured / coloured.std() * swell).astype(np.float32)
    return noise


def distorted(clips: list[Clip]) -> Iterator[tuple[Version, Samples]]:
    for number, clip in enumerate(clips):
        yield Version(clip.name, ORIGINAL), clip.samples
        for name, distort in DISTORTIONS.items():
            yield Version(clip.name, name), distort(clip.samples, np.random.default_rng(number))


def score(versions: list[Version], pairs: list[Pair]) -> Scores:
    found: Counter[str] = Counter()
    right, wrong = 0, []
    same = alike_before(versions, pairs)
    for pair in pairs:
        one, other = versions[pair.one], versions[pair.other]
        if frozenset((one.clip, other.clip)) in same:
            continue
        if one.clip != other.clip:
            wrong.append((one, other, pair.similarity))
            continue
        right += 1
        if ORIGINAL in (one.distortion, other.distortion):
            found[other.distortion if one.distortion == ORIGINAL else one.distortion] += 1
    of = Counter(version.distortion for version in versions if version.distortion != ORIGINAL)
    return Scores(found, of, right, wrong)


def alike_before(versions: list[Version], pairs: list[Pair]) -> set[frozenset[str]]:
    """Two recorded clips that have almost all in common before anything was done to them: not a truth to score by."""
    same = set()
    for pair in pairs:
        one, other = versions[pair.one], versions[pair.other]
        recorded_twice = one.clip != other.clip and not f"{one.clip} {other.clip}".startswith(SYNTHESISED)
        if recorded_twice and one.distortion == other.distortion == ORIGINAL and pair.similarity > NO_ACCIDENT:
            same.add(frozenset((one.clip, other.clip)))
            print(f"left out, the same already: {one.clip} and {other.clip}, {pair.similarity}")
    return same


def report(scores: Scores, clips: int, show_wrong: int) -> None:
    print(f"{clips} clips, {scores.of.total()} distorted ones")
    for name, count in scores.of.items():
        print(f"  {name:32} recall {scores.found[name] / count:.3f}")
    found = scores.right + len(scores.wrong)
    every = clips * (len(scores.of) + 1) * len(scores.of) // 2
    print(f"  {'all':32} recall {scores.found.total() / scores.of.total():.3f}")
    print(f"  any two versions of a clip:      recall {scores.right / every:.3f}")
    print(f"  pairs found {found}, precision {scores.right / found if found else 0:.4f}")
    for one, other, similarity in sorted(scores.wrong, key=lambda each: -each[2])[:show_wrong]:
        print(f"  wrong: {one.clip} ({one.distortion}) and {other.clip} ({other.distortion}), {similarity}")


if __name__ == "__main__":
    typer.run(main)
