"""Sounds with a known truth, synthesised: `python -m benchmarks.rendered_sounds FOLDER --seed 1 --scenes 40`.

Writes FOLDER/scene-SEED-NN.flac and FOLDER/sounds.jsonl, which `soundseam evaluate general FOLDER` reads. Each scene
has sounds of one or several kinds, some of which come again at even distances, in a room of known decay, over a faint
noise, cut off at a known frequency.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundseam.pipeline.evaluation.general import SoundTruth, TrueSound
from soundseam.schemas.event import Branch

RATE_HZ = 16_000
_SECONDS = 12
_HOP = RATE_HZ // 100
_QUIET_DBFS = -60.0

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Placed:
    """A sound, and where it begins, in s."""

    kind: str
    onset: float
    samples: Samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenes", type=int, default=40)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    truths = [render_scene(options.seed, index, options.folder) for index in range(options.scenes)]
    lines = (truth.model_dump_json(by_alias=True) for truth in truths)
    (options.folder / "sounds.jsonl").write_text("\n".join(lines) + "\n")
    print(f"{len(truths)} scenes in {options.folder}")


def render_scene(seed: int, index: int, folder: Path) -> SoundTruth:
    """Writes one scene; the same `seed` and `index` give the same."""
    rng = np.random.default_rng([seed, index])
    cutoff_hz = int(rng.choice([2_000, 3_400, 5_000, 7_000]))
    decay_s, floor_db = float(rng.uniform(0.25, 1.6)), float(rng.uniform(-85, -65))
    period_s = float(rng.uniform(0.6, 2.0)) if rng.random() < 0.5 else 0.0
    placed = _repeated(period_s, rng) if period_s else _scattered(rng)
    dry = np.zeros(_SECONDS * RATE_HZ)
    for sound in placed:
        first = round(sound.onset * RATE_HZ)
        dry[first : first + len(sound.samples)] += sound.samples
    wet = _low_passed(_in_a_room(dry, decay_s, rng), cutoff_hz)
    wet *= 10 ** (float(rng.uniform(-12, -3)) / 20) / np.abs(wet).max()
    samples = wet + _low_passed(rng.normal(0, 10 ** (floor_db / 20), len(wet)), cutoff_hz)
    name = f"scene-{seed}-{index:02d}.flac"
    soundfile.write(folder / name, samples, RATE_HZ, subtype="PCM_16")
    return SoundTruth(
        file=name,
        events=tuple(
            TrueSound(
                branch=Branch.GENERAL,
                label=sound.kind,
                onset=round(sound.onset, 3),
                offset=round(sound.onset + len(sound.samples) / RATE_HZ, 3),
            )
            for sound in placed
        ),
        level_dbfs=round(10 * float(np.log10(np.mean(samples**2))), 2),
        silence_share=_silence_share(wet, floor_db),
        # A beep does not fill the band that it may have.
        bandwidth_hz=cutoff_hz if any(sound.kind != "beep" for sound in placed) else None,
        decay_time_ms=round(1000 * decay_s),
        period_ms=round(1000 * period_s),
    )


def _repeated(period_s: float, rng: np.random.Generator) -> list[Placed]:
    kind = str(rng.choice(list(_KINDS)))
    sound = _KINDS[kind](min(0.4, 0.4 * period_s), rng)
    start = float(rng.uniform(0.3, 1.0))
    count = min(int(rng.integers(4, 9)), int((_SECONDS - 1.5 - start) / period_s))
    return [Placed(kind, start + index * period_s * (1 + float(rng.normal(0, 0.005))), sound) for index in range(count)]


def _scattered(rng: np.random.Generator) -> list[Placed]:
    """Two to four sounds of different kinds, each in a stretch of its own."""
    kinds = rng.permutation(list(_KINDS))[: int(rng.integers(2, 5))]
    stretch = (_SECONDS - 1.5) / len(kinds)
    placed = []
    for index, kind in enumerate(kinds):
        length = float(rng.uniform(0.15, min(1.2, 0.5 * stretch)))
        onset = 0.3 + index * stretch + float(rng.uniform(0, stretch - length - 0.3))
        placed.append(Placed(str(kind), onset, _KINDS[str(kind)](length, rng)))
    return placed


def _hiss(seconds: float, rng: np.random.Generator) -> Samples:
    return _faded(rng.normal(0, 0.3, round(seconds * RATE_HZ)))


def _beep(seconds: float, rng: np.random.Generator) -> Samples:
    return _faded(np.sin(2 * np.pi * float(rng.uniform(400, 1_600)) * np.arange(round(seconds * RATE_HZ)) / RATE_HZ))


def _knock(seconds: float, rng: np.random.Generator) -> Samples:
    samples = rng.normal(0, 1.0, round(seconds * RATE_HZ))
    return samples * np.exp(-np.arange(len(samples)) / RATE_HZ / 0.02)


def _siren(seconds: float, rng: np.random.Generator) -> Samples:
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    frequencies = 800 + 400 * np.sin(2 * np.pi * float(rng.uniform(1, 4)) * times)
    return _faded(np.sign(np.sin(2 * np.pi * np.cumsum(frequencies) / RATE_HZ)) * 0.5)


_KINDS = {"hiss": _hiss, "beep": _beep, "knock": _knock, "siren": _siren}


def _faded(samples: Samples) -> Samples:
    edge = np.minimum(1.0, np.minimum(np.arange(len(samples)) + 1, len(samples) - np.arange(len(samples))) / 80)
    return samples * edge


def _in_a_room(samples: Samples, decay_s: float, rng: np.random.Generator) -> Samples:
    """With a tail of noise that falls by 60 dB in `decay_s`, as strong as the direct sound."""
    times = np.arange(round(1.5 * decay_s * RATE_HZ)) / RATE_HZ
    tail = rng.normal(0, 1, times.size) * 10 ** (-3 * times / decay_s)
    return samples + _convolved(samples, tail / np.linalg.norm(tail))


def _low_passed(samples: Samples, cutoff_hz: float) -> Samples:
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / RATE_HZ) > cutoff_hz] = 0
    return np.fft.irfft(spectrum, len(samples))


def _convolved(samples: Samples, response: Samples) -> Samples:
    size = 1 << (samples.size + response.size - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: samples.size]


def _silence_share(wet: Samples, floor_db: float) -> float:
    """Share of 10 ms steps that are quiet, or drowned in the noise."""
    levels = 10 * np.log10(np.square(wet[: len(wet) // _HOP * _HOP]).reshape(-1, _HOP).mean(axis=1) + 1e-12)
    return round(float(np.mean(levels < max(_QUIET_DBFS, floor_db))), 3)


if __name__ == "__main__":
    main()
