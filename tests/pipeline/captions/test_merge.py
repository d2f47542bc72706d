"""The merged caption: what leads comes first, order and overlap as the events have them, and never a word unfounded."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.annotators.grammar.words import HEDGES
from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.captions.check import check_caption
from soundseam.pipeline.captions.merge import merge_segment
from soundseam.schemas.caption import Caption
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.music import Rhythm, Tonality
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts
from tests.support.caption_rows import event, heard, music, plausible, row, segment, transcript, voice

SPEECH, MUSIC, GENERAL = Branch.SPEECH, Branch.MUSIC, Branch.GENERAL


def merged(events: Sequence[Event], branches: Sequence[Branch], seed: int = 0, sentences: int = 5) -> Caption:
    one = segment(events, branches, recording_id=f"{seed:032x}")
    rows = []
    if SPEECH in branches:
        rows.append(row(one, SpeechFacts(voice=voice()), "voice", SPEECH))
    if MUSIC in branches:
        rows.append(row(one, music(), "mir", MUSIC))
    if GENERAL in branches:
        rows.append(row(one, GeneralFacts(events=tuple(heard(each) for each in one.events)), "events", GENERAL))
    caption = merge_segment(one, rows, CaptionConfig(sentences=sentences), "k")
    assert check_caption(caption, one, rows) == ()
    return caption


def bare(events: Sequence[Event], branches: Sequence[Branch]) -> tuple[Segment, Caption]:
    one = segment(events, branches)
    return one, merge_segment(one, (), CaptionConfig(), "k")


@pytest.mark.parametrize("seed", range(20))
def test_speech_over_music_is_told_as_at_the_same_time(seed: int) -> None:
    together = [event(EventClass.SPEECH, 1_000, 9_000), event(EventClass.MUSIC, 0, 10_000)]
    caption = merged(together, [SPEECH, MUSIC], seed)
    assert re.search("while|as |together|same time|along with", caption.claims[0].text.lower())
    assert not re.search("then|follow|after", caption.claims[0].text.lower())


@pytest.mark.parametrize("seed", range(20))
def test_speech_and_then_music_are_told_in_their_order(seed: int) -> None:
    after = [event(EventClass.SPEECH, 0, 5_000), event(EventClass.MUSIC, 5_200, 10_000)]
    text = merged(after, [SPEECH, MUSIC], seed).claims[0].text.lower()
    assert re.search("then|follow|after", text)
    assert not re.search("while|together|same time", text)
    first = min(text.find(word) for word in ("speech", "someone") if word in text)
    assert first < text.find("music") or "comes after" in text


@pytest.mark.parametrize("seed", range(20))
def test_a_sound_after_the_speech_is_not_told_as_during_it(seed: int) -> None:
    events = [event(EventClass.SPEECH, 0, 6_000), event(EventClass.SOURCE_AMBIGUOUS, 8_000, 8_300)]
    for branches in ([SPEECH, GENERAL], [GENERAL, SPEECH]):
        told = [claim.text.lower() for claim in merged(events, branches, seed).claims if "sounds." in claim.rule]
        assert len(told) == 1
        assert "after" in told[0]
        assert not re.search("while|during|before", told[0])


@pytest.mark.parametrize("seed", range(20))
def test_a_few_words_in_long_music_are_told_with_their_place(seed: int) -> None:
    events = [event(EventClass.MUSIC, 0, 10_000), event(EventClass.SPEECH, 8_000, 9_000)]
    assert "towards the end" in merged(events, [MUSIC, SPEECH], seed).claims[0].text.lower()


@pytest.mark.parametrize("seed", range(20))
def test_a_sound_beside_others_is_never_called_the_only_one(seed: int) -> None:
    events = [
        event(EventClass.MUSIC, 0, 10_000),
        event(EventClass.SPEECH, 0, 9_000),
        event(EventClass.SOURCE_AMBIGUOUS, 9_200, 9_400),
    ]
    caption = merged(events, [MUSIC, SPEECH, GENERAL], seed)
    assert any(claim.rule.startswith("sounds.") for claim in caption.claims)
    assert not re.search(r"\b(only a|just|nothing but|single)\b", caption.caption.lower())


def test_an_unsure_event_inside_a_surer_one_is_no_second_sound() -> None:
    surer = event(EventClass.SOURCE_AMBIGUOUS, 0, 9_000)
    doubled = [surer, event(EventClass.MUSIC, 0, 8_500, score=0.45)]
    assert bare(doubled, [GENERAL])[1].claims[0].text == bare([surer], [GENERAL])[1].claims[0].text


@pytest.mark.parametrize(("score", "hedged"), [(0.95, False), (0.7, True)])
def test_music_without_pulse_and_key_is_hedged_unless_its_detector_is_very_sure(score: float, hedged: bool) -> None:
    one = segment([event(EventClass.MUSIC, 0, 10_000, score)], [MUSIC])
    rhythm = Rhythm(tempo_bpm=None, tempo_confidence=0.0, beats_ms=(), onset_rate_hz=0.7)
    tonality = Tonality(tonic=None, mode=None, confidence=0.0, runner_up=None, tuning_cents=None)
    rows = [row(one, music(rhythm=rhythm, tonality=tonality), "mir", MUSIC)]
    text = merge_segment(one, rows, CaptionConfig(), "k").caption.lower()
    assert any(hedge in text for hedge in HEDGES) is hedged


def test_the_level_of_music_is_not_told_where_speech_may_have_made_it() -> None:
    for seed in range(20):
        events = [event(EventClass.MUSIC, 0, 10_000), event(EventClass.SPEECH, 0, 2_000)]
        assert not re.search("loud|soft", merged(events, [MUSIC, SPEECH], seed).caption.lower())


@pytest.mark.parametrize(("speech_ms", "leading"), [(10_000, SPEECH), (3_000, GENERAL)])
def test_the_leading_branch_opens(speech_ms: int, leading: Branch) -> None:
    events = [event(EventClass.SPEECH, 0, speech_ms), event(EventClass.ANIMAL, 4_000, 7_500)]
    branches = [SPEECH, GENERAL] if leading is SPEECH else [GENERAL, SPEECH]
    caption = merged(events, branches)
    assert caption.claims[0].rule.startswith("speech." if leading is SPEECH else "sounds.")
    assert caption.branches == tuple(branches)


def test_branches_are_those_whose_rows_the_caption_rests_on() -> None:
    _, caption = bare([event(EventClass.SPEECH, 0, 10_000)], [SPEECH])
    assert caption.claims
    assert caption.branches == ()


def test_the_limit_on_sentences_is_kept() -> None:
    events = [event(EventClass.MUSIC, 0, 10_000), event(EventClass.ANIMAL, 2_000, 2_400)]
    assert [len(merged(events, [MUSIC, GENERAL], sentences=limit).claims) for limit in (1, 2, 3)] == [1, 2, 3]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(EventClass)), st.integers(0, 9_900), st.integers(1, 10_000), st.floats(0.0, 1.0)
        ),
        min_size=1,
        max_size=12,
    ),
    st.permutations(list(Branch)),
)
@settings(max_examples=150, deadline=None)
def test_every_segment_with_an_event_has_a_caption_even_without_annotations(
    found: list[tuple[EventClass, int, int, float]], branches: list[Branch]
) -> None:
    events = [event(name, start, min(10_000, start + length), round(score, 3)) for name, start, length, score in found]
    one, caption = bare(events, branches)
    assert caption.caption
    assert check_caption(caption, one, ()) == ()


def test_a_segment_without_events_has_no_caption() -> None:
    one, caption = bare([], [GENERAL])
    assert caption.caption == ""
    assert [problem.reason for problem in check_caption(caption, one, ())] == ["no_claims"]


@given(st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_what_a_recogniser_heard_changes_no_caption(seed: int) -> None:
    one, rows = plausible(seed)
    silent = [existing for existing in rows if existing.backend != "pocketsphinx"]
    other = [row(one, SpeechFacts(transcript=transcript("quite other words")), "pocketsphinx", SPEECH), *silent]
    config = CaptionConfig()
    assert len({merge_segment(one, each, config, "k").caption for each in (rows, silent, other)}) == 1


def test_no_caption_names_a_speaker_an_instrument_or_a_source() -> None:
    for seed in range(200):
        one, rows = plausible(seed)
        text = merge_segment(one, rows, CaptionConfig(), "k").caption.lower()
        assert not re.search(r"\b(man|woman|male|female|child|boy|girl|he|she|speaker|person|happy|sad|angry)\b", text)
        assert not re.search(r"\b(guitar|piano|drums?|dog|bird|car|door|rain|wind|bell|alarm|applause)\b", text)
