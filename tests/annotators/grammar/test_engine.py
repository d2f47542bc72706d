"""Rules see only what they name; sentences are pure in the rows; every caption of the grammar holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.annotators.grammar.composer import RULES, rule_named
from soundseam.annotators.grammar.engine import (
    Pick,
    Rows,
    Rule,
    Values,
    derive_claim,
    read_place,
    split_variant,
    without,
)
from soundseam.annotators.grammar.events import SegmentEvent
from soundseam.annotators.grammar.phrases import follow_phrase
from soundseam.annotators.grammar.words import HEDGES, number_word, place_word, plural, seconds_word, with_article
from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.captions.merge import merge_segment
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import Speakers, SpeechFacts
from soundseam.schemas.tables import RECORD_OF, Table, arrow_schema
from tests.support.caption_rows import event, plausible, row, segment, voice, with_captions

SPEECH = [event(EventClass.SPEECH, 0, 10_000)]


def rows_of_speech(**changes: float | None) -> Rows:
    one = segment(SPEECH, [Branch.SPEECH])
    return Rows(one, [row(one, SpeechFacts(voice=voice(**changes)), "voice", Branch.SPEECH)])


def sentence(rule: str, rows: Rows) -> str | None:
    claim = derive_claim(RULES[rule], rows)
    return None if claim is None else claim.text


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_field_that_a_rule_reads_exists_in_its_table(rule: Rule) -> None:
    for name in rule.reads:
        table, path = read_place(name)
        kind = arrow_schema(Segment if table is Table.SEGMENTS else RECORD_OF[table])
        first, *rest = path.split(".")
        at = kind.field(first).type
        for step in rest:
            at = at.value_type if step == "*" else at.field(step).type


def test_a_rule_cannot_see_a_field_that_it_does_not_name() -> None:
    greedy = Rule("greedy", ("segments:start_ms",), lambda values, _: str(values.number("segments:end_ms")))
    with pytest.raises(KeyError):
        derive_claim(greedy, rows_of_speech())


def test_evidence_holds_all_that_a_rule_reads_in_order() -> None:
    claim = derive_claim(RULES["speech.level"], rows_of_speech(level_dbfs=-45.5))
    assert claim is not None
    found = [(evidence.table, evidence.backend, evidence.field, evidence.value) for evidence in claim.evidence]
    assert found[-1] == ("annotations/speech", "voice", "voice.level_dbfs", "-45.5")
    assert found[0] == ("segments", None, "profile.*.class", '["speech"]')


def test_a_value_is_taken_from_the_first_backend_that_measured_it() -> None:
    one = segment(SPEECH, [Branch.SPEECH])
    silent = row(one, SpeechFacts(), "pocketsphinx", Branch.SPEECH)
    first, second = (
        row(one, SpeechFacts(voice=voice(level_dbfs=level)), name, Branch.SPEECH)
        for name, level in [("near", -50.0), ("far", -51.0)]
    )
    claim = derive_claim(RULES["speech.level"], Rows(one, [silent, first, second]))
    assert claim is not None
    assert claim.evidence[-1].backend == "near"


def test_wording_depends_on_the_segment_and_the_rule_alone() -> None:
    options = [str(number) for number in range(50)]
    assert Pick("a", "rule")(*options) == Pick("a", "rule")(*options)
    assert len({Pick(str(seed), "rule")(*options) for seed in range(200)}) > 40
    assert len({Pick("a", str(rule))(*options) for rule in range(200)}) > 40


@given(st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_the_same_rows_give_the_same_caption(seed: int) -> None:
    one, rows = plausible(seed)
    again, same_rows = plausible(seed)
    config = CaptionConfig()
    assert merge_segment(one, with_captions(one, rows), config, "k") == merge_segment(
        again, with_captions(again, same_rows), config, "k"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"syllable_rate_hz": 2.2}, r"slow(ly)?\b"),
        ({"syllable_rate_hz": 6.4}, r"rapid(ly)?\b|fast|quickly"),
        ({"pitch_median_hz": 95.0, "pitch_low_hz": 85.0, "pitch_high_hz": 110.0}, r"low"),
        ({"pitch_median_hz": 260.0, "pitch_low_hz": 230.0, "pitch_high_hz": 300.0}, r"high"),
        ({"pause_count": 1}, r"for a moment|a pause in between"),
        ({"pause_count": 3}, r"a few"),
        ({"pause_count": 20_000}, r"again and again|many pauses"),
    ],
)
def test_pace_pitch_and_pauses_are_told_in_words(changes: dict[str, float | None], words: str) -> None:
    text = sentence("speech.opening", rows_of_speech(**changes))
    assert text is not None
    assert re.search(words, text, re.IGNORECASE), text


@pytest.mark.parametrize(
    "changes",
    [
        {"pitch_low_hz": 80.0, "pitch_high_hz": 240.0},
        {"voiced_share": 0.1},
        {"pitch_median_hz": None, "pitch_low_hz": None, "pitch_high_hz": None},
        {"speech_ms": 900},
    ],
)
def test_no_pitch_is_told_where_it_is_not_sure_to_be_one_voice_s(changes: dict[str, float | None]) -> None:
    text = sentence("speech.opening", rows_of_speech(**changes))
    assert text is not None
    assert "pitch" not in text


def test_an_animal_taken_for_speech_has_no_pace() -> None:
    """A growl of 1.9 s that the detector is sure is speech: a quarter of it is voiced, less than of people's speech."""
    text = sentence("speech.opening", rows_of_speech(voiced_share=0.26, syllable_rate_hz=2.2))
    assert text is not None
    assert not re.search(r"slow|pace|hurry|pitch", text, re.IGNORECASE), text


