"""Captions: short, detailed, as a list, and of one branch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pipeline.sft.answers import open_ended
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.words import LANGUAGES, Words, language_of
from schemas.claim import Claim, Verdict
from schemas.sample import SourceVerdict

UNIFIED = "detailed"
"""The kind that repeats the merged caption whole: what pretraining takes."""


class CaptionTask(SegmentTask):
    """Eligible: every claim was confirmed, or none was judged and each is derived from measured values by a rule."""

    task: Literal["caption"] = "caption"
    most_per_segment: int = 3

    needs: ClassVar[tuple[str, ...]] = ("captions:caption", "captions:claims")

    def asks_of(self, material: Material) -> Iterator[Ask]:
        caption = material.caption
        if caption is None or caption.verified is False or caption.language not in LANGUAGES:
            return
        kept = caption.kept
        if is_trusted(kept, caption.composer):
            yield _ask(material, UNIFIED, caption.caption, kept)
            if len(kept) > 1:
                yield _ask(material, "short", kept[0].text, kept[:1])
                yield _ask(material, "list", "\n".join(f"- {claim.text}" for claim in kept), kept)
        for row in material.annotations:
            text = row.caption
            if text and text != caption.caption and is_trusted(row.caption_claims, row.backend):
                yield _ask(material, row.branch.value, text, row.caption_claims)


def is_trusted(claims: Sequence[Claim], composer: str) -> bool:
    """Whether a text made of `claims` may be learnt from: there are some, and each is confirmed or derived."""
    return bool(claims) and all(_is_confirmed(claim) or _is_derived(claim, composer) for claim in claims)


def _is_confirmed(claim: Claim) -> bool:
    return claim.verdict is Verdict.CONFIRMED


def _is_derived(claim: Claim, composer: str) -> bool:
    return claim.verdict is None and bool(claim.evidence) and claim.rule != composer


def _ask(material: Material, kind: str, text: str, claims: Sequence[Claim]) -> Ask:
    return Ask(
        kind=kind,
        topic="",
        fact="",
        materials=(material,),
        evidence=tuple(dict.fromkeys(one for claim in claims for one in claim.evidence)),
        difficulty=grade(facts=min(len(claims), 3)),
        turn=partial(_turn, text),
        # A branch's caption need not be in the language of the merged one.
        languages=(language_of(text),),
        verdicts=tuple(
            SourceVerdict(claim=claim.text, verdict=claim.verdict, probability=claim.probability) for claim in claims
        ),
    )


def _turn(text: str, words: Words) -> Turn:
    return Turn(words.say("question"), text, open_ended(text))
