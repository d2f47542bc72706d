"""Questions that combine several facts, with the reasoning from the evidence to the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import ChatClient, Question, QuestionKind, Sampling
from soundseam.annotators.chat.served import CheckedQuestion, Parsed, ask_records
from soundseam.annotators.prompts import TRAINING
from soundseam.pipeline.sft.answerable import choice_question, probability_of
from soundseam.pipeline.sft.answers import LETTERS, choice, exact, number
from soundseam.pipeline.sft.ask import Phrasing, QuestionDraft, SegmentTask, ServedTask, Wording, grade
from soundseam.pipeline.sft.material import Material, RecordingMaterial, Sighting
from soundseam.pipeline.sft.tasks.sounds import (
    MIN_SCORE,
    Sound,
    Sounds,
    evidence_of,
    is_crowded,
    sound_words,
    sure_sounds,
)
from soundseam.pipeline.sft.words import Words, prompts_key, words_key
from soundseam.pipeline.sft.written import Brief, WrittenQuestion, brief_of, written_problems
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.music import Rhythm
from soundseam.schemas.record import Record, content_key

WRITER_PROMPTS = ("write", "solve", "guess")
Group = tuple[Sound, tuple[Sighting, ...]]


class ReasoningTask(SegmentTask):
    """Eligible: two nameable sounds without doubtful events, or a confident tempo and meter. Every step of the chain
    states a value of the evidence or what follows from earlier steps."""

    task: Literal["reasoning"] = "reasoning"
    min_score: float = Field(
        alias="least_score",
        default=MIN_SCORE,
        ge=0.0,
        le=1.0,
        description="minimum score of every event of both sounds",
    )
    min_gap_ms: int = Field(
        alias="least_gap_ms", default=500, ge=0, description="minimum gap between two sounds to ask for it"
    )
    clear_ratio: float = Field(default=1.3, ge=1.0, description="minimum ratio of the longer to the shorter duration")
    min_confidence: float = Field(
        alias="least_confidence", default=0.5, ge=0.0, le=1.0, description="minimum confidence of tempo and meter"
    )

    needs: ClassVar[tuple[str, ...]] = ("segments:events", "or annotations/music:rhythm.beats_per_bar")

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        sounds = sure_sounds(material, self.min_score)
        yield from self._gaps(material, sounds)
        yield from self._longer(sounds)
        yield from self._bar(material)

    def _gaps(self, material: Material, sounds: Sounds) -> Iterator[QuestionDraft]:
        once = sorted((group[0] for group in sounds.values() if len(group) == 1), key=lambda one: one.span)
        for first, second in pairwise(once):
            if second.span.start_ms - first.span.end_ms >= self.min_gap_ms:
                names = f"{first.event.label}/{second.event.label}"
                difficulty = grade(2, crowded=is_crowded(material.sightings))
                turn = partial(_gap_turn, material, first, second)
                yield QuestionDraft("gap", evidence_of((first, second)), difficulty, turn, topic=names)

    def _longer(self, sounds: Sounds) -> Iterator[QuestionDraft]:
        for one, other in pairwise(sounds.items()):
            short, long = sorted((_total_tenths(one), _total_tenths(other)))
            if _never_overlap(one[1]) and _never_overlap(other[1]) and short and long / short >= self.clear_ratio:
                names, both = "/".join(sorted((one[0][1], other[0][1]))), (*one[1], *other[1])
                difficulty, turn = grade(2, crowded=is_crowded(both)), partial(_longer_turn, one, other)
                yield QuestionDraft("longer", evidence_of(both), difficulty, turn, topic=names)

    def _bar(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "rhythm")
        rhythm = row.rhythm if row is not None else None
        if rhythm is None or rhythm.tempo_bpm is None or rhythm.beats_per_bar is None:
            return
        if min(rhythm.tempo_confidence, rhythm.meter_confidence) >= self.min_confidence:
            evidence = material.cite(row, "rhythm.tempo_bpm", "rhythm.beats_per_bar")
            yield QuestionDraft("bar", evidence, grade(3), partial(_bar_turn, rhythm))


def _tenths(sighting: Sighting) -> int:
    """The length of an event in tenths of a second, as in the chain."""
    return round(sighting.span.duration_ms / 100)


def _total_tenths(group: Group) -> int:
    """The sum of the chain's values: parts and total are rounded once."""
    return sum(map(_tenths, group[1]))


