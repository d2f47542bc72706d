"""Answers in the forms of MOSS-Audio, which can be parsed and scored like all others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.sft.answers import AmbiguousTextError, TimedText, read_timed, rounded, score_answer, write_timed
from soundseam.pipeline.sft.audit import contradictions
from soundseam.pipeline.sft.words import MOSS_TIMESTAMPS
from soundseam.schemas.sample import Sample, Scoring
from tests.pipeline.sft.builders import CHINESE, ENGLISH, a_rich_recording, of, samples

MOSS = ENGLISH.model_copy(update={"style": "moss"})
MADE = [
    *samples(a_rich_recording(), MOSS),
    *samples(a_rich_recording(), CHINESE.model_copy(update={"style": "moss"})),
]


def answer_of(task: str, kind: str) -> Sample:
    return next(one for one in of(task, MADE) if one.kind == kind)


def test_timed_transcripts_are_written_without_breaks() -> None:
    sentences = answer_of("asr_sentences", "sentences")
    assert sentences.answer == "[0.00]Good morning to all of you.[2.30][2.40]Please take a seat now.[4.30]"
    assert answer_of("asr_words", "words").answer.startswith("[0.00]Good[0.30][0.40]morning[0.70]")
    assert "[xx.xx]sentence[yy.yy]" in sentences.question


def test_speakers_have_numbers_in_brackets() -> None:
    plain, timed = (answer_of("speaker_transcript", kind) for kind in ("plain", "timed"))
    assert plain.answer == "[S01]Good morning to all of you.\n[S02]Please take a seat now."
    assert timed.answer == "[0.00][S01]Good morning to all of you.[2.30][2.40][S02]Please take a seat now.[4.30]"
    assert "[S01]" in plain.question


def test_a_choice_is_its_letter() -> None:
    for sample in of("choice", MADE):
        assert sample.answer in "ABCDEF"
        assert f"\n{sample.answer}. {sample.answer_spec.reference}" in sample.question


def test_events_are_lines_as_before() -> None:
    assert of("event_list", MADE)[0].answer == of("event_list", samples(a_rich_recording(), ENGLISH))[0].answer


def test_answers_get_full_marks_by_their_own_specification() -> None:
    for sample in MADE:
        style = MOSS.answer_style.timestamps_of(sample.task)
        assert score_answer(sample.answer_spec, sample.answer, style) in {1.0, None}, sample.task
        if sample.answer_spec.scoring is Scoring.SPEAKER_WER:
            assert score_answer(sample.answer_spec, "[S01]Good.", style) == pytest.approx(1 / 11)
        assert not list(contradictions(sample))


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=20)
ENTRIES = st.lists(
    st.builds(TimedText, segment_start_ms=st.integers(0, 99_999), segment_end_ms=st.integers(0, 99_999), text=TEXT),
    max_size=5,
)


@given(ENTRIES)
def test_what_is_written_without_breaks_can_be_parsed_or_is_refused(entries: list[TimedText]) -> None:
    try:
        written = write_timed(entries, MOSS_TIMESTAMPS)
    except AmbiguousTextError:
        return
    assert read_timed(written, MOSS_TIMESTAMPS) == tuple(rounded(entry, MOSS_TIMESTAMPS) for entry in entries)
