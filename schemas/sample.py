"""OUT/sft/<task>: one row per training sample, one schema for all tasks.

Times named `segment_` count from the beginning of the sample's audio, since that is what a model gets.
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
    kind: MessageKind = Field(description="audio or text")
    content: str = Field(description="the text; for audio the segment_id or window_id")


class Scoring(StrEnum):
    """How an answer is scored automatically."""

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
    """What counts as a right answer. `scoring` says which of the other fields are used; the rest is empty or null.

    exact: any of `accepted`, ignoring case and final punctuation; `choices` are the answers that the question names, if
    any · choice: `choices[correct]` · number: `value` within `tolerance` · labels: the set `accepted` · spans:
    `spans`, each edge within `tolerance_ms` · wer: word error rate against `reference` (character error rate for
    languages without spaces) · speaker_wer: the same per speaker, whatever their names, with one turn
    `name: words` per line of `reference` · refusal: says that it cannot be known · open: cannot be scored
    automatically; `reference` is one good answer.
    """

    scoring: Scoring = Field(description="how to score")
    reference: str = Field(description="the answer without any phrasing around it")
    accepted: tuple[str, ...] = Field(default=(), description="the right answers, or the set to name")
    choices: tuple[str, ...] = Field(default=(), description="the options, A first if they have letters")
    correct: int | None = Field(default=None, ge=0, description="which of the choices is right, from 0")
    value: float | None = Field(default=None, description="the number asked for")
    unit: str | None = Field(default=None, description="of value and tolerance, as in s or bpm; null for a count")
    tolerance: float | None = Field(default=None, ge=0.0, description="allowed difference of a number")
    spans: tuple[AnswerSpan, ...] = Field(default=(), description="timed parts, in order")
    tolerance_ms: int | None = Field(default=None, ge=0, description="allowed difference of an edge of a span")


class Difficulty(StrEnum):
    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"


class SourceVerdict(Record):
    """The verifier's verdict on a claim that the answer repeats; null if no verifier ran."""

    claim: str = Field(description="the sentence that was judged")
    verdict: Verdict | None = Field(description="null if no verifier ran")
    probability: float | None = Field(ge=0.0, le=1.0, description="that it is true, according to the verifier")


class Sample(Record):
    """One row of a task's table."""

    sample_id: str = Field(description="the first segment's id and a hash of the question")
    recording_id: str = Field(description="of all its segments")
    segment_ids: tuple[str, ...] = Field(description="the segments whose audio it contains, in order")
    task: str = Field(description="as in caption or tempo")
    kind: str = Field(description="which of the task's questions it asks")
    topic: str = Field(
        description="what the question itself reveals, as in presence/dog: answer priors are counted per topic"
    )
    language: str = Field(description="of the instruction, BCP 47")
    messages: tuple[Message, ...] = Field(description="a conversation, audio before text")
    reasoning: str | None = Field(description="the reasoning from the evidence to the answer; null if none is needed")
    answer_spec: AnswerSpec = Field(description="what counts as a right answer, for automatic scoring")
    text_only: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="how well a language model answers without the audio: its probability of the right choice, or the "
        "score of its answer; null if none was asked",
    )
    difficulty: Difficulty = Field(
        description="by the number of facts to combine, overlap, low level and times asked for"
    )
    evidence: tuple[Evidence, ...] = Field(description="the measured values that the answer is derived from")
    verdicts: tuple[SourceVerdict, ...] = Field(description="of the claims that the answer repeats; empty for none")
    event_class: EventClass | None = Field(description="the strongest class of the first segment")
    audio_ms: int = Field(ge=0, description="of all audio in the sample")
    license: str | None = Field(description="of the recording; null if unknown")
    split: Split = Field(description="the same for all samples of a recording")
    config_key: str = Field(description="key of the task's options, templates and revision")

    @property
    def question(self) -> str:
        return next(message.content for message in self.messages if message.role is Role.USER and _is_text(message))

    @property
    def answer(self) -> str:
        return next(message.content for message in self.messages if message.role is Role.ASSISTANT)

    @property
    def audio_ids(self) -> tuple[str, ...]:
        """The contents of its audio messages, in order."""
        return tuple(message.content for message in self.messages if not _is_text(message))


def _is_text(message: Message) -> bool:
    return message.kind is MessageKind.TEXT
