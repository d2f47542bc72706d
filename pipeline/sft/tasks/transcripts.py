"""Transcripts, with times and speakers, and the number of speakers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.pipeline.sft.answers import TimedText, number, spans, speaker_wer
from soundseam.pipeline.sft.ask import (
    QuestionDraft,
    SegmentTask,
    Wording,
    grade,
    near_counts,
    text_turn,
    timed_turn,
)
from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.transcripts import (
    Said,
    Utterance,
    cite_transcript,
    conversation_of,
    grade_transcript,
    timed_texts,
    turns_of,
    usable_transcript,
)
from soundseam.pipeline.sft.words import Words
from soundseam.schemas.speech import Sentence, Speakers, Word
from soundseam.schemas.timespan import TimeSpan, covered_ms


class AsrTask(SegmentTask):
    """Eligible: a transcript that is usable for training according to its row."""

    task: Literal["asr"] = "asr"
    max_per_segment: int = Field(default=1, alias="most_per_segment")

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:transcript (usable for training)",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        said = usable_transcript(material)
        if said is not None:
            turn = partial(text_turn, said.transcript.text.strip())
            yield QuestionDraft("plain", cite_transcript(material, said), grade_transcript(material, said), turn)


class AsrWordsTask(SegmentTask):
    """Eligible: a usable transcript all of whose words have a time inside the segment.

    A forced aligner's times come first."""

    task: Literal["asr_words"] = "asr_words"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    tolerance_ms: int = Field(default=200, ge=0, description="allowed difference of an edge from the reference")

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:transcript.words (usable for training)",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        said = usable_transcript(material)
        if said is not None:
            yield from _timed_asks("words", material, said, said.words, self.tolerance_ms)


class AsrSentencesTask(SegmentTask):
    """Eligible: a usable transcript all of whose sentences have a time inside the segment.

    A forced aligner's times come first."""

    task: Literal["asr_sentences"] = "asr_sentences"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    tolerance_ms: int = Field(default=300, ge=0, description="allowed difference of an edge from the reference")

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:transcript.words (usable for training)",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        said = usable_transcript(material)
        if said is not None:
            yield from _timed_asks("sentences", material, said, said.sentences, self.tolerance_ms)


def _timed_asks(
    kind: str, material: Material, said: Said, parts: Sequence[Word | Sentence], tolerance_ms: int
) -> Iterator[QuestionDraft]:
    entries = timed_texts(material, parts)
    if entries:
        evidence = cite_transcript(material, said, timed=True)
        turn = partial(timed_turn, kind.removesuffix("s"), entries, tolerance_ms)
        yield QuestionDraft(kind, evidence, grade_transcript(material, said, timed=True), turn)


class SpeakerTranscriptTask(SegmentTask):
    """Eligible: a usable transcript of several speakers, with a time and a speaker for each word, and little
    overlapping speech, which a list of turns cannot represent.
    """

    task: Literal["speaker_transcript"] = "speaker_transcript"
    max_speakers: int = Field(alias="most_speakers", default=6, ge=2, description="listeners cannot distinguish more")
    max_overlap: float = Field(
        alias="most_overlap",
        default=0.1,
        ge=0.0,
        le=1.0,
        description="maximum share of overlapping speech in the segment",
    )
    tolerance_ms: int = Field(default=500, ge=0, description="allowed difference of an edge from the reference")

    needs: ClassVar[tuple[str, ...]] = (
        "annotations/speech:transcript.words (usable for training)",
        "annotations/speech:speakers.turns",
    )

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        found = conversation_of(material)
        if found is None or found.speakers.overlap_ms > self.max_overlap * material.duration_ms:
            return
        count = len({utterance.speaker for utterance in found.utterances})
        if not 2 <= count <= self.max_speakers:
            return
        entries = self._entries(material, found.utterances)
        difficulty = partial(grade, count, crowded=found.speakers.overlap_ms > 0)
        yield QuestionDraft("plain", found.evidence, difficulty(), partial(_plain_turn, found.utterances))
        if entries:
            turn = partial(_speaker_turn, entries, self.tolerance_ms)
            yield QuestionDraft("timed", found.evidence, difficulty(timed=True), turn)

    def _entries(self, material: Material, utterances: Sequence[Utterance]) -> tuple[tuple[TimedText, int], ...]:
        """(timed text, speaker number); empty if a time is outside the segment."""
        entries = tuple(
            (material.timed(utterance.start_ms, utterance.end_ms, utterance.text), utterance.speaker)
            for utterance in utterances
        )
        inside = all(0 <= one.segment_start_ms < one.segment_end_ms <= material.duration_ms for one, _ in entries)
        return entries if inside else ()


def _plain_turn(utterances: Sequence[Utterance], words: Words) -> Wording:
    text = "\n".join(_line(utterance.speaker, utterance.text, words) for utterance in utterances)
    return Wording(words.say("question", form=_line(1, "…", words)), text, speaker_wer(text))


def _line(speaker: int, text: str, words: Words) -> str:
    return words.say("line", number=str(speaker), code=f"{speaker:02d}", text=text)


def _speaker_turn(entries: Sequence[tuple[TimedText, int]], tolerance_ms: int, words: Words) -> Wording:
    named = [entry.model_copy(update={"text": _line(speaker, entry.text, words)}) for entry, speaker in entries]
    text = words.timed(named)
    form = words.form(_line(1, "…", words))
    return Wording(words.say("question", form=form), text, spans(named, text, tolerance_ms))


class SpeakerCountTask(SegmentTask):
    """Eligible: the diarization is sure of the speakers, and each of them speaks long enough to be noticed."""

    task: Literal["speaker_count"] = "speaker_count"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    min_ms: int = Field(alias="least_ms", default=1000, ge=0, description="minimum speech of every speaker")
    max_speakers: int = Field(alias="most_speakers", default=6, ge=1, description="listeners do not count further")

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:speakers.turns",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        turns = turns_of(material)
        if turns is None:
            return
        row, speakers = turns
        times = speaking_times(speakers)
        if speakers.sure and 1 <= len(times) <= self.max_speakers and min(times.values()) >= self.min_ms:
            evidence = material.cite(row, "speakers.count", "speakers.turns", "speakers.sure")
            difficulty = grade(len(times), crowded=speakers.overlap_ms > 0)
            yield QuestionDraft("count", evidence, difficulty, partial(_speaker_count_turn, len(times)))


def speaking_times(speakers: Speakers) -> dict[str, int]:
    """speaker → speaking time in ms."""
    names = sorted({turn.speaker for turn in speakers.turns})
    return {
        name: covered_ms(TimeSpan(turn.start_ms, turn.end_ms) for turn in speakers.turns if turn.speaker == name)
        for name in names
    }


def _speaker_count_turn(count: int, words: Words) -> Wording:
    return Wording(
        words.say("question"),
        words.say("one" if count == 1 else "answer", count=str(count)),
        number(count, 0, None),
        rivals=near_counts(count),
    )
