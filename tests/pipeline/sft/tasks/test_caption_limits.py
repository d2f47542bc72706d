"""Which texts a caption question is answered with, and what cannot be told from sound."""

from __future__ import annotations

import pytest

from soundseam.pipeline.sft.material import Material
from soundseam.schemas.annotation import GeneralAnnotation
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Verdict
from soundseam.schemas.event import Branch, EventClass, ProfileEntry
from soundseam.schemas.sample import Difficulty, Sample
from tests.pipeline.sft.builders import (
    DOG,
    EVERY,
    MUSIC,
    SPEECH,
    captioned,
    event,
    heard,
    material,
    musical,
    recording,
    samples,
    spoken,
)
from tests.pipeline.sft.limits import only_task
from tests.support.builders import a_segment

YARD = a_segment(end_ms=10_000, events=(event(DOG, 0, 500),))
SENTENCES = ("A dog barks.", "It rains.", "A bell rings.")


def asked(*materials: Material, task: str = "caption", **options: object) -> list[Sample]:
    """Without Chinese summaries of the sounds."""
    made = samples(recording(*materials), only_task(EVERY, task, **options))
    return [one for one in made if task != "caption" or not one.evidence[0].field.startswith("events")]


def answers(caption: Caption, profile: int = 1, **options: object) -> dict[str, str]:
    """Kind → answer, of a segment in which so many classes sound."""
    entries = tuple(ProfileEntry(event_class=one, share=0.5, strength=0.5) for one in list(EventClass)[:profile])
    segment = YARD.model_copy(update={"profile": entries})
    return {one.kind: one.answer for one in asked(material(segment, caption=caption), **options)}


def test_a_caption_is_asked_for_plain_or_in_detail_short_and_as_a_list() -> None:
    whole = " ".join(SENTENCES)
    listed = "- A dog barks.\n- It rains.\n- A bell rings."
    caption = captioned(YARD, *SENTENCES)
    assert answers(caption, min_detailed_claims=3) == {"detailed": whole, "short": whole, "list": listed}
    assert answers(caption, min_detailed_claims=4) == {"plain": whole, "short": whole, "list": listed}
    assert answers(captioned(YARD, SENTENCES[0])) == {"plain": SENTENCES[0]}


@pytest.mark.parametrize(("words", "classes", "short"), [(20, 2, True), (21, 2, False), (21, 1, True), (21, 0, False)])
def test_a_long_caption_is_short_by_its_first_sentence_if_one_class_is_all_there_is(
    words: int, classes: int, short: bool
) -> None:
    caption = captioned(YARD, "A dog barks.", f"It goes on{' and on' * ((words - 6) // 2)}{' there' * (words % 2)}.")
    found = answers(caption, profile=classes)
    assert len(caption.caption.split()) == words
    assert ("short" in found) == short
    if short:
        assert found["short"] == (caption.caption if words <= 20 else "A dog barks.")


def test_a_chinese_caption_is_short_up_to_35_characters_else_by_its_first_sentence() -> None:
    def short(*sentences: str) -> str:
        caption = captioned(YARD, *sentences).model_copy(update={"language": "zh"})
        return answers(caption, profile=1)["short"].replace(" ", "")

    assert short("狗在叫。", "下雨了。") == "狗在叫。下雨了。"
    assert short("狗在叫。", f"{'一' * 33}。") == "狗在叫。"


def test_a_caption_is_harder_the_more_it_claims() -> None:
    for count, difficulty in ((1, Difficulty.EASY), (2, Difficulty.MEDIUM), (3, Difficulty.HARD)):
        made = asked(material(YARD, caption=captioned(YARD, *SENTENCES[:count])))
        assert {one.difficulty for one in made if one.kind in {"plain", "detailed"}} == {difficulty}


