"""How well cutting and routing go on mixes of labelled clips, of three kinds, next to fixed windows and Silero.

`python -m training.mixes FOLDER [FOLDER ...]` mixes scenes of the clips that each FOLDER's clips.jsonl lists (`file`,
`label` one of speech, music, general, or bed for backgrounds), and measures them as `soundseam evaluate segmentation`
does. The kinds:

- `plain`: clips one after another or a little over each other, on music, noise or near silence;
- `hard`: reverberation of 0.2 to 0.9 s, telephone bands, levels spread over 25 dB, cross-fades, MP3 at about 64 kbit/s
  and Opus at 24 kbit/s, a bed of babble at -38 dB or mains hum, speech under music;
- `wild`: stereo with panned sources, music that fades in under what came before, beds of recorded places or wind.

Only clips that training leaves out are mixed, unless `--all-clips`. The recipes are others than those of training; wind
and codecs are made in the same way.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from scipy.signal import butter, fftconvolve, sosfilt

from soundseam.annotators.detection.base import Detector
from soundseam.annotators.detection.embedded import Embedded, EmbeddedDetector
from soundseam.annotators.detection.silero_vad import SILERO_FILE, SileroVad
from soundseam.annotators.onnx import carried_weights, open_session
from soundseam.pipeline.cutting.segmentation import SegmentationConfig
from soundseam.pipeline.evaluation.labelled import read_labelled_folder
from soundseam.pipeline.evaluation.segmentation import MethodScores, evaluate_segmentation, score_methods, soundseam
from training.dataset import HELD_OUT
from training.material import is_held_out, trim
from training.scenes import coded
from training.synthesis import RATE_HZ, coloured_noise, wind

Samples = np.ndarray
Clips = dict[str, list[Samples]]

KINDS = ("plain", "hard", "wild", "clips")
BEDS = {
    "plain": ("music", "noise", "quiet"),
    "hard": ("babble", "hum", "quiet", "music"),
    "wild": ("place", "wind", "quiet", "noise"),
}
CHANNELS = ("as it is", "telephone", "mp3", "opus")
CLIPS_EACH = 60
OVERLAPS = 0.12
"""Share of the events that begin before the one before has ended."""


@dataclass
class Mix:
    """A scene in the making: (num_samples, channels), and its events as a line of scenes.jsonl lists them."""

    samples: Samples
    events: list[dict[str, object]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE_HZ

    def add(self, sound: Samples, at: float, level_db: float, label: str | None, pan: float = 0.0) -> float:
        """Adds `sound` (num_samples,) at an RMS level, `pan` -1 left to 1 right; returns its end in seconds."""
        start = int(at * RATE_HZ)
        cut = sound[: max(0, len(self.samples) - start)]
        gain = 10 ** (level_db / 20) / max(float(np.sqrt(np.mean(cut**2))), 1e-5)
        sides = np.array([1.0 - max(0.0, pan), 1.0 + min(0.0, pan)])[: self.samples.shape[1]]
        self.samples[start : start + len(cut)] += gain * cut[:, None] * sides
        end = (start + len(cut)) / RATE_HZ
        if label is not None:
            self.events.append({"cls": label, "onset": at, "offset": end, "role": "foreground"})
        return end


def read_clips(folders: Sequence[Path], everything: bool) -> Clips:
    """The clips of `folders` by label, trimmed, peak 1; those that training saw only if `everything`."""
    clips: Clips = {"speech": [], "music": [], "general": [], "bed": []}
    for folder in folders:
        for line in (folder / "clips.jsonl").read_text().splitlines():
            row = json.loads(line)
            if row["label"] in clips and (everything or is_held_out(row, HELD_OUT)):
                samples, _ = soundfile.read(folder / row["file"], dtype="float32")
                if np.abs(samples).max(initial=0.0) > 1e-3:
                    clips[row["label"]].append(trim(samples))
    return clips


def draw(rng: np.random.Generator, clips: Clips, label: str) -> Samples:
    """A clip; of music 4 to 18 s of one."""
    sound = clips[label][rng.integers(len(clips[label]))]
    return sound[: int(rng.uniform(4, 18) * RATE_HZ)] if label == "music" else sound


def gap_s(rng: np.random.Generator) -> float:
    if rng.random() < OVERLAPS:
        return float(-rng.uniform(0.1, 1.5))
    return float(rng.uniform(0.05, 0.5) if rng.random() < 0.55 else rng.uniform(0.4, 3))


def level_db(rng: np.random.Generator, kind: str) -> float:
    return float(rng.uniform(-37, -12) if kind == "hard" else rng.normal(-24, 4))


def mix_scene(rng: np.random.Generator, clips: Clips, kind: str, bed: str) -> Mix:
    """One scene of 1 to 2.5 minutes."""
    channels = 2 if kind == "wild" else 1
    mix = Mix(np.zeros((int(rng.uniform(60, 150) * RATE_HZ), channels)))
    music = 0.0 if bed == "music" else 0.15
    at = float(rng.uniform(0.5, 2))
    while True:
        label = str(rng.choice(("speech", "general", "music"), p=(0.5 - music / 3, 0.5 - music / 1.5, music)))
        sound = draw(rng, clips, label)
        if at + len(sound) / RATE_HZ > mix.seconds - 0.5:
            break
        gap, pan = gap_s(rng), float(rng.uniform(-0.8, 0.8)) if channels == 2 else 0.0
        if kind == "hard" and rng.random() < 0.15:
            sound, gap = faded(sound, min(0.8, len(sound) / RATE_HZ / 3)), -0.5
        if kind == "wild" and label == "music" and rng.random() < 0.5:
            at, sound = max(0.5, at - rng.uniform(1, 3)), rising(sound, rng.uniform(1, 3))
        end = mix.add(sound, at, level_db(rng, kind), label, pan)
        at = max(at + 0.2, end + gap)
    if kind == "hard":
        mix.samples = reverberated(rng, mix.samples)
    lay_bed(rng, mix, clips, bed)
    return mix


def faded(sound: Samples, fade_s: float) -> Samples:
    ramp = np.linspace(0, 1, max(1, int(fade_s * RATE_HZ)))
    out = rising(sound, fade_s)
    out[len(out) - len(ramp) :] *= ramp[::-1]
    return out


def rising(sound: Samples, fade_s: float) -> Samples:
    ramp = np.linspace(0, 1, min(len(sound), max(1, int(fade_s * RATE_HZ))))
    out = np.array(sound)
    out[: len(ramp)] *= ramp
    return out


def reverberated(rng: np.random.Generator, samples: Samples) -> Samples:
    """In a room whose sound takes 0.2 to 0.9 s to fall by 60 dB."""
    decay = rng.uniform(0.2, 0.9)
    t = np.arange(int(decay * RATE_HZ)) / RATE_HZ
    tail = rng.standard_normal(len(t)) * 10 ** (-3 * t / decay)
    tail *= 10 ** (-rng.uniform(0, 10) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    wet = [fftconvolve(channel, tail)[: len(samples)] for channel in samples.T]
    return np.stack(wet, axis=1)


def lay_bed(rng: np.random.Generator, mix: Mix, clips: Clips, bed: str) -> None:
    count = len(mix.samples)
    level = {"music": rng.uniform(-48, -38), "quiet": -55.0, "hum": -45.0, "place": -40.0, "wind": -40.0}.get(
        bed, -38.0
    )
    if bed == "music":
        under = np.concatenate([clips["music"][index] for index in rng.permutation(len(clips["music"]))])
        mix.events.append({"cls": "music", "onset": 0.0, "offset": mix.seconds, "role": "background"})
    elif bed == "babble":
        voices = [np.concatenate([draw(rng, clips, "speech") for _ in range(12)]) for _ in range(8)]
        under = np.sum([np.resize(voice, count) for voice in voices], axis=0)
    elif bed == "hum":
        t = np.arange(count) / RATE_HZ
        under = sum(np.sin(2 * np.pi * 50 * k * t + k) / k for k in range(1, 12))
    elif bed == "place" and clips["bed"]:
        under = draw(rng, clips, "bed")
    elif bed in {"wind", "place"}:
        under = wind(rng, count)
    else:
        under = coloured_noise(rng, count, -1.0)
    under = np.resize(under, count)
    mix.samples += (under * 10 ** (level / 20) / np.sqrt(np.mean(under**2)))[:, None]


def through(channel: str, samples: Samples) -> Samples:
    """`samples` (num_samples, 1) as a telephone or a codec passes them on."""
    if channel == "telephone":
        return sosfilt(butter(4, [300, 3400], "band", fs=RATE_HZ, output="sos"), samples, axis=0)
    # libsndfile's compression levels for about 64 kbit/s of MP3 and 24 kbit/s of Opus.
    compression = {"mp3": 0.63, "opus": 0.93}.get(channel)
    return samples if compression is None else coded(samples[:, 0], channel, compression)[:, None]


def write_mixes(output: Path, clips: Clips, kind: str, scenes: int, seed: int) -> None:
    """A labelled folder of mixes; the same seed and clips give the same mixes."""
    (output / "scenes").mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(scenes):
        rng = np.random.default_rng([seed, KINDS.index(kind), index])
        bed = BEDS[kind][index % len(BEDS[kind])]
        mix = mix_scene(rng, clips, kind, bed)
        samples = mix.samples * min(1.0, 0.95 / np.abs(mix.samples).max())
        if kind == "hard":
            samples = through(str(rng.choice(CHANNELS)), samples)
        name = f"scenes/{kind}-{index:03d}.flac"
        soundfile.write(output / name, np.clip(samples, -1, 1), RATE_HZ)
        line = {"file": name, "duration": len(samples) / RATE_HZ, "bed": bed, "events": mix.events}
        lines.append(json.dumps(line) + "\n")
    (output / "scenes.jsonl").write_text("".join(lines))


def write_clips(output: Path, folders: Sequence[Path], everything: bool, seed: int) -> None:
    """A labelled folder that lists up to CLIPS_EACH clips of each label where they are, to measure routing."""
    output.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[str]] = {"speech": [], "music": [], "general": []}
    for folder in folders:
        for line in (folder / "clips.jsonl").read_text().splitlines():
            row = json.loads(line)
            if row["label"] in rows and (everything or is_held_out(row, HELD_OUT)):
                file = str((folder / row["file"]).resolve())
                rows[row["label"]].append(json.dumps({"file": file, "label": row["label"]}) + "\n")
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.array(lines))[:CLIPS_EACH] for lines in rows.values()]
    (output / "clips.jsonl").write_text("".join(np.concatenate(chosen)))


def measure(folder: Path, detector: Detector, baselines: bool) -> Iterator[MethodScores]:
    labelled, config = read_labelled_folder(folder), SegmentationConfig()
    if baselines:
        yield from evaluate_segmentation(labelled, [detector], config, SileroVad().load())
    else:
        yield from score_methods(labelled, {"soundseam": soundseam([detector], config)})


def print_scenes(kind: str, lines: Iterator[MethodScores]) -> None:
    for line in lines:
        values = (line.cut, line.purity, line.change, line.lost, line.recall, line.event_f1)
        cells = " ".join(f"{value or 0.0:7.4f}" for value in values)
        print(f"{kind:6} {line.method:12} {cells} {line.median_s or 0.0:8.2f}", flush=True)


def print_routing(lines: Iterator[MethodScores]) -> None:
    for line in lines:
        for name, shares in (("among", line.among), ("leading", line.leading)):
            print(f"clips  {name:12}", *(f"{branch} {share}" for branch, share in shares), flush=True)


def main(
    folders: Annotated[list[Path], typer.Argument(help="Labelled folders, each with clips.jsonl.")],
    kinds: Annotated[str, typer.Option(help="Which kinds, with commas between; clips is routing.")] = ",".join(KINDS),
    scenes: Annotated[int, typer.Option(help="Mixes of each kind.")] = 12,
    seed: Annotated[int, typer.Option(help="Another seed, other mixes.")] = 5,
    net: Annotated[Path | None, typer.Option(help="Another event net than the one carried.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the mixes in this folder.")] = None,
    baselines: Annotated[bool, typer.Option(help="Fixed windows, energy and Silero too.")] = True,
    all_clips: Annotated[bool, typer.Option("--all-clips", help="Mix clips that training saw as well.")] = False,
) -> None:
    """Prints a line for each kind and way of cutting, then how single clips are routed."""
    clips = read_clips(folders, all_clips)
    detector: Detector = Embedded().load()
    if net is not None:
        detector = EmbeddedDetector(open_session(carried_weights(SILERO_FILE)), open_session(net), Embedded())
    print("kind   way              cut  purity  change    lost  recall      F1 median s")
    for kind in kinds.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            folder = (keep or Path(scratch)) / kind
            if kind == "clips":
                write_clips(folder, folders, all_clips, seed)
                print_routing(measure(folder, detector, False))
            else:
                write_mixes(folder, clips, kind, scenes, seed)
                print_scenes(kind, measure(folder, detector, baselines))


if __name__ == "__main__":
    typer.run(main)
