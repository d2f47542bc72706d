"""Questions about music: right answers and wrong ones for every key, and the limits of what is asked at all."""

from __future__ import annotations

import pytest

from soundseam.pipeline.sft.answers import read_timed, score_answer
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.event import Branch
from soundseam.schemas.music import PITCH_CLASSES, Chord, Mode, Rhythm, Section, Tonality, key_name
from soundseam.schemas.sample import Difficulty, Sample
from soundseam.schemas.segment import Segment
from tests.pipeline.sft.builders import (
    CONFIG,
    ENGLISH,
    MUSIC,
    SPEECH,
    event,
    material,
    musical,
    recording,
    samples,
    sung,
    tagged,
)
from tests.pipeline.sft.limits import only_task
from tests.support.builders import a_segment

START_MS = 3_000


def song(duration_ms: int = 16_000, speech_ms: int = 0) -> Segment:
    end_ms = START_MS + duration_ms
    talk = (event(SPEECH, START_MS, START_MS + speech_ms),) if speech_ms else ()
    return a_segment(
        start_ms=START_MS, end_ms=end_ms, events=(*talk, event(MUSIC, START_MS, end_ms)), branches=(Branch.MUSIC,)
    )


def asked(task: str, row: MusicAnnotation, segment: Segment | None = None, **options: object) -> list[Sample]:
    return samples(recording(material(segment or song(), row)), only_task(ENGLISH, task, **options))


def in_key(tonic: str | None, mode: Mode | None, confidence: float = 0.9) -> MusicAnnotation:
    tonality = Tonality(tonic=tonic, mode=mode, confidence=confidence, runner_up=None, tuning_cents=0.0)
    return musical(song()).model_copy(update={"tonality": tonality, "rhythm": None})


def beating(
    tempo_bpm: float | None = 120.0, sure: float = 0.9, beats: int | None = 4, bar_sure: float = 0.9
) -> MusicAnnotation:
    rhythm = Rhythm(
        tempo_bpm=tempo_bpm,
        tempo_confidence=sure,
        beats_ms=(),
        onset_rate_hz=2.0,
        beats_per_bar=beats,
        meter_confidence=bar_sure,
    )
    return musical(song()).model_copy(update={"rhythm": rhythm, "tonality": None})


def choices_of(row: MusicAnnotation, **options: object) -> tuple[str, set[str]]:
    """The right answer of the only choice question, and the wrong ones."""
    (sample,) = asked("choice", row, **options)
    spec = sample.answer_spec
    right = spec.choices[spec.correct]
    return right, {*spec.choices} - {right}


@pytest.mark.parametrize("mode", [Mode.MAJOR, Mode.MINOR])
@pytest.mark.parametrize("degree", range(12))
def test_a_key_is_taken_for_its_fifths_its_relative_and_its_parallel(degree: int, mode: Mode) -> None:
    other = Mode.MINOR if mode is Mode.MAJOR else Mode.MAJOR
    relative = 9 if mode is Mode.MAJOR else 3
    neighbours = [
        ((degree + 7) % 12, mode),
        ((degree + 5) % 12, mode),
        ((degree + relative) % 12, other),
        (degree, other),
    ]
    row = in_key(PITCH_CLASSES[degree], mode)
    right, wrong = choices_of(row, max_choices=5)
    assert right == key_name(PITCH_CLASSES[degree], mode)
    assert wrong == {key_name(PITCH_CLASSES[number], its_mode) for number, its_mode in neighbours}
    (sample,) = asked("key", row)
    assert right in sample.answer
    assert score_answer(sample.answer_spec, right, CONFIG.timestamps) == 1.0
    assert all(score_answer(sample.answer_spec, name, CONFIG.timestamps) == 0.0 for name in wrong)


def test_a_key_is_asked_for_from_the_confidence_that_is_set_and_only_if_it_is_one() -> None:
    assert [len(asked("key", in_key("A", Mode.MINOR, sure), min_confidence=0.6)) for sure in (0.59, 0.6)] == [0, 1]
    assert not asked("key", in_key(None, None))
    assert not asked("key", in_key("A", None))
    assert not asked("key", in_key("H", Mode.MINOR))
    (sample,) = asked("key", in_key("A", Mode.MINOR))
    assert {one.field for one in sample.evidence} == {"tonality.tonic", "tonality.mode", "tonality.confidence"}
    assert sample.difficulty is Difficulty.MEDIUM