def _never_overlap(group: Sequence[Sighting]) -> bool:
    """Whether the durations of a sound's events may be added."""
    return all(one.span.overlap_ms(other.span) == 0 for one, other in pairwise(group))


def _gap_turn(material: Material, first: Sighting, second: Sighting, words: Words) -> Wording:
    one, other = (sound_words(each, words) for each in (first, second))
    end, start = (round(material.in_clip(ms) / 1000, 1) for ms in (first.span.end_ms, second.span.start_ms))
    gap = f"{start - end:.1f}"
    chain = words.say("chain", one=one, other=other, end=f"{end:.1f}", start=f"{start:.1f}", gap=gap)
    return Wording(
        words.say("question", one=one, other=other),
        words.say("answer", one=one, other=other, gap=gap),
        number(float(gap), 0.5, "s", decimals=1),
        reasoning=chain,
    )


def _longer_turn(one: Group, other: Group, words: Words) -> Wording:
    names = {group[0]: words.sound(*group[0]) for group in (one, other)}
    longer, shorter = sorted((one, other), key=lambda group: -_total_tenths(group))
    first, second = sorted(names.values())
    steps = [_duration_step(group, names[group[0]], words) for group in (longer, shorter)]
    chain = words.joined(
        [
            *steps,
            words.say(
                "conclusion",
                longer=names[longer[0]],
                long=_seconds(_total_tenths(longer)),
                short=_seconds(_total_tenths(shorter)),
            ),
        ]
    )
    return Wording(
        words.say("question", one=first, other=second),
        words.say("answer", longer=names[longer[0]]),
        exact(names[longer[0]], offered=(first, second)),
        reasoning=chain,
        rivals=(names[shorter[0]],),
    )


def _duration_step(group: Group, name: str, words: Words) -> str:
    """One sentence about the length of a sound, as a sum if it has several events."""
    total = _seconds(_total_tenths(group))
    if len(group[1]) == 1:
        return words.say("once", sound=name, total=total)
    parts = " + ".join(_seconds(_tenths(one)) for one in group[1])
    return words.say("sum", sound=name, parts=parts, total=total)


def _seconds(tenths: int) -> str:
    return f"{tenths / 10:.1f}"


def _bar_turn(rhythm: Rhythm, words: Words) -> Wording:
    tempo, beats = round(rhythm.tempo_bpm or 0), rhythm.beats_per_bar or 0
    beat = 60 / tempo
    bar = round(beat * beats, 2)
    chain = words.say("chain", bpm=str(tempo), beats=str(beats), beat=f"{beat:.2f}", bar=f"{bar:.2f}")
    return Wording(
        words.say("question"),
        words.say("answer", bar=f"{bar:.1f}"),
        number(bar, round(0.1 * bar, 2), "s", decimals=1),
        reasoning=chain,
    )


