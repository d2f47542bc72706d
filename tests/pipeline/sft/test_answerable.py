"""How right a language model is that does not hear the audio."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import Answer, ContextT, Question, Reply
from soundseam.pipeline.sft.answerable import CLOSED, choice_question, probability_of, with_text_only
from soundseam.schemas.sample import Sample, Scoring
from tests.pipeline.sft.builders import CONFIG, a_rich_recording, samples
from tests.pipeline.sft.corpora import build_samples, commit_corpus
from tests.pipeline.sft.letters import Letters
from tests.support.chat_server import ChatServer

SAMPLES = samples(a_rich_recording())
ASKED = [sample for sample in SAMPLES if sample.answer_spec.scoring in CLOSED]


class Saying:
    """Answers every question with the same, and draws some ahead."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.asked: list[Question] = []
        self.max_drawn = 0

    def ask(self, groups: Iterable[tuple[ContextT, Sequence[Question]]]) -> Iterator[tuple[ContextT, list[Reply]]]:
        waiting: deque[tuple[ContextT, list[Reply]]] = deque()
        for context, group in groups:
            waiting.append((context, [self._reply for _ in group]))
            self.asked += group
            self.max_drawn = max(self.max_drawn, len(waiting))
            if len(waiting) == 4:
                yield waiting.popleft()
        yield from waiting


def figures(reply: Reply, of: Iterable[Sample] = SAMPLES) -> dict[str, float | None]:
    made = with_text_only(of, CONFIG.timestamps, Saying(reply))
    return {sample.sample_id: sample.text_only for sample in made}


def test_samples_come_back_in_order_and_only_closed_ones_are_asked() -> None:
    client = Saying(Answer("no"))
    made = list(with_text_only(SAMPLES, CONFIG.timestamps, client))
    assert [sample.sample_id for sample in made] == [sample.sample_id for sample in SAMPLES]
    assert len(client.asked) == len(ASKED) > 10
    assert all(not question.audio for question in client.asked)
    assert {sample.answer_spec.scoring for sample in ASKED} >= CLOSED - {Scoring.LABELS}
    assert all(sample.text_only is None for sample in made if sample.answer_spec.scoring not in CLOSED)
    assert client.max_drawn <= 4


def test_questions_are_put_without_their_answers() -> None:
    client = Saying(Answer("no"))
    list(with_text_only(ASKED, CONFIG.timestamps, client))
    for sample, question in zip(ASKED, client.asked, strict=True):
        assert sample.question in question.text
        assert sample.answer not in question.text or sample.answer_spec.scoring is Scoring.CHOICE


def test_a_guess_is_scored_as_an_answer() -> None:
    for sample in ASKED:
        if sample.answer_spec.scoring is not Scoring.CHOICE:
            assert figures(Answer(sample.answer), [sample]) == {sample.sample_id: 1.0}
            assert figures(Answer("I cannot tell"), [sample]) == {sample.sample_id: 0.0}


def test_of_a_choice_the_right_letter_s_probability_counts() -> None:
    sample = next(one for one in ASKED if one.answer_spec.scoring is Scoring.CHOICE)
    right = "ABCDEF"[sample.answer_spec.correct or 0]
    assert figures(Answer("X", probabilities={right: 0.4}), [sample]) == {sample.sample_id: 0.4}
    assert figures(Answer(f"{right}."), [sample]) == {sample.sample_id: 1.0}


def test_a_question_that_is_refused_has_no_figure() -> None:
    assert set(figures(AnnotationError("refused_by_server", "too long")).values()) == {None}


@pytest.mark.parametrize("text", ["", "none of them", "Z", "Answer: B", "Because", "\x00" * 1000])
def test_an_answer_that_is_no_choice_has_no_figure(text: str) -> None:
    question = choice_question("guess", "en", "0" * 32, ["one", "two"], question="Which?")
    assert probability_of(Answer(text), question, "A") is None


def test_slots_are_not_filled_twice() -> None:
    question = choice_question("guess", "en", "0" * 32, ["{question}", "two"], question="{choices}")
    assert "{choices}\nA. {question}\nB. two" in question.text


def test_figures_stand_in_the_tables_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    commit_corpus(tmp_path, [a_rich_recording()])
    model = Letters(say=lambda asked: "yes")
    with ChatServer(model) as server:
        answerer = {"urls": [server.url], "model": "tiny", "attempts": 1}
        config = type(CONFIG).model_validate(
            {**CONFIG.only(("presence", "choice", "asr")).model_dump(), "answerer": answerer}
        )
        build_samples(tmp_path, config)
        asked = len(model.asked)
        build_samples(tmp_path, config.model_copy(update={"validation_share": 0.9}))
    assert len(model.asked) == asked > 0
    for task, is_asked in (("presence", True), ("choice", True), ("asr", False)):
        rows = pq.read_table(tmp_path / "sft" / task, columns=["text_only"]).to_pylist()
        assert {row["text_only"] is not None for row in rows} == {is_asked}
