"""How well music backends do on a folder of pieces whose truth is known, with the measures of mir_eval.

The folder holds audio files and `pieces.jsonl`, one `MusicTruth` a line, as `python -m benchmarks.rendered_music`
writes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from annotators.base import Annotator, Backend, Samples
from annotators.waveform import DETECTION_RATE_HZ, InMemory
from pipeline.evaluation.music_measures import FIELD_OF, MEASURES, MusicTruth, cut_truth, score_facts
from pipeline.evaluation.whole_recordings import at_rate, clip_for, read_list, read_mono, segment_for
from schemas.event import Branch
from schemas.music import MusicFacts
from schemas.record import Record
from schemas.timespan import TimeSpan

LIST = "pieces.jsonl"
_SHORTEST_MS = 5_000


class PieceScores(Record):
    """Each measure of one piece, in [0, 1]: the mean over its clips that have a truth for it; None where none has."""

    file: str
    scores: tuple[tuple[str, float | None], ...]


class BackendScores(Record):
    """`means` has the mean over the pieces, and over how many, of each measure that the backend answers."""

    backend: str
    pieces: tuple[PieceScores, ...]
    means: tuple[tuple[str, float, int], ...]
    times_real_time: float

    def mean(self, measure: str) -> float | None:
        return next((mean for name, mean, _ in self.means if name == measure), None)


class MusicEvaluation(Record):
    """One line a backend, in the configuration's order."""

    pieces: int
    audio_s: float
    backends: tuple[BackendScores, ...]


def evaluate_music(
    folder: Path, backends: Sequence[Backend[MusicFacts]], clip_s: float | None = 30.0
) -> MusicEvaluation:
    """Answers of each of `backends` against the truth.

    Pieces are cut into clips of `clip_s`, as segments are (a last one under 5 s joins the one before); None, and a
    backend that hears whole recordings, take whole pieces. Of what a backend answers for any clip, a clip that it
    leaves null scores 0. Raises LabelledFolderError where the folder is not in the format.
    """
    truths = tuple(read_list(folder / LIST, MusicTruth))
    scored = tuple(_evaluate_backend(folder, truths, backend, clip_s) for backend in backends)
    audio_s = sum(duration for _, duration in scored[:1])
    return MusicEvaluation(
        pieces=len(truths), audio_s=round(audio_s, 1), backends=tuple(scores for scores, _ in scored)
    )


def clip_spans(duration_ms: int, clip_s: float | None) -> Iterator[TimeSpan]:
    length = duration_ms if clip_s is None else round(1000 * clip_s)
    start = 0
    while start < duration_ms:
        end = start + length
        if duration_ms - end < _SHORTEST_MS:
            end = duration_ms
        yield TimeSpan(start, end)
        start = end


def _evaluate_backend(
    folder: Path, truths: Sequence[MusicTruth], backend: Backend[MusicFacts], clip_s: float | None
) -> tuple[BackendScores, float]:
    """Its scores, and the seconds of audio that it heard."""
    annotator = backend.load()
    pieces, answered, seconds, audio_s = [], set[str](), 0.0, 0.0
    for truth in truths:
        mono, rate_hz = read_mono(folder / truth.file)
        audio_s += mono.size / rate_hz
        found: dict[str, list[float]] = {measure: [] for measure in MEASURES}
        for span in clip_spans(round(1000 * mono.size / rate_hz), None if backend.hears_recordings else clip_s):
            started = time.perf_counter()
            facts = _answer(annotator, backend, truth.file, span, (mono, rate_hz))
            seconds += time.perf_counter() - started
            answered |= {name for name in type(facts).model_fields if getattr(facts, name) is not None}
            for measure, value in score_facts(facts, cut_truth(truth, span), span).items():
                found[measure].append(value)
        means = tuple((name, round(float(np.mean(values)), 4) if values else None) for name, values in found.items())
        pieces.append(PieceScores(file=truth.file, scores=means))
    scores = BackendScores(
        backend=backend.backend,
        pieces=tuple(pieces),
        means=_means(pieces, [measure for measure in MEASURES if FIELD_OF[measure] in answered]),
        times_real_time=round(audio_s / max(seconds, 1e-6), 1),
    )
    return scores, audio_s


def _answer(
    annotator: Annotator[MusicFacts],
    backend: Backend[MusicFacts],
    file: str,
    span: TimeSpan,
    audio: tuple[Samples, int],
) -> MusicFacts:
    mono, rate_hz = audio
    segment = segment_for(file, span, Branch.MUSIC)
    if backend.hears_recordings:
        waveform = InMemory(at_rate(mono, rate_hz, DETECTION_RATE_HZ))
        return annotator.annotate_recording(waveform, [segment])[0]  # type: ignore[attr-defined, no-any-return]
    return annotator.annotate([clip_for(backend, segment, mono, rate_hz)])[0]


def _means(pieces: Sequence[PieceScores], measures: Sequence[str]) -> tuple[tuple[str, float, int], ...]:
    means = []
    for measure in measures:
        values = [value for piece in pieces for name, value in piece.scores if name == measure and value is not None]
        if values:
            means.append((measure, round(float(np.mean(values)), 4), len(values)))
    return tuple(means)
