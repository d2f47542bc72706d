"""Evaluates segmentation and routing on a folder of labelled audio, compared with simple ways of cutting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from soundseam.annotators.base import DETECTION_RATE_HZ, Waveform
from soundseam.annotators.detection.activity import join_runs, runs_of
from soundseam.annotators.detection.base import Detector
from soundseam.pipeline.audio.decode import DecodeConfig, decode_recording
from soundseam.pipeline.cutting.route import BRANCH_OF
from soundseam.pipeline.cutting.segmentation import SegmentationConfig, combine, segment_detection
from soundseam.pipeline.evaluation.event_scores import (
    ConversationScore,
    FoundSegment,
    LabelledSpan,
    RoutingScore,
    Scene,
    SceneScore,
    Share,
    TrueEvent,
    score_events,
)
from soundseam.pipeline.evaluation.labelled import LabelledFolder
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan, covered_ms

ENERGY_HOP_MS = 20
ENERGY_RANGE_DB = 40.0

Baseline = Callable[[Waveform], tuple[list[TimeSpan], list[Event]]]
"""From a waveform to its segments and events; a method without event detection returns no events."""


def fixed(window_ms: int) -> Baseline:
    """Windows of one length, the last one shorter."""

    def cut(waveform: Waveform) -> tuple[list[TimeSpan], list[Event]]:
        duration_ms = waveform.num_samples * 1000 // DETECTION_RATE_HZ
        starts = range(0, duration_ms, window_ms)
        return [TimeSpan(start, min(start + window_ms, duration_ms)) for start in starts], []

    return cut


def energy(waveform: Waveform) -> tuple[list[TimeSpan], list[Event]]:
    """Each stretch within 40 dB of the loudest 20 ms, like many audio splitters."""
    hop = ENERGY_HOP_MS * DETECTION_RATE_HZ // 1000
    powers = []
    for block in waveform.blocks():
        count = len(block) // hop
        powers.append(np.square(block[: count * hop].reshape(count, hop)).mean(axis=1))
    level_db = 10.0 * np.log10(np.concatenate(powers) + 1e-18) if powers else np.zeros(0)
    runs = runs_of(level_db > level_db.max(initial=-180.0) - ENERGY_RANGE_DB)
    spans = [TimeSpan(first * ENERGY_HOP_MS, stop * ENERGY_HOP_MS) for first, stop in runs.tolist()]
    return spans, [_event(span, EventClass.SOURCE_AMBIGUOUS) for span in spans]


def speech_cuts(detector: Detector) -> Baseline:
    """Segments of speech and the time between them, as cut by a voice activity detector alone."""

    def cut(waveform: Waveform) -> tuple[list[TimeSpan], list[Event]]:
        duration_ms = waveform.num_samples * 1000 // DETECTION_RATE_HZ
        events = [event for event in detector.detect(waveform).events if event.event_class is EventClass.SPEECH]
        runs = join_runs(np.array([event.span for event in events], dtype=np.int64).reshape(-1, 2), 0)
        edges = sorted({0, duration_ms, *runs.ravel().tolist()})
        return [TimeSpan(start, end) for start, end in pairwise(edges)], events

    return cut


def _event(span: TimeSpan, event_class: EventClass) -> Event:
    return Event(
        event_class=event_class, label=str(event_class), onset_ms=span.start_ms, offset_ms=span.end_ms, score=1.0
    )


@dataclass(frozen=True)
class Answer:
    """The result of one method for one recording."""

    segments: tuple[FoundSegment, ...]
    events: tuple[Event, ...]


Method = Callable[["Waveform"], Answer]


class MethodScores(Record):
    """One line of the table; None if a method gives no such value or there was nothing to measure."""

    method: str
    cut: float | None
    recall: float | None
    change: float | None
    lost: float | None
    purity: float | None
    segments: int
    median_s: float | None
    longest_s: float | None
    event_f1: float | None
    inside_turn: float | None
    called_music: float | None
    among: tuple[tuple[Branch, float | None], ...]
    leading: tuple[tuple[Branch, float | None], ...]
    branches_per_segment: float | None


def evaluate_segmentation(
    folder: LabelledFolder, detectors: Sequence[Detector], config: SegmentationConfig, silero: Detector
) -> Iterator[MethodScores]:
    """The configured detectors and cut first, then fixed windows, energy and speech alone, by `silero`."""
    yield score_method("soundseam", folder, soundseam(detectors, config))
    yield score_method("fixed 10 s", folder, _cut_only(fixed(10_000)))
    yield score_method("fixed 30 s", folder, _cut_only(fixed(30_000)))
    yield score_method("energy", folder, _cut_only(energy))
    yield score_method("silero only", folder, _cut_only(speech_cuts(silero)))


def soundseam(detectors: Sequence[Detector], config: SegmentationConfig) -> Method:
    def answer(waveform: Waveform) -> Answer:
        scene = combine([detector.detect(waveform) for detector in detectors])
        duration_ms = waveform.num_samples * 1000 // 16_000
        drafts = segment_detection(scene, duration_ms, config)
        return Answer(tuple(FoundSegment(draft.span, draft.branches) for draft in drafts), scene.events)

    return answer


def _cut_only(baseline: Callable[[Waveform], tuple[list[TimeSpan], list[Event]]]) -> Method:
    def answer(waveform: Waveform) -> Answer:
        spans, events = baseline(waveform)
        return Answer(tuple(FoundSegment(span) for span in spans), tuple(events))

    return answer


def score_method(name: str, folder: LabelledFolder, method: Method) -> MethodScores:
    """All scores of one method."""
    scenes, conversation, routing = SceneScore(), ConversationScore(), RoutingScore()
    pairs: list[tuple[list[TrueEvent], tuple[Event, ...]]] = []
    for scene in folder.scenes:
        answer = _answer(folder.root / scene.file, method)
        scenes.add(scene.foreground, answer.segments, round(1000 * scene.duration))
        pairs.append((scene.foreground, answer.events))
    for talk in folder.conversations:
        with decode_recording(folder.root / talk.file, DecodeConfig()) as decoded:
            answer, duration_ms = method(decoded.waveform), decoded.duration_ms
        music = covered_ms(event.span for event in answer.events if event.event_class is EventClass.MUSIC)
        conversation.add(talk.spans, answer.segments, music, duration_ms)
    for clip in folder.clips:
        routing.add(clip.label, _answer(folder.root / clip.file, method).segments)
    has_events = any(events for _, events in pairs)
    routes = bool(routing.branches.part)
    return MethodScores(
        method=name,
        cut=scenes.cut.value,
        recall=scenes.recall.value,
        change=scenes.change.value,
        lost=scenes.lost.value,
        purity=scenes.purity.value,
        segments=len(scenes.lengths_ms),
        median_s=round(median(scenes.lengths_ms) / 1000, 2) if scenes.lengths_ms else None,
        longest_s=round(max(scenes.lengths_ms) / 1000, 2) if scenes.lengths_ms else None,
        event_f1=event_f1(pairs) if has_events else None,
        inside_turn=conversation.inside_turn.value,
        called_music=conversation.music.value if has_events else None,
        among=_by_branch(routing.among) if routes else (),
        leading=_by_branch(routing.leading) if routes else (),
        branches_per_segment=routing.branches.value if routes else None,
    )


def _answer(path: Path, method: Method) -> Answer:
    with decode_recording(path, DecodeConfig(min_recording_ms=0)) as decoded:
        return method(decoded.waveform)


def _by_branch(shares: dict[Branch, Share]) -> tuple[tuple[Branch, float | None], ...]:
    return tuple((branch, shares[branch].value) for branch in sorted(shares))


def event_f1(pairs: Sequence[tuple[Sequence[TrueEvent], Sequence[Event]]]) -> float | None:
    """Event-based F1 over all branches; None if sed_eval is not installed.

    Background events are not part of the truth, so a detected bed counts as an error.
    """
    scenes = [
        Scene(
            [LabelledSpan(event.label, event.span) for event in truth],
            [LabelledSpan(BRANCH_OF[event.event_class], event.span) for event in found if not event.is_bed],
        )
        for truth, found in pairs
    ]
    scores = score_events(scenes, list(Branch))
    return None if scores is None else scores.by_event


COLUMNS = ("method", "cut", "recall", "change", "lost", "purity", "segments", "median s", "longest s", "event F1")
TALK_COLUMNS = ("in a turn", "music")


def table_cells(scores: MethodScores) -> list[str]:
    """The cells of one line, under `table_columns()`."""
    branches = dict(scores.among), dict(scores.leading)
    values: list[str | float | None] = [
        scores.method, scores.cut, scores.recall, scores.change, scores.lost, scores.purity, scores.segments,
        scores.median_s, scores.longest_s, scores.event_f1, scores.inside_turn, scores.called_music,
    ]  # fmt: skip
    values += [branches[0].get(branch) for branch in Branch]
    values += [branches[1].get(branch) for branch in Branch]
    values.append(scores.branches_per_segment)
    return ["-" if value is None else str(value) for value in values]


def table_columns() -> list[str]:
    """Headings of the table: scenes, conversations, then routing of single clips."""
    routed = [f"{branch} routed" for branch in Branch] + [f"{branch} first" for branch in Branch]
    return [*COLUMNS, *TALK_COLUMNS, *routed, "branches"]