def test_a_tempo_may_be_off_by_a_twenty_fifth_and_is_taken_for_none_that_could_be_tapped() -> None:
    (sample,) = asked("tempo", beating(119.6))
    assert "120" in sample.answer
    for answer, mark in (("115 bpm", 1.0), ("124 bpm", 1.0), ("114 bpm", 0.0), ("125 bpm", 0.0), ("60 bpm", 0.0)):
        assert score_answer(sample.answer_spec, answer, CONFIG.timestamps) == mark
    assert {one.field for one in sample.evidence} == {"rhythm.tempo_bpm", "rhythm.tempo_confidence"}
    right, wrong = choices_of(beating(100.0, beats=None), max_choices=5)
    assert right.startswith("100")
    assert {int(name.split()[0]) for name in wrong} == {72, 138, 82, 124}


def test_a_tempo_and_a_bar_are_asked_for_from_the_confidence_that_is_set() -> None:
    assert [len(asked("tempo", beating(sure=sure), min_confidence=0.6)) for sure in (0.59, 0.6)] == [0, 1]
    assert not asked("tempo", beating(None))
    for sure, bar_sure, count in ((0.7, 0.6, 1), (0.69, 0.6, 0), (0.7, 0.59, 0), (0.6, 0.7, 0)):
        made = asked("meter", beating(sure=sure, bar_sure=bar_sure), min_confidence=0.6, min_tempo_confidence=0.7)
        assert len(made) == count
    assert not asked("meter", beating(beats=None))


@pytest.mark.parametrize("beats", [2, 3, 4, 5, 6])
def test_a_bar_is_taken_for_one_of_another_number_of_beats(beats: int) -> None:
    right, wrong = choices_of(beating(None, beats=beats), max_choices=5)
    assert right.split()[0] == str(beats)
    assert {int(name.split()[0]) for name in wrong} == {2, 3, 4, 5} - {beats}
    (sample,) = asked("meter", beating(beats=beats))
    assert str(beats) in sample.answer
    assert score_answer(sample.answer_spec, str(beats), CONFIG.timestamps) == 1.0
    assert score_answer(sample.answer_spec, str(beats + 1), CONFIG.timestamps) == 0.0


def with_chords(*parts: tuple[str, int, float]) -> MusicAnnotation:
    """Chords of (label, length, confidence) from the segment's start on."""
    chords, start_ms = [], START_MS
    for label, length_ms, confidence in parts:
        chords.append(Chord(start_ms=start_ms, end_ms=start_ms + length_ms, label=label, confidence=confidence))
        start_ms += length_ms
    return musical(song()).model_copy(update={"chords": tuple(chords)})


def test_chords_are_listed_with_their_times_in_the_clip() -> None:
    (sample,) = asked("chords", with_chords(("A:min", 6_000, 0.9), ("N", 2_000, 0.9), ("C:maj", 8_000, 0.9)))
    entries = read_timed(sample.answer, CONFIG.timestamps)
    assert [(one.segment_start_ms, one.segment_end_ms, one.text) for one in entries] == [
        (0, 6_000, "A:min"),
        (6_000, 8_000, "N"),
        (8_000, 16_000, "C:maj"),
    ]
    assert sample.difficulty is Difficulty.HARD
    assert {one.field for one in sample.evidence} == {"chords"}


def test_chords_are_asked_for_if_they_are_several_not_too_many_and_each_is_sure() -> None:
    sure, unsure = ("A:min", 1_000, 0.6), ("C:maj", 1_000, 0.59)
    assert not asked("chords", with_chords(sure), min_confidence=0.6)
    assert asked("chords", with_chords(sure, sure), min_confidence=0.6)
    assert not asked("chords", with_chords(sure, sure, unsure), min_confidence=0.6)
    assert asked("chords", with_chords(*[sure] * 3), max_chords=3)
    assert not asked("chords", with_chords(*[sure] * 4), max_chords=3)
    assert not asked("chords", with_chords())


