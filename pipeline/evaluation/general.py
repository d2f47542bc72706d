"""Evaluates general-audio backends on a folder of labelled sounds.

The folder has audio files and `sounds.jsonl`, one `SoundTruth` per line, as written by
`python -m benchmarks.rendered_sounds`; or `scenes.jsonl`, whose events only have a branch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from soundseam.annotators.base import Backend
from soundseam.annotators.detection.base import Detector
from soundseam.pipeline.cutting.route import BRANCH_OF
from soundseam.pipeline.evaluation.event_scores import LabelledSpan, Scene, score_events
from soundseam.pipeline.evaluation.labelled import (
    LabelledFolderError,
    LabelledScene,
    read_labelled_folder,
    read_list,
)
from soundseam.pipeline.evaluation.loop import (
    DETECTION,
    Annotating,
    Detecting,
    Finding,
    Labelled,
    Scorer,
    Scores,
    Timing,
    TruthT,
    evaluate,
    mean_of,
    read_labelled,
)
from soundseam.schemas.annotation import GeneralAnnotation
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.record import Record
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
    detected = [
        (str(event.event_class if by_class else BRANCH_OF[event.event_class]), event.span)
        for event in found
        if not event.is_bed
    ]
    return Scene([LabelledSpan(*one) for one in called], [LabelledSpan(*one) for one in detected])


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


class BackendScores(Scores):
    """One backend's scores over all recordings; None if it does not answer, or no truth is known."""

    backend: str
    rejected: int
    event_f1: float | None = Field(description="of its events by class, or by branch if no class is known")
    second_f1: float | None = Field(description="the same, second by second")
    named: float | None = Field(
        description="share of the true events of which half is covered by an event with the right name"
    )
    measures: tuple[tuple[str, float | None], ...] = Field(description="mean error, or share, of each measure")
    times_real_time: float

    def figures(self) -> Iterator[tuple[str, float | None]]:
        for name, value in super().figures():
            yield from self.measures if name == "measures" else [(name, value)]


class GeneralEvaluation(Record):
    """One line per backend, the detection stage first."""

    recordings: int
    audio_s: float
    backends: tuple[BackendScores, ...]


def evaluate_general(
    folder: Path, backends: Sequence[Backend[GeneralFacts]], detectors: Sequence[Detector]
) -> GeneralEvaluation:
    """Runs `detectors`, then `backends` on each whole recording, in order.

    Raises LabelledFolderError if the folder is not in the format.
    """
    truths = read_sounds(folder)
    systems = systems_of(backends, detectors)
    scorer = GeneralScorer(systems, by_class=knows_classes(truths))
    timing = evaluate(read_labelled(folder, truths, Branch.GENERAL), systems, scorer)
    return GeneralEvaluation(
        recordings=timing.items, audio_s=round(timing.audio_s, 1), backends=tuple(scorer.scores(timing))
    )


def systems_of(
    backends: Sequence[Backend[GeneralFacts]], detectors: Sequence[Detector]
) -> dict[str, Callable[[Labelled[TruthT]], list[Finding]]]:
    """The detection stage, then each of `backends`."""
    return {DETECTION: Detecting(detectors), **{backend.backend: Annotating(backend) for backend in backends}}


def events_of(finding: Finding) -> tuple[Event, ...] | None:
    """The events that a system found; None for one that finds none."""
    if not isinstance(finding.row, GeneralAnnotation):
        return finding.events
    found = finding.row.events if finding.row.events is not None else finding.row.tagged
    return None if found is None else tuple(found)


@dataclass
class _Tally:
    """What is summed up for one system."""

    rejected: int = 0
    found: list[tuple[SoundTruth, tuple[Event, ...]]] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)


class GeneralScorer(Scorer[Labelled[SoundTruth], list[Finding]]):
    """Counts events and measures against the truth."""

    def __init__(self, systems: Iterable[str], by_class: bool) -> None:
        self._tallies = {name: _Tally() for name in systems}
        self._by_class = by_class

    def add(self, system: str, item: Labelled[SoundTruth], answer: list[Finding]) -> None:
        tally, (finding,) = self._tallies[system], answer
        if (events := events_of(finding)) is not None:
            tally.found.append((item.truth, events))
        row = finding.row
        if isinstance(row, GeneralAnnotation):
            for measure, value in measure_facts(row, item.truth, is_repetition_measured=row.events is not None):
                tally.values.setdefault(measure, []).append(value)
        elif finding.events is None:
            tally.rejected += 1

    def scores(self, timing: Timing) -> Iterator[BackendScores]:
        """One a system, in order."""
        labels = list(map(str, EventClass if self._by_class else Branch))
        for name, tally in self._tallies.items():
            scenes = [scene_of(truth, found, self._by_class) for truth, found in tally.found]
            events = score_events(scenes, labels)
            yield BackendScores(
                backend=name,
                rejected=tally.rejected,
                event_f1=events.by_event if events else None,
                second_f1=events.by_second if events else None,
                named=mean_of([share for truth, found in tally.found for share in named_shares(truth, found)]),
                measures=tuple((measure, mean_of(tally.values.get(measure, []))) for measure in MEASURES),
                times_real_time=timing.times_real_time(name),
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
