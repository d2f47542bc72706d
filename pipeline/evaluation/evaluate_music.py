"""How well music backends do on a folder of pieces whose truth is known, with the measures of mir_eval.

The folder holds audio files and `truth.jsonl`, one `MusicTruth` a line, as `python -m benchmarks.rendered_music` writes
it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from annotators.base import Annotator, Backend, Clip, Samples
from pipeline.evaluation.music_measures import MEASURES, MusicTruth, cut_truth, score_facts
from schemas.event import Branch
from schemas.music import MusicFacts
from schemas.record import Record
from schemas.segment import Boundary, Segment, segment_id_of
from schemas.timespan import TimeSpan

_EDGE = Boundary(reason="recording_edge", cost=0.0, before=None, after=None, gap_ms=0, forced=False)


class PieceScores(Record):
    """Each measure of one piece, in [0, 1]: the mean over its clips that have a truth for it; None where none has."""

    file: str
    scores: tuple[tuple[str, float | None], ...]


class MusicEvaluation(Record):
    """`means` has each measure's mean over the pieces, and over how many."""

    pieces: tuple[PieceScores, ...]
    means: tuple[tuple[str, float, int], ...]


def evaluate_music(
    folder: Path, backends: Sequence[Backend[MusicFacts]], clip_s: float | None = 30.0
) -> MusicEvaluation:
    """Answers of `backends` (a later one's fields win) against the truth.

    Pieces are cut into clips of `clip_s` (a last one under 5 s joins the one before), as segments are; None takes
    whole pieces, which the structure measures need. What a backend leaves null scores 0.
    """
    annotators = [(backend, backend.load()) for backend in backends]
    pieces = tuple(_evaluate_piece(folder, truth, annotators, clip_s) for truth in read_truths(folder))
    return MusicEvaluation(pieces=pieces, means=_means(pieces))


def read_truths(folder: Path) -> tuple[MusicTruth, ...]:
    """Raises FileNotFoundError without a truth.jsonl, pydantic.ValidationError where a line does not fit."""
    lines = (folder / "truth.jsonl").read_text().splitlines()
    return tuple(MusicTruth.model_validate(json.loads(line)) for line in lines if line.strip())


def _evaluate_piece(
    folder: Path,
    truth: MusicTruth,
    annotators: Sequence[tuple[Backend[MusicFacts], Annotator[MusicFacts]]],
    clip_s: float | None,
) -> PieceScores:
    samples, rate_hz = soundfile.read(folder / truth.file, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    found: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    for span in clip_spans(round(1000 * mono.size / rate_hz), clip_s):
        facts = MusicFacts()
        for backend, annotator in annotators:
            answer = annotator.annotate([_clip(truth.file, mono, rate_hz, span, backend)])[0]
            facts = facts.model_copy(update={k: getattr(answer, k) for k in answer.model_fields_set})
        for measure, value in score_facts(facts, cut_truth(truth, span), span).items():
            found[measure].append(value)
    means = tuple((name, round(float(np.mean(values)), 4) if values else None) for name, values in found.items())
    return PieceScores(file=truth.file, scores=means)


def clip_spans(duration_ms: int, clip_s: float | None) -> Iterator[TimeSpan]:
    length = duration_ms if clip_s is None else round(1000 * clip_s)
    start = 0
    while start < duration_ms:
        end = start + length
        if duration_ms - end < 5_000:
            end = duration_ms
        yield TimeSpan(start, end)
        start = end


def _clip(file: str, mono: Samples, rate_hz: int, span: TimeSpan, backend: Backend[MusicFacts]) -> Clip:
    target_hz = backend.sample_rate_hz or rate_hz
    part = mono[span.start_ms * rate_hz // 1000 : span.end_ms * rate_hz // 1000]
    resampled = soxr.resample(part, rate_hz, target_hz) if rate_hz != target_hz else part
    segment = Segment(
        segment_id=segment_id_of(file, span),
        recording_id=file,
        source_uri=file,
        start_ms=span.start_ms,
        end_ms=span.end_ms,
        branches=(Branch.MUSIC,),
        profile=(),
        events=(),
        start_boundary=_EDGE,
        end_boundary=_EDGE,
        license=None,
        language=None,
        metadata=None,
        config_key="",
    )
    return Clip(segment=segment, samples=resampled.astype(np.float32), sample_rate_hz=target_hz)


def _means(pieces: Sequence[PieceScores]) -> tuple[tuple[str, float, int], ...]:
    means = []
    for measure in MEASURES:
        values = [value for piece in pieces for name, value in piece.scores if name == measure and value is not None]
        if values:
            means.append((measure, round(float(np.mean(values)), 4), len(values)))
    return tuple(means)
