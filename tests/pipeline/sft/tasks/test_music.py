"""Lyrics and instruments: only what may be trusted, and lists only where they are complete."""

from __future__ import annotations

from soundseam.pipeline.sft.answers import read_timed
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.event import Branch, EventClass, TagKind
from soundseam.schemas.music import Mode, Section, key_name, key_spellings
from soundseam.schemas.sample import Sample
from soundseam.schemas.segment import Segment
from tests.pipeline.sft.builders import (
    BELL,
    CHINESE,
    CONFIG,
    DOG,
    ENGLISH,
    MUSIC,
    SPEECH,
    event,
    heard,
    material,
    musical,
    recording,
    samples,
    sung,
    tagged,
)
from tests.support.builders import a_segment


def song() -> Segment:
    return a_segment(start_ms=3000, end_ms=12_000, events=(event(MUSIC, 3000, 12_000),), branches=(Branch.MUSIC,))


def asked(task: str, *rows: MusicAnnotation, chinese: bool = False) -> list[Sample]:
    made = samples(recording(material(song(), *rows)), CHINESE if chinese else ENGLISH)
    return [sample for sample in made if sample.task == task]


def test_lyrics_are_written_plain_and_line_by_line() -> None:
    plain, timed = sorted(asked("lyrics", sung(song(), ["Oh", "my.", "Oh", "you."])), key=lambda sample: sample.kind)
    assert plain.answer == "Oh my. Oh you."
    lines = read_timed(timed.answer, CONFIG.timestamps)
    assert [(one.segment_start_ms, one.segment_end_ms, one.text) for one in lines] == [
        (0, 900, "Oh my."),
        (1000, 1900, "Oh you."),
    ]


def test_lyrics_in_doubt_are_not_learnt() -> None:
    assert not asked("lyrics", sung(song(), ["Oh", "my."], usable=False))


def test_lyrics_without_times_are_written_plain_alone() -> None:
    row = sung(song(), ["Oh", "my."])
    assert row.lyrics is not None
    untimed = row.model_copy(update={"lyrics": row.lyrics.model_copy(update={"words": ()})})
    assert [sample.kind for sample in asked("lyrics", untimed)] == ["plain"]


def test_instruments_are_listed_where_none_is_in_doubt() -> None:
    (sample,) = asked("instruments", tagged(song(), ("piano", 0.9), ("string_section", 0.7)))
    assert sample.answer_spec.accepted == ("piano", "string section")
    assert {one.field for one in sample.evidence} == {"tags.0.label", "tags.0.score", "tags.1.label", "tags.1.score"}
    assert not asked("instruments", tagged(song(), ("piano", 0.9), ("violin", 0.3)))


def test_another_source_s_doubt_counts_too() -> None:
    sure, unsure = tagged(song(), ("piano", 0.9)), tagged(song(), ("violin", 0.3), backend="other")
    assert not asked("instruments", sure, unsure)
    assert len(asked("instruments", sure, tagged(song(), ("piano", 0.8), backend="other"))) == 1


def test_genres_are_no_instruments() -> None:
    row = tagged(song(), ("piano", 0.9))
    assert row.tags is not None
    genre = row.tags[0].model_copy(update={"kind": TagKind.GENRE, "label": "jazz"})
    (sample,) = asked("instruments", row.model_copy(update={"tags": (*row.tags, genre)}))
    assert sample.answer_spec.accepted == ("piano",)


def test_an_instrument_without_a_word_in_chinese_is_asked_for_in_english_alone() -> None:
    row = tagged(song(), ("theremin", 0.9))
    assert asked("instruments", row)[0].answer_spec.accepted == ("theremin",)
    assert not asked("instruments", row, chinese=True)
    assert asked("instruments", tagged(song(), ("piano", 0.9)), chinese=True)[0].answer_spec.accepted == ("钢琴",)


