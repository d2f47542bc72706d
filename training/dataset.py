"""From scenes to what the network learns from: features and targets, in two files that are read as memory maps.

`python -m training.dataset WORK --audio FOLDER --rendered FOLDER --scenes 900`
"""

from __future__ import annotations

import argparse
from multiprocessing import Pool as Workers
from pathlib import Path

import numpy as np

from soundseam.annotators.detection.features import MELS, MelStream, contrast
from soundseam.annotators.detection.silero_vad import FRAME_SAMPLES, SILERO_FILE, speech_probabilities
from soundseam.annotators.onnx import carried_weights, open_session
from training.material import LABELS, load_pool
from training.scenes import Scene, conversation_scene, conversations, random_scene
from training.synthesis import RATE_HZ

FRAMES = 1920
"""32 ms frames of a scene: 61.44 s."""
SECONDS = FRAMES * FRAME_SAMPLES / RATE_HZ
HELD_OUT = 0.25


def features_of(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(2, 2 * num_frames, MELS) log-mel and contrast, and (num_frames,) of Silero, of whole frames of `samples`."""
    stream = MelStream()
    count = len(samples) // FRAME_SAMPLES
    mel = np.concatenate((stream.push(samples), stream.finish(2)))[: 2 * count]
    session = open_session(carried_weights(SILERO_FILE))
    speech = speech_probabilities([samples[: count * FRAME_SAMPLES]], session)
    return np.stack((mel, contrast(mel))).astype(np.float16), speech.astype(np.float16)


def targets_of(scene: Scene) -> np.ndarray:
    """(labels, FRAMES): 1 if at least half a frame has an event, 0 if none, 2 if unknown."""
    targets = np.zeros((len(LABELS), FRAMES), dtype=np.uint8)
    for label, onset, offset in scene.events:
        first, stop = round(onset * RATE_HZ / FRAME_SAMPLES), round(offset * RATE_HZ / FRAME_SAMPLES)
        targets[LABELS.index(label), first:stop] = 1
    for index, label in enumerate(LABELS):
        if label not in scene.judged:
            targets[index] = 2
    return targets


def _make(job: tuple[int, str, str, bool | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    seed, audio, rendered, held_out = job
    first = Path(audio.split(",")[0])
    rng = np.random.default_rng([seed, 7 if held_out else 3])
    rows = [row for index, row in enumerate(conversations(first)) if held_out is None or (index % 3 == 0) == held_out]
    if rows and rng.random() < 0.08:
        scene = conversation_scene(rng, first, rows[rng.integers(len(rows))], SECONDS)
    else:
        scene = random_scene(rng, _pool(audio, rendered, held_out), SECONDS)
    mel, speech = features_of(np.asarray(scene.samples, dtype=np.float32))
    return mel, speech, targets_of(scene)


_POOLS: dict[tuple[str, str, bool | None], object] = {}


def _pool(audio: str, rendered: str, held_out: bool | None):  # type: ignore[no-untyped-def]
    key = (audio, rendered, held_out)
    if key not in _POOLS:
        _POOLS[key] = load_pool([Path(part) for part in audio.split(",")], Path(rendered), held_out, HELD_OUT)
    return _POOLS[key]


def build(work: Path, name: str, jobs: list[tuple[int, str, str, bool | None]], workers: int) -> None:
    """Writes `name`-mel.npy (scenes, 2, 2 * FRAMES, MELS), -speech.npy (scenes, FRAMES), -targets.npy."""
    mode = {"mode": "w+"}
    mel = np.lib.format.open_memmap(
        work / f"{name}-mel.npy", dtype=np.float16, shape=(len(jobs), 2, 2 * FRAMES, MELS), **mode
    )
    speech = np.lib.format.open_memmap(work / f"{name}-speech.npy", dtype=np.float16, shape=(len(jobs), FRAMES), **mode)
    targets = np.lib.format.open_memmap(
        work / f"{name}-targets.npy", dtype=np.uint8, shape=(len(jobs), len(LABELS), FRAMES), **mode
    )
    with Workers(workers) as pool:
        for index, made in enumerate(pool.imap(_make, jobs, chunksize=4)):
            mel[index], speech[index], targets[index] = made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument(
        "--audio",
        required=True,
        help="folders with clips.jsonl, with commas between; conversations in ami.jsonl of the first",
    )
    parser.add_argument("--rendered", required=True, help="what training.render made")
    parser.add_argument("--scenes", type=int, default=900)
    parser.add_argument("--seed", type=int, default=0, help="of the first scene; another one makes other scenes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--all", action="store_true", help="train with the held-out clips as well")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    held_in = None if options.all else False
    seeds = range(options.seed, options.seed + options.scenes)
    jobs = [(seed, options.audio, options.rendered, held_in) for seed in seeds]
    build(options.work, "train", jobs, options.workers)
    jobs = [(seed, options.audio, options.rendered, True) for seed in range(max(8, options.scenes // 10))]
    build(options.work, "held_out", jobs, options.workers)


if __name__ == "__main__":
    main()
