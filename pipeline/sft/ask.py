"""The interface of tasks: frozen records from YAML that turn a recording's rows into questions with answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from pydantic import Field

from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import ChatClient, QuestionKind
from soundseam.pipeline.sft.answers import TimedText, TimestampFormat, open_ended, spans, wer
from soundseam.pipeline.sft.material import Material, RecordingMaterial
from soundseam.pipeline.sft.words import Words, words_key
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.long import RecordingCaption, Window
from soundseam.schemas.record import Record, draw
from soundseam.schemas.sample import AnswerSpec, Difficulty, SourceVerdict
from soundseam.schemas.timespan import TimeSpan


@dataclass(frozen=True)
class Phrasing:
    """`languages` are shares, positive or 0."""

    languages: Mapping[str, float]
    seed: int
    style: TimestampFormat

    def languages_for(self, identity: str, allowed: Collection[str] | None = None) -> list[str]:
        """The language drawn for one fact, then the other available ones; only `allowed` ones, None for any."""
        shares = {
            name: share
            for name, share in sorted(self.languages.items())
            if share > 0 and (allowed is None or name in allowed)
        }
        left = draw(self.seed, "language", identity) * sum(shares.values())
        drawn = ""
        for name, share in shares.items():
            if left < share:
                drawn = name
                break
            left -= share
        return sorted(shares, key=lambda name: (name != drawn, name))


@dataclass(frozen=True)
class Wording:
    """A question with its answer, in one language."""

    question: str
    answer: str
    spec: AnswerSpec
    reasoning: str | None = None
    rivals: tuple[str, ...] = ()
    """Plausible wrong answers, in the form of `spec.reference`; empty if the question has none."""


@dataclass(frozen=True)
class QuestionDraft:
    """One fact to ask about. `turn` puts it into words, or raises UnsayableError if a language has none."""

    kind: str
    evidence: tuple[Evidence, ...]
    difficulty: Difficulty
    turn: Callable[[Words], Wording]
    topic: str = ""
    """What the question itself reveals, as in dog: samples of equal kind and topic share an answer prior."""
    fact: str = ""
    """Distinguishes this fact from others of its kind in the same audio; empty if the topic does."""
    materials: tuple[Material, ...] = ()
    """The segments in question, in order; for a `SegmentTask`, set by the base class."""
    window: Window | None = None
    """The stretch in question with its gaps, if it is not the segments one by one; for a `LongTask`, set by the base
    class."""
    languages: tuple[str, ...] | None = None
    """The only languages to ask in; None for any."""
    verdicts: tuple[SourceVerdict, ...] = ()
    text_only: float | None = None
    """The score of answering without the audio, if already known."""

    @property
    def identity(self) -> str:
        return self.fact or self.topic


class AnyTaskOptions(Record, ABC):
    """The common options of all tasks."""

    task: str
    max_per_segment: int = Field(
        alias="most_per_segment", default=2, ge=1, description="maximum number of samples of this task per segment"
    )

    needs: ClassVar[tuple[str, ...]]
    """The columns that the task needs, as TABLE:FIELD."""

    @property
    def words_key(self) -> str:
        """Key of the task's templates and names."""
        return words_key(self.task)


class ServedTask(AnyTaskOptions):
    """A task whose questions are written by a served model. Its answers depend only on that model."""

    @abstractmethod
    def question_kinds(self) -> tuple[QuestionKind, ...]:
        """The kind of question that each of `endpoints` gets, in the same order."""

    @abstractmethod
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The servers that it asks; `clients` in `asks_from` are theirs, in this order."""

    @abstractmethod
    def asks_from(
        self, recordings: Iterable[RecordingMaterial], phrasing: Phrasing, clients: Sequence[ChatClient]
    ) -> Iterator[QuestionDraft]:
        """Every question, in order of the recordings and their segments; recordings are drawn as answers arrive.

        Raises ConnectionError if the servers stay unreachable.
        """


class Task(AnyTaskOptions):
    """A task's options. `asks` is pure: equal rows give equal questions in equal order."""

    @abstractmethod
    def asks(self, recording: RecordingMaterial) -> Iterator[QuestionDraft]:
        """All questions that the recording's rows can answer."""


