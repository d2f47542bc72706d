"""Writes the clips and conversations that training leaves out as a folder that `evaluate segmentation` reads.

`python -m training.held_out --audio FOLDER OUTPUT`. Its scenes are mixed by a recipe of their own, plainer than that of
training: recorded clips as they are, one after another or a little over each other, on music, noise or near silence.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import soundfile

from training.dataset import HELD_OUT
from training.material import group_of, in_held_out, trim
from training.scenes import conversations
from training.synthesis import RATE_HZ, coloured_noise

BEDS = ("music", "noise", "quiet")


def held_out_clips(folder: Path) -> list[dict[str, str]]:
    rows = [json.loads(line) for line in (folder / "clips.jsonl").read_text().splitlines()]
    return [row for row in rows if in_held_out(group_of(Path(row["file"]).name), HELD_OUT)]


def mix(
    rng: np.random.Generator, clips: dict[str, list[np.ndarray]], bed: str
) -> tuple[np.ndarray, list[dict[str, object]]]:
    """One scene (num_samples,) of 1 to 2.5 minutes and its events."""
    seconds = float(rng.uniform(60, 150))
    scene = np.zeros(int(seconds * RATE_HZ))
    events: list[dict[str, object]] = []
    at = float(rng.uniform(0.5, 2))
    labels = ("speech", "general") if bed == "music" else ("speech", "general", "music")
    weights = np.array([0.5, 0.5]) if bed == "music" else np.array([0.45, 0.4, 0.15])
    while True:
        label = str(rng.choice(labels, p=weights))
        sound = clips[label][rng.integers(len(clips[label]))]
        if label == "music":
            sound = sound[: int(rng.uniform(4, 18) * RATE_HZ)]
        if at + len(sound) / RATE_HZ > seconds - 0.5:
            break
        start = int(at * RATE_HZ)
        level = 10 ** (float(rng.normal(-24, 4)) / 20) / max(float(np.sqrt(np.mean(sound**2))), 1e-5)
        scene[start : start + len(sound)] += level * sound
        end = (start + len(sound)) / RATE_HZ
        events.append({"cls": label, "onset": at, "offset": end, "role": "foreground"})
        gap = rng.choice([-rng.uniform(0.1, 1.5), rng.uniform(0.05, 0.5), rng.uniform(0.4, 3)], p=[0.12, 0.48, 0.4])
        at = max(at + 0.2, end + float(gap))
    level_db = {"music": rng.uniform(-48, -38), "noise": -38.0, "quiet": -55.0}[bed]
    if bed == "music":
        under = np.concatenate([clips["music"][index] for index in rng.permutation(len(clips["music"]))])
        under = np.resize(under, len(scene))
        events.append({"cls": "music", "onset": 0.0, "offset": len(scene) / RATE_HZ, "role": "background"})
    else:
        under = coloured_noise(rng, len(scene), -1.0)
    scene += under * 10 ** (level_db / 20) / np.sqrt(np.mean(under**2))
    return (scene * min(1.0, 0.95 / np.abs(scene).max())).astype(np.float32), events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--seed", type=int, default=99)
    options = parser.parse_args()
    for name in ("clips", "scenes", "ami"):
        (options.output / name).mkdir(parents=True, exist_ok=True)
    rows = held_out_clips(options.audio)
    clips: dict[str, list[np.ndarray]] = {"speech": [], "music": [], "general": []}
    for row in rows:
        shutil.copy(options.audio / row["file"], options.output / row["file"])
        samples, _ = soundfile.read(options.audio / row["file"], dtype="float32")
        if np.abs(samples).max() > 1e-3:
            clips[row["label"]].append(trim(samples))
    talks = conversations(options.audio)[::3]
    for row in talks:
        shutil.copy(options.audio / str(row["file"]), options.output / str(row["file"]))
    scenes = []
    for index in range(options.scenes):
        samples, events = mix(np.random.default_rng([options.seed, index]), clips, BEDS[index % 3])
        name = f"scenes/scene-{index:03d}.flac"
        soundfile.write(options.output / name, samples, RATE_HZ)
        scenes.append({"file": name, "duration": len(samples) / RATE_HZ, "bed": BEDS[index % 3], "events": events})
    for name, lines in (("scenes", scenes), ("clips", rows), ("ami", talks)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (options.output / f"{name}.jsonl").write_text(text)


if __name__ == "__main__":
    main()
