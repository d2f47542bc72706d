"""How well general-audio backends do on a folder of sounds of which something is known.

The folder holds audio files and `sounds.jsonl`, one `SoundTruth` a line, as `python -m benchmarks.rendered_sounds`
writes it; or `scenes.jsonl`, whose events are known by branch alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from pydantic import Field

from annotators.base import Annotator, Backend, Samples
from annotators.detection.base import Detector
from annotators.waveform import DETECTION_RATE_HZ, InMemory
from pipeline.annotate import annotate_clips, annotation_row
from pipeline.cutting.route import profile_of
from pipeline.cutting.segmentation import combine
from pipeline.evaluation.event_scores import score_events
from pipeline.evaluation.general_measures import (
    MEASURES,
    SoundTruth,
    TrueSound,
    knows_classes,
    measure_facts,
    named_shares,
    scene_of,
)
from pipeline.evaluation.labelled_audio import LabelledFolderError, LabelledScene, read_labelled_folder
from pipeline.evaluation.whole_recordings import at_rate, clip_for, read_list, read_mono, segment_for
from schemas.annotation import GeneralAnnotation
from schemas.event import Branch, Event, EventClass
from schemas.general import GeneralFacts
from schemas.record import Record
from schemas.segment import Segment
from schemas.timespan import TimeSpan

LIST = "sounds.jsonl"
DETECTION = "detection"


class BackendScores(Record):
    """What one backend reached over all recordings; None where it says nothing of the kind, or no truth is known."""

    backend: str
    rejected: int
    event_f1: float | None = Field(description="of its events by class, or by branch where no class is known")
    second_f1: float | None = Field(description="the same, second by second")
    named: float | None = Field(description="share of the true events that one of its events names, half of the time")
    measures: tuple[tuple[str, float | None], ...] = Field(description="mean error, or share, of each measure")
    times_real_time: float


class GeneralEvaluation(Record):
    """One line a backend, the detection stage first."""

    recordings: int
    audio_s: float
    backends: tuple[BackendScores, ...]


@dataclass
class _Tally:
    """What is summed up for one backend."""

    seconds: float = 0.0
    rejected: int = 0
    found: list[tuple[SoundTruth, tuple[Event, ...]]] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)


def evaluate_general(
    folder: Path, backends: Sequence[Backend[GeneralFacts]], detectors: Sequence[Detector]
) -> GeneralEvaluation:
    """`detectors` say what happens, then `backends` hear each recording whole, in order.

    Raises LabelledFolderError where the folder is not in the format.
    """
    truths = read_sounds(folder)
    loaded = [(backend, backend.load()) for backend in backends]
    tallies = {name: _Tally() for name in (DETECTION, *(backend.backend for backend in backends))}
    audio_s = 0.0
    for truth in truths:
        audio = read_mono(folder / truth.file)
        audio_s += audio[0].size / audio[1]
        segment = _detect(truth, audio, detectors, tallies[DETECTION])
        _annotate(truth, segment, audio, loaded, tallies)
    by_class = knows_classes(truths)
    return GeneralEvaluation(
        recordings=len(truths),
        audio_s=round(audio_s, 1),
        backends=tuple(_scores(name, tally, audio_s, by_class) for name, tally in tallies.items()),
    )


def read_sounds(folder: Path) -> tuple[SoundTruth, ...]:
    """Raises LabelledFolderError where neither list is there, or a line does not fit."""
    if (folder / LIST).is_file():
        return tuple(read_list(folder / LIST, SoundTruth))
    if not (folder / "scenes.jsonl").is_file():
        raise LabelledFolderError(f"{folder} has neither {LIST} nor scenes.jsonl")
    return tuple(map(_of_scene, read_labelled_folder(folder).scenes))


def _of_scene(scene: LabelledScene) -> SoundTruth:
    events = (event for event in scene.events if event.role == "foreground")
    return SoundTruth(
        file=scene.file,
        events=tuple(TrueSound(branch=event.cls, onset=event.onset, offset=event.offset) for event in events),
    )


def _detect(truth: SoundTruth, audio: tuple[Samples, int], detectors: Sequence[Detector], tally: _Tally) -> Segment:
    """The recording as one segment, with what the detectors find in it."""
    mono, rate_hz = audio
    started = time.perf_counter()
    waveform = InMemory(at_rate(mono, rate_hz, DETECTION_RATE_HZ))
    events = combine([detector.detect(waveform) for detector in detectors]).events
    tally.seconds += time.perf_counter() - started
    tally.found.append((truth, events))
    span = TimeSpan(0, mono.size * 1000 // rate_hz)
    return segment_for(truth.file, span, Branch.GENERAL, events, profile_of(events, span))


def _annotate(
    truth: SoundTruth,
    segment: Segment,
    audio: tuple[Samples, int],
    loaded: Sequence[tuple[Backend[GeneralFacts], Annotator[GeneralFacts]]],
    tallies: Mapping[str, _Tally],
) -> None:
    rows: list[GeneralAnnotation] = []
    for backend, annotator in loaded:
        tally = tallies[backend.backend]
        before = tuple(rows) if backend.reads_annotations else ()
        clip = replace(clip_for(backend, segment, *audio), annotations=before)
        started = time.perf_counter()
        (answer,) = annotate_clips(annotator, [clip])
        tally.seconds += time.perf_counter() - started
        row = annotation_row(backend, "", segment, answer)
        if not isinstance(row, GeneralAnnotation):
            tally.rejected += 1
            continue
        rows.append(row)
        if (events := row.events if row.events is not None else row.tagged) is not None:
            tally.found.append((truth, tuple(events)))
        for measure, value in measure_facts(row, truth, is_repetition_measured=row.events is not None):
            tally.values.setdefault(measure, []).append(value)


def _scores(backend: str, tally: _Tally, audio_s: float, by_class: bool) -> BackendScores:
    labels = list(EventClass) if by_class else list(Branch)
    events = score_events([scene_of(truth, found, by_class) for truth, found in tally.found], list(map(str, labels)))
    named = [share for truth, found in tally.found for share in named_shares(truth, found)]
    return BackendScores(
        backend=backend,
        rejected=tally.rejected,
        event_f1=events.by_event if events else None,
        second_f1=events.by_second if events else None,
        named=_mean(named),
        measures=tuple((measure, _mean(tally.values.get(measure, []))) for measure in MEASURES),
        times_real_time=round(audio_s / max(tally.seconds, 1e-6), 1),
    )


def _mean(values: Sequence[float]) -> float | None:
    return round(fmean(values), 4) if values else None
