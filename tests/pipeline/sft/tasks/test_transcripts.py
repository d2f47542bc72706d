"""Who says what, and how many: only where words, times and turns leave no doubt."""

from __future__ import annotations

import pytest

from soundseam.pipeline.sft.answers import read_timed, score_answer, speaker_error_rate
from soundseam.pipeline.sft.material import Material
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import Branch
from soundseam.schemas.sample import Sample
from soundseam.schemas.segment import Segment
from tests.pipeline.sft.builders import (
    CHINESE,
    CONFIG,
    ENGLISH,
    SPEECH,
    event,
    material,
    recording,
    samples,
    spoken,
    with_speakers,
)
from tests.support.builders import a_segment

WORDS = ["Come", "in.", "Thank", "you.", "Sit", "down."]
TURNS = (("b", 0, 750), ("a", 750, 1550), ("b", 1550, 2400))


def talk(start_ms: int = 3000) -> Segment:
    return a_segment(
        start_ms=start_ms,
        end_ms=start_ms + 8000,
        events=(event(SPEECH, start_ms, start_ms + 5000),),
        branches=(Branch.SPEECH,),
    )


def asked(*rows: SpeechAnnotation, config: object = ENGLISH, task: str = "speaker_transcript") -> dict[str, Sample]:
    """kind → sample."""
    of: Material = material(talk(), *rows)
    made = samples(recording(of), ENGLISH if config is ENGLISH else CHINESE)
    return {sample.kind: sample for sample in made if sample.task == task}


def test_turns_are_lines_with_speakers_numbered_as_they_begin() -> None:
    found = asked(spoken(talk(), WORDS), with_speakers(talk(), *TURNS))
    assert found["plain"].answer == "Speaker 1: Come in.\nSpeaker 2: Thank you.\nSpeaker 1: Sit down."
    timed = read_timed(found["timed"].answer, CONFIG.timestamps)
    assert [(one.segment_start_ms, one.segment_end_ms) for one in timed] == [(0, 700), (800, 1500), (1600, 2300)]
    assert timed[1].text == "Speaker 2: Thank you."
    assert "Speaker 1: …" in found["plain"].question
    assert {one.field for one in found["plain"].evidence} >= {"transcript.words", "speakers.turns"}


def test_chinese_lines_bear_chinese_names() -> None:
    rows = (
        spoken(talk(), ["你", "好。", "请", "进。"], language="zh"),
        with_speakers(talk(), ("a", 0, 750), ("b", 750, 1600)),
    )
    assert asked(*rows, config=CHINESE)["plain"].answer == "说话人1：你好。\n说话人2：请进。"


@pytest.mark.parametrize(
    "rows",
    [
        (spoken(talk(), WORDS),),
        (spoken(talk(), WORDS), with_speakers(talk(), ("a", 0, 2400))),
        (spoken(talk(), WORDS), with_speakers(talk(), ("a", 0, 750), ("b", 1600, 2400))),
        (spoken(talk(), WORDS, usable=False), with_speakers(talk(), *TURNS)),
        (with_speakers(talk(), *TURNS),),
    ],
    ids=["no turns", "one speaker", "a word of nobody's", "a transcript in doubt", "no transcript"],
)
def test_without_all_that_there_is_nothing_to_ask(rows: tuple[SpeechAnnotation, ...]) -> None:
    assert not asked(*rows)


def test_speech_at_once_cannot_be_told_in_turns() -> None:
    row = with_speakers(talk(), *TURNS)
    assert row.speakers is not None
    at_once = row.model_copy(update={"speakers": row.speakers.model_copy(update={"overlap_ms": 3000})})
    assert not asked(spoken(talk(), WORDS), at_once)


def test_speakers_are_counted_where_each_speaks_long_enough() -> None:
    two = with_speakers(talk(), ("a", 0, 2000), ("b", 2000, 4000))
    assert asked(two, task="speaker_count")["count"].answer_spec.value == 2
    assert asked(with_speakers(talk(), ("a", 0, 2000)), task="speaker_count")["count"].answer_spec.value == 1
    assert not asked(with_speakers(talk(), ("a", 0, 2000), ("b", 2000, 2500)), task="speaker_count")
    assert not asked(spoken(talk(), WORDS), task="speaker_count")


@pytest.mark.parametrize("sure", [False, None])
def test_speakers_that_a_diarization_is_not_sure_of_are_not_counted(sure: bool | None) -> None:
    unsure = with_speakers(talk(), ("a", 0, 2000), ("b", 2000, 4000), sure=sure)
    assert not asked(unsure, task="speaker_count")


def test_turns_that_a_diarization_is_unsure_of_are_not_transcribed() -> None:
    assert not asked(spoken(talk(), WORDS), with_speakers(talk(), *TURNS, sure=False))


def test_how_speakers_are_called_does_not_matter_and_who_says_what_does() -> None:
    spec = asked(spoken(talk(), WORDS), with_speakers(talk(), *TURNS))["plain"].answer_spec
    style = CONFIG.timestamps
    assert score_answer(spec, "B: come in\nA: thank you\nB: sit down", style) == 1.0
    assert score_answer(spec, "A: come in\nB: thank you\nA: sit", style) == pytest.approx(1 - 1 / 6)
    mixed = score_answer(spec, "A: come in thank you sit down", style)
    assert mixed is not None
    assert mixed < 0.7
    assert score_answer(spec, "", style) == 0.0


def test_a_line_without_a_name_goes_on_with_the_last_speaker() -> None:
    assert speaker_error_rate("A: one two\nB: three", "X: one\ntwo\nY: three") == 0.0


def test_an_answer_that_names_a_crowd_is_scored_all_the_same() -> None:
    crowd = "\n".join(f"Speaker {number}: word" for number in range(5000))
    assert speaker_error_rate("A: one two\nB: three", crowd) > 1
