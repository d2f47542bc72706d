"""The words of a song, plain and line by line with times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.speech.transcripts import sentences_of
from soundseam.pipeline.sft.answers import TimedText, labels, spans, wer
from soundseam.pipeline.sft.ask import QuestionDraft, SegmentTask, Wording, grade
from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.tasks.sounds import MIN_SCORE
from soundseam.pipeline.sft.transcripts import timed_texts
from soundseam.pipeline.sft.words import Words
from soundseam.schemas.annotation import MusicAnnotation
from soundseam.schemas.claim import Evidence
from soundseam.schemas.event import EventClass, Tag, TagKind
from soundseam.schemas.music import Section
from soundseam.schemas.timespan import covered_ms


class StructureTask(SegmentTask):
    """Eligible: two parts or more, none of them short, in a clip long enough to have a form, with hardly any speech
    over the music, which can look like another part. Parts are lettered anew from A: what came before the clip cannot
    be heard."""

    task: Literal["structure"] = "structure"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    tolerance_ms: int = Field(default=500, ge=0, description="by which an edge may differ from the reference")
    max_speech_share: float = Field(
        alias="most_speech_share", default=0.2, ge=0.0, le=1.0, description="of the segment's time"
    )
    min_part_ms: int = Field(default=3000, ge=0, description="of every part: a shorter one is no part to a listener")
    min_clip_ms: int = Field(default=15000, ge=0, description="of the clip: a shorter one has no form to speak of")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:sections",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "sections")
        sections = row.sections if row is not None else None
        if row is not None and sections and self._has_form(material, sections):
            yield QuestionDraft(
                kind="timed",
                topic="",
                fact="",
                materials=(material,),
                evidence=material.cite(row, "sections"),
                difficulty=grade(2, timed=True),
                turn=partial(_structure_turn, _entries(material, sections), self.tolerance_ms),
            )

    def _has_form(self, material: Material, sections: Sequence[Section]) -> bool:
        return (
            len({section.label for section in sections}) > 1
            and material.duration_ms >= self.min_clip_ms
            and all(section.end_ms - section.start_ms >= self.min_part_ms for section in sections)
            and _speech_share(material) <= self.max_speech_share
        )


def _speech_share(material: Material) -> float:
    spoken = (one.span for one in material.sightings if one.event.event_class is EventClass.SPEECH)
    return covered_ms(spoken) / max(material.duration_ms, 1)


def _entries(material: Material, sections: Sequence[Section]) -> tuple[TimedText, ...]:
    """The parts, with letters from A in the order in which they are first heard in the clip."""
    labels = list(dict.fromkeys(section.label for section in sections))
    letters = {label: _letter(index) for index, label in enumerate(labels)}
    return tuple(
        TimedText(
            segment_start_ms=material.in_clip(section.start_ms),
            segment_end_ms=material.in_clip(section.end_ms),
            text=f"{letters[section.label]} ({section.function})" if section.function else letters[section.label],
        )
        for section in sections
    )


def _letter(index: int) -> str:
    return chr(ord("A") + index % 26) * (index // 26 + 1)


def _structure_turn(entries: tuple[TimedText, ...], tolerance_ms: int, words: Words) -> Wording:
    text = words.timed(entries)
    question = words.say("question", form=words.style.line.format(start="start", end="end", text="part"))
    return Wording(question, text, spans(entries, text, tolerance_ms))


class InstrumentsTask(SegmentTask):
    """Eligible: tags of instruments none of which is in doubt, whoever gave them, since a list must be complete."""

    task: Literal["instruments"] = "instruments"
    max_per_segment: int = Field(default=1, alias="most_per_segment")
    min_score: float = Field(
        alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every tag of an instrument"
    )
    max_instruments: int = Field(
        alias="most_instruments", default=5, ge=1, description="a longer list is no question for a listener"
    )

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:tags (instruments)",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        found = list(_instruments(material))
        names = list(dict.fromkeys(tag.label for tag, _ in found))
        if 1 <= len(names) <= self.max_instruments and all(tag.score >= self.min_score for tag, _ in found):
            yield QuestionDraft(
                kind="list",
                topic="",
                fact="",
                materials=(material,),
                evidence=tuple(one for _, evidence in found for one in evidence),
                difficulty=grade(len(names)),
                turn=partial(_instruments_turn, names),
            )


def _instruments(material: Material) -> Iterator[tuple[Tag, tuple[Evidence, ...]]]:
    """Every tag of an instrument, of all rows, surest first in each."""
    for row in material.all(MusicAnnotation):
        for index, tag in enumerate(row.tags or ()):
            if tag.kind is TagKind.INSTRUMENT:
                yield tag, material.cite(row, f"tags.{index}.label", f"tags.{index}.score")


def _instruments_turn(found: Sequence[str], words: Words) -> Wording:
    names = [words.instrument(label) for label in found]
    return Wording(words.say("question"), words.say("answer", names=words.listing(names)), labels(names))


class LyricsTask(SegmentTask):
    """Eligible: lyrics that their row calls usable for training; with times, where every line has one inside the
    segment."""

    task: Literal["lyrics"] = "lyrics"
    tolerance_ms: int = Field(default=500, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:lyrics (usable for training)",)

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        row = material.first(MusicAnnotation, "lyrics")
        lyrics = row.lyrics if row is not None else None
        if row is None or lyrics is None or not lyrics.usable_for_training or not lyrics.text.strip():
            return
        evidence = material.cite(row, "lyrics.text", "lyrics.usable_for_training")
        yield QuestionDraft(
            kind="plain",
            topic="",
            fact="",
            materials=(material,),
            evidence=evidence,
            difficulty=grade(2),
            turn=partial(_plain_turn, lyrics.text.strip()),
        )
        entries = timed_texts(material, sentences_of(lyrics.words))
        if entries:
            yield QuestionDraft(
                kind="timed",
                topic="",
                fact="",
                materials=(material,),
                evidence=(*evidence, *material.cite(row, "lyrics.words")),
                difficulty=grade(2, timed=True),
                turn=partial(_timed_turn, entries, self.tolerance_ms),
            )


def _plain_turn(text: str, words: Words) -> Wording:
    return Wording(words.say("question"), text, wer(text))


def _timed_turn(entries: tuple[TimedText, ...], tolerance_ms: int, words: Words) -> Wording:
    text = words.timed(entries)
    question = words.say("question", form=words.style.line.format(start="start", end="end", text="line"))
    return Wording(question, text, spans(entries, text, tolerance_ms))
