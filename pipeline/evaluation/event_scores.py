"""Scores of sound events by sed_eval (Mesaros, Heittola and Virtanen, Applied Sciences 6(6), 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import NamedTuple

from soundseam.schemas.event import Branch
from soundseam.schemas.timespan import TimeSpan

COLLAR_MS = 200
"""Tolerance of a boundary, and its minimum distance from the ends of an event to count as cutting it."""
GAP_MS = 400
"""A gap of at least this length should contain a boundary if the class changes."""
TOUCH_MS = 50
"""Less of an event than this in a segment does not count against its purity."""


@dataclass(frozen=True)
class TrueEvent:
    """One event, labelled by a person or a mixing script."""

    label: Branch
    span: TimeSpan


@dataclass(frozen=True)
class FoundSegment:
    """One segment of a method under test; `branches` is empty if it does not route."""

    span: TimeSpan
    branches: tuple[Branch, ...] = ()


@dataclass
class Share:
    """A share accumulated from parts: `part` of `whole`."""

    part: float = 0.0
    whole: float = 0.0

    def add(self, part: float, whole: float) -> None:
        self.part += part
        self.whole += whole

    @property
    def value(self) -> float | None:
        """None if there was nothing to count."""
        return round(self.part / self.whole, 4) if self.whole else None


@dataclass
class SceneScore:
    """Counts over scenes. `cut` is the share of events with a boundary inside, `recall` that of gaps with a boundary,

    `change` the same for gaps at a change of class, `lost` event time outside all segments, `purity` the share of the
    most common class in the event time of its segment.
    """

    cut: Share = field(default_factory=Share)
    recall: Share = field(default_factory=Share)
    change: Share = field(default_factory=Share)
    lost: Share = field(default_factory=Share)
    purity: Share = field(default_factory=Share)
    lengths_ms: list[int] = field(default_factory=list)

    def add(self, truth: Sequence[TrueEvent], segments: Sequence[FoundSegment], duration_ms: int) -> None:
        """Counts one scene: its foreground events, its segments."""
        truth = sorted(truth, key=lambda event: event.span)
        edges = inner_edges(segments, duration_ms)
        self.lengths_ms += [segment.span.duration_ms for segment in segments]
        for event in truth:
            self.cut.add(cuts(edges, event.span), 1)
            held = sum(segment.span.overlap_ms(event.span) for segment in segments)
            self.lost.add(event.span.duration_ms - held, event.span.duration_ms)
        self._add_gaps(truth, edges)
        for segment in segments:
            self._add_purity(truth, segment.span)

    def _add_gaps(self, truth: Sequence[TrueEvent], edges: Sequence[int]) -> None:
        last: TrueEvent | None = None
        for event in truth:
            if last is not None and event.span.start_ms - last.span.end_ms >= GAP_MS:
                gap = TimeSpan(last.span.end_ms - COLLAR_MS, event.span.start_ms + COLLAR_MS)
                hit = any(gap.start_ms <= edge <= gap.end_ms for edge in edges)
                self.recall.add(hit, 1)
                if event.label is not last.label:
                    self.change.add(hit, 1)
            if last is None or event.span.end_ms >= last.span.end_ms:
                last = event

    def _add_purity(self, truth: Sequence[TrueEvent], span: TimeSpan) -> None:
        by_label: dict[Branch, int] = {}
        for event in truth:
            inside = event.span.overlap_ms(span)
            if inside > TOUCH_MS:
                by_label[event.label] = by_label.get(event.label, 0) + inside
        if by_label:
            self.purity.add(max(by_label.values()), sum(by_label.values()))


def inner_edges(segments: Sequence[FoundSegment], duration_ms: int) -> list[int]:
    """All boundaries except those at the recording's edges, ascending, each once."""
    return sorted({edge for segment in segments for edge in segment.span if 1 < edge < duration_ms - 1})


def cuts(edges: Sequence[int], span: TimeSpan) -> bool:
    """Whether one of `edges` is inside `span`, by more than the collar."""
    return any(span.start_ms + COLLAR_MS < edge < span.end_ms - COLLAR_MS for edge in edges)


