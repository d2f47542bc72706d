"""How strongly a segment is speech, music or other sound: what decides which evidence leads, and what it weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soundseam.pipeline.cutting.route import BRANCH_OF, branch_weights
from soundseam.schemas.caption import Prior, ToolResult
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.segment import Segment

UNKNOWN_CONFIDENCE = 0.5
"""What a tool that tells no confidence counts for."""


def priors(segment: Segment) -> tuple[Prior, ...]:
    """Of each of the segment's branches, the strongest first: the same figures that routed it.

    They sum to 1 over all branches that have events; a segment without events has priors of 0 in its branches' order.
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
    """Whose kind of sound a result is about: an event's or a profile's by its class, else its branch's own."""
    place = result.field.rpartition(".")[0]
    name = (result.value(f"{place}.class") or "").strip('"')
    if name:
        return BRANCH_OF[EventClass(name)]
    # Of the segment's own, only the language has no class.
    return result.branch or Branch.SPEECH
