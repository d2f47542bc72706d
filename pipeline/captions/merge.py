"""From the branches' annotations to one caption for a segment, each sentence with its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from soundseam.annotators.grammar import general, music, sounds, speech
from soundseam.annotators.grammar.composer import RULES
from soundseam.annotators.grammar.engine import CHINESE, Rule, caption_text, compose
from soundseam.annotators.grammar.narration import NAMED, NAMED_OPENING
from soundseam.annotators.grammar.scene import EXTENT, NAMED_STREAM, NAMED_STREAMS, STREAM, STREAMS
from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.captions.grounding import Problem, ground_claim
from soundseam.pipeline.captions.plainness import wording_problems
from soundseam.pipeline.captions.plan import Planned, plan_caption
from soundseam.pipeline.captions.tool_results import results_of
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.caption import Caption, ResultKind
from soundseam.schemas.claim import Claim
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment

_OPENINGS: dict[Branch, tuple[Rule, ...]] = {
    Branch.SPEECH: (speech.OPENING,),
    Branch.MUSIC: (music.OPENING, music.DOUBTFUL),
    Branch.GENERAL: (
        NAMED_OPENING,
        sounds.OPENING,
        sounds.PLAIN_OPENING,
        NAMED,
        sounds.STEADY_SOUND,
        sounds.SOUNDS,
        sounds.PLAIN_SOUNDS,
    ),
}
_CHARACTERS: dict[Branch, tuple[Rule, ...]] = {
    Branch.SPEECH: (speech.MANNER,),
    Branch.MUSIC: (music.CHARACTER,),
    Branch.GENERAL: (general.REPETITION,),
}
_DETAILS: dict[Branch, tuple[Rule, ...]] = {
    Branch.SPEECH: (speech.WORDS, *speech.DETAILS),
    Branch.MUSIC: music.DETAILS,
    Branch.GENERAL: general.DETAILS,
}


def merge_segment(
    segment: Segment, annotations: Sequence[Annotation], config: CaptionConfig, config_key: str
) -> Caption:
    """The caption of one segment by the grammar: the leading sound first, then other sounds, then alternating details.

    Equal rows give equal captions. It has claims unless the segment has no event.
    """
    planned = plan_caption(segment, annotations)
    return caption_of(planned, compose_claims(planned, config), config, config_key)


def compose_claims(planned: Planned, config: CaptionConfig) -> tuple[Claim, ...]:
    """The claims of the grammar's rules, in the plan's order."""
    rules = _rules(planned.branches)
    if config.language == "zh":
        rules = (RULES[f"{rule.name}{CHINESE}"] for rule in rules)
    return compose(rules, planned.rows, config.sentences)


def take_over_claims(planned: Planned, config: CaptionConfig) -> tuple[tuple[Claim, ...], tuple[Problem, ...]]:
    """The captioner's claims about the segment, and the problems of those left out.

    A sentence is left out if it quotes words on which no systems agree, or uses technical terms; otherwise it could
    only be compared with the audio.
    """
    claims: list[Claim] = []
    problems: list[Problem] = []
    agreed = [fact for fact in planned.facts if fact.kind in {ResultKind.TRANSCRIPT, ResultKind.LYRICS}]
    for result in results_of(planned.rows):
        if result.kind is ResultKind.STATEMENT and result.backend == config.captioner:
            found = [
                *ground_claim(result.content, [result, *agreed], planned.segment, config.language),
                *wording_problems(result.content, config.language),
            ]
            problems += found
            if not found and result.content not in {claim.text for claim in claims}:
                claims.append(Claim(text=result.content, rule=config.composer_name, evidence=result.evidence))
    return tuple(claims[: config.sentences]), tuple(problems)


def caption_of(
    planned: Planned, claims: tuple[Claim, ...], config: CaptionConfig, config_key: str, thinking: str | None = None
) -> Caption:
    """The caption row with `claims`, before verification."""
    return Caption(
        segment_id=planned.segment.segment_id,
        recording_id=planned.segment.recording_id,
        caption=caption_text(claims),
        composer=config.composer_name,
        language=config.language,
        branches=branches_of(planned.segment, claims),
        claims=claims,
        verified=None,
        plan=planned.plan,
        thinking=thinking,
        config_key=config_key,
    )


def branches_of(segment: Segment, claims: Sequence[Claim]) -> tuple[Branch, ...]:
    """The branches whose rows the claims cite, in the order of the segment's branches."""
    tables = {evidence.table for claim in claims for evidence in claim.evidence}
    return tuple(branch for branch in segment.branches if f"annotations/{branch}" in tables)


def _rules(branches: Sequence[Branch]) -> Iterator[Rule]:
    yield from (NAMED_STREAMS, STREAMS)
    yield from _of_all(_OPENINGS, branches)
    yield from _of_all(_CHARACTERS, branches)
    yield from (NAMED_STREAM, STREAM, sounds.PLAIN_SOUNDS, EXTENT)
    for rules in zip_longest(*(_DETAILS[branch] for branch in branches)):
        yield from (rule for rule in rules if rule is not None)


def _of_all(rules: Mapping[Branch, tuple[Rule, ...]], branches: Sequence[Branch]) -> Iterator[Rule]:
    return (rule for branch in branches for rule in rules[branch])
