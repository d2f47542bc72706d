"""A caption holds only as long as every value that it rests on stands: any change is found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from soundseam.annotators.grammar.engine import Json
from soundseam.annotators.wording.prose import find_jargon
from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.captions.check import check_caption, check_claims
from soundseam.pipeline.captions.grounding import Problem, Reason
from soundseam.pipeline.captions.merge import merge_segment
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.caption import Caption
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts
from tests.support.caption_rows import (
    acoustics,
    event,
    heard,
    music,
    plausible,
    row,
    segment,
    transcript,
    voice,
    with_captions,
)

_OTHER_WORDS = {"major": "minor", "minor": "major", "animal": "speech"}

_OF_NULL = {"label": "sound", "tonic": "C", "mode": "major", "runner_up": "C major"}
"""What a field that holds words may hold instead of null."""

RowT = TypeVar("RowT", bound=BaseModel)
Case = tuple[Segment, tuple[Annotation, ...], Caption]


def captioned(one: Segment, rows: Sequence[Annotation]) -> Case:
    all_rows = with_captions(one, rows)
    return one, all_rows, merge_segment(one, all_rows, CaptionConfig(), "k" * 16)


def speech_case() -> Case:
    one = segment([event(EventClass.SPEECH, 0, 9_900)], [Branch.SPEECH])
    facts = [
        ("pocketsphinx", SpeechFacts(transcript=transcript("please press the pound key now"))),
        ("voice", SpeechFacts(voice=voice(level_dbfs=-45.0, longest_pause_ms=2_100))),
    ]
    return captioned(one, [row(one, fact, name, Branch.SPEECH) for name, fact in facts])


def music_case() -> Case:
    one = segment([event(EventClass.MUSIC, 0, 10_000)], [Branch.MUSIC])
    return captioned(one, [row(one, music(), "mir", Branch.MUSIC)])


def sounds_case() -> Case:
    one = segment(
        [event(EventClass.SOURCE_AMBIGUOUS, start, start + 400) for start in (1_000, 3_000, 5_000)], [Branch.GENERAL]
    )
    sounds = tuple(heard(each, level_dbfs=-30.0 + 5 * index) for index, each in enumerate(one.events))
    facts = [
        ("events", GeneralFacts(events=sounds)),
        ("acoustics", GeneralFacts(acoustics=acoustics(silence_share=0.8, decay_time_ms=1_500))),
    ]
    return captioned(one, [row(one, fact, name, Branch.GENERAL) for name, fact in facts])


def mixed_case() -> Case:
    one = segment(
        [
            event(EventClass.SPEECH, 0, 7_000),
            event(EventClass.MUSIC, 6_500, 10_000),
            event(EventClass.ANIMAL, 2_000, 2_300),
        ],
        [Branch.SPEECH, Branch.MUSIC, Branch.GENERAL],
    )
    return captioned(
        one,
        [
            row(one, SpeechFacts(voice=voice()), "voice", Branch.SPEECH),
            row(one, music(), "mir", Branch.MUSIC),
            row(one, GeneralFacts(events=tuple(heard(each) for each in one.events)), "events", Branch.GENERAL),
        ],
    )


CASES = {"speech": speech_case(), "music": music_case(), "sounds": sounds_case(), "mixed": mixed_case()}


def every_evidence() -> Iterator[object]:
    for name, (_, _, caption) in CASES.items():
        for number, claim in enumerate(caption.claims):
            for index, evidence in enumerate(claim.evidence):
                yield pytest.param(name, number, index, id=f"{name}-{claim.rule}-{evidence.field}")


def reasons(problems: Sequence[Problem]) -> set[str]:
    return {problem.reason for problem in problems}


def altered(value: Json) -> Json:
    """Another value that the same field may hold; of a list, the last element is altered."""
    if isinstance(value, list):
        return [*value[:-1], altered(value[-1])]
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return round(value / 2 + 0.101, 3)
    if isinstance(value, str):
        return _OTHER_WORDS.get(value, "animal")
    return 1


def with_claim(caption: Caption, number: int, claim: Claim) -> Caption:
    claims = (*caption.claims[:number], claim, *caption.claims[number + 1 :])
    return caption.model_copy(update={"claims": claims, "caption": " ".join(one.text for one in claims)})


def with_evidence(caption: Caption, number: int, index: int, **changes: str | None) -> Caption:
    claim = caption.claims[number]
    evidence = [*claim.evidence]
    evidence[index] = evidence[index].model_copy(update=changes)
    return with_claim(caption, number, claim.model_copy(update={"evidence": tuple(evidence)}))


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_what_the_grammar_writes_holds(case: Case) -> None:
    one, rows, caption = case
    assert len(caption.claims) >= 2
    assert check_caption(caption, one, rows) == ()


def test_what_the_grammar_writes_of_a_corpus_holds_branch_by_branch() -> None:
    for seed in range(200):
        one, rows = plausible(seed)
        one, rows, caption = captioned(one, rows)
        assert check_caption(caption, one, rows) == ()
        for existing in rows:
            if existing.caption is not None:
                assert check_claims(existing.caption, existing.caption_claims, one, rows) == ()
        assert [existing.caption for existing in rows if existing.backend.endswith("_caption")].count(None) == 0


@pytest.mark.parametrize(("name", "number", "index"), list(every_evidence()))
def test_altering_a_value_of_the_evidence_is_found(name: str, number: int, index: int) -> None:
    one, rows, caption = CASES[name]
    value = json.loads(caption.claims[number].evidence[index].value)
    changed = with_evidence(caption, number, index, value=json.dumps(altered(value), separators=(",", ":")))
    assert reasons(check_caption(changed, one, rows)) == {Reason.CHANGED_EVIDENCE}


@pytest.mark.parametrize(("name", "number", "index"), list(every_evidence()))
def test_altering_the_row_that_evidence_points_to_is_found(name: str, number: int, index: int) -> None:
    one, rows, caption = CASES[name]
    changed_segment, changed_rows = alter_rows(caption.claims[number].evidence[index], one, rows)
    assert Reason.CHANGED_EVIDENCE in reasons(check_caption(caption, changed_segment, changed_rows))


@pytest.mark.parametrize(("name", "number", "index"), list(every_evidence()))
def test_dropping_a_piece_of_evidence_is_found(name: str, number: int, index: int) -> None:
    one, rows, caption = CASES[name]
    claim = caption.claims[number]
    kept = claim.evidence[:index] + claim.evidence[index + 1 :]
    changed = with_claim(caption, number, claim.model_copy(update={"evidence": kept}))
    assert reasons(check_caption(changed, one, rows)) & {Reason.WRONG_EVIDENCE, Reason.NO_EVIDENCE}


@pytest.mark.parametrize(("name", "number", "index"), list(every_evidence()))
def test_evidence_that_points_elsewhere_is_found(name: str, number: int, index: int) -> None:
    one, rows, caption = CASES[name]
    for change in ({"segment_id": "other"}, {"backend": "other"}, {"field": "other"}, {"table": "recordings"}):
        changed = with_evidence(caption, number, index, **change)
        assert reasons(check_caption(changed, one, rows)) & {Reason.WRONG_EVIDENCE, Reason.MISSING_EVIDENCE}


@given(st.integers(0, 10**9), st.data())
@settings(max_examples=100, deadline=None)
def test_altering_any_row_that_any_caption_rests_on_is_found(seed: int, data: st.DataObject) -> None:
    one, rows, caption = captioned(*plausible(seed))
    evidence = data.draw(st.sampled_from([each for claim in caption.claims for each in claim.evidence]))
    changed_segment, changed_rows = alter_rows(evidence, one, rows)
    assert Reason.CHANGED_EVIDENCE in reasons(check_caption(caption, changed_segment, changed_rows))


@pytest.mark.parametrize("name", CASES)
def test_altering_a_sentence_is_found(name: str) -> None:
    one, rows, caption = CASES[name]
    for number, claim in enumerate(caption.claims):
        changed = with_claim(caption, number, claim.model_copy(update={"text": f"{claim.text[:-1]} indeed."}))
        assert reasons(check_caption(changed, one, rows)) == {Reason.NOT_DERIVED}


def test_a_sentence_that_the_values_no_longer_support_is_found() -> None:
    one, rows, caption = CASES["speech"]
    faster = [
        existing.model_copy(update={"voice": voice(level_dbfs=-45.0, longest_pause_ms=2_100, syllable_rate_hz=6.5)})
        if existing.backend == "voice"
        else existing
        for existing in rows
    ]
    index = [evidence.field for evidence in caption.claims[0].evidence].index("voice.syllable_rate_hz")
    changed = with_evidence(caption, 0, index, value="6.5")
    assert reasons(check_caption(changed, one, faster)) == {Reason.NOT_DERIVED}


def test_a_caption_that_is_not_its_claims_is_found() -> None:
    one, rows, caption = CASES["speech"]
    for text in (f"{caption.caption} More.", caption.claims[0].text, ""):
        changed = caption.model_copy(update={"caption": text})
        assert Reason.NOT_ITS_CLAIMS in reasons(check_caption(changed, one, rows))


def test_a_caption_without_claims_is_found() -> None:
    one, rows, caption = CASES["speech"]
    changed = caption.model_copy(update={"caption": "", "claims": (), "branches": ()})
    assert reasons(check_caption(changed, one, rows)) == {Reason.NO_CLAIMS}


def test_a_claim_without_evidence_is_found() -> None:
    one, rows, caption = CASES["speech"]
    changed = with_claim(caption, 0, caption.claims[0].model_copy(update={"evidence": ()}))
    assert Reason.NO_EVIDENCE in reasons(check_caption(changed, one, rows))


@pytest.mark.parametrize("rule", ["guess", "speech.opening#many", ""])
def test_a_rule_that_nobody_knows_is_found(rule: str) -> None:
    one, rows, caption = CASES["speech"]
    changed = with_claim(caption, 0, caption.claims[0].model_copy(update={"rule": rule}))
    assert Reason.UNKNOWN_RULE in reasons(check_caption(changed, one, rows))


def test_a_caption_of_another_segment_is_found() -> None:
    _, _, caption = CASES["speech"]
    one, rows, _ = CASES["music"]
    other = one.model_copy(update={"segment_id": "other"})
    assert Reason.WRONG_ROW in reasons(check_caption(caption, other, rows))


def test_branches_that_no_evidence_points_to_are_found() -> None:
    one, rows, caption = CASES["speech"]
    changed = caption.model_copy(update={"branches": (Branch.SPEECH, Branch.MUSIC)})
    assert reasons(check_caption(changed, one, rows)) == {Reason.WRONG_BRANCHES}


def test_a_repeated_sentence_is_found() -> None:
    one, rows, caption = CASES["speech"]
    claims = (*caption.claims, caption.claims[0])
    changed = caption.model_copy(update={"claims": claims, "caption": " ".join(claim.text for claim in claims)})
    assert reasons(check_caption(changed, one, rows)) == {Reason.REPEATED_SENTENCE}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Speech at -20 dBFS is heard.", Reason.TOOL_JARGON),
        ("The detector found speech in this segment.", Reason.TOOL_JARGON),
        ("Someone speaks for 3 seconds.", Reason.RAW_NUMBER),
        ("Someone says to press the pound key.", Reason.TRANSCRIPT_WORDS),
        (f"Someone speaks {'on and ' * 80}on.", Reason.TOO_LONG),
    ],
)
def test_words_that_no_listener_would_use_are_found(text: str, reason: Reason) -> None:
    one, rows, caption = CASES["speech"]
    changed = with_claim(caption, 0, caption.claims[0].model_copy(update={"text": text}))
    assert reason in reasons(check_caption(changed, one, rows))


def test_a_transcript_that_may_be_used_may_be_quoted() -> None:
    one, rows, caption = CASES["speech"]
    trusted = [
        existing.model_copy(update={"transcript": transcript("please press the pound key now", usable=True)})
        if existing.backend == "pocketsphinx"
        else existing
        for existing in rows
    ]
    claim = caption.claims[0].model_copy(update={"text": "Someone says to press the pound key."})
    assert Reason.TRANSCRIPT_WORDS not in reasons(check_caption(with_claim(caption, 0, claim), one, trusted))


def test_a_sentence_that_holds_may_happen_to_be_like_what_was_said() -> None:
    one, rows, caption = CASES["speech"]
    echo = [
        existing.model_copy(update={"transcript": transcript(caption.caption)})
        if existing.backend == "pocketsphinx"
        else existing
        for existing in rows
    ]
    assert check_caption(caption, one, echo) == ()


@pytest.mark.parametrize(
    "text",
    [
        "a level of minus twenty dB",
        "four kHz",
        "the LUFS value",
        "a tempo in BPM",
        "the VAD says so",
        "an onset",
        "the spectral centroid",
        "with high confidence",
        "a source_ambiguous sound",
        "according to pocketsphinx",
        "Silero hears speech",
    ],
)
def test_jargon_is_known(text: str) -> None:
    assert list(find_jargon(text))


@pytest.mark.parametrize(
    "text", ["Someone whispers.", "The music gets softer towards the end.", "A dull sound is heard at the very end."]
)
def test_plain_english_is_no_jargon(text: str) -> None:
    assert not list(find_jargon(text))


def alter_rows(evidence: Evidence, one: Segment, rows: Sequence[Annotation]) -> tuple[Segment, tuple[Annotation, ...]]:
    """The same rows but for one value: the one that `evidence` points to."""
    if evidence.backend is None:
        return alter_row(one, evidence.field), tuple(rows)
    return one, tuple(alter_row(each, evidence.field) if each.backend == evidence.backend else each for each in rows)


def alter_row(record: RowT, path: str) -> RowT:
    dumped = record.model_dump(mode="json")
    *parents, last = path.split(".")
    at = dumped
    for step in parents:
        at = at[-1] if step == "*" else at[step]
    at[last] = _OF_NULL.get(last, 1) if at[last] is None else altered(at[last])
    return type(record).model_validate(dumped)
