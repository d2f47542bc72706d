"""Evaluates music backends on a folder of labelled pieces, with the measures of mir_eval.

The folder has audio files and `pieces.jsonl`, one `MusicTruth` per line, as written by
`python -m benchmarks.rendered_music`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soundseam.annotators.base import Backend
from soundseam.pipeline.evaluation.labelled import read_list
from soundseam.pipeline.evaluation.loop import (
    Annotating,
    Finding,
    Labelled,
    Scorer,
    Scores,
    Timing,
    evaluate,
    read_labelled,
)
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.event import Branch
from soundseam.schemas.music import MusicFacts, Rhythm, Tonality
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan

MEASURES = (
    "beat_f",
    "downbeat_f",
    "tempo_exact",
    "tempo_octave",
    "tempo_p",
    "meter",
    "key",
    "chords_root",
    "chords_majmin",
    "chords_sevenths",
    "sections_f_500ms",
    "sections_f_3s",
)
FIELD_OF = {
    **dict.fromkeys(("beat_f", "downbeat_f", "tempo_exact", "tempo_octave", "tempo_p", "meter"), "rhythm"),
    "key": "tonality",
    **dict.fromkeys(("chords_root", "chords_majmin", "chords_sevenths"), "chords"),
    **dict.fromkeys(("sections_f_500ms", "sections_f_3s"), "sections"),
}
"""measure → the field of `MusicFacts` that it scores."""
_TEMPO_TOLERANCE = 0.04
"""As in MIREX's accuracy; its P-score allows 8 %."""


class TrueSpan(Record):
    start_ms: int
    end_ms: int
    label: str


class MusicTruth(Record):
    """The truth about one file; null or empty fields are not measured."""

    file: str
    key: str | None = Field(default=None, description="as in A minor")
    tempo_bpm: float | None = None
    beats_per_bar: int | None = None
    tuning_cents: float | None = None
    beats_ms: tuple[int, ...] = ()
    downbeats_ms: tuple[int, ...] = ()
    chords: tuple[TrueSpan, ...] = Field(default=(), description="labels in Harte's notation")
    sections: tuple[TrueSpan, ...] = Field(default=(), description="equal labels where a section repeats")


def cut_truth(truth: MusicTruth, span: TimeSpan) -> MusicTruth:
    """The part of `truth` inside `span`, with the tempo of its own beats; times stay the piece's."""
    beats = tuple(beat for beat in truth.beats_ms if span.start_ms <= beat < span.end_ms)
    tempo = 60_000 / float(np.median(np.diff(beats))) if len(beats) >= 4 else None
    return truth.model_copy(
        update={
            "beats_ms": beats,
            "tempo_bpm": tempo if truth.tempo_bpm is not None else None,
            "downbeats_ms": tuple(beat for beat in truth.downbeats_ms if span.start_ms <= beat < span.end_ms),
            "chords": _cut_spans(truth.chords, span),
            "sections": _cut_spans(truth.sections, span),
        }
    )


def score_facts(facts: MusicFacts, truth: MusicTruth, span: TimeSpan) -> dict[str, float]:
    """Each of `MEASURES` that `truth` allows. A null field of `facts` scores 0."""
    scores: dict[str, float] = {}
    with warnings.catch_warnings():
        # mir_eval warns about empty answers, which count as 0 here.
        warnings.simplefilter("ignore")
        scores |= _rhythm_scores(facts.rhythm, truth)
        if truth.key is not None:
            scores["key"] = _key_score(facts.tonality, truth.key)
        if truth.chords:
            scores |= _chord_scores(facts, truth, span)
        if len(truth.sections) > 1:
            scores |= _section_scores(facts, truth)
    return scores


def _cut_spans(spans: Sequence[TrueSpan], span: TimeSpan) -> tuple[TrueSpan, ...]:
    parts = ((TimeSpan(one.start_ms, one.end_ms).intersection(span), one.label) for one in spans)
    return tuple(
        TrueSpan(start_ms=part.start_ms, end_ms=part.end_ms, label=label) for part, label in parts if part.duration_ms
    )


