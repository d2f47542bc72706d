"""Plans a caption: its facts in order, and the resolution of conflicts between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from soundseam.annotators.grammar.composer import RULES
from soundseam.annotators.grammar.engine import WITHOUT, Rows, place_of
from soundseam.pipeline.captions.conflicts import agreed_transcript, music_conflicts, source_of, speech_conflicts
from soundseam.pipeline.captions.event_conflicts import SEGMENT_EVENTS, event_conflicts, event_sources, word_conflict
from soundseam.pipeline.captions.grounding import may_be_quoted
from soundseam.pipeline.captions.priors import branch_of, leading_order, priors, weight
from soundseam.pipeline.captions.tool_results import results_of
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.caption import CaptionPlan, Conflict, PlannedFact, Resolution, ResultKind, ToolResult
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table

MAX_FACTS = 40
"""Maximum number of facts for a writer; those with the lowest weight are dropped first."""

_NOT_MENTIONED = {
    ResultKind.AGREEMENT,
    ResultKind.ALIGNMENT,
    ResultKind.NOTES,
    ResultKind.OPINION,
    ResultKind.SIMILARITY,
}
"""Results about other results, and those that no listener would mention."""
_SPOKEN = {ResultKind.TRANSCRIPT, ResultKind.SENTENCE}
_OF_TOPIC: Mapping[str, tuple[ResultKind, ...]] = {
    "tempo": (ResultKind.RHYTHM,),
    "key": (ResultKind.TONALITY,),
    "meter": (ResultKind.METER,),
    "speakers": (ResultKind.SPEAKERS, ResultKind.TURN),
    "language": (ResultKind.LANGUAGE,),
}
"""The results about a topic: only those of the source that counts are used."""
_PLACES = {"tempo": place_of(Table.MUSIC, "rhythm"), "key": place_of(Table.MUSIC, "tonality")}
"""The grammar's fields for a topic."""
_EVENTS = place_of(Table.GENERAL, "events")
_TRANSCRIPT = place_of(Table.SPEECH, "transcript")


@dataclass(frozen=True)
class Planned:
    """A plan with its facts and rows: the input for writing a caption."""

    segment: Segment
    annotations: tuple[Annotation, ...]
    plan: CaptionPlan
    facts: tuple[ToolResult, ...]
    """The tool results of `plan.facts`, in the same order."""
    rows: Rows
    """The input of the grammar: for each field, the row that counts."""

    @property
    def branches(self) -> tuple[Branch, ...]:
        return leading_order(self.plan.priors)


def plan_caption(segment: Segment, annotations: Sequence[Annotation]) -> Planned:
    """Pure: equal rows give equal plans."""
    strengths = priors(segment)
    by_branch = {prior.branch: prior.strength for prior in strengths}
    conflicts = tuple(_conflicts(segment, annotations))
    rows = Rows(segment, annotations, dict(_chosen(segment, annotations, conflicts)))
    admission = _Admission(conflicts, rows.chosen, agreed_transcript(annotations), event_sources(segment, annotations))
    allowed = [result for result in results_of(rows) if admission.allows(result)]
    weights = {result.name: weight(result, by_branch) for result in allowed}
    selected = set(sorted(weights, key=lambda name: -weights[name])[:MAX_FACTS])
    facts = _in_order([result for result in allowed if result.name in selected], weights, leading_order(strengths))
    plan = CaptionPlan(
        priors=strengths,
        facts=tuple(PlannedFact(kind=fact.kind, source=fact.name, weight=weights[fact.name]) for fact in facts),
        conflicts=conflicts,
    )
    return Planned(segment, tuple(annotations), plan, tuple(facts), rows)


def _in_order(
    results: Sequence[ToolResult], weights: Mapping[str, float], branches: Sequence[Branch]
) -> list[ToolResult]:
    """The leading branch first; in it, the kind with the result of highest weight first; within a kind, by time."""
    heaviest: dict[tuple[Branch, ResultKind], float] = {}
    for result in results:
        group = (branch_of(result), result.kind)
        heaviest[group] = max(heaviest.get(group, 0.0), weights[result.name])

    def rank(result: ToolResult) -> tuple[int, float, str, int]:
        branch = branch_of(result)
        place = branches.index(branch) if branch in branches else len(branches)
        return place, -heaviest[branch, result.kind], result.kind, result.start_ms

    return sorted(results, key=rank)


def _conflicts(segment: Segment, annotations: Sequence[Annotation]) -> Iterator[Conflict]:
    yield from speech_conflicts(segment, annotations)
    words = word_conflict(segment, annotations)
    if words is not None:
        yield words
    yield from music_conflicts(annotations)
    yield from event_conflicts(segment, annotations)


def _chosen(
    segment: Segment, annotations: Sequence[Annotation], conflicts: Sequence[Conflict]
) -> Iterator[tuple[str, str | None]]:
    """TABLE:FIELD → the backend from which the grammar reads it; None if it must not be mentioned."""
    for conflict in conflicts:
        if conflict.topic in _PLACES:
            yield _PLACES[conflict.topic], _backend(conflict.kept)
    agreed = agreed_transcript(annotations)
    yield _TRANSCRIPT, agreed.backend if agreed is not None else None
    disputed = {source for conflict in conflicts if conflict.topic == "events" for source in conflict.against}
    if disputed:
        measured = [name for name in event_sources(segment, annotations) if name != SEGMENT_EVENTS]
        yield _EVENTS, next((_backend(name) for name in measured if name not in disputed), None)


def _backend(source: str | None) -> str | None:
    return source.split("/")[-2] if source else None


class _Admission:
    """Decides whether a result may be mentioned."""

    def __init__(
        self,
        conflicts: Sequence[Conflict],
        chosen: Mapping[str, str | None],
        agreed: Annotation | None,
        sources: Mapping[str, object],
    ) -> None:
        self._open = {
            kind
            for conflict in conflicts
            if conflict.resolution is Resolution.OPEN
            for kind in _OF_TOPIC.get(conflict.topic, ())
        }
        self._resolved = {
            kind: conflict.kept.rpartition("/")[0]
            for conflict in conflicts
            if conflict.kept is not None
            for kind in _OF_TOPIC.get(conflict.topic, ())
        }
        self._agreed = source_of(agreed, "").rstrip("/") if agreed is not None else None
        measured = next((name for name in sources if name != SEGMENT_EVENTS), SEGMENT_EVENTS)
        if _EVENTS in chosen:
            backend = chosen[_EVENTS]
            measured = f"{Table.GENERAL}/{backend}/events" if backend is not None else SEGMENT_EVENTS
        self._events = measured.rpartition("/")[0]
        self._seen: set[ResultKind] = set()

    def allows(self, result: ToolResult) -> bool:
        source = f"{result.table}/{result.backend or ''}"
        if not result.content or result.kind in _NOT_MENTIONED or result.kind in self._open:
            return False
        if result.kind in _SPOKEN:
            return source == self._agreed
        if result.kind is ResultKind.LYRICS:
            return may_be_quoted(result)
        if result.kind is ResultKind.EVENT:
            return source == self._events and result.field.startswith("events.")
        if result.kind is ResultKind.STATEMENT:
            return not _is_by_rule(result)
        return self._resolved.get(result.kind, source) == source


def _is_by_rule(result: ToolResult) -> bool:
    """Whether a statement was derived by the grammar from other results, which are then used instead."""
    rule = (result.value(f"{result.field.rpartition('.')[0]}.rule") or "").strip('"')
    return rule.partition("#")[0].partition(WITHOUT)[0] in RULES
