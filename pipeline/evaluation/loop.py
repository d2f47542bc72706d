"""The one loop of every evaluation: labelled recordings, the systems that are measured, and a scorer that counts.

`evaluate` runs each system on each recording and times it; a scorer adds up the answers; `score_table` puts the scores
side by side.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Generic, NamedTuple, Protocol, TypeVar

from soundseam.annotators.base import (
    DETECTION_RATE_HZ,
    AnnotationError,
    Backend,
    InMemory,
    RecordingAnnotator,
    Samples,
)
from soundseam.annotators.detection.base import Detector
from soundseam.pipeline.cutting.route import profile_of
from soundseam.pipeline.cutting.segmentation import combine
from soundseam.pipeline.evaluation.labelled import at_rate, clip_for, read_mono, segment_for
from soundseam.pipeline.stages.annotate import Answer, annotate_clips, annotation_row
from soundseam.schemas.annotation import Annotation, Facts
from soundseam.schemas.event import Branch, Event
from soundseam.schemas.record import Record
from soundseam.schemas.recording import Rejected
from soundseam.schemas.segment import Segment
from soundseam.schemas.timespan import TimeSpan

DETECTION = "detection"
"""What the detectors of a configuration are called among the systems."""


class Timed(Protocol):
    """Anything that lasts."""

    @property
    def seconds(self) -> float: ...


class File(Protocol):
    """A line of a list of labelled recordings."""

    @property
    def file(self) -> str: ...


ItemT = TypeVar("ItemT", bound=Timed)
TruthT = TypeVar("TruthT", bound=File)
AnswerT = TypeVar("AnswerT")


class Scores(Record):
    """What one system reached. The first field is its name."""

    @property
    def name(self) -> str:
        return str(getattr(self, next(iter(type(self).model_fields))))

    def figures(self) -> Iterator[tuple[str, float | None]]:
        """What is printed of it: every field but the name."""
        for name in list(type(self).model_fields)[1:]:
            yield name, getattr(self, name)


class Scorer(ABC, Generic[ItemT, AnswerT]):
    """Counts the answers of systems, one after the other."""

    @abstractmethod
    def add(self, system: str, item: ItemT, answer: AnswerT) -> None:
        """Takes in what a system answers for one recording."""


@dataclass
class Timing:
    """How much audio was processed, and how long each system took for it."""

    items: int = 0
    audio_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    def times_real_time(self, system: str) -> float:
        return round(self.audio_s / max(self.seconds.get(system, 0.0), 1e-6), 1)


def evaluate(
    items: Iterable[ItemT], systems: Mapping[str, Callable[[ItemT], AnswerT]], scorer: Scorer[ItemT, AnswerT]
) -> Timing:
    """Runs `systems` in order on each of `items`, one recording in memory at a time."""
    timing = Timing(seconds=dict.fromkeys(systems, 0.0))
    for item in items:
        timing.items += 1
        timing.audio_s += item.seconds
        for name, system in systems.items():
            started = time.perf_counter()
            answer = system(item)
            timing.seconds[name] += time.perf_counter() - started
            scorer.add(name, item, answer)
    return timing


def mean_of(values: Sequence[float]) -> float | None:
    """Their mean, to four digits; None if there are none."""
    return round(fmean(values), 4) if values else None


class ScoreTable(NamedTuple):
    """A title, the systems, and each figure with a value for each of them."""

    title: str
    systems: list[str]
    rows: list[tuple[str, list[float | None]]]


def score_table(title: str, scores: Sequence[Scores]) -> ScoreTable:
    """Systems side by side; the figures are those of the first, in its order."""
    columns = [dict(score.figures()) for score in scores]
    rows = [(name, [column.get(name) for column in columns]) for name in (columns[0] if columns else ())]
    return ScoreTable(title, [score.name for score in scores], rows)


@dataclass
class Labelled(Generic[TruthT]):
    """One recording with its truth, and what systems have found in it so far."""

    truth: TruthT
    mono: Samples
    rate_hz: int
    branch: Branch
    events: tuple[Event, ...] = ()
    rows: dict[str, tuple[Annotation, ...]] = field(default_factory=dict)
    """segment_id → rows of the backends before, in their order."""

    @property
    def duration_ms(self) -> int:
        return len(self.mono) * 1000 // self.rate_hz

    @property
    def seconds(self) -> float:
        return len(self.mono) / self.rate_hz

    @cached_property
    def waveform(self) -> InMemory:
        """The recording at 16 kHz."""
        return InMemory(at_rate(self.mono, self.rate_hz, DETECTION_RATE_HZ))

    def segment(self, span: TimeSpan | None = None) -> Segment:
        """`span` of the recording, or all of it, with its events."""
        inside = span or TimeSpan(0, self.duration_ms)
        return segment_for(self.truth.file, inside, self.branch, self.events, profile_of(self.events, inside))


def read_labelled(folder: Path, truths: Iterable[TruthT], branch: Branch) -> Iterator[Labelled[TruthT]]:
    """The recordings of `truths`, read one by one. Raises LabelledFolderError for what is no audio."""
    for truth in truths:
        yield Labelled(truth, *read_mono(folder / truth.file), branch)


class Finding(NamedTuple):
    """What a system says of one segment: events, a row, both, or nothing if it was rejected."""

    segment: Segment
    events: tuple[Event, ...] | None
    row: Annotation | None


class Detecting:
    """Detectors as a system: they find the events that the backends after them are given."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = detectors

    def __call__(self, item: Labelled[TruthT]) -> list[Finding]:
        item.events = combine([detector.detect(item.waveform) for detector in self._detectors]).events
        return [Finding(item.segment(), item.events, None)]


class Annotating:
    """A backend as a system.

    `spans` gives, by the length of a recording in ms, the parts of it that the backend is asked about; without it, all.
    """

    def __init__(self, backend: Backend[Facts], spans: Callable[[int], Iterable[TimeSpan]] | None = None) -> None:
        self._backend = backend
        self._annotator = backend.load()
        self._spans = spans

    def __call__(self, item: Labelled[TruthT]) -> list[Finding]:
        spans = self._spans(item.duration_ms) if self._spans else [None]
        segments = [item.segment(span) for span in spans]
        return [self._finding(item, *pair) for pair in self._answers(item, segments)]

    def _answers(self, item: Labelled[TruthT], segments: Sequence[Segment]) -> Iterator[tuple[Segment, Answer]]:
        if self._backend.takes_recordings:
            if not isinstance(self._annotator, RecordingAnnotator):
                raise TypeError(f"{self._backend.backend} takes recordings, and its annotator does not")
            try:
                yield from zip(segments, self._annotator.annotate_recording(item.waveform, segments), strict=True)
            except AnnotationError as error:
                yield from ((segment, error) for segment in segments)
            return
        for segment in segments:
            before = item.rows.get(segment.segment_id, ()) if self._backend.reads_annotations else ()
            clip = replace(clip_for(self._backend, segment, item.mono, item.rate_hz), annotations=before)
            yield segment, annotate_clips(self._annotator, [clip])[0]

    def _finding(self, item: Labelled[TruthT], segment: Segment, answer: Answer) -> Finding:
        row = annotation_row(self._backend, "", segment, answer)
        if isinstance(row, Rejected):
            return Finding(segment, None, None)
        item.rows[segment.segment_id] = (*item.rows.get(segment.segment_id, ()), row)
        return Finding(segment, None, row)
