"""Fits the weights of `mir` on rendered pieces: `python -m benchmarks.music_fit FOLDER [FOLDER ...] --write FILE`.

Each folder holds pieces of one seed (`python -m benchmarks.rendered_music`). Every part is a conditional logit: of the
hypotheses about one clip (or one beat), those that agree with the truth should have the highest score. FILE is
annotators/music/weights.yaml. The weights there come from seeds 1 to 6.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import mir_eval
import numpy as np
import soundfile
import soxr
import yaml
from numpy.typing import NDArray
from scipy.optimize import minimize

from soundseam.annotators.music import bars, pulse
from soundseam.annotators.music.fitted import load_weights
from soundseam.annotators.music.harmony import (
    KEYS,
    QUALITIES,
    find_chords,
    key_evidence,
    step_edges_ms,
    step_features,
)
from soundseam.annotators.music.spectra import (
    FRAME_MS,
    RATE_HZ,
    Chroma,
    Onsets,
    measure_chroma,
    measure_spectra,
    onset_strength,
)
from soundseam.pipeline.evaluation.labelled import read_list
from soundseam.pipeline.evaluation.music import LIST, MusicTruth, clip_spans, cut_truth
from soundseam.schemas.music import PITCH_CLASSES

Floats = NDArray[np.float64]
Choice = tuple[Floats, NDArray[np.bool_]]
"""Evidence of each hypothesis (num_hypotheses, n), and which of them are right."""

_RIGHT_BEATS, _RIGHT_BARS = 0.85, 0.7
_FOLDED = {"maj": "maj", "min": "min", "7": "7", "maj7": "maj", "min7": "min"}


@dataclass(frozen=True)
class Heard:
    """One clip: what is measured, and the truth in times from its own start."""

    onsets: Onsets
    chroma: Chroma
    duration_ms: float
    start_ms: int
    truth: MusicTruth

    def seconds(self, times_ms: Sequence[int]) -> Floats:
        return (np.asarray(times_ms, dtype=np.float64) - self.start_ms) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--write", type=Path, required=True)
    options = parser.parse_args()
    clips = [clip for folder in options.folders for clip in _clips(folder)]
    fitted: dict[str, object] = {}
    # Each part is fitted on what those before it find.
    for part, fit in (("pulse", _fit_pulse), ("bars", _fit_bars), ("chords", _fit_chords), ("key", _fit_key)):
        fitted[part] = fit(clips)
        options.write.write_text(_yaml(fitted))
        load_weights.cache_clear()
    print(f"{len(clips)} clips; wrote {options.write}")


def _clips(folder: Path) -> Iterator[Heard]:
    for truth in read_list(folder / LIST, MusicTruth):
        samples, rate_hz = soundfile.read(folder / truth.file, dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate_hz, RATE_HZ)
        for span in clip_spans(round(1000 * mono.size / RATE_HZ), 30.0):
            part = mono[span.start_ms * RATE_HZ // 1000 : span.end_ms * RATE_HZ // 1000]
            spectra = measure_spectra(part)
            cut = cut_truth(truth, span)
            if len(cut.beats_ms) >= 8:
                yield Heard(
                    onset_strength(spectra.fast), measure_chroma(spectra.slow), spectra.duration_ms, span.start_ms, cut
                )


def _fit_pulse(clips: Sequence[Heard]) -> dict[str, float]:
    choices = []
    for clip in clips:
        found = pulse.beat_hypotheses(clip.onsets, clip.chroma.harmony)
        true = clip.seconds(clip.truth.beats_ms)
        measures = np.array([mir_eval.beat.f_measure(true, one.beats * FRAME_MS / 1000) for one in found])
        if found and measures.max() > 0.6:
            choices.append((np.array([one.evidence for one in found]), measures >= measures.max() - 0.03))
    return _named(pulse.EVIDENCE, _logit(choices, 0.02))


def _fit_bars(clips: Sequence[Heard]) -> dict[str, float]:
    choices = []
    for clip in clips:
        found = pulse.find_pulse(clip.onsets, clip.chroma.harmony)
        if found is None:
            continue
        beats = found.beats * FRAME_MS / 1000
        if mir_eval.beat.f_measure(clip.seconds(clip.truth.beats_ms), beats) < _RIGHT_BEATS:
            continue
        true = clip.seconds(clip.truth.downbeats_ms)
        hypotheses = bars.bar_hypotheses(found.beats, clip.onsets, clip.chroma.harmony)
        right = [
            length == clip.truth.beats_per_bar and mir_eval.beat.f_measure(true, beats[phase::length]) > _RIGHT_BARS
            for length, phase, _ in hypotheses
        ]
        choices.append((np.array([evidence for _, _, evidence in hypotheses]), np.array(right, dtype=bool)))
    return _named(bars.EVIDENCE, _logit(choices, 0.02))


def _fit_chords(clips: Sequence[Heard]) -> dict[str, dict[str, list[float]]]:
    features, labels = (np.concatenate(parts) for parts in zip(*map(_chord_steps, clips), strict=True))
    features, labels = features[labels >= 0], labels[labels >= 0]
    turned = np.stack([_turned(features, root) for root in range(12)], axis=1)
    chosen = np.arange(len(labels))

    def loss(flat: Floats) -> tuple[float, Floats]:
        scores = np.einsum("nrk,qk->nqr", turned, flat.reshape(len(QUALITIES), 24)).reshape(len(labels), -1)
        scores -= scores.max(axis=1, keepdims=True)
        probabilities = np.exp(scores)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        value = -np.log(np.maximum(probabilities[chosen, labels], 1e-9)).mean() + 0.002 * flat @ flat
        probabilities[chosen, labels] -= 1
        gradient = np.einsum("nqr,nrk->qk", probabilities.reshape(-1, len(QUALITIES), 12), turned) / len(labels)
        return float(value), gradient.ravel() + 0.004 * flat

    fitted = minimize(loss, np.zeros(len(QUALITIES) * 24), jac=True, method="L-BFGS-B").x.reshape(-1, 24)
    return {
        quality: {"treble": _rounded(row[:12]), "bass": _rounded(row[12:])}
        for quality, row in zip(QUALITIES, fitted, strict=True)
    }


def _chord_steps(clip: Heard) -> tuple[Floats, NDArray[np.int64]]:
    """Features of each beat, and the chord that fills four fifths of it (-1 where none does)."""
    found = pulse.find_pulse(clip.onsets, clip.chroma.harmony)
    edges = step_edges_ms(None if found is None else found.beats, clip.duration_ms)
    labels = np.full(len(edges) - 1, -1, dtype=np.int64)
    for index, (start, end) in enumerate(pairwise(edges)):
        for chord in clip.truth.chords:
            inside = min(end, chord.end_ms - clip.start_ms) - max(start, chord.start_ms - clip.start_ms)
            if inside >= 0.8 * (end - start):
                root, quality = chord.label.split("/")[0].split(":")
                labels[index] = QUALITIES.index(_FOLDED[quality]) * 12 + PITCH_CLASSES.index(root)
    return step_features(clip.chroma, edges).astype(np.float64), labels


def _fit_key(clips: Sequence[Heard]) -> dict[str, dict[str, object]]:
    choices = []
    for clip in clips:
        found = pulse.find_pulse(clip.onsets, clip.chroma.harmony)
        chords = find_chords(clip.chroma, None if found is None else found.beats, clip.duration_ms)
        evidence = key_evidence(chords.mean_features, chords.shares)
        rows = np.zeros((len(KEYS), 121))
        for row, key in zip(rows, KEYS, strict=True):
            first = 60 if key.mode == "minor" else 0
            row[first : first + 60] = evidence[key.tonic]
            row[120] = key.mode == "minor"
        choices.append((rows, np.array([key.text == clip.truth.key for key in KEYS])))
    flat = _logit(choices, 0.03)
    return {"major": _key_weights(flat[:60], 0.0), "minor": _key_weights(flat[60:120], float(flat[120]))}


def _key_weights(flat: Floats, bias: float) -> dict[str, object]:
    chords = {quality: _rounded(flat[24 + 12 * i : 36 + 12 * i]) for i, quality in enumerate(QUALITIES)}
    return {"treble": _rounded(flat[:12]), "bass": _rounded(flat[12:24]), "chords": chords, "bias": round(bias, 2)}


def _logit(choices: Sequence[Choice], penalty: float) -> Floats:
    """Weights under which right hypotheses are likeliest; `penalty` on their squares, evidence in its deviations."""
    choices = [choice for choice in choices if choice[1].any()]
    spread = np.concatenate([evidence for evidence, _ in choices]).std(axis=0) + 1e-9
    scaled = [(evidence / spread, right) for evidence, right in choices]

    def loss(weights: Floats) -> tuple[float, Floats]:
        value, gradient = penalty * float(weights @ weights), 2 * penalty * weights
        for evidence, right in scaled:
            scores = evidence @ weights
            probabilities = np.exp(scores - scores.max())
            probabilities /= probabilities.sum()
            hit = max(float(probabilities[right].sum()), 1e-12)
            value -= np.log(hit) / len(scaled)
            gradient = gradient + evidence.T @ (probabilities - probabilities * right / hit) / len(scaled)
        return value, gradient

    weights: Floats = minimize(loss, np.zeros(len(spread)), jac=True, method="L-BFGS-B").x / spread
    return weights


def _turned(features: Floats, root: int) -> Floats:
    return np.concatenate([np.roll(features[:, :12], -root, axis=1), np.roll(features[:, 12:], -root, axis=1)], axis=1)


def _named(names: Sequence[str], values: Floats) -> dict[str, float]:
    return {name: round(float(value), 2) for name, value in zip(names, values, strict=True)}


def _rounded(values: Floats) -> list[float]:
    return [round(float(value), 2) + 0.0 for value in values]


def _yaml(weights: dict[str, object]) -> str:
    head = "# Written by `python -m benchmarks.music_fit`; degrees are in semitones over the root or the tonic.\n"
    return head + yaml.safe_dump(weights, sort_keys=False, default_flow_style=None, width=118)


if __name__ == "__main__":
    main()