def _rhythm_scores(rhythm: Rhythm | None, truth: MusicTruth) -> dict[str, float]:
    import mir_eval

    scores: dict[str, float] = {}
    beats = _seconds(rhythm.beats_ms if rhythm else ())
    downbeats = _seconds(rhythm.downbeats_ms if rhythm else ())
    if len(truth.beats_ms) >= 4:
        scores["beat_f"] = float(mir_eval.beat.f_measure(_seconds(truth.beats_ms), beats))
    if len(truth.downbeats_ms) >= 2:
        scores["downbeat_f"] = float(mir_eval.beat.f_measure(_seconds(truth.downbeats_ms), downbeats))
    if truth.beats_per_bar is not None:
        scores["meter"] = float(rhythm is not None and rhythm.beats_per_bar == truth.beats_per_bar)
    if truth.tempo_bpm is not None:
        scores |= _tempo_scores(rhythm, truth.tempo_bpm)
    return scores


def _tempo_scores(rhythm: Rhythm | None, true_bpm: float) -> dict[str, float]:
    import mir_eval

    if rhythm is None or rhythm.tempo_bpm is None:
        return {"tempo_exact": 0.0, "tempo_octave": 0.0, "tempo_p": 0.0}
    alternative = next(iter(rhythm.tempo_alternatives_bpm), rhythm.tempo_bpm)
    guesses = np.array(sorted([rhythm.tempo_bpm, alternative]))
    # There is one true tempo: the other one of mir_eval's pair has no weight.
    p_score, _, _ = mir_eval.tempo.detection(np.array([true_bpm / 2, true_bpm]), 0.0, guesses)
    ratios = [rhythm.tempo_bpm / (true_bpm * factor) for factor in (1.0, 0.5, 2.0)]
    within = [abs(ratio - 1) <= _TEMPO_TOLERANCE for ratio in ratios]
    return {"tempo_exact": float(within[0]), "tempo_octave": float(any(within)), "tempo_p": float(p_score)}


def _key_score(tonality: Tonality | None, true_key: str) -> float:
    import mir_eval

    if tonality is None or tonality.tonic is None:
        return 0.0
    return float(mir_eval.key.weighted_score(true_key, f"{tonality.tonic} {tonality.mode}"))


def _chord_scores(facts: MusicFacts, truth: MusicTruth, span: TimeSpan) -> dict[str, float]:
    import mir_eval

    answered = [TrueSpan(start_ms=c.start_ms, end_ms=c.end_ms, label=c.label) for c in facts.chords or ()]
    # mir_eval's own crop leaves an empty chord if one ends exactly at the truth's start, and then refuses it.
    chords = _cut_spans(answered, TimeSpan(truth.chords[0].start_ms, truth.chords[-1].end_ms))
    if not chords:
        chords = (TrueSpan(start_ms=span.start_ms, end_ms=span.end_ms, label="N"),)
    scores = mir_eval.chord.evaluate(*_intervals(truth.chords), *_intervals(chords))
    return {f"chords_{name}": float(scores[name]) for name in ("root", "majmin", "sevenths")}


def _section_scores(facts: MusicFacts, truth: MusicTruth) -> dict[str, float]:
    import mir_eval

    sections = [TrueSpan(start_ms=s.start_ms, end_ms=s.end_ms, label=s.label) for s in facts.sections or ()]
    if not sections:
        return {"sections_f_500ms": 0.0, "sections_f_3s": 0.0}
    true, found = _intervals(truth.sections)[0], _intervals(sections)[0]
    return {
        name: float(mir_eval.segment.detection(true, found, window=window, trim=True)[2])
        for name, window in (("sections_f_500ms", 0.5), ("sections_f_3s", 3.0))
    }


def _intervals(spans: Sequence[TrueSpan]) -> tuple[NDArray[np.float64], list[str]]:
    return np.array([[span.start_ms / 1000, span.end_ms / 1000] for span in spans]), [span.label for span in spans]


def _seconds(times_ms: Sequence[int]) -> NDArray[np.float64]:
    return np.asarray(times_ms, dtype=np.float64) / 1000


LIST = "pieces.jsonl"
_SHORTEST_MS = 5_000