def with_parts(*parts: tuple[str, int], function: str | None = None) -> MusicAnnotation:
    sections, start_ms = [], START_MS
    for label, length_ms in parts:
        sections.append(Section(start_ms=start_ms, end_ms=start_ms + length_ms, label=label, function=function))
        start_ms += length_ms
    return musical(song()).model_copy(update={"sections": tuple(sections)})


def test_parts_have_letters_in_the_order_in_which_they_are_heard_and_say_what_they_are_for() -> None:
    (sample,) = asked("structure", with_parts(("Q", 5_000), ("B", 5_000), ("Q", 6_000)))
    entries = read_timed(sample.answer, CONFIG.timestamps)
    assert [(one.segment_start_ms, one.segment_end_ms, one.text) for one in entries] == [
        (0, 5_000, "A"),
        (5_000, 10_000, "B"),
        (10_000, 16_000, "A"),
    ]
    assert sample.difficulty is Difficulty.HARD
    (named,) = asked("structure", with_parts(("Q", 5_000), ("B", 11_000), function="chorus"))
    assert [one.text for one in read_timed(named.answer, CONFIG.timestamps)] == ["A (chorus)", "B (chorus)"]


def test_the_27th_part_is_lettered_aa() -> None:
    labels = [f"part {number}" for number in range(28)]
    (sample,) = asked("structure", with_parts(*((label, 500) for label in labels)), min_part_ms=500)
    assert [one.text for one in read_timed(sample.answer, CONFIG.timestamps)][-4:] == ["Y", "Z", "AA", "BB"]


def test_a_form_takes_a_long_clip_of_long_parts_with_little_speech() -> None:
    options = {"min_part_ms": 4_000, "min_clip_ms": 16_000, "max_speech_share": 0.25}
    halves = with_parts(("A", 8_000), ("B", 8_000))
    assert asked("structure", halves, **options)
    assert asked("structure", with_parts(("A", 4_000), ("B", 12_000)), **options)
    assert not asked("structure", with_parts(("A", 3_999), ("B", 12_001)), **options)
    assert not asked("structure", halves, song(15_999), **options)
    assert asked("structure", halves, song(speech_ms=4_000), **options)
    assert not asked("structure", halves, song(speech_ms=4_100), **options)
    assert not asked("structure", with_parts(("A", 8_000), ("A", 8_000)), **options)


def test_instruments_are_asked_for_from_one_to_as_many_as_are_set_and_from_the_score_that_is_set() -> None:
    names = ["piano", "violin", "flute"]
    for count, made in ((0, 0), (1, 1), (2, 1), (3, 0)):
        row = tagged(song(), *((name, 0.7) for name in names[:count]))
        assert len(asked("instruments", row, max_instruments=2, min_score=0.7)) == made
    assert not asked("instruments", tagged(song(), ("piano", 0.69)), min_score=0.7)
    for count, difficulty in ((1, Difficulty.EASY), (2, Difficulty.MEDIUM), (3, Difficulty.HARD)):
        (sample,) = asked("instruments", tagged(song(), *((name, 0.9) for name in names[:count])))
        assert sample.difficulty is difficulty
        assert sample.answer_spec.accepted == tuple(names[:count])


def test_lyrics_have_words_and_are_usable() -> None:
    usable = sung(song(), ["Oh", "my."])
    assert usable.lyrics is not None
    assert {sample.kind for sample in asked("lyrics", usable)} == {"plain", "timed"}
    for changes in ({"text": "  "}, {"usable_for_training": False}):
        assert not asked("lyrics", usable.model_copy(update={"lyrics": usable.lyrics.model_copy(update=changes)}))
    spaced = usable.model_copy(update={"lyrics": usable.lyrics.model_copy(update={"text": " Oh my. ", "words": ()})})
    (plain,) = asked("lyrics", spaced)
    assert (plain.answer, plain.difficulty) == ("Oh my.", Difficulty.MEDIUM)
    timed = next(sample for sample in asked("lyrics", usable) if sample.kind == "timed")
    assert timed.difficulty is Difficulty.HARD
    assert {one.field for one in timed.evidence} == {"lyrics.text", "lyrics.usable_for_training", "lyrics.words"}