@dataclass
class ConversationScore:
    """Counts over conversations: boundaries inside a speaker's turn, and time labelled as music."""

    inside_turn: Share = field(default_factory=Share)
    music: Share = field(default_factory=Share)

    def add(self, turns: Sequence[TimeSpan], segments: Sequence[FoundSegment], music_ms: int, duration_ms: int) -> None:
        # The outermost edges are where sound begins and ends, not cuts.
        for edge in sorted({edge for segment in segments for edge in segment.span})[1:-1]:
            self.inside_turn.add(any(cuts([edge], turn) for turn in turns), 1)
        self.music.add(music_ms, duration_ms)


@dataclass
class RoutingScore:
    """Counts over clips with one label: right branch among all, right first branch, and number of branches per segment.

    A branch counts as a clip's if its segments cover at least half the time of the clip's segments.
    """

    among: dict[Branch, Share] = field(default_factory=dict)
    leading: dict[Branch, Share] = field(default_factory=dict)
    branches: Share = field(default_factory=Share)

    def add(self, label: Branch, segments: Sequence[FoundSegment]) -> None:
        total_ms = sum(segment.span.duration_ms for segment in segments)
        matching_ms = sum(segment.span.duration_ms for segment in segments if label in segment.branches)
        first_ms: dict[Branch, int] = {}
        for segment in segments:
            self.branches.add(len(segment.branches), 1)
            for branch in segment.branches[:1]:
                first_ms[branch] = first_ms.get(branch, 0) + segment.span.duration_ms
        first = max(first_ms, key=lambda branch: first_ms[branch], default=None)
        self.among.setdefault(label, Share()).add(total_ms > 0 and 2 * matching_ms >= total_ms, 1)
        self.leading.setdefault(label, Share()).add(first is label, 1)


STEP_S = 1.0
"""Length of the stretches in segment-based scores."""


class LabelledSpan(NamedTuple):
    """One event: its label and its time."""

    label: str
    span: TimeSpan


class Scene(NamedTuple):
    """The true and the found events of one recording."""

    truth: Sequence[LabelledSpan]
    found: Sequence[LabelledSpan]


class EventScores(NamedTuple):
    """F-measures over all labels together."""

    by_event: float
    """Onset within the collar, offset within the collar or 20 % of the event's length."""
    by_second: float
    """Which labels occur in each second."""


def score_events(scenes: Sequence[Scene], labels: Sequence[str]) -> EventScores | None:
    """The scores; None if sed_eval is not installed, or there are no true events."""
    if find_spec("sed_eval") is None or not any(scene.truth for scene in scenes):
        return None
    import dcase_util
    import sed_eval

    by_event = sed_eval.sound_event.EventBasedMetrics(
        event_label_list=list(labels),
        t_collar=COLLAR_MS / 1000,
        percentage_of_length=0.2,
        evaluate_onset=True,
        evaluate_offset=True,
    )
    by_second = sed_eval.sound_event.SegmentBasedMetrics(event_label_list=list(labels), time_resolution=STEP_S)
    container = dcase_util.containers.MetaDataContainer
    for index, scene in enumerate(scenes):
        truth, found = (container([_row(index, *event) for event in events]) for events in scene)
        by_event.evaluate(reference_event_list=truth, estimated_event_list=found)
        by_second.evaluate(reference_event_list=truth, estimated_event_list=found)
    return EventScores(_f_measure(by_event), _f_measure(by_second))


def _f_measure(metrics: object) -> float:
    overall = metrics.results_overall_metrics()  # type: ignore[attr-defined]
    return round(float(overall["f_measure"]["f_measure"]), 4)


def _row(index: int, label: str, span: TimeSpan) -> dict[str, str | float]:
    return {
        "filename": f"{index}.flac",
        "event_label": label,
        "onset": span.start_ms / 1000,
        "offset": span.end_ms / 1000,
    }
