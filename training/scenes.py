"""Scenes of many recipes, with the time of every event in them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, oaconvolve, sosfilt

from training.material import LABELS, Pool, vary
from training.synthesis import RATE_HZ, applause, noise_bed, room, wind

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
    bed = rng.choice(["quiet", "quiet", "noise", "noise", "music", "music", "music", "music", "babble", "place"])
    _lay_bed(rng, scene, pool, bed)
    if recipe == "talk":
        _talk(rng, scene, pool, 0.0, seconds)
    else:
        _sequence(rng, scene, pool, recipe)
    if rng.random() < 0.25:
        scene.samples = oaconvolve(scene.samples, room(rng, far=bool(rng.random() < 0.5)))[: len(scene.samples)]
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
    elif bed == "place":
        scene.samples += (10 ** (rng.uniform(-55, -34) / 20) * _place(rng, pool, count)).astype(np.float32)
    elif bed == "babble":
        level_db = rng.uniform(-58, -44)
        for _ in range(rng.integers(4, 10)):
            at = rng.uniform(0, 3)
            while at < count / RATE_HZ - 1:
                at = _add(scene, pool.draw(rng, "speech"), at, level_db, None) + rng.uniform(0, 1)


def _place(rng: np.random.Generator, pool: Pool, count: int) -> Samples:
    """A background (count,) of unit RMS that is not steady: rain, wind, water, a crowd, applause."""
    recorded = pool.bed(rng) if rng.random() < 0.55 else None
    if recorded is not None and len(recorded) > RATE_HZ:
        samples = np.resize(np.concatenate((recorded, recorded[::-1])), count)
    elif rng.random() < 0.5:
        samples = wind(rng, count)
    elif rng.random() < 0.4:
        samples = applause(rng, count)
    else:
        samples = np.zeros(count, dtype=np.float32)
        voices = [pool.draw(rng, "speech") for _ in range(12)]
        for _ in range(int(rng.integers(8, 16))):
            voice = np.concatenate([voices[index] for index in rng.integers(12, size=3)])
            samples += np.roll(np.resize(voice, count), int(rng.integers(count))) * rng.uniform(0.3, 1)
        samples = oaconvolve(samples, room(rng, far=True))[:count]
    return samples / max(float(np.sqrt(np.mean(samples**2))), 1e-6)


def _long_music(rng: np.random.Generator, pool: Pool, seconds: float) -> Samples:
    """Music of a length, from one piece repeated or several joined with cross-fades."""
    parts: list[Samples] = []
    piece = pool.recorded(rng, "music") if rng.random() < 0.6 else pool.draw(rng, "music")
    total, fade = 0, RATE_HZ // 2
    while total < seconds * RATE_HZ + fade:
        part = piece if len(piece) > 4 * RATE_HZ else pool.draw(rng, "music")
        if len(part) > 3 * fade:
            part = part / max(float(np.sqrt(np.mean(part**2))), 1e-5)
            parts.append(part)
            total += len(part) - fade
        if rng.random() < 0.5:
            piece = pool.recorded(rng, "music") if rng.random() < 0.6 else pool.draw(rng, "music")
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
    shares = rng.dirichlet((2.0, 0.8, 2.6))
    if any(label == "music" for label, *_ in scene.events) and rng.random() < 0.8:
        shares = np.array([0.5, 0.0, 0.5])
    spread = rng.random() < 0.4
    fades = rng.random() < 0.3
    at, label = float(rng.uniform(0, 3)), str(rng.choice(LABELS, p=shares))
    while at < seconds - 0.3:
        if recipe != "pairs" or rng.random() < 0.5:
            label = str(rng.choice(LABELS, p=shares))
        level_db = base_db + float(rng.choice([rng.normal(0, 4), rng.uniform(-22, 3)], p=[0.9, 0.1]))
        if spread:
            level_db = base_db + rng.uniform(-20, 5)
        sound, gap = pool.draw(rng, label), _gap(rng, recipe)
        if fades:
            sound, gap = _cross_fade(rng, sound, gap)
        if label == "music" and rng.random() < 0.25:
            at = _fade_in(rng, scene, sound, at, level_db)
        else:
            at = max(at + 0.1, _add(scene, sound, at, level_db, label) + gap)


def _cross_fade(rng: np.random.Generator, sound: Samples, gap: float) -> tuple[Samples, float]:
    """The sound with its ends faded, and the gap after it, which may be as long a piece of overlap."""
    fade = int(min(rng.uniform(0.05, 1.5) * RATE_HZ, len(sound) / 3))
    ramp = np.linspace(0, 1, fade)
    faded = sound.copy()
    faded[:fade] *= ramp
    faded[len(faded) - fade :] *= ramp[::-1]
    return faded, -fade / RATE_HZ if rng.random() < 0.4 else gap


def _fade_in(rng: np.random.Generator, scene: Scene, music: Samples, at: float, level_db: float) -> float:
    """Music that begins under what came before and takes over; returns when the next sound may begin.

    Its event begins once it is within 20 dB of its full level.
    """
    lead, rise = rng.uniform(0.5, 5.0), rng.uniform(1.0, 4.0)
    start = max(0.0, at - lead)
    count = min(int(rise * RATE_HZ), len(music))
    rising = music.copy()
    rising[:count] *= np.linspace(0, 1, count) ** 1.5
    end = _add(scene, rising, start, level_db, None)
    onset = start + 0.2 * count / RATE_HZ
    if end > onset + 0.2:
        scene.events.append(("music", onset, end))
    # Sometimes the next speaker begins before it has ended.
    return max(at + 0.1, end + (rng.uniform(-6, 0) if rng.random() < 0.4 else rng.uniform(0.05, 2)))


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
            wet = oaconvolve(dry, response)[: len(dry) + RATE_HZ // 20]
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
    """What recording and coding do: bandwidth, hum, lossy codecs, companding, level, clipping."""
    if rng.random() < 0.2:
        edges = [rng.uniform(80, 350), rng.uniform(3000, 3900)] if rng.random() < 0.6 else [30, rng.uniform(4000, 7000)]
        samples = sosfilt(butter(4, edges, "band", fs=RATE_HZ, output="sos"), samples)
    peak = max(float(np.abs(samples).max()), 1e-6)
    samples = samples * min(10 ** (rng.uniform(-24, 8) / 20), 1.2 / peak)
    samples = np.clip(samples, -1, 1).astype(np.float32)
    codec = rng.choice(["none", "mp3", "opus", "vorbis", "ulaw"], p=[0.6, 0.1, 0.14, 0.06, 0.1])
    if codec != "none":
        # A third of the scene: coders are slower than all else that makes one.
        start = int(rng.integers(0, 1 + len(samples) * 2 // 3))
        part = slice(start, start + len(samples) // 3)
        samples[part] = coded(samples[part], str(codec), float(rng.uniform(0.6, 0.98)))
    return samples


CODECS = {
    "mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "vorbis": ("OGG", "VORBIS"), "ulaw": ("WAV", "ULAW"),
}  # fmt: skip


def coded(samples: Samples, codec: str, compression: float) -> Samples:
    """What a codec leaves of `samples` (num_samples,) at 16 kHz; `compression` in [0, 1] is libsndfile's."""
    store, (kind, subtype) = io.BytesIO(), CODECS[codec]
    level = {} if codec == "ulaw" else {"compression_level": compression}
    soundfile.write(store, samples, RATE_HZ, format=kind, subtype=subtype, **level)
    # libsndfile takes the coder's delay away again: the length stays, but for Opus' last frame.
    decoded, _ = soundfile.read(io.BytesIO(store.getvalue()), dtype="float32")
    return np.pad(decoded, (0, max(0, len(samples) - len(decoded))))[: len(samples)]


def conversations(folder: Path) -> list[dict[str, object]]:
    """The rows of ami.jsonl, if the folder has one."""
    path = folder / "ami.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
