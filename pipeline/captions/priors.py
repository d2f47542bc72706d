"""Priors of speech, music and other sound in a segment: they order and weight the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soundseam.pipeline.cutting.route import BRANCH_OF, branch_weights
from soundseam.schemas.caption import Prior, ToolResult
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.segment import Segment

UNKNOWN_CONFIDENCE = 0.5
"""The confidence assumed for a tool without one."""


def priors(segment: Segment) -> tuple[Prior, ...]:
    """The priors of the segment's branches, the strongest first: the same figures as in routing.

    They sum to 1 over all branches with events; a segment without events has priors of 0 in its branches' order.
    """
    weights = branch_weights(segment.events)
    total = sum(weights.values())
    found = [
        Prior(branch=branch, strength=round(weights.get(branch, 0.0) / total, 4) if total else 0.0)
        for branch in segment.branches
    ]
    return tuple(sorted(found, key=lambda prior: -prior.strength))


def leading_order(strengths: Sequence[Prior]) -> tuple[Branch, ...]:
    """The branches in the order in which their evidence counts."""
    return tuple(prior.branch for prior in strengths)


def weight(result: ToolResult, strengths: Mapping[Branch, float]) -> float:
    """Prior of the kind of sound that `result` is about, times its confidence, in [0, 1]."""
    confidence = UNKNOWN_CONFIDENCE if result.confidence is None else result.confidence
    return round(strengths.get(branch_of(result), 0.0) * confidence, 4)


def branch_of(result: ToolResult) -> Branch:
    """The branch of a result: for an event or a profile by its class, else the tool's branch."""
    place = result.field.rpartition(".")[0]
    name = (result.value(f"{place}.class") or "").strip('"')
    if name:
        return BRANCH_OF[EventClass(name)]
    # Of the segment's own results, only the language has no class.
    return result.branch or Branch.SPEECH
