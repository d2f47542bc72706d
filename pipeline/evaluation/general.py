"""Evaluates general-audio backends on a folder of labelled sounds.

The folder has audio files and `sounds.jsonl`, one `SoundTruth` per line, as written by
`python -m benchmarks.rendered_sounds`; or `scenes.jsonl`, whose events only have a branch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from pydantic import Field

from soundseam.annotators.base import DETECTION_RATE_HZ, Annotator, Backend, InMemory, Samples
from soundseam.annotators.detection.base import Detector
from soundseam.pipeline.cutting.route import BRANCH_OF, profile_of
from soundseam.pipeline.cutting.segmentation import combine
from soundseam.pipeline.evaluation.event_scores import LabelledSpan, Scene, score_events
from soundseam.pipeline.evaluation.labelled import (
    LabelledFolderError,
    LabelledScene,
    at_rate,
    clip_for,
    read_labelled_folder,
    read_list,
    read_mono,
    segment_for,
)
from soundseam.pipeline.stages.annotate import annotate_clips, annotation_row
from soundseam.schemas.annotation import GeneralAnnotation
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.record import Record
from soundseam.schemas.segment import Segment
from soundseam.schemas.timespan import TimeSpan

MEASURES = (
    "level_error_db",
    "silence_error",
    "bandwidth_error",
    "decay_error",
    "decay_found",
    "period_right",
)
_SAME_PERIOD = 0.1
_NAMED_SHARE = 0.5


class TrueSound(Record):
    """One event, with its class, or only its branch."""

    event_class: EventClass | None = Field(default=None, alias="class")
    branch: Branch
    label: str | None = None
    onset: float = Field(description="in s")
    offset: float = Field(description="in s")

    @property
    def span(self) -> TimeSpan:
        return TimeSpan(round(1000 * self.onset), round(1000 * self.offset))


class SoundTruth(Record):
    """The truth about one file; null fields are not measured."""

    file: str
    events: tuple[TrueSound, ...] = ()
    level_dbfs: float | None = None
    silence_share: float | None = None
    bandwidth_hz: int | None = None
    decay_time_ms: int | None = None
    period_ms: int | None = Field(default=None, description="of a sound that repeats; 0 if none does")


def scene_of(truth: SoundTruth, found: Sequence[Event], by_class: bool) -> Scene:
    """The events of one recording, labelled by class or by branch."""
    called = [(str(event.event_class if by_class else event.branch), event.span) for event in truth.events]
    heard = [
        (str(event.event_class if by_class else BRANCH_OF[event.event_class]), event.span)
        for event in found
        if not event.is_bed
    ]
    return Scene([LabelledSpan(*one) for one in called], [LabelledSpan(*one) for one in heard])


def knows_classes(truths: Sequence[SoundTruth]) -> bool:
    return all(event.event_class is not None for truth in truths for event in truth.events)


def named_shares(truth: SoundTruth, found: Sequence[Event]) -> Iterator[float]:
    """For each event with a label, whether an event with that name covers half of it."""
    for event in truth.events:
        if event.label is not None:
            same = [other.span for other in found if other.label.casefold() == event.label.casefold()]
            needed = _NAMED_SHARE * event.span.duration_ms
            yield float(any(event.span.overlap_ms(span) >= needed for span in same))


def measure_facts(facts: GeneralFacts, truth: SoundTruth, is_repetition_measured: bool) -> Iterator[tuple[str, float]]:
    """(measure, value) of each that `truth` and `facts` allow: an error, or whether it is right."""
    sound = facts.acoustics
    if sound is not None:
        if truth.level_dbfs is not None and sound.level_dbfs is not None:
            yield "level_error_db", abs(sound.level_dbfs - truth.level_dbfs)
        if truth.silence_share is not None:
            yield "silence_error", abs(sound.silence_share - truth.silence_share)
        if truth.bandwidth_hz and sound.bandwidth_hz is not None:
            yield "bandwidth_error", abs(sound.bandwidth_hz / truth.bandwidth_hz - 1)
        if truth.decay_time_ms:
            yield "decay_found", float(sound.decay_time_ms is not None)
            if sound.decay_time_ms is not None:
                yield "decay_error", abs(sound.decay_time_ms / truth.decay_time_ms - 1)
    if is_repetition_measured and truth.period_ms is not None:
        period = facts.repetition.period_ms if facts.repetition is not None else 0
        right = abs(period - truth.period_ms) <= _SAME_PERIOD * truth.period_ms
        yield "period_right", float(right)


LIST = "sounds.jsonl"
DETECTION = "detection"


class BackendScores(Record):
    """One backend's scores over all recordings; None if it gives no such value, or the truth is unknown."""

    backend: str
    rejected: int
    event_f1: float | None = Field(description="of its events by class, or by branch if no class is known")
    second_f1: float | None = Field(description="the same, second by second")
    named: float | None = Field(
        description="share of the true events of which half is covered by an event with the right name"
    )
    measures: tuple[tuple[str, float | None], ...] = Field(description="mean error, or share, of each measure")
    times_real_time: float


class GeneralEvaluation(Record):
    """One line per backend, the detection stage first."""

    recordings: int
    audio_s: float
    backends: tuple[BackendScores, ...]


@dataclass
class _Tally:
    """The sums for one backend."""

    seconds: float = 0.0
    rejected: int = 0
    found: list[tuple[SoundTruth, tuple[Event, ...]]] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)


def evaluate_general(
    folder: Path, backends: Sequence[Backend[GeneralFacts]], detectors: Sequence[Detector]
) -> GeneralEvaluation:
    """Runs `detectors`, then `backends` on each whole recording, in order.

    Raises LabelledFolderError if the folder is not in the format.
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
    """The recordings. Raises LabelledFolderError if neither list exists, or a line is invalid."""
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
    """The recording as one segment, with the detectors' events."""
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
