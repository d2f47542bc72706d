"""Scenes of many recipes, with the time of every event in them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, fftconvolve, sosfilt

from training.material import LABELS, Pool, vary
from training.synthesis import RATE_HZ, noise_bed, room

Samples = np.ndarray


@dataclass
class Scene:
    """A mixture (num_samples,) and its events: (label, onset s, offset s), beds of music among them.

    `judged` says of which labels the events are complete.
    """

    samples: Samples
    events: list[tuple[str, float, float]]
    judged: tuple[str, ...] = LABELS


def random_scene(rng: np.random.Generator, pool: Pool, seconds: float) -> Scene:
    """A scene of a recipe drawn at random."""
    scene = Scene(np.zeros(int(seconds * RATE_HZ), dtype=np.float32), [])
    recipe = rng.choice(["mixed", "mixed", "mixed", "pairs", "talk", "sparse"])
    bed = rng.choice(["quiet", "noise", "noise", "music", "music", "babble"])
    if recipe == "talk":
        bed = rng.choice(["quiet", "noise", "noise", "babble", "music"])
    _lay_bed(rng, scene, pool, bed)
    if recipe == "talk":
        _talk(rng, scene, pool, 0.0, seconds)
    else:
        _sequence(rng, scene, pool, recipe)
    if rng.random() < 0.15:
        scene.samples = fftconvolve(scene.samples, room(rng, far=False))[: len(scene.samples)]
    scene.samples = transmit(rng, scene.samples)
    return scene


def _add(scene: Scene, samples: Samples, at: float, level_db: float, label: str | None) -> float:
    """Adds a sound at an RMS level; returns its end in seconds."""
    start = int(at * RATE_HZ)
    cut = samples[: max(0, len(scene.samples) - start)]
    if len(cut) < RATE_HZ // 20:
        return at
    gain = 10 ** (level_db / 20) / max(float(np.sqrt(np.mean(cut**2))), 1e-5)
    scene.samples[start : start + len(cut)] += gain * cut
    end = (start + len(cut)) / RATE_HZ
    if label is not None:
        scene.events.append((label, at, end))
    return end


def _lay_bed(rng: np.random.Generator, scene: Scene, pool: Pool, bed: str) -> None:
    count = len(scene.samples)
    floor_db = {"quiet": rng.uniform(-85, -52), "noise": rng.uniform(-52, -33)}.get(bed, rng.uniform(-75, -48))
    scene.samples += (10 ** (floor_db / 20) * noise_bed(rng, count)).astype(np.float32)
    if bed == "music":
        level_db, seconds = rng.uniform(-50, -33), count / RATE_HZ
        start = 0.0 if rng.random() < 0.6 else rng.uniform(0, seconds / 2)
        stop = seconds if rng.random() < 0.6 else rng.uniform(start + 8, seconds)
        _add(scene, _long_music(rng, pool, min(stop, seconds) - start), start, level_db, "music")
    elif bed == "babble":
        level_db = rng.uniform(-55, -42)
        for _ in range(rng.integers(4, 8)):
            at = rng.uniform(0, 3)
            while at < count / RATE_HZ - 1:
                at = _add(scene, pool.draw(rng, "speech"), at, level_db, None) + rng.uniform(0, 1)


def _long_music(rng: np.random.Generator, pool: Pool, seconds: float) -> Samples:
    """Music of a length, from one piece repeated or several joined with cross-fades."""
    parts: list[Samples] = []
    piece = pool.draw(rng, "music")
    total, fade = 0, RATE_HZ // 2
    while total < seconds * RATE_HZ + fade:
        part = piece if len(piece) > 4 * RATE_HZ else pool.draw(rng, "music")
        if len(part) > 3 * fade:
            part = part / max(float(np.sqrt(np.mean(part**2))), 1e-5)
            parts.append(part)
            total += len(part) - fade
        if rng.random() < 0.5:
            piece = pool.draw(rng, "music")
    out = np.zeros(total + fade, dtype=np.float32)
    at, ramp = 0, np.linspace(0, 1, fade)
    for part in parts:
        shaped = part.copy()
        shaped[:fade] *= ramp
        shaped[-fade:] *= ramp[::-1]
        out[at : at + len(part)] += shaped
        at += len(part) - fade
    out = out[: int(seconds * RATE_HZ)]
    edge = int(rng.uniform(0.01, 1.5) * RATE_HZ)
    out[-edge:] *= np.linspace(1, 0, edge)
    return out


def _gap(rng: np.random.Generator, recipe: str) -> float:
    if recipe == "sparse":
        return float(rng.uniform(1, 8))
    if rng.random() < 0.12:
        return float(-rng.uniform(0, 2))
    return float(rng.choice([rng.uniform(0, 0.25), rng.uniform(0.2, 0.6), rng.uniform(0.5, 3), rng.uniform(2, 5)]))


def _sequence(rng: np.random.Generator, scene: Scene, pool: Pool, recipe: str) -> None:
    seconds, base_db = len(scene.samples) / RATE_HZ, rng.uniform(-30, -18)
    shares = rng.dirichlet((2.0, 1.2, 2.0))
    if any(label == "music" for label, *_ in scene.events) and rng.random() < 0.8:
        shares = np.array([0.5, 0.0, 0.5])
    at, label = float(rng.uniform(0, 3)), str(rng.choice(LABELS, p=shares))
    while at < seconds - 0.3:
        if recipe != "pairs" or rng.random() < 0.5:
            label = str(rng.choice(LABELS, p=shares))
        level_db = base_db + float(rng.choice([rng.normal(0, 4), rng.uniform(-22, 2)], p=[0.85, 0.15]))
        end = _add(scene, pool.draw(rng, label), at, level_db, label)
        at = max(at + 0.1, end + _gap(rng, recipe))


def _talk(rng: np.random.Generator, scene: Scene, pool: Pool, at: float, until: float) -> None:
    """Dense conversation in one room: several speakers, near and far, short answers, overlaps, things being handled."""
    voices = []
    for _ in range(rng.integers(2, 5)):
        far = bool(rng.random() < 0.5)
        voices.append((room(rng, far), rng.uniform(-38, -24) if far else rng.uniform(-28, -18)))
    at += float(rng.uniform(0, 3))
    while at < until - 0.5:
        response, level_db = voices[rng.integers(len(voices))]
        turn_end = at
        for _ in range(int(rng.choice([1, 1, 2, 3, 5]))):
            dry = pool.draw(rng, "speech")
            if rng.random() < 0.25:
                dry = dry[: int(rng.uniform(0.2, 0.8) * RATE_HZ)]
            wet = fftconvolve(dry, response)[: len(dry) + RATE_HZ // 20]
            turn_end = _add(scene, wet.astype(np.float32), turn_end, level_db + rng.normal(0, 2), None)
            turn_end += float(rng.uniform(0.0, 0.5))
        # One turn, its pauses included, is one event.
        scene.events.append(("speech", at, min(turn_end - 0.1, until)))
        if rng.random() < 0.2:
            _add(scene, vary(rng, pool.draw(rng, "general"), "general"), at, level_db - rng.uniform(0, 15), "general")
        at = max(
            at + 0.2, turn_end + float(rng.choice([-rng.uniform(0, 1.5), rng.uniform(0, 0.6), rng.uniform(0.5, 4)]))
        )


def conversation_scene(rng: np.random.Generator, folder: Path, row: dict[str, object], seconds: float) -> Scene:
    """A real conversation with its turns, its level and colour changed; only speech and music are judged."""
    talk, _ = soundfile.read(folder / str(row["file"]), dtype="float32")
    scene = Scene(np.zeros(int(seconds * RATE_HZ), dtype=np.float32), [], ("speech", "music"))
    tone = sosfilt(butter(1, [rng.uniform(30, 250), rng.uniform(3000, 7900)], "band", fs=RATE_HZ, output="sos"), talk)
    mixed = rng.uniform(0, 1) * talk + tone
    mixed = mixed * 10 ** (rng.uniform(-18, 6) / 20)
    for start in range(0, len(scene.samples), len(talk)):
        part = mixed[: len(scene.samples) - start]
        scene.samples[start : start + len(part)] += part
        for turn in row["turns"]:  # type: ignore[attr-defined]
            onset, offset = start / RATE_HZ + turn["onset"], start / RATE_HZ + turn["offset"]
            if onset < seconds:
                scene.events.append(("speech", onset, min(offset, seconds)))
    if rng.random() < 0.3:
        scene.samples += (10 ** (rng.uniform(-70, -45) / 20) * noise_bed(rng, len(scene.samples))).astype(np.float32)
    return scene


def transmit(rng: np.random.Generator, samples: Samples) -> Samples:
    """What recording and coding do: bandwidth, lossy codecs, companding, level, clipping."""
    if rng.random() < 0.15:
        edges = [rng.uniform(80, 350), rng.uniform(3000, 3900)] if rng.random() < 0.6 else [30, rng.uniform(4000, 7000)]
        samples = sosfilt(butter(4, edges, "band", fs=RATE_HZ, output="sos"), samples)
    peak = max(float(np.abs(samples).max()), 1e-6)
    samples = samples * min(10 ** (rng.uniform(-24, 8) / 20), 1.2 / peak)
    samples = np.clip(samples, -1, 1).astype(np.float32)
    if rng.random() < 0.15:
        store = io.BytesIO()
        kind, subtype = (("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"))[rng.integers(2)]
        soundfile.write(store, samples, RATE_HZ, format=kind, subtype=subtype)
        # libsndfile takes the MP3 coder's delay away again: the length stays.
        samples, _ = soundfile.read(io.BytesIO(store.getvalue()), dtype="float32")
    if rng.random() < 0.1:
        store = io.BytesIO()
        soundfile.write(store, samples, RATE_HZ, format="WAV", subtype="ULAW")
        samples, _ = soundfile.read(io.BytesIO(store.getvalue()), dtype="float32")
    return samples


def conversations(folder: Path) -> list[dict[str, object]]:
    """The rows of ami.jsonl, if the folder has one."""
    path = folder / "ami.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
