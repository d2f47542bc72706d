"""OUT/sft/<task>: one row a training sample, one schema for all tasks.

Times named `segment_` count from the beginning of the audio that the sample plays, since that is what a model hears.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from soundseam.schemas.claim import Evidence, Verdict
from soundseam.schemas.event import EventClass
from soundseam.schemas.record import Record


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


class MessageKind(StrEnum):
    AUDIO = "audio"
    TEXT = "text"


class Message(Record):
    """One part of a conversation."""

    role: Role = Field(description="who speaks")
    kind: MessageKind = Field(description="what is said: sound or words")
    content: str = Field(description="the text; for audio the segment_id whose audio is played")


class Scoring(StrEnum):
    """How an answer can be scored by a program."""

    EXACT = "exact"
    CHOICE = "choice"
    NUMBER = "number"
    LABELS = "labels"
    SPANS = "spans"
    WER = "wer"
    SPEAKER_WER = "speaker_wer"
    REFUSAL = "refusal"
    OPEN = "open"


class AnswerSpan(Record):
    """A timed part of an answer."""

    segment_start_ms: int = Field(description="where it begins")
    segment_end_ms: int = Field(description="where it ends")
    text: str = Field(description="what is said or heard")


class AnswerSpec(Record):
    """What a right answer is. `scoring` says which of the other fields count; the rest is empty or null.

    exact: any of `accepted`, case and final punctuation aside; `choices` are the answers that the question names, if it
    does · choice: `choices[correct]` · number: `value` within `tolerance` · labels: the set `accepted` · spans:
    `spans`, each edge within `tolerance_ms` · wer: word error rate against `reference` (character error rate for
    languages without spaces) · speaker_wer: likewise speaker by speaker, however they are called, each line of
    `reference` being a turn `name: words` · refusal: says that it cannot be known · open: no program
    can tell; `reference` is one good answer.
    """

    scoring: Scoring = Field(description="how to score")
    reference: str = Field(description="the answer without any phrasing around it")
    accepted: tuple[str, ...] = Field(default=(), description="what counts as right, or the set to name")
    choices: tuple[str, ...] = Field(default=(), description="what is offered, A first where there are letters")
    correct: int | None = Field(default=None, ge=0, description="which of the choices is right, from 0")
    value: float | None = Field(default=None, description="the number asked for")
    unit: str | None = Field(default=None, description="of value and tolerance, as in s or bpm; null for a count")
    tolerance: float | None = Field(default=None, ge=0.0, description="by which a number may differ")
    spans: tuple[AnswerSpan, ...] = Field(default=(), description="timed parts, in order")
    tolerance_ms: int | None = Field(default=None, ge=0, description="by which an edge of a span may differ")


class Difficulty(StrEnum):
    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"


class SourceVerdict(Record):
    """What a verifier said of a claim that the answer repeats; null where none was asked."""

    claim: str = Field(description="the sentence that was judged")
    verdict: Verdict | None = Field(description="null where no verifier ran")
    probability: float | None = Field(ge=0.0, le=1.0, description="that it is true, by the verifier")


class Sample(Record):
    """One row of a task's table."""

    sample_id: str = Field(description="the first segment's id and a hash of what is asked")
    recording_id: str = Field(description="of all segments that are played")
    segment_ids: tuple[str, ...] = Field(description="whose audio is played, in order")
    task: str = Field(description="as in caption or tempo")
    kind: str = Field(description="which of the task's questions")
    topic: str = Field(description="what the question itself gives away, as in presence/dog: the unit of answer priors")
    language: str = Field(description="of the instruction, BCP 47")
    messages: tuple[Message, ...] = Field(description="a conversation, audio before text")
    reasoning: str | None = Field(
        description="a worked chain from the evidence to the answer; null where none is needed"
    )
    answer_spec: AnswerSpec = Field(description="what a right answer is, for a program")
    text_only: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="how right a language model is that does not hear the audio: the probability it gives to the right "
        "choice, or the score of its answer; null where none was asked",
    )
    difficulty: Difficulty = Field(description="by facts to join, overlap, faintness and times asked for")
    evidence: tuple[Evidence, ...] = Field(description="the measured values that the answer is derived from")
    verdicts: tuple[SourceVerdict, ...] = Field(description="of the claims that the answer repeats; empty for none")
    event_class: EventClass | None = Field(description="the strongest class of the first segment")
    audio_ms: int = Field(ge=0, description="of all audio that the sample plays")
    license: str | None = Field(description="of the recording; null where none is known")
    split: Split = Field(description="the same for all samples of a recording")
    config_key: str = Field(description="key of the task's options, templates and revision")

    @property
    def question(self) -> str:
        return next(message.content for message in self.messages if message.role is Role.USER and _is_text(message))

    @property
    def answer(self) -> str:
        return next(message.content for message in self.messages if message.role is Role.ASSISTANT)


def _is_text(message: Message) -> bool:
    return message.kind is MessageKind.TEXT