class PieceScores(Record):
    """Each measure of one piece, in [0, 1]: the mean over its clips with a truth for it; None if there are none."""

    file: str
    scores: tuple[tuple[str, float | None], ...]


class BackendScores(Scores):
    """`means` has the mean over the pieces, and over how many, of each measure that the backend answers."""

    backend: str
    pieces: tuple[PieceScores, ...]
    means: tuple[tuple[str, float, int], ...]
    times_real_time: float

    def mean(self, measure: str) -> float | None:
        return next((mean for name, mean, _ in self.means if name == measure), None)

    def figures(self) -> Iterator[tuple[str, float | None]]:
        yield from ((measure, self.mean(measure)) for measure in MEASURES)
        yield "times_real_time", self.times_real_time


class MusicEvaluation(Record):
    """One line per backend, in the configuration's order."""

    pieces: int
    audio_s: float
    backends: tuple[BackendScores, ...]


def evaluate_music(
    folder: Path, backends: Sequence[Backend[MusicFacts]], clip_s: float | None = 30.0
) -> MusicEvaluation:
    """Scores of each of `backends`.

    Pieces are cut into clips of `clip_s`, as segments are (a last one under 5 s joins the one before); None, and a
    backend that takes whole recordings, take whole pieces. Of what a backend answers for any clip, a clip that it
    leaves null, or rejects, scores 0. Raises LabelledFolderError if the folder is not in the format.
    """
    cut = partial(clip_spans, clip_s=clip_s)
    truths = tuple(read_list(folder / LIST, MusicTruth))
    systems = {backend.backend: Annotating(backend, None if backend.takes_recordings else cut) for backend in backends}
    scorer = MusicScorer(systems)
    timing = evaluate(read_labelled(folder, truths if systems else (), Branch.MUSIC), systems, scorer)
    return MusicEvaluation(pieces=len(truths), audio_s=round(timing.audio_s, 1), backends=tuple(scorer.scores(timing)))


def clip_spans(duration_ms: int, clip_s: float | None) -> Iterator[TimeSpan]:
    length = duration_ms if clip_s is None else round(1000 * clip_s)
    start = 0
    while start < duration_ms:
        end = start + length
        if duration_ms - end < _SHORTEST_MS:
            end = duration_ms
        yield TimeSpan(start, end)
        start = end


class MusicScorer(Scorer[Labelled[MusicTruth], list[Finding]]):
    """Judges the facts of each clip by the part of the truth inside it."""

    def __init__(self, systems: Iterable[str]) -> None:
        self._pieces: dict[str, list[PieceScores]] = {name: [] for name in systems}
        self._answered: dict[str, set[str]] = {name: set() for name in self._pieces}

    def add(self, system: str, item: Labelled[MusicTruth], answer: list[Finding]) -> None:
        found: dict[str, list[float]] = {measure: [] for measure in MEASURES}
        for finding in answer:
            facts = finding.row if isinstance(finding.row, MusicAnnotation) else MusicFacts()
            self._answered[system] |= {name for name in MusicFacts.model_fields if getattr(facts, name) is not None}
            span = finding.segment.span
            for measure, value in score_facts(facts, cut_truth(item.truth, span), span).items():
                found[measure].append(value)
        means = tuple((name, round(float(np.mean(values)), 4) if values else None) for name, values in found.items())
        self._pieces[system].append(PieceScores(file=item.truth.file, scores=means))

    def scores(self, timing: Timing) -> Iterator[BackendScores]:
        """One a backend, in order."""
        for name, pieces in self._pieces.items():
            answered = [measure for measure in MEASURES if FIELD_OF[measure] in self._answered[name]]
            yield BackendScores(
                backend=name,
                pieces=tuple(pieces),
                means=_means(pieces, answered),
                times_real_time=timing.times_real_time(name),
            )


def _means(pieces: Sequence[PieceScores], measures: Sequence[str]) -> tuple[tuple[str, float, int], ...]:
    means = []
    for measure in measures:
        values = [value for piece in pieces for name, value in piece.scores if name == measure and value is not None]
        if values:
            means.append((measure, round(float(np.mean(values)), 4), len(values)))
    return tuple(means)
