"""Questions over several facts, with the chain to their answers, written by a language model and verified."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from annotators.base import AnnotationError
from annotators.chat.endpoint import Endpoint
from annotators.chat.questions import Asker, Question, Sampling
from annotators.chat.records import CheckedQuestion, ask_records
from annotators.chat.streams import ask_each
from pipeline.sft.answerable import choice_question, probability_of
from pipeline.sft.answers import choice
from pipeline.sft.ask import Ask, ServedTask, Turn, grade
from pipeline.sft.material import RecordingMaterial
from pipeline.sft.phrasing import Phrasing
from pipeline.sft.prompts import WRITER_PROMPTS, filled, prompts_key
from pipeline.sft.scoring import LETTERS
from pipeline.sft.words import Words, words_key
from pipeline.sft.written import Brief, WrittenQuestion, brief_of, written_problems
from schemas.record import Record, content_key


class WrittenReasoningTask(ServedTask):
    """Eligible: a segment with several measured, sure and undisputed facts. Every number and name of the chain must
    follow from the facts that it cites; a verifier that is given the facts must find the answer among four, and must
    not find it without them."""

    task: Literal["written_reasoning"] = "written_reasoning"
    most_per_segment: int = 1
    writer: Endpoint = Field(default=Endpoint(), description="the language model that writes")
    verifier: Endpoint | None = Field(
        default=None, description="a language model that must find the answer; null for the writer itself"
    )
    sampling: Sampling = Field(default=Sampling(max_tokens=1024), description="how the writer's answers are drawn")
    least_facts: int = Field(default=4, ge=2, description="of a segment, to be asked about")
    least_confidence: float = Field(default=0.6, ge=0.0, le=1.0, description="of a fact that has one")
    confirm: float = Field(
        default=0.75, gt=0.5, le=1.0, description="probability of the right answer, from which a question is verified"
    )
    most_guessed: float = Field(
        default=0.6, gt=0.0, le=1.0, description="the same without the facts, up to which it is a question of hearing"
    )

    needs: ClassVar[tuple[str, ...]] = ("several facts of any table", "a model that is served")

    @property
    def words_key(self) -> str:
        return content_key([words_key("choice"), prompts_key(WRITER_PROMPTS)])

    def endpoints(self) -> tuple[Endpoint, ...]:
        return self.writer, self.verifier or self.writer

    def asks_from(
        self, recordings: Iterable[RecordingMaterial], phrasing: Phrasing, askers: Sequence[Asker]
    ) -> Iterator[Ask]:
        writer, verifier = askers
        drafts = self._drafts(recordings, phrasing, writer)
        for draft, replies in ask_each(verifier, drafts, _Draft.questions):
            known, guessed = (
                probability_of(reply, question, LETTERS[draft.correct])
                for reply, question in zip(replies, draft.questions(), strict=True)
            )
            if known is not None and guessed is not None and known >= self.confirm and guessed <= self.most_guessed:
                yield draft.ask(guessed)

    def _drafts(self, recordings: Iterable[RecordingMaterial], phrasing: Phrasing, writer: Asker) -> Iterator[_Draft]:
        """What the writer wrote that holds, in order. What does not is asked for once more, and then given up."""
        briefs = (
            brief
            for recording in recordings
            for material in recording.segments
            for language in phrasing.languages_for(material.segment_id)[:1]
            if len((brief := brief_of(material, language, self.least_confidence)).facts) >= self.least_facts
        )
        for brief, written in _ask_writer(writer, briefs, self.sampling):
            if isinstance(written, WrittenQuestion):
                yield _Draft(brief, written)


@dataclass(frozen=True)
class _Draft:
    """A question as it was written, not yet verified."""

    brief: Brief
    written: WrittenQuestion

    @property
    def correct(self) -> int:
        """Where the right answer stands among the choices: everywhere equally often."""
        return int(content_key(["place", self.brief.material.segment_id, self.written.question]), 16) % 4

    @property
    def choices(self) -> tuple[str, ...]:
        wrong = self.written.wrong
        return (*wrong[: self.correct], self.written.answer, *wrong[self.correct :])

    def questions(self) -> tuple[Question, Question]:
        """With the facts, and without."""
        brief, asked = self.brief, self.written.question
        about = brief.material.segment.recording_id
        ask = partial(choice_question, language=brief.language, about=about, choices=self.choices, question=asked)
        return ask("solve", facts=brief.told()), ask("guess")

    def ask(self, guessed: float) -> Ask:
        written = self.written
        return Ask(
            kind="written",
            topic="",
            fact=written.question,
            materials=(self.brief.material,),
            evidence=self.brief.evidence(written),
            difficulty=grade(len({name for step in written.steps for name in step.facts})),
            turn=partial(_turn, written, self.choices, self.correct),
            languages=(self.brief.language,),
            text_only=guessed,
        )


def _turn(written: WrittenQuestion, choices: Sequence[str], correct: int, words: Words) -> Turn:
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, choices, strict=False))
    layout = words.of("choice", "choice")
    return Turn(
        layout.say("question", question=written.question.strip(), choices=lines),
        layout.say("answer", letter=LETTERS[correct], choice=choices[correct]),
        choice(choices, correct),
        reasoning=written.chain,
    )


def _ask_writer(
    writer: Asker, briefs: Iterable[Brief], sampling: Sampling
) -> Iterator[tuple[Brief, WrittenQuestion | AnnotationError]]:
    drawn: deque[Brief] = deque()

    def groups() -> Iterator[Sequence[Question]]:
        for brief in briefs:
            drawn.append(brief)
            yield (_writer_question(brief, sampling),)

    for (told,) in ask_records(writer, groups(), WrittenQuestion):
        yield drawn.popleft(), told if isinstance(told, AnnotationError) else told.record


def _writer_question(brief: Brief, sampling: Sampling) -> CheckedQuestion:
    def check(record: Record) -> Iterator[str]:
        if isinstance(record, WrittenQuestion):
            yield from written_problems(record, brief)

    return CheckedQuestion(
        text=brief.told(),
        system=filled("write", brief.language),
        sampling=sampling,
        about=brief.material.segment.recording_id,
        check=check,
    )
