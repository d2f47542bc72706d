"""A recording's caption says what its segments' rows say together, and every text is derived from them again."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from soundseam.pipeline.long.caption import caption_recording
from soundseam.pipeline.long.check import check_recording, claims_of
from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.long.facts import RecordingFacts
from soundseam.pipeline.long.scope import duration_words
from soundseam.schemas.long import RecordingCaption
from soundseam.schemas.timespan import TimeSpan, clock
from tests.pipeline.long.builders import facts, recording, recordings

CONFIG = LongConfig()
DAY = recording(
    facts(0, 20_000, ("speech", "speech"), turns=(("x", 0, 12_000), ("y", 12_000, 20_000))),
    facts(20_000, 40_000, ("speech", "speech"), turns=(("y", 20_000, 30_000), ("x", 30_000, 40_000))),
    facts(40_000, 70_000, ("music", "music")),
    facts(70_000, 90_000, ("object", "Bell")),
    facts(95_000, 99_000, ("object", "Bell")),
    facts(100_000, 130_000, ("speech", "speech"), turns=(("x", 100_000, 130_000),)),
)


def caption(given: RecordingFacts = DAY) -> RecordingCaption:
    return caption_recording(given, CONFIG, "k")


@given(recordings())
@settings(max_examples=50, deadline=None)
def test_every_text_is_derived_again_from_the_rows_that_it_cites(given: RecordingFacts) -> None:
    assert list(check_recording(caption(given), given, CONFIG)) == []


@given(recordings())
@settings(max_examples=25, deadline=None)
def test_every_text_has_evidence_in_the_recording(given: RecordingFacts) -> None:
    known = {one.segment_id for one in given.segments}
    for claim in claims_of(caption(given)):
        assert claim.evidence
        assert all(set(row.segment_ids) <= known for row in claim.evidence)


@given(recordings())
@settings(max_examples=25, deadline=None)
def test_sums_over_the_recording_are_those_of_its_parts(given: RecordingFacts) -> None:
    for speaker in caption(given).speakers:
        turns = [turn.span for one in given.segments for turn in one.turns if turn.speaker == speaker.speaker]
        assert speaker.speech_ms == sum(turn.duration_ms for turn in turns)
    for sound in caption(given).sounds:
        events = [event for one in given.segments for event in one.events if event.label == sound.label]
        assert sound.sound_ms == sum(event.span.duration_ms for event in events)


def test_speakers_have_one_name_in_order_of_first_appearance() -> None:
    assert [(one.speaker, one.name, one.speech_ms) for one in caption().speakers] == [
        ("x", "Speaker 1", 52_000),
        ("y", "Speaker 2", 18_000),
    ]
    assert caption().all_speakers
    assert "Two people speak, Speaker 1 longest." in caption().summary.text


def test_a_turn_that_a_boundary_cuts_is_one_turn() -> None:
    second = caption().speakers[1]
    assert [turn.span for turn in second.turns] == [TimeSpan(12_000, 30_000)]


def test_a_sound_is_counted_over_the_whole_recording() -> None:
    (bell,) = caption().sounds
    assert [one.span for one in bell.occurrences] == [TimeSpan(70_000, 90_000), TimeSpan(95_000, 99_000)]
    assert bell.countable
    assert "A bell is heard twice, first at 1:10." in caption().long_summary.text


def test_a_count_is_a_lower_bound_if_other_sounds_may_be_the_same() -> None:
    nameless = facts(140_000, 142_000, ("source_ambiguous", "sound"))
    assert "A bell is heard at least twice" in caption(recording(*DAY.segments, nameless)).long_summary.text


def test_the_timeline_is_in_the_published_form() -> None:
    lines = caption().timeline_text.splitlines()
    assert lines[0] == "0.00 - 20.00: Speaker 1 and Speaker 2 speaking"
    assert "40.00 - 70.00: music" in lines


def test_what_is_not_certain_is_left_out() -> None:
    unsure = replace(DAY.segments[2], events=tuple(one._replace(score=0.6) for one in DAY.segments[2].events))
    other = caption(recording(*DAY.segments[:2], unsure, *DAY.segments[3:]))
    assert "usic" not in f"{other.timeline_text}{other.long_summary.text}{other.chapters}"


def test_speakers_of_whom_little_is_known_have_no_name() -> None:
    few = recording(DAY.segments[2], facts(70_000, 73_000, ("speech", "speech"), turns=(("x", 70_000, 72_000),)))
    assert caption(few).speakers == ()
    assert "70.00 - 73.00: speech" in caption(few).timeline_text


def test_a_changed_row_is_noticed() -> None:
    other = recording(*DAY.segments[:3], facts(70_000, 90_000, ("object", "Siren")), *DAY.segments[4:])
    assert list(check_recording(caption(), other, CONFIG))


def test_a_changed_text_is_noticed() -> None:
    row = caption()
    line = row.timeline[0]
    wrong = line.model_copy(update={"text": "music", "claims": (line.claims[0].model_copy(update={"text": "music"}),)})
    found = list(check_recording(row.model_copy(update={"timeline": (wrong, *row.timeline[1:])}), DAY, CONFIG))
    assert [one.text for one in found] == ["music"]


def test_a_trusted_transcript_gives_a_title_its_topic() -> None:
    words = "The harbour was closed. The harbour opens again."
    spoken = facts(0, 20_000, ("speech", "speech"), turns=(("x", 0, 20_000),), words=words)
    assert caption(recording(spoken)).chapters[0].title == "Speaker 1 talks: harbour"


def test_durations_and_times_are_in_words() -> None:
    assert duration_words(59_400) == "about 59 seconds"
    assert duration_words(60_000) == "about 1 minute"
    assert duration_words(3_725_000) == "about 1 hour and 2 minutes"
    assert clock(3_725_000) == "1:02:05"


def test_a_word_for_something_unknown_is_no_name() -> None:
    knock = facts(140_000, 142_000, ("object", "Impact"))
    assert [one.label for one in caption(recording(*DAY.segments, knock)).sounds] == ["Bell"]


def test_people_are_said_to_do_what_they_do() -> None:
    laughter = facts(140_000, 142_000, ("human_voice", "Laughter"))
    assert "Someone laughing is heard once" in caption(recording(*DAY.segments, laughter)).long_summary.text