def judged(caption: Caption, *verdicts: Verdict | None, **changes: object) -> Caption:
    claims = tuple(
        claim.model_copy(update={"verdict": verdict, "probability": None if verdict is None else 0.9})
        for claim, verdict in zip(caption.claims, verdicts, strict=True)
    )
    return caption.model_copy(update={"claims": claims, **changes})


def test_a_caption_is_trusted_if_each_claim_is_confirmed_or_derived() -> None:
    two = captioned(YARD, *SENTENCES[:2])
    yes, unsure = Verdict.CONFIRMED, Verdict.UNSURE
    assert answers(judged(two, yes, yes, verified=True))
    assert answers(judged(two, yes, None))
    assert not answers(judged(two, yes, unsure))
    assert not answers(judged(two, yes, yes, verified=False))
    assert not answers(judged(two, None, yes, composer=two.claims[0].rule))
    assert answers(judged(two, yes, yes, composer=two.claims[0].rule))
    assert not answers(two.model_copy(update={"language": "fr"}))
    bare = tuple(claim.model_copy(update={"evidence": ()}) for claim in two.claims)
    assert not answers(two.model_copy(update={"claims": bare}))
    assert not answers(two.model_copy(update={"claims": ()}))
    assert not asked(material(YARD))


def told(text: str, branch: Branch = Branch.GENERAL) -> GeneralAnnotation:
    """A row of a branch that says `text` of its own part."""
    row = heard(YARD)
    claims = captioned(YARD, text).claims
    return row.model_copy(update={"caption": text, "caption_claims": claims, "branch": branch})


def kinds(text: str, **changes: object) -> set[str]:
    caption = captioned(YARD, SENTENCES[0])
    row = told(text).model_copy(update=changes)
    return {one.kind for one in asked(material(YARD, row, caption=caption))}


def test_a_branch_is_asked_for_its_own_caption_if_it_is_another_and_trusted() -> None:
    assert kinds("A door slams.") == {"plain", "general"}
    assert kinds(SENTENCES[0]) == {"plain"}
    assert kinds("Someone talks.") == {"plain"}
    assert kinds("A door slams.", caption_claims=()) == {"plain"}
    assert kinds("A door slams.", caption=None) == {"plain"}
    unsure = judged(captioned(YARD, "A door slams."), Verdict.UNSURE).claims
    assert kinds("A door slams.", caption_claims=unsure) == {"plain"}


def refused(*rows: object, segment: object = YARD) -> set[str]:
    return {one.kind for one in asked(material(segment, *rows), task="refusal", max_per_segment=99)}  # type: ignore[arg-type]


OF_ANYTHING = {"listener", "colour", "weather_tomorrow", "owner"}
OF_SPEECH = {"appearance", "clothes"}
OF_MUSIC = {"composer_age", "instrument_colour"}
TALK = a_segment(end_ms=10_000, events=(event(SPEECH, 0, 9_000),), branches=(Branch.SPEECH,))
SONG = a_segment(end_ms=10_000, events=(event(MUSIC, 0, 9_000),), branches=(Branch.MUSIC,))


def test_what_has_no_sound_is_asked_of_what_is_heard() -> None:
    assert refused() == OF_ANYTHING
    assert refused(segment=SONG) == OF_ANYTHING | OF_MUSIC
    assert refused(musical(YARD)) == OF_ANYTHING | OF_MUSIC
    assert refused(segment=TALK) == OF_SPEECH
    (sample,) = [one for one in asked(material(YARD), task="refusal", max_per_segment=99) if one.kind == "owner"]
    assert sample.difficulty is Difficulty.MEDIUM
    assert sample.topic == "owner"


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["I", "came."], OF_SPEECH),
        (["My", "HAIR", "is", "long."], {"clothes"}),
        (["She", "wears", "it."], {"appearance"}),
        (["My", "hair", "and", "coat."], set()),
    ],
)
def test_what_a_transcript_may_tell_is_not_refused(words: list[str], left: set[str]) -> None:
    for usable in (True, False):
        assert refused(spoken(TALK, words, usable=usable), segment=TALK) == left