class WrittenReasoningTask(ServedTask):
    """Eligible: a segment with several measured, confident and undisputed facts. Every number and name of the chain
    must follow from the facts that it cites; a verifier that gets the facts must find the answer among four, and must
    not find it without them.
    """

    task: Literal["written_reasoning"] = "written_reasoning"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    writer: Endpoint = Field(default=Endpoint(), description="the language model that writes the questions")
    verifier: Endpoint | None = Field(
        default=None, description="a language model that must find the answer; null for the writer itself"
    )
    sampling: Sampling = Field(default=Sampling(max_tokens=1024), description="how the writer's answers are sampled")
    min_facts: int = Field(alias="least_facts", default=4, ge=2, description="minimum number of facts of a segment")
    min_confidence: float = Field(
        alias="least_confidence", default=0.6, ge=0.0, le=1.0, description="minimum confidence of a fact, if it has one"
    )
    confirm: float = Field(
        default=0.75, gt=0.5, le=1.0, description="minimum probability of the right answer for a verified question"
    )
    max_guessed: float = Field(
        alias="most_guessed",
        default=0.6,
        gt=0.0,
        le=1.0,
        description="maximum probability of the right answer without the facts",
    )

    needs: ClassVar[tuple[str, ...]] = ("several facts of any table", "a model that is served")

    @property
    def words_key(self) -> str:
        return content_key([words_key("choice"), prompts_key(*WRITER_PROMPTS)])

    def question_kinds(self) -> tuple[QuestionKind, ...]:
        return QuestionKind(answer="schema"), QuestionKind(answer="choices")

    def endpoints(self) -> tuple[Endpoint, ...]:
        return self.writer, self.verifier or self.writer

    def asks_from(
        self, recordings: Iterable[RecordingMaterial], phrasing: Phrasing, clients: Sequence[ChatClient]
    ) -> Iterator[QuestionDraft]:
        writer, verifier = clients
        drafts = self._drafts(recordings, phrasing, writer)
        for draft, replies in verifier.ask((draft, draft.questions()) for draft in drafts):
            known, guessed = (
                probability_of(reply, question, LETTERS[draft.correct])
                for reply, question in zip(replies, draft.questions(), strict=True)
            )
            if known is not None and guessed is not None and known >= self.confirm and guessed <= self.max_guessed:
                yield draft.ask(guessed)

    def _drafts(
        self, recordings: Iterable[RecordingMaterial], phrasing: Phrasing, writer: ChatClient
    ) -> Iterator[_Draft]:
        """The writer's valid questions, in order. For an invalid one, the writer is asked once more, then it is given
        up.
        """
        briefs = (
            brief
            for recording in recordings
            for material in recording.segments
            for language in phrasing.languages_for(material.segment_id)[:1]
            if len((brief := brief_of(material, language, self.min_confidence)).facts) >= self.min_facts
        )
        questions = ((brief, (_writer_question(brief, self.sampling),)) for brief in briefs)
        for brief, (parsed,) in ask_records(writer, questions, WrittenQuestion):
            if isinstance(parsed, Parsed):
                yield _Draft(brief, parsed.record)


@dataclass(frozen=True)
class _Draft:
    """A written question, not verified yet."""

    brief: Brief
    written: WrittenQuestion

    @property
    def correct(self) -> int:
        """The position of the right answer among the choices, evenly distributed."""
        return int(content_key(["place", self.brief.material.segment_id, self.written.question]), 16) % 4

    @property
    def choices(self) -> tuple[str, ...]:
        wrong = self.written.wrong
        return (*wrong[: self.correct], self.written.answer, *wrong[self.correct :])

    def questions(self) -> tuple[Question, Question]:
        """The question with the facts, and without."""
        brief, asked = self.brief, self.written.question
        about = brief.material.segment.recording_id
        ask = partial(choice_question, language=brief.language, about=about, choices=self.choices, question=asked)
        return ask("solve", facts=brief.as_json()), ask("guess")

    def ask(self, guessed: float) -> QuestionDraft:
        written = self.written
        return QuestionDraft(
            "written",
            self.brief.evidence(written),
            grade(len({name for step in written.steps for name in step.facts})),
            partial(_turn, written, self.choices, self.correct),
            fact=written.question,
            materials=(self.brief.material,),
            languages=(self.brief.language,),
            text_only=guessed,
        )


def _turn(written: WrittenQuestion, choices: Sequence[str], correct: int, words: Words) -> Wording:
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, choices, strict=False))
    layout = words.of("choice", "choice")
    return Wording(
        layout.say("question", question=written.question.strip(), choices=lines),
        layout.say("answer", letter=LETTERS[correct], choice=choices[correct]),
        choice(choices, correct),
        reasoning=written.chain,
    )


def _writer_question(brief: Brief, sampling: Sampling) -> CheckedQuestion:
    def check(record: Record) -> Iterator[str]:
        if isinstance(record, WrittenQuestion):
            yield from written_problems(record, brief)

    return CheckedQuestion(
        text=brief.as_json(),
        system=TRAINING.filled("write", brief.language),
        sampling=sampling,
        about=brief.material.segment.recording_id,
        check=check,
    )
