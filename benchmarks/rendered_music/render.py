"""From a seed to a FLAC file and its truth."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.rendered_music.arrangement import arrange
from benchmarks.rendered_music.midi import midi_bytes
from benchmarks.rendered_music.score import Score, draw_score
from soundseam.pipeline.evaluation.music import MusicTruth, TrueSpan
from soundseam.schemas.music import PITCH_CLASSES

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
_RATE_HZ = 44_100


def render_piece(seed: int, index: int, folder: Path, soundfont: Path = SOUNDFONT) -> MusicTruth:
    """Writes one piece; the same `seed` and `index` give the same score."""
    rng = np.random.default_rng([seed, index])
    score = draw_score(rng)
    notes, programs = arrange(score, rng)
    midi = midi_bytes(score, notes, programs, list(rng.normal(0, 6, len(notes))))
    room, wet = float(rng.uniform(0.2, 0.9)), float(rng.choice([0.0, 0.4, 0.8]))
    samples = _synthesise(midi, room, wet, soundfont)
    if rng.random() < 0.3:
        samples = _in_a_hall(samples, float(rng.uniform(0.5, 2.0)), float(rng.uniform(0.1, 0.4)), rng)
    name = f"piece-{seed}-{index:02d}.flac"
    peak = float(np.abs(samples).max())
    soundfile.write(folder / name, samples / max(peak, 1e-9) * 0.8, _RATE_HZ, subtype="PCM_16")
    return truth_of(name, score)


def truth_of(name: str, score: Score) -> MusicTruth:
    beats = [round(1000 * float(time)) for time in score.beat_times_s[:-1]]
    mode = "minor" if score.is_minor else "major"
    return MusicTruth(
        file=name,
        key=f"{PITCH_CLASSES[score.tonic]} {mode}",
        tempo_bpm=round(60 / float(np.median(np.diff(score.beat_times_s))), 2),
        beats_per_bar=score.meter.beats_per_bar,
        tuning_cents=round(score.tuning_cents, 1),
        beats_ms=tuple(beats),
        downbeats_ms=tuple(beats[:: score.meter.beats_per_bar]),
        chords=tuple(_span(score, c.start_beat, c.end_beat, c.chord.label) for c in score.chords),
        sections=tuple(_span(score, s.start_beat, s.end_beat, s.letter) for s in score.sections),
    )


def _span(score: Score, start_beat: float, end_beat: float, label: str) -> TrueSpan:
    return TrueSpan(
        start_ms=round(1000 * score.time_s(start_beat)), end_ms=round(1000 * score.time_s(end_beat)), label=label
    )


def _synthesise(midi: bytes, room: float, wet: float, soundfont: Path) -> NDArray[np.float32]:
    with tempfile.TemporaryDirectory() as folder:
        score, audio = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        score.write_bytes(midi)
        options = [f"synth.reverb.room-size={room}", f"synth.reverb.level={wet}", "synth.chorus.active=0"]
        command = ["fluidsynth", "-ni", "-q", "-g", "0.4", "-r", str(_RATE_HZ), "-F", str(audio)]
        command += [part for option in options for part in ("-o", option)]
        subprocess.run([*command, str(soundfont), str(score)], check=True, capture_output=True)
        samples, _ = soundfile.read(audio, dtype="float32", always_2d=True)
    mono: NDArray[np.float32] = samples.mean(axis=1)
    return mono


def _in_a_hall(
    samples: NDArray[np.float32], decay_s: float, share: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Convolved with decaying noise, whose energy is `share` of the direct sound's."""
    times = np.arange(round(decay_s * _RATE_HZ)) / _RATE_HZ
    tail = rng.normal(0, 1, times.size) * 10 ** (-3 * times / decay_s)
    tail *= np.sqrt(share) / np.linalg.norm(tail)
    size = 1 << (samples.size + tail.size - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: samples.size]
    return (samples + wet).astype(np.float32)
