"""Plain transcription."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pipeline.sft.answers import wer
from pipeline.sft.ask import Ask, SegmentTask, Turn
from pipeline.sft.material import Material
from pipeline.sft.transcripts import cite_transcript, grade_transcript, usable_transcript
from pipeline.sft.words import Words


class AsrTask(SegmentTask):
    """Eligible: a transcript that its row calls usable for training."""

    task: Literal["asr"] = "asr"
    most_per_segment: int = 1

    needs: ClassVar[tuple[str, ...]] = ("annotations/speech:transcript (usable for training)",)

    def asks_of(self, material: Material) -> Iterator[Ask]:
        said = usable_transcript(material)
        if said is not None:
            yield Ask(
                kind="plain",
                topic="",
                fact="",
                materials=(material,),
                evidence=cite_transcript(material, said),
                difficulty=grade_transcript(material, said),
                turn=partial(_turn, said.transcript.text.strip()),
            )


def _turn(text: str, words: Words) -> Turn:
    return Turn(words.say("question"), text, wer(text))
