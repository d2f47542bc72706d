"""Each rule has a Chinese twin, which says the same of the same values in idiomatic Chinese."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.annotators.grammar.composer import RULES, derive_in
from soundseam.annotators.grammar.engine import CHINESE, Rows, derive_claim
from soundseam.annotators.grammar.sound_names import sound_names
from soundseam.annotators.wording.prose import find_jargon
from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.captions.check import check_caption
from soundseam.pipeline.captions.merge import merge_segment
from soundseam.schemas.annotation import Annotation, GeneralAnnotation
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.speech import SpeechFacts
from tests.support.caption_rows import event, heard, music, plausible, row, segment, transcript, voice, with_captions

ENGLISH = [name for name in RULES if CHINESE not in name]
HAN_SENTENCE = re.compile(r"[\u4e00-\u9fff、，“”A-G]+。")
LABELS = sorted(sound_names())


def test_every_rule_has_a_chinese_twin_that_reads_the_same_and_only_these() -> None:
    assert {f"{name}{CHINESE}" for name in ENGLISH} == set(RULES) - set(ENGLISH)
    for name in ENGLISH:
        twin = RULES[f"{name}{CHINESE}"]
        assert (twin.reads, twin.topics, twin.may_lack) == (
            RULES[name].reads,
            RULES[name].topics,
            RULES[name].may_lack,
        )


def named(rows: tuple[Annotation, ...], label: str) -> list[Annotation]:
    """`rows`, in which every sound is called `label`."""
    return [_called(one, label) for one in rows]


def _called(one: Annotation, label: str) -> Annotation:
    if not isinstance(one, GeneralAnnotation) or not one.events:
        return one
    events = tuple(each.model_copy(update={"label": label, "score": 0.9}) for each in one.events)
    return one.model_copy(update={"events": events})


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), label=st.sampled_from(["", *LABELS]))
def test_both_languages_say_something_or_neither_and_each_derives_the_other(seed: int, label: str) -> None:
    one, rows = plausible(seed)
    among = Rows(one, named(rows, label) if label else rows)
    for name in ENGLISH:
        english, chinese = (derive_claim(RULES[rule], among) for rule in (name, f"{name}{CHINESE}"))
        assert (english is None) == (chinese is None)
        if english is not None and chinese is not None:
            assert HAN_SENTENCE.fullmatch(chinese.text), chinese.text
            assert not list(find_jargon(chinese.text))
            assert derive_in("zh", english) == chinese.text
            assert derive_in("en", chinese) == english.text


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_chinese_caption_is_checked_like_an_english_one(seed: int) -> None:
    one, rows = plausible(seed)
    rows = with_captions(one, rows)
    caption = merge_segment(one, rows, CaptionConfig(language="zh"), "0" * 16)
    assert caption.language == "zh"
    assert check_caption(caption, one, rows) == ()
    english = merge_segment(one, rows, CaptionConfig(), "0" * 16)
    assert [derive_in("en", claim) is not None for claim in caption.claims] == [True] * len(caption.claims)
    assert [claim.evidence for claim in caption.claims] == [claim.evidence for claim in english.claims]


def test_a_sentence_of_an_earlier_version_has_no_translation() -> None:
    """Its rule read other fields then."""
    one, rows = plausible(0)
    claims = merge_segment(one, with_captions(one, rows), CaptionConfig(), "0" * 16).claims
    earlier = [
        claim.model_copy(update={"evidence": claim.evidence[:-1]}) for claim in claims if len(claim.evidence) > 1
    ]
    assert earlier
    assert [derive_in("zh", claim) for claim in earlier] == [None] * len(earlier)


def test_each_class_has_a_chinese_noun_of_its_own_and_a_clause() -> None:
    names = list(sound_names().values())
    assert not [name.label for name in names if not re.fullmatch(r"[\u4e00-\u9fff]+", name.zh_noun)]
    assert not [name.label for name in names if not re.fullmatch(r"[\u4e00-\u9fff]+", name.zh_clause)]
    assert len({name.zh_noun for name in names}) == len(names)


def test_a_number_of_things_has_its_measure_word() -> None:
    sounds = [event(EventClass.OBJECT, at, at + 300) for at in (1_000, 4_000)]
    one = segment(sounds, [Branch.GENERAL])
    crows = tuple(heard(each).model_copy(update={"label": "Caw"}) for each in sounds)
    rows = Rows(one, [row(one, GeneralFacts(events=crows), "events", Branch.GENERAL)])
    claim = derive_claim(RULES[f"sounds.named{CHINESE}"], rows)
    assert claim is not None
    assert "乌鸦的叫声响了两次" in claim.text or "两次乌鸦的叫声" in claim.text


def test_a_key_is_spelt_as_in_chinese_theory() -> None:
    one = segment([event(EventClass.MUSIC, 0, 10_000)], [Branch.MUSIC])
    facts = music()
    assert facts.tonality is not None
    flat = facts.model_copy(update={"tonality": facts.tonality.model_copy(update={"tonic": "A#"})})
    claim = derive_claim(RULES[f"music.opening{CHINESE}"], Rows(one, [row(one, flat, "mir", Branch.MUSIC)]))
    assert claim is not None
    assert "降B大调" in claim.text


SPOKEN = [event(EventClass.SPEECH, 0, 10_000)]


def caption_of(text: str, language: str = "en", usable: bool = True) -> str:
    one = segment(SPOKEN, [Branch.SPEECH])
    rows = [
        row(one, SpeechFacts(transcript=transcript("other words")), "whisper", Branch.SPEECH),
        row(one, SpeechFacts(transcript=transcript(text, usable)), "manifest_transcript", Branch.SPEECH),
        row(one, SpeechFacts(voice=voice()), "voice", Branch.SPEECH),
    ]
    caption = merge_segment(one, rows, CaptionConfig.model_validate({"language": language}), "0" * 16)
    assert check_caption(caption, one, rows) == ()
    changed = [rows[0], row(one, SpeechFacts(transcript=transcript("x", usable)), "manifest_transcript", Branch.SPEECH)]
    if usable:
        assert check_caption(caption, one, [*changed, rows[2]])
    return caption.caption


def test_a_trusted_transcript_is_quoted_and_checked_against_the_row_of_the_manifest() -> None:
    assert "\u201cPlease take the next train\u201d" in caption_of("Please take the next train.")
    assert "\u201cPlease take the next train\u201d" in caption_of("Please take the next train.", "zh")
    assert "\u201c今天天气很好\u201d。" in caption_of("今天天气很好。", "zh")


def test_of_a_long_transcript_only_the_beginning_is_quoted() -> None:
    text = caption_of(" ".join(["word"] * 3 + [f"no{number}" for number in range(40)]))
    assert "begin" in text or "first words" in text
    assert "no8\u201d" in text
    assert "no9" not in text


def test_a_transcript_that_nobody_trusts_is_not_quoted() -> None:
    assert "\u201c" not in caption_of("please take the next train", usable=False)