@pytest.mark.parametrize("gaps", [{"pause_count": 3, "longest_pause_ms": 220}, {"pause_count": 0}])
def test_where_no_pause_was_noticed_none_is_told_or_denied(gaps: dict[str, float | None]) -> None:
    text = sentence("speech.opening", rows_of_speech(**gaps))
    assert text is not None
    assert "paus" not in text


def test_the_background_is_not_called_quiet_where_music_plays() -> None:
    events = [*SPEECH, event(EventClass.MUSIC, 5_000, 10_000)]
    one = segment(events, [Branch.SPEECH])
    rows = Rows(one, [row(one, SpeechFacts(voice=voice(snr_db=50.0)), "voice", Branch.SPEECH)])
    assert sentence("speech.background", rows) is None
    assert sentence("speech.background", rows_of_speech(snr_db=50.0)) is not None


def test_nothing_is_said_of_what_is_ordinary() -> None:
    assert sentence("speech.level", rows_of_speech(level_dbfs=-25.0)) is None
    assert sentence("speech.background", rows_of_speech(snr_db=18.0)) is None
    assert sentence("speech.background", rows_of_speech(snr_db=None)) is None


def test_unsure_speech_is_hedged_and_not_described() -> None:
    for score in (0.3, 0.7):
        one = segment([event(EventClass.SPEECH, 0, 10_000, score=score)], [Branch.SPEECH])
        rows = with_captions(one, [row(one, SpeechFacts(voice=voice()), "voice", Branch.SPEECH)])
        caption = merge_segment(one, rows, CaptionConfig(), "k")
        assert len(caption.claims) == 1
        assert any(hedge in caption.caption.lower() for hedge in HEDGES)


def test_the_pitch_of_a_voice_is_told_of_one_voice_alone() -> None:
    one, (voiced, *_) = segment(SPEECH, [Branch.SPEECH]), rows_of_speech().annotations
    for count, doubt, told in ((1, None, True), (1, 0.05, True), (1, 0.13, False), (2, 0.05, False), (0, None, False)):
        speakers = Speakers(count=count, turns=(), overlap_ms=0, scope="segment", doubt=doubt)
        rows = Rows(one, [voiced, row(one, SpeechFacts(speakers=speakers), "who", Branch.SPEECH)])
        assert ("pitch" in (sentence("speech.manner", rows) or "")) == told


@given(st.integers(0, 10**9))
@settings(max_examples=150, deadline=None)
def test_captions_are_clean_sentences(seed: int) -> None:
    one, rows = plausible(seed)
    for claims in [
        merge_segment(one, rows, CaptionConfig(), "k").claims,
        *(existing.caption_claims for existing in with_captions(one, rows)),
    ]:
        for claim in claims:
            assert re.fullmatch(r"[A-Z][a-z',;: -]*(?:[A-G] [a-z',;: -]*)?\.", claim.text), claim.text
            assert not re.search(r"  | ,|,,|\ba [aeio]|\ban [^aeiou]|\b(\w+) \1\b", claim.text), claim.text
            assert "very short" not in claim.text or "throughout" not in claim.text


