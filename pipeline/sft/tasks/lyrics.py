"""The words of a song, plain and line by line with times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from annotators.speech.sentences import sentences_of
from pipeline.sft.answers import spans, wer
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.timestamps import TimedText
from pipeline.sft.transcripts import timed_texts
from pipeline.sft.words import Words
from schemas.annotation import MusicAnnotation


class LyricsTask(SegmentTask):
    """Eligible: lyrics that their row calls usable for training; with times, where every line has one inside the
    segment."""

    task: Literal["lyrics"] = "lyrics"
    tolerance_ms: int = Field(default=500, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = ("annotations/music:lyrics (usable for training)",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        row = material.first(MusicAnnotation, "lyrics")
        lyrics = row.lyrics if row is not None else None
        if row is None or lyrics is None or not lyrics.usable_for_training or not lyrics.text.strip():
            return
        evidence = material.cite(row, "lyrics.text", "lyrics.usable_for_training")
        yield Ask(
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
            yield Ask(
                kind="timed",
                topic="",
                fact="",
                materials=(material,),
                evidence=(*evidence, *material.cite(row, "lyrics.words")),
                difficulty=grade(2, timed=True),
                turn=partial(_timed_turn, entries, self.tolerance_ms),
            )


def _plain_turn(text: str, words: Words) -> Turn:
    return Turn(words.say("question"), text, wer(text))


def _timed_turn(entries: tuple[TimedText, ...], tolerance_ms: int, words: Words) -> Turn:
    text = words.timed(entries)
    question = words.say("question", form=words.style.line.format(start="start", end="end", text="line"))
    return Turn(question, text, spans(entries, text, tolerance_ms))
