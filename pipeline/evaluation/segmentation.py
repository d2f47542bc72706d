"""Evaluates segmentation and routing on a folder of labelled audio, compared with simple ways of cutting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
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
from soundseam.pipeline.evaluation.labelled import Conversation, LabelledClip, LabelledFolder, LabelledScene
from soundseam.pipeline.evaluation.loop import Scorer, Scores, evaluate
from soundseam.schemas.event import Branch, Event, EventClass
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


class MethodScores(Scores):
    """One line of the table; None if a way of cutting does not answer, or there is nothing to measure."""

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

    def figures(self) -> Iterator[tuple[str, float | None]]:
        """Scenes, conversations, then routing of single clips."""
        for name, value in super().figures():
            if name in _ROUTED:
                shares = dict(getattr(self, name))
                yield from ((f"{branch} {_ROUTED[name]}", shares.get(branch)) for branch in Branch)
            else:
                yield name, value


_ROUTED = {"among": "routed", "leading": "first"}


def evaluate_segmentation(
    folder: LabelledFolder, detectors: Sequence[Detector], config: SegmentationConfig, silero: Detector
) -> list[MethodScores]:
    """The configured detectors and cut first, then fixed windows, energy and speech alone, by `silero`."""
    return score_methods(
        folder,
        {
            "soundseam": soundseam(detectors, config),
            "fixed 10 s": _cut_only(fixed(10_000)),
            "fixed 30 s": _cut_only(fixed(30_000)),
            "energy": _cut_only(energy),
            "silero only": _cut_only(speech_cuts(silero)),
        },
    )


def score_methods(folder: LabelledFolder, methods: Mapping[str, Method]) -> list[MethodScores]:
    """All figures of ways of cutting, in their order."""
    systems = {name: partial(_cut_recording, method) for name, method in methods.items()}
    scorer = CutScorer(systems)
    evaluate(_recordings(folder), systems, scorer)
    return list(scorer.scores())


@dataclass(frozen=True)
class _Recording:
    truth: LabelledScene | Conversation | LabelledClip
    waveform: Waveform
    duration_ms: int

    @property
    def seconds(self) -> float:
        return self.duration_ms / 1000


def _recordings(folder: LabelledFolder) -> Iterator[_Recording]:
    truths: list[LabelledScene | Conversation | LabelledClip] = [*folder.scenes, *folder.conversations, *folder.clips]
    for truth in truths:
        with decode_recording(folder.root / truth.file, DecodeConfig(min_recording_ms=0)) as decoded:
            yield _Recording(truth, decoded.waveform, decoded.duration_ms)


def _cut_recording(method: Method, recording: _Recording) -> Answer:
    return method(recording.waveform)


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


@dataclass
class _Tally:
    scenes: SceneScore = field(default_factory=SceneScore)
    conversations: ConversationScore = field(default_factory=ConversationScore)
    routing: RoutingScore = field(default_factory=RoutingScore)
    pairs: list[tuple[list[TrueEvent], tuple[Event, ...]]] = field(default_factory=list)


class CutScorer(Scorer[_Recording, Answer]):
    """Scores cuts by scenes, turns by conversations, and routing by clips of one kind of sound."""

    def __init__(self, systems: Iterable[str]) -> None:
        self._tallies = {name: _Tally() for name in systems}

    def add(self, system: str, item: _Recording, answer: Answer) -> None:
        tally, truth = self._tallies[system], item.truth
        if isinstance(truth, LabelledScene):
            tally.scenes.add(truth.foreground, answer.segments, round(1000 * truth.duration))
            tally.pairs.append((truth.foreground, answer.events))
        elif isinstance(truth, Conversation):
            music = covered_ms(event.span for event in answer.events if event.event_class is EventClass.MUSIC)
            tally.conversations.add(truth.spans, answer.segments, music, item.duration_ms)
        else:
            tally.routing.add(truth.label, answer.segments)

    def scores(self) -> Iterator[MethodScores]:
        """One a method, in order."""
        for name, tally in self._tallies.items():
            yield _scores(name, tally)


def _scores(name: str, tally: _Tally) -> MethodScores:
    scenes, routing = tally.scenes, tally.routing
    has_events = any(events for _, events in tally.pairs)
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
        event_f1=event_f1(tally.pairs) if has_events else None,
        inside_turn=tally.conversations.inside_turn.value,
        called_music=tally.conversations.music.value if has_events else None,
        among=_by_branch(routing.among) if routes else (),
        leading=_by_branch(routing.leading) if routes else (),
        branches_per_segment=routing.branches.value if routes else None,
    )


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
