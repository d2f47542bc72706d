"""What becomes of sources that contradict each other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseam.pipeline.captions.caption_config import CaptionConfig
from soundseam.pipeline.captions.check import check_caption
from soundseam.pipeline.captions.conflicts import same_notes, same_pulse, same_tempo
from soundseam.pipeline.captions.merge import merge_segment
from soundseam.pipeline.captions.plan import plan_caption
from soundseam.schemas.annotation import Annotation
from soundseam.schemas.caption import Conflict, Resolution, ResultKind
from soundseam.schemas.event import Branch, EventClass
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.music import Mode, MusicFacts, Rhythm, Tonality
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import Agreement, ErrorUnit, Speakers, SpeechFacts, SpeechLanguage, Transcript
from tests.support.caption_rows import (
    contents_by_kind,
    event,
    heard,
    music,
    plausible,
    row,
    segment,
    transcript,
    with_captions,
)

SPEECH, MUSIC, GENERAL = Branch.SPEECH, Branch.MUSIC, Branch.GENERAL
ONE = segment([event(EventClass.MUSIC, 0, 10_000)], [MUSIC])
TALK = segment([event(EventClass.SPEECH, 0, 10_000)], [SPEECH])


def tempo(bpm: float, sure: float, backend: str) -> Annotation:
    rhythm = Rhythm(tempo_bpm=bpm, tempo_confidence=sure, beats_ms=(), onset_rate_hz=3.0)
    return row(ONE, music(rhythm=rhythm, tonality=None), backend, MUSIC)


def key(tonic: str, mode: Mode, sure: float, backend: str) -> Annotation:
    tonality = Tonality(tonic=tonic, mode=mode, confidence=sure, runner_up="C major", tuning_cents=0.0)
    return row(ONE, MusicFacts(tonality=tonality), backend, MUSIC)


def said(text: str, backend: str, language: str = "en", agreed: bool = False, usable: bool = True) -> Annotation:
    one: Transcript = transcript(text, usable).model_copy(update={"language": language})
    compared = Agreement(
        systems=("a", "b"),
        chosen="a",
        unit=ErrorUnit.WORDS,
        pairs=(),
        coverage=None,
        untranscribed_tail_ms=None,
        letters_per_second=None,
    )
    return row(TALK, SpeechFacts(transcript=one, agreement=compared if agreed else None), backend, SPEECH)


def conflict_in(one: Segment, rows: list[Annotation], topic: str) -> Conflict | None:
    found = [conflict for conflict in plan_caption(one, rows).plan.conflicts if conflict.topic == topic]
    assert len(found) < 2
    return found[0] if found else None


def test_one_source_contradicts_nobody() -> None:
    for seed in range(60):
        one, rows = plausible(seed)
        assert [conflict.topic for conflict in plan_caption(one, with_captions(one, rows)).plan.conflicts] == []


@pytest.mark.parametrize(
    ("others", "resolution", "kept"),
    [
        ([(120.0, 0.6), (123.0, 0.5)], None, None),
        ([(120.0, 0.6), (60.5, 0.5)], Resolution.SAME_PULSE, "0"),
        ([(60.0, 0.3), (181.0, 0.9)], Resolution.SAME_PULSE, "1"),
        ([(120.0, 0.3), (90.0, 0.9), (92.0, 0.2)], Resolution.MAJORITY, "1"),
        ([(120.0, 0.9), (90.0, 0.3)], Resolution.STRONGER, "0"),
        ([(120.0, 0.5), (90.0, 0.5)], Resolution.OPEN, None),
    ],
)
def test_tempi_are_settled(others: list[tuple[float, float]], resolution: Resolution | None, kept: str | None) -> None:
    rows = [tempo(bpm, sure, str(index)) for index, (bpm, sure) in enumerate(others)]
    found = conflict_in(ONE, rows, "tempo")
    assert (found.resolution if found else None) == resolution
    wanted = f"annotations/music/{kept}/rhythm.tempo_bpm" if kept is not None else None
    assert (found.kept if found else None) == wanted
    if found is not None:
        assert "90" in found.detail or "60" in found.detail
        assert found.kept not in found.against


def test_the_tempo_that_counts_is_the_one_that_is_told() -> None:
    rows = [tempo(60.0, 0.3, "slow"), tempo(160.0, 0.9, "fast"), key("A", Mode.MINOR, 0.9, "harmony")]
    caption = merge_segment(ONE, rows, CaptionConfig(), "k")
    assert check_caption(caption, ONE, rows) == ()
    assert "slow" not in caption.caption.lower()
    cited = {one.backend for claim in caption.claims for one in claim.evidence if one.field == "rhythm.tempo_bpm"}
    assert cited == {"fast"}
    assert contents_by_kind(ONE, rows)[ResultKind.RHYTHM] == ["fast tempo, 160 beats a minute"]


def test_of_an_open_tempo_nothing_is_told_and_everything_else_is() -> None:
    sure_key = key("A", Mode.MINOR, 0.9, "harmony")
    rows = [tempo(60.0, 0.6, "slow"), tempo(160.0, 0.6, "fast"), sure_key]
    caption = merge_segment(ONE, rows, CaptionConfig(), "k")
    assert check_caption(caption, ONE, rows) == ()
    assert "A minor" in caption.caption
    assert not any(one.field.startswith("rhythm") for claim in caption.claims for one in claim.evidence)
    assert any("~music:rhythm" in claim.rule for claim in caption.claims)
    assert ResultKind.RHYTHM not in contents_by_kind(ONE, rows)
    assert caption.plan.conflicts[0].resolution is Resolution.OPEN


@pytest.mark.parametrize(
    ("one", "other", "resolution"),
    [
        (("C", Mode.MAJOR, 0.6), ("C", Mode.MAJOR, 0.2), None),
        (("C", Mode.MAJOR, 0.6), ("A", Mode.MINOR, 0.5), Resolution.SAME_NOTES),
        (("C", Mode.MAJOR, 0.6), ("C", Mode.MINOR, 0.5), Resolution.OPEN),
        (("C", Mode.MAJOR, 0.9), ("G", Mode.MAJOR, 0.3), Resolution.STRONGER),
    ],
)
def test_keys_are_settled(
    one: tuple[str, Mode, float], other: tuple[str, Mode, float], resolution: Resolution | None
) -> None:
    found = conflict_in(ONE, [key(*one, "first"), key(*other, "second")], "key")
    assert (found.resolution if found else None) == resolution


@given(st.floats(20.0, 300.0), st.sampled_from([2.0, 3.0, 0.5]))
def test_twice_or_three_times_a_tempo_is_the_same_pulse(bpm: float, factor: float) -> None:
    assert same_pulse(bpm, bpm * factor)
    assert same_pulse(bpm * factor, bpm)
    assert not same_tempo(bpm, bpm * factor)


@given(st.integers(0, 11))
def test_relative_keys_share_their_notes_and_no_others_do(semitone: int) -> None:
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    minor = (names[semitone], "minor")
    related = [name for name in names if same_notes(minor, (name, "major"))]
    assert related == [names[(semitone + 3) % 12]]
    assert same_notes((related[0], "major"), minor)
    assert not same_notes(minor, minor)


def test_the_manifest_s_language_counts() -> None:
    spoken = TALK.model_copy(update={"language": "zh-CN"})
    language = SpeechLanguage(from_audio="en", from_text="zh", text_confidence=0.9, agrees=False)
    rows = [row(TALK, SpeechFacts(language=language), "language", SPEECH)]
    found = conflict_in(spoken, rows, "language")
    assert found is not None
    assert (found.resolution, found.kept) == (Resolution.MANIFEST, "segments//language")
    assert found.against == ("annotations/speech/language/language.from_audio",)
    assert contents_by_kind(spoken, rows)[ResultKind.LANGUAGE] == ["the language is Chinese"]


def test_of_an_open_language_nothing_is_told() -> None:
    language = SpeechLanguage(from_audio="en", from_text="de", text_confidence=0.6, agrees=False)
    rows = [row(TALK, SpeechFacts(language=language), "language", SPEECH)]
    found = conflict_in(TALK, rows, "language")
    assert found is not None
    assert found.resolution is Resolution.OPEN
    assert ResultKind.LANGUAGE not in contents_by_kind(TALK, rows)


def test_only_what_systems_agreed_on_may_be_quoted() -> None:
    rows = [said("hold the line", "a"), said("hold the lime", "b"), said("hold the line", "agreement", agreed=True)]
    found = conflict_in(TALK, rows, "transcript")
    assert found is not None
    assert (found.resolution, found.kept) == (Resolution.AGREED, "annotations/speech/agreement/transcript.text")
    assert contents_by_kind(TALK, rows)[ResultKind.TRANSCRIPT] == ["hold the line"]


@pytest.mark.parametrize(
    "rows",
    [
        [said("hold the line", "a"), said("fold the line", "b")],
        [said("hold the line", "a", usable=False)],
        [said("hold the line", "a"), said("hold the line", "agreement", agreed=True, usable=False)],
        [said(" ", "a")],
    ],
    ids=["two that differ", "not for training", "not agreed on", "nothing"],
)
def test_no_other_transcript_is_told(rows: list[Annotation]) -> None:
    assert ResultKind.TRANSCRIPT not in contents_by_kind(TALK, rows)


def test_two_counts_of_speakers_are_open() -> None:
    rows = [
        row(TALK, SpeechFacts(speakers=Speakers(turns=(), count=count, overlap_ms=0, scope="segment")), name, SPEECH)
        for name, count in [("one", 2), ("other", 3)]
    ]
    found = conflict_in(TALK, rows, "speakers")
    assert found is not None
    assert found.resolution is Resolution.OPEN
    assert ResultKind.SPEAKERS not in contents_by_kind(TALK, rows)


def test_speech_of_which_nobody_knows_a_word_is_noted() -> None:
    found = conflict_in(TALK, [said("", "pocketsphinx", usable=False)], "words")
    assert found is not None
    assert found.kept == "segments//profile.0"
    assert conflict_in(TALK, [said("hello", "pocketsphinx", usable=False)], "words") is None


def animals(score: float, onset_ms: int, offset_ms: int) -> tuple[Segment, list[Annotation]]:
    """A segment whose detector hears an animal sound from 1 to 2 s, and a backend that hears it elsewhere."""
    one = segment([event(EventClass.ANIMAL, 1_000, 2_000, score=0.6)], [GENERAL])
    other = heard(event(EventClass.ANIMAL, onset_ms, offset_ms, score=score))
    return one, [row(one, GeneralFacts(events=(other,)), "captioner", GENERAL)]


def test_sources_that_hear_an_event_at_one_time_agree() -> None:
    one, rows = animals(0.6, 1_100, 2_100)
    assert conflict_in(one, rows, "events") is None
    assert contents_by_kind(one, rows)[ResultKind.EVENT] == ["animal"]


@pytest.mark.parametrize(("score", "resolution"), [(0.95, Resolution.STRONGER), (0.62, Resolution.OPEN)])
def test_events_that_sources_place_otherwise_are_settled(score: float, resolution: Resolution) -> None:
    one, rows = animals(score, 6_000, 7_000)
    found = conflict_in(one, rows, "events")
    assert found is not None
    assert found.resolution is resolution
    caption = merge_segment(one, rows, CaptionConfig(), "k")
    assert check_caption(caption, one, rows) == ()
    sources = {each.table for claim in caption.claims for each in claim.evidence if each.field.startswith("events")}
    assert sources == ({"segments"} if resolution is Resolution.OPEN else {"annotations/general"})


def test_an_event_that_a_weak_source_does_not_hear_counts() -> None:
    one = segment([event(EventClass.ANIMAL, 1_000, 2_000, score=0.9)], [GENERAL])
    rows = [row(one, GeneralFacts(events=()), "captioner", GENERAL)]
    found = conflict_in(one, rows, "events")
    assert found is not None
    assert (found.resolution, found.kept) == (Resolution.STRONGER, "segments//events")


@given(st.integers(0, 10**9), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=60)
def test_whatever_sources_contradict_each_other_the_caption_holds(
    seed: int, one_sure: float, other_sure: float
) -> None:
    one, rows = plausible(seed)
    copies = [
        existing.model_copy(
            update={
                "backend": f"{existing.backend}2",
                **(
                    {
                        "rhythm": Rhythm(tempo_bpm=77.0, tempo_confidence=one_sure, beats_ms=(), onset_rate_hz=2.0),
                        "tonality": Tonality(
                            tonic="F", mode=Mode.MAJOR, confidence=other_sure, runner_up="D minor", tuning_cents=0.0
                        ),
                    }
                    if existing.branch is MUSIC
                    else {}
                ),
            }
        )
        for existing in rows
    ]
    caption = merge_segment(one, (*rows, *copies), CaptionConfig(), "k")
    assert caption.caption
    assert check_caption(caption, one, (*rows, *copies)) == ()


def test_a_name_for_an_ambiguous_sound_is_no_contradiction() -> None:
    one = segment([event(EventClass.SOURCE_AMBIGUOUS, 1_000, 2_000)], [GENERAL])
    caw = heard(event(EventClass.ANIMAL, 1_000, 2_000)).model_copy(update={"label": "Caw"})
    planned = plan_caption(one, [row(one, GeneralFacts(events=(caw,)), "events", GENERAL)])
    assert planned.plan.conflicts == ()