class SegmentTask(Task):
    """A task about one segment at a time."""

    def asks(self, recording: RecordingMaterial) -> Iterator[QuestionDraft]:
        for material in recording.segments:
            for draft in self.asks_of(material):
                yield replace(draft, materials=(material,))

    @abstractmethod
    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        """All questions that one segment's rows can answer."""


MAX_SEGMENT_MS = 30_000
"""What a segment may contain."""


@dataclass(frozen=True)
class LongMaterial:
    """A window with its segments, and what is known about its recording."""

    window: Window
    caption: RecordingCaption
    segments: tuple[Material, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it has every segment of the recording."""
        chapters = self.caption.chapters
        return bool(chapters) and self.window.segment_ids == tuple(
            name for chapter in chapters for name in chapter.segment_ids
        )

    def holds(self, span: TimeSpan) -> bool:
        return self.window.start_ms <= span.start_ms and span.end_ms <= self.window.end_ms

    def touches(self, span: TimeSpan) -> bool:
        return self.window.span.overlap_ms(span) > 0

    def timed(self, span: TimeSpan, text: str) -> TimedText:
        """Text with its time in the window."""
        shifted = span.shift(-self.window.start_ms)
        return TimedText(segment_start_ms=shifted.start_ms, segment_end_ms=shifted.end_ms, text=text)


class LongTask(Task):
    """A task about windows of more than one segment."""

    min_needed_ms: int = Field(
        default=MAX_SEGMENT_MS,
        ge=MAX_SEGMENT_MS,
        description="a question is only asked if a stretch of more than this is needed to answer it",
    )

    def asks(self, recording: RecordingMaterial) -> Iterator[QuestionDraft]:
        if recording.long_caption is None:
            return
        materials = {material.segment_id: material for material in recording.segments}
        for window in recording.windows:
            is_long = window.span.duration_ms > self.min_needed_ms and len(window.segment_ids) > 1
            if is_long and not window.excluded and materials.keys() >= set(window.segment_ids):
                segments = tuple(materials[name] for name in window.segment_ids)
                for draft in self.asks_of(LongMaterial(window, recording.long_caption, segments)):
                    yield replace(draft, materials=segments, window=window)

    @abstractmethod
    def asks_of(self, found: LongMaterial) -> Iterator[QuestionDraft]:
        """All questions that a window's rows can answer."""


def text_turn(text: str, words: Words) -> Wording:
    """Asks for everything that is said or sung."""
    return Wording(words.say("question"), text, wer(text))


def open_turn(text: str, words: Words) -> Wording:
    """Asks for a description, of which `text` is one."""
    return Wording(words.say("question"), text, open_ended(text))


def timed_turn(what: str, entries: Sequence[TimedText], tolerance_ms: int, words: Words) -> Wording:
    """Asks for `entries` with their times, in the configured format; `what` describes the text of each."""
    text = words.timed(entries)
    return Wording(words.say("question", form=words.form(what)), text, spans(entries, text, tolerance_ms))


def near_counts(count: int) -> tuple[str, ...]:
    """Numbers that `count` is easily mistaken for."""
    return tuple(str(other) for other in (count + 1, count - 1, count + 2, count + 3) if other > 0)


def verdict_on(claim: Claim) -> SourceVerdict:
    """The verifier's verdict on a claim that a sample repeats."""
    return SourceVerdict(claim=claim.text, verdict=claim.verdict, probability=claim.probability)


FAINT_DB = 10.0
"""An event less salient than this is hard to hear."""


def grade(facts: int = 1, *, crowded: bool = False, faint: bool = False, timed: bool = False) -> Difficulty:
    """The difficulty of a question: one step more for each further fact, for overlapping sounds, for a faint sound and
    for times in the answer; medium from one step, hard from two."""
    steps = facts - 1 + crowded + faint + timed
    return (Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD)[min(steps, 2)]
