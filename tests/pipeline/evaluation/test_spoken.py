from __future__ import annotations

from collections.abc import Mapping

import pytest

from soundseam.annotators.speech.agreement import TranscriptAgreement
from soundseam.pipeline.evaluation.loop import ScoreTable
from soundseam.pipeline.evaluation.speakers import count_speakers
from soundseam.pipeline.evaluation.spoken import Outcomes, SpokenSpan, SpokenTruth, edge_errors
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.speech import Alignment, Word
from soundseam.schemas.timespan import TimeSpan
from tests.annotators.speech.builders import a_clip, silence
from tests.annotators.speech.test_agreement import a_row, agreed_facts, heard

pytest.importorskip("whisper_normalizer")
pytest.importorskip("whisper_normalizer")

SEGMENT = a_clip(silence(5_000), (0, 5_000)).segment
GOOD = "we met at the old harbour near noon today again"


def word(text: str, start_ms: int, end_ms: int) -> Word:
    return Word(text=text, start_ms=start_ms, end_ms=end_ms, confidence=None)


def agreed(rows: list[SpeechAnnotation]) -> SpeechAnnotation:
    facts = agreed_facts(rows)
    return a_row("agreement", transcript=facts.transcript, agreement=facts.agreement)


def tables(*recordings: tuple[SpokenTruth, list[SpeechAnnotation]]) -> Mapping[str, ScoreTable]:
    outcomes = Outcomes()
    for index, (truth, rows) in enumerate(recordings):
        for row in rows:
            outcomes.add(str(index), truth, SEGMENT, row)
    return {table[0].split(",")[0]: table for table in outcomes.tables(TranscriptAgreement())}


def figure(table: ScoreTable, name: str, column: str) -> float | None:
    return dict(table[2])[name][table[1].index(column)]


def test_edges_are_those_of_phrases_whose_first_and_last_words_were_heard() -> None:
    phrases = [
        SpokenSpan(text="Press one, now.", onset=0.5, offset=1.5),
        SpokenSpan(text="Press 2 later", onset=3.0, offset=4.0),
    ]
    words = [word("press", 530, 700), word("one", 700, 900), word("now", 1_000, 1_400), word("Dress", 2_000, 3_200)]
    found = edge_errors([*words, word("two", 3_200, 3_400), word("later.", 3_400, 4_250)], phrases)
    assert found.starts == (30.0,)
    assert found.ends == (100.0, 250.0)


def test_what_systems_agree_on_most_is_kept_first() -> None:
    sure = [heard("a", GOOD), heard("b", GOOD)]
    doubtful = [heard("a", "we met x y z harbour q noon w again"), heard("b", GOOD)]
    found = tables(
        (SpokenTruth(GOOD, "en"), [*sure, agreed(sure)]), (SpokenTruth(GOOD, "en"), [*doubtful, agreed(doubtful)])
    )
    curve = found["Kept"]
    assert figure(curve, "word_error_rate", "50%") == 0.0
    assert figure(curve, "word_error_rate", "100%") == 0.25


def test_languages_are_told_apart_and_what_was_heard_as_another_counts_as_wrong() -> None:
    def by_sound(text: str, language: str) -> SpeechAnnotation:
        row = heard("a", text, language)
        assert row.transcript is not None
        return row.model_copy(update={"transcript": row.transcript.model_copy(update={"language_probability": 0.9})})

    found = tables(
        (SpokenTruth("hola amigo", "es"), [by_sound("hola amigo", "es")]),
        (SpokenTruth("ciao amico", "it"), [by_sound("hola amico", "es")]),
    )["Languages"]
    assert found[1] == ["all", "es", "it"]
    assert [figure(found, "word_error_rate", column) for column in found[1]] == [0.25, 0.0, 0.5]
    assert [figure(found, "language_right", column) for column in found[1]] == [0.5, 1.0, 0.0]


def test_usable_recordings_are_counted_with_their_times() -> None:
    phrases = (SpokenSpan(text=GOOD, onset=0.1, offset=4.9),)
    rows = [heard("a", GOOD), heard("b", GOOD)]
    words = tuple(word(text, 300 + 400 * index, 600 + 400 * index) for index, text in enumerate(GOOD.split()))
    alignment = Alignment(aligned="agreement", words=words, mean_difference_ms=None)
    timed = [*rows, agreed(rows), a_row("aligner", alignment=alignment)]
    found = tables((SpokenTruth(GOOD, "en", phrases), timed), (SpokenTruth(GOOD, "en"), [*rows, agreed(rows)]))
    names = ("usable_share", "usable_with_word_times", "first_word_off_ms", "first_word_far_off", "last_word_off_ms")
    assert [figure(found["Languages"], name, "en") for name in names] == [1.0, 0.5, 200.0, 0.0, 700.0]


def test_texts_without_an_error_that_are_not_usable_are_counted() -> None:
    kept, wrong = [heard("a", GOOD), heard("b", GOOD)], [heard("a", "banana"), heard("b", "banana")]
    lost = [heard("a", GOOD), heard("b", "we met x y z q r s t u")]
    found = tables(*((SpokenTruth(GOOD, "en"), [*rows, agreed(rows)]) for rows in (kept, lost, wrong)))["Languages"]
    assert figure(found, "perfect_but_not_usable", "en") == 0.5


def test_without_an_aligner_the_recognisers_own_times_are_evaluated() -> None:
    row = heard("a", "hola amigo", "es")
    assert row.transcript is not None
    words = (word("hola", 250, 500), word("amigo", 500, 900))
    timed = row.model_copy(update={"transcript": row.transcript.model_copy(update={"words": words})})
    phrases = (SpokenSpan(text="hola amigo", onset=0.0, offset=0.9),)
    found = tables((SpokenTruth("hola amigo", "es", phrases), [timed]))["Languages"]
    assert figure(found, "first_word_off_ms", "es") is None
    assert figure(found, "recogniser_first_word_off_ms", "es") == 250.0
    assert figure(found, "recogniser_first_word_far_off", "es") == 1.0


def test_what_a_weak_third_system_spoils_is_shown() -> None:
    rows = [heard("a", GOOD), heard("b", GOOD), heard("weak", "banana")]
    found = tables((SpokenTruth(GOOD, "en"), [*rows, agreed(rows)]))["Agreement"]
    assert found[1] == ["all", "without a", "without b", "without weak"]
    assert [figure(found, "usable_share", column) for column in found[1]] == [1.0, 0.0, 0.0, 1.0]
    assert figure(found, "word_error_rate_of_usable", "all") == 0.0


def test_speakers_count_if_they_speak_for_a_second() -> None:
    turns = [("a", TimeSpan(0, 900)), ("b", TimeSpan(0, 600)), ("b", TimeSpan(700, 1_200))]
    assert count_speakers(turns) == 1
