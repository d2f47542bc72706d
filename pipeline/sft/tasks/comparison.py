"""Comparisons of two segments of a recording: which is faster, louder, spoken faster; and multiple choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from soundseam.pipeline.sft.answers import LETTERS, choice, exact
from soundseam.pipeline.sft.ask import QuestionDraft, Task, Wording, grade
from soundseam.pipeline.sft.material import Material, RecordingMaterial
from soundseam.pipeline.sft.tasks.music import KeyTask, MeterTask, TempoTask
from soundseam.pipeline.sft.tasks.sounds import CountingTask, OrderTask
from soundseam.pipeline.sft.tasks.transcripts import SpeakerCountTask
from soundseam.pipeline.sft.tasks.voice import VoiceTask, clear_voice
from soundseam.pipeline.sft.words import UnsayableError, Words
from soundseam.schemas.annotation import GeneralAnnotation, MusicAnnotation
from soundseam.schemas.claim import Evidence
from soundseam.schemas.record import content_key


class _Measure(NamedTuple):
    value: float
    evidence: tuple[Evidence, ...]


class ComparisonTask(Task):
    """Eligible: two consecutive segments among those of a recording in which a value is measured well enough to ask for
    it, with clearly different values. Only within a recording: its levels are comparable, and its rows depend on no
    other."""

    task: Literal["comparison"] = "comparison"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    tempo_ratio: float = Field(
        default=1.12,
        ge=1.0,
        description="minimum ratio of the faster to the slower tempo; ratios from 1.7 are not used",
    )
    level_db: float = Field(default=6.0, ge=0.0, description="minimum difference in level")
    syllables_hz: float = Field(default=1.0, ge=0.0, description="minimum difference in syllable rate")
    min_confidence: float = Field(alias="least_confidence", default=0.5, ge=0.0, le=1.0, description="of both tempi")
    min_speech_ms: int = Field(
        alias="least_speech_ms", default=3000, ge=0, description="minimum speech in both, to compare pace"
    )
    min_clip_ms: int = Field(default=2000, ge=0, description="minimum length of both, to compare levels")

    needs: ClassVar[tuple[str, ...]] = (
        "annotations/music:rhythm.tempo_bpm",
        "or annotations/general:acoustics.level_dbfs",
        "or annotations/speech:voice.syllable_rate_hz (of two segments)",
    )

    def asks(self, recording: RecordingMaterial) -> Iterator[QuestionDraft]:
        for kind in ("tempo", "level", "pace"):
            measured = [
                (segment, value)
                for segment in recording.segments
                if (value := self._measure(kind, segment)) is not None
            ]
            for (first, one), (second, other) in pairwise(measured):
                if self._is_clear(kind, one.value, other.value):
                    yield QuestionDraft(
                        kind,
                        (*one.evidence, *other.evidence),
                        grade(2),
                        partial(_comparison_turn, one.value > other.value),
                        fact=second.segment_id,
                        materials=(first, second),
                    )

    def _measure(self, kind: str, material: Material) -> _Measure | None:
        if kind == "tempo":
            return self._tempo(material)
        return self._level(material) if kind == "level" else self._pace(material)

    def _tempo(self, material: Material) -> _Measure | None:
        row = material.first(MusicAnnotation, "rhythm")
        rhythm = row.rhythm if row is not None else None
        if rhythm is None or rhythm.tempo_bpm is None or rhythm.tempo_confidence < self.min_confidence:
            return None
        return _Measure(rhythm.tempo_bpm, material.cite(row, "rhythm.tempo_bpm", "rhythm.tempo_confidence"))

    def _level(self, material: Material) -> _Measure | None:
        row = material.first(GeneralAnnotation, "acoustics")
        if row is None or row.acoustics is None or material.duration_ms < self.min_clip_ms:
            return None
        level = row.acoustics.level_dbfs
        return None if level is None else _Measure(level, material.cite(row, "acoustics.level_dbfs"))

    def _pace(self, material: Material) -> _Measure | None:
        row = clear_voice(material, self.min_speech_ms)
        rate = row.voice.syllable_rate_hz if row is not None and row.voice is not None else None
        return None if rate is None else _Measure(rate, material.cite(row, "voice.syllable_rate_hz"))

    def _is_clear(self, kind: str, one: float, other: float) -> bool:
        if kind == "tempo":
            # With a ratio of 1.7 or more, the two may be the same pulse at half or double tempo.
            return self.tempo_ratio <= max(one, other) / min(one, other) < 1.7
        return abs(one - other) >= (self.level_db if kind == "level" else self.syllables_hz)


def _comparison_turn(is_first: bool, words: Words) -> Wording:
    answer, other = ("first", "second") if is_first else ("second", "first")
    named, rival = words.say(f"plain_{answer}"), words.say(f"plain_{other}")
    return Wording(
        words.say("question"),
        words.say(answer),
        exact(named, offered=(named, rival)),
        rivals=(rival,),
    )


class ChoiceTask(Task):
    """Eligible: a question of another task with plausible wrong answers. The right letter rotates within a recording,
    from a start drawn from its id."""

    task: Literal["choice"] = "choice"
    max_choices: int = Field(
        alias="most_choices", default=4, ge=2, le=len(LETTERS), description="maximum number of choices"
    )
    counting: CountingTask = CountingTask()
    order: OrderTask = OrderTask()
    tempo: TempoTask = TempoTask()
    key: KeyTask = KeyTask()
    meter: MeterTask = MeterTask()
    voice: VoiceTask = VoiceTask()
    speaker_count: SpeakerCountTask = SpeakerCountTask()
    comparison: ComparisonTask = ComparisonTask()

    needs: ClassVar[tuple[str, ...]] = (
        "what counting, order, tempo, key, meter, voice, speaker_count or comparison need",
    )

    def asks(self, recording: RecordingMaterial) -> Iterator[QuestionDraft]:
        place = int(content_key(["choice", recording.recording_id]), 16)
        for source in self._sources():
            for ask in source.asks(recording):
                if ask.kind != "longest_pause":
                    yield replace(
                        ask,
                        kind="choice",
                        topic="/".join(part for part in (source.task, ask.kind, ask.topic) if part),
                        fact=f"{source.task}/{ask.kind}/{ask.identity}",
                        turn=partial(_choice_turn, ask, source.task, place, self.max_choices),
                    )
                    place += 1

    def _sources(self) -> Sequence[Task]:
        return (
            self.counting,
            self.order,
            self.tempo,
            self.key,
            self.meter,
            self.voice,
            self.speaker_count,
            self.comparison,
        )


def _choice_turn(ask: QuestionDraft, task: str, place: int, max_choices: int, words: Words) -> Wording:
    base = ask.turn(words.of(task, ask.kind))
    wrong = [rival for rival in dict.fromkeys(base.rivals) if rival not in base.spec.accepted][: max_choices - 1]
    if not wrong or base.spec.reference in wrong:
        raise UnsayableError("no plausible wrong answer")
    correct = place % (len(wrong) + 1)
    choices = [*wrong[:correct], base.spec.reference, *wrong[correct:]]
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, choices, strict=False))
    return Wording(
        words.say(
            "question", question=base.question, choices=lines, letters=words.listing(LETTERS[: len(choices)], "or")
        ),
        words.say("answer", letter=LETTERS[correct], choice=choices[correct]),
        choice(choices, correct),
    )
