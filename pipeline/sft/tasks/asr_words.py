"""Transcription with the time of every word."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import spans
from pipeline.sft.ask import Ask, SegmentTask, Turn
from pipeline.sft.material import Material
from pipeline.sft.timestamps import TimedText
from pipeline.sft.transcripts import cite_transcript, grade_transcript, timed_texts, usable_transcript
from pipeline.sft.words import Words


class AsrWordsTask(SegmentTask):
    """Eligible: a usable transcript all of whose words have a time inside the segment.

    A forced aligner's times come first."""

    task: Literal["asr_words"] = "asr_words"
    most_per_segment: int = 1
    tolerance_ms: int = Field(default=200, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:transcript.words (usable for training)",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        said = usable_transcript(material)
        entries = timed_texts(material, said.words) if said is not None else ()
        if said is not None and entries:
            yield Ask(
                kind="words",
                topic="",
                fact="",
                materials=(material,),
                evidence=cite_transcript(material, said, timed=True),
                difficulty=grade_transcript(material, said, timed=True),
                turn=partial(_turn, entries, self.tolerance_ms),
            )


def _turn(entries: tuple[TimedText, ...], tolerance_ms: int, words: Words) -> Turn:
    text = words.timed(entries)
    question = words.say("question", form=words.style.line.format(start="start", end="end", text="word"))
    return Turn(question, text, spans(entries, text, tolerance_ms))
