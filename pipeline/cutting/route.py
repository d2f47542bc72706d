"""A segment's profile of classes, and its branches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, model_validator

from soundseam.schemas.event import Branch, Event, EventClass, ProfileEntry
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan, covered_ms

BRANCH_OF: dict[EventClass, Branch] = {
    EventClass.SPEECH: Branch.SPEECH,
    EventClass.SINGING: Branch.MUSIC,
    EventClass.MUSIC: Branch.MUSIC,
    EventClass.HUMAN_VOICE: Branch.GENERAL,
    EventClass.NATURE: Branch.GENERAL,
    EventClass.SOURCE_AMBIGUOUS: Branch.GENERAL,
    EventClass.OBJECT: Branch.GENERAL,
    EventClass.ENVIRONMENT: Branch.GENERAL,
    EventClass.ANIMAL: Branch.GENERAL,
}


class RouteConfig(Record):
    """When a branch gets a segment. A branch's prior is the score-weighted time of its events, divided by that of all.

    The branch with the highest prior always gets it; others do if one of two thresholds is reached.
    """

    prior: float = Field(default=0.25, ge=0.0, le=1.0, description="a branch with at least this prior gets the segment")
    event_ms: int = Field(
        default=1500, ge=0, description="so does one with at least this event time, weighted by score"
    )
    floor: float = Field(default=0.05, ge=0.0, le=1.0, description="a branch with a lower prior never gets it")

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> Self:
        if self.floor > self.prior:
            raise ValueError(f"route.floor ({self.floor}) is over route.prior ({self.prior}): lower it")
        return self


def profile_of(events: Sequence[Event], span: TimeSpan) -> tuple[ProfileEntry, ...]:
    """Share of `span` and mean score of each class in it, the largest share times score first.

    `events` are inside `span`. Overlapping events of one class count once in the share.
    """
    entries = []
    for event_class in sorted({event.event_class for event in events}):
        own = [event for event in events if event.event_class is event_class]
        share = covered_ms(event.span for event in own) / span.duration_ms
        entries.append(
            ProfileEntry(event_class=event_class, share=round(min(share, 1.0), 3), strength=_mean_score(own))
        )
    return tuple(sorted(entries, key=lambda entry: (-entry.share * entry.strength, entry.event_class)))


def _mean_score(events: Iterable[Event]) -> float:
    weighted = [(event.span.duration_ms, event.score) for event in events]
    total = sum(duration for duration, _ in weighted)
    return round(sum(duration * score for duration, score in weighted) / total, 3) if total else 0.0


def branch_weights(events: Sequence[Event]) -> dict[Branch, float]:
    """Event time of each branch in ms, weighted by score; overlapping events of one branch count once."""
    weights = {}
    for branch in Branch:
        own = [event for event in events if BRANCH_OF[event.event_class] is branch]
        if own:
            weights[branch] = covered_ms(event.span for event in own) * _mean_score(own)
    return weights


def route(events: Sequence[Event], config: RouteConfig) -> tuple[Branch, ...]:
    """The branches of a segment with these events, the highest prior first; at least one if it has an event."""
    weights = branch_weights(events)
    ranked = sorted(weights, key=lambda branch: (-weights[branch], branch))
    total = sum(weights.values())
    if total == 0.0:
        return tuple(ranked[:1])
    selected = []
    for branch in ranked:
        prior = weights[branch] / total
        enough = prior >= config.prior or weights[branch] >= config.event_ms
        if branch is ranked[0] or (enough and prior >= config.floor):
            selected.append(branch)
    return tuple(selected)