def test_what_a_tag_hints_at_is_not_called_absent() -> None:
    guitar = (EventClass.OBJECT, "Guitar")
    elsewhere = material(a_segment(start_ms=20_000, end_ms=24_000, events=(event(guitar, 20_000, 21_000),)))

    def answers(*rows: MusicAnnotation) -> set[str]:
        made = samples(recording(material(song(), *rows), elsewhere), ENGLISH)
        return {
            sample.topic
            for sample in made
            if sample.task == "presence"
            and sample.answer_spec.reference == "no"
            and sample.segment_ids == (song().segment_id,)
        }

    assert "Guitar" in answers()
    assert "Guitar" not in answers(tagged(song(), ("acoustic guitar", 0.05)))


def test_what_a_tagger_heard_faintly_is_not_called_absent() -> None:
    yard = a_segment(events=(event(BELL, 100, 900),))
    elsewhere = material(a_segment(start_ms=5000, end_ms=8000, events=(event(DOG, 5000, 6000),)))

    def absent(faint: bool) -> set[str]:
        row = heard(yard)
        row = row.model_copy(update={"tagged": (event(DOG, 0, 50, score=0.02),)}) if faint else row
        made = samples(recording(material(yard, row), elsewhere), ENGLISH)
        return {
            sample.topic
            for sample in made
            if sample.task == "presence"
            and sample.answer_spec.reference == "no"
            and sample.segment_ids == (yard.segment_id,)
        }

    assert "Bark" in absent(faint=False)
    assert "Bark" not in absent(faint=True)


def test_the_parts_of_music_that_is_talked_over_are_not_asked_for() -> None:
    def kinds(speech_ms: int) -> set[str]:
        events = (event(MUSIC, 0, 16_000), event(SPEECH, 2000, 2000 + speech_ms))
        segment = a_segment(end_ms=16_000, events=events, branches=(Branch.MUSIC,))
        return {one.task for one in samples(recording(material(segment, musical(segment))), ENGLISH)}

    assert "structure" in kinds(speech_ms=1000)
    assert "structure" not in kinds(speech_ms=8000)


def test_a_key_is_spelt_as_musicians_spell_it() -> None:
    assert key_name("A#", Mode.MAJOR) == "B flat major"
    assert key_name("D#", Mode.MINOR) == "E flat minor"
    assert key_name("C#", Mode.MINOR) == "C sharp minor"
    assert key_name("A#", Mode.MAJOR, "zh") == "降B大调"
    assert {"A sharp major", "Bb major", "A# major"} <= set(key_spellings("A#", Mode.MAJOR))


def in_parts(*parts: tuple[str, int]) -> list[Sample]:
    """What is asked of a song whose (label, length) follow one another."""
    whole_ms = sum(length_ms for _, length_ms in parts)
    segment = a_segment(end_ms=whole_ms, events=(event(MUSIC, 0, whole_ms),), branches=(Branch.MUSIC,))
    sections, start_ms = [], 0
    for label, length_ms in parts:
        sections.append(Section(start_ms=start_ms, end_ms=start_ms + length_ms, label=label))
        start_ms += length_ms
    row = musical(segment).model_copy(update={"sections": tuple(sections)})
    made = samples(recording(material(segment, row)), ENGLISH)
    return [sample for sample in made if sample.task == "structure"]


def test_the_parts_of_a_clip_are_lettered_from_a() -> None:
    (sample,) = in_parts(("F", 6_000), ("C", 6_000), ("F", 6_000))
    assert [entry.text for entry in read_timed(sample.answer, CONFIG.timestamps)] == ["A", "B", "A"]


def test_no_form_is_asked_for_where_a_part_or_the_clip_is_short() -> None:
    assert not in_parts(("A", 9_000), ("B", 2_000), ("C", 9_000))
    assert not in_parts(("A", 6_000), ("B", 6_000))
    assert not in_parts(("A", 9_000), ("A", 9_000))