def test_the_second_of_two_sounds_is_told_by_what_sets_it_apart() -> None:
    first, second = (event(EventClass.SOURCE_AMBIGUOUS, start, start + 400) for start in (0, 1_000))
    plain, pitched, bright = (
        SegmentEvent(EventClass.SOURCE_AMBIGUOUS, one.span, 0.9, tonal_share=tonal, brightness_hz=hz)
        for one, tonal, hz in [(first, 0.2, 1_000.0), (second, 0.9, 1_000.0), (second, 0.2, 3_000.0)]
    )
    assert follow_phrase(plain, pitched) == "one of clear pitch"
    assert follow_phrase(plain, bright) == "a bright one"
    assert follow_phrase(plain, plain) == "another one"


def test_a_rule_without_several_fields_is_found_by_its_name() -> None:
    rule = without(without(RULES["music.opening"], ["music:tonality"]), ["music:rhythm"])
    assert rule.name == "music.opening~music:rhythm+music:tonality"
    assert rule_named(rule.name).reads == rule.reads


def test_a_caption_tells_nothing_twice() -> None:
    for seed in range(300):
        one, rows = plausible(seed)
        claims = merge_segment(one, rows, CaptionConfig(), "k").claims
        told = [token for claim in claims for token in rule_named(split_variant(claim.rule)[0]).topics]
        assert len(told) == len(set(told))


def test_neighbouring_sentences_seldom_begin_alike() -> None:
    alike = pairs = 0
    for seed in range(300):
        one, rows = plausible(seed)
        texts = [claim.text for claim in merge_segment(one, rows, CaptionConfig(), "k").claims]
        alike += sum(before.split()[:2] == after.split()[:2] for before, after in pairwise(texts))
        pairs += max(0, len(texts) - 1)
    assert alike <= 0.01 * pairs


def test_no_opening_takes_more_than_a_small_share_of_a_corpus() -> None:
    openings: Counter[str] = Counter()
    for seed in range(500):
        one, rows = plausible(seed)
        caption = merge_segment(one, rows, CaptionConfig(), "k").caption
        openings[" ".join(caption.lower().split()[:3])] += 1
    assert openings.most_common(1)[0][1] <= 0.03 * 500, openings.most_common(5)
    assert len(openings) >= 120


def test_alike_segments_are_not_described_in_the_same_words() -> None:
    captions = set()
    for seed in range(100):
        one = segment(SPEECH, [Branch.SPEECH], recording_id=f"{seed:032x}")
        rows = [row(one, SpeechFacts(voice=voice()), "voice", Branch.SPEECH)]
        captions.add(merge_segment(one, rows, CaptionConfig(), "k").caption)
    assert len(captions) >= 40


def test_a_duration_is_never_said_to_be_longer_than_it_is() -> None:
    said = [seconds_word(value) for value in (3_500, 4_500, 11_700, 12_900, 17_500, 29_000)]
    assert said == [
        "about three seconds",
        "about four seconds",
        "about eleven seconds",
        "over twelve seconds",
        "about a quarter of a minute",
        "some twenty seconds",
    ]


def test_words_for_quantities() -> None:
    assert [number_word(count) for count in (2, 12, 13, 30)] == ["two", "twelve", "more than a dozen", "dozens of"]
    assert [seconds_word(value) for value in (1_200, 2_400, 20_000, 30_000)] == [
        "about a second",
        "about two seconds",
        "some twenty seconds",
        "about half a minute",
    ]
    assert [with_article(word) for word in ("even hum", "uniform hum", "short sound")] == [
        "an even hum",
        "a uniform hum",
        "a short sound",
    ]
    assert plural("sound of nature") == "sounds of nature"
    assert [place_word(share / 10) for share in (0, 2, 5, 8, 10)] == [
        "right at the start",
        "near the start",
        "about halfway through",
        "towards the end",
        "at the very end",
    ]


def test_values_refuse_another_type_than_the_rule_expects() -> None:
    values = Values({"a": json.loads('"text"'), "b": True})
    with pytest.raises(TypeError):
        values.number("a")
    with pytest.raises(TypeError):
        values.number("b")
    with pytest.raises(TypeError):
        values.numbers("a")
