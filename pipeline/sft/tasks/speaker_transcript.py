"""Transcription with who says what, plain and with times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.sft.answers import spans, speaker_wer
from pipeline.sft.ask import Ask, SegmentTask, Turn, grade
from pipeline.sft.material import Material
from pipeline.sft.speakers import Utterance, conversation_of
from pipeline.sft.timestamps import TimedText
from pipeline.sft.words import Words


class SpeakerTranscriptTask(SegmentTask):
    """Eligible: a usable transcript of several speakers, each of whose words has a time and a speaker, with little
    speech at once, which no list of turns tells rightly."""

    task: Literal["speaker_transcript"] = "speaker_transcript"
    most_speakers: int = Field(default=6, ge=2, description="nobody tells more apart by ear")
    most_overlap: float = Field(default=0.1, ge=0.0, le=1.0, description="share of the segment with speech at once")
    tolerance_ms: int = Field(default=500, ge=0, description="by which an edge may differ from the reference")

    needs: ClassVar[tuple[str, ...]] = (
        "annotations/speech:transcript.words (usable for training)",
        "annotations/speech:speakers.turns",
    )

    def asks_of(self, material: Material) -> Iterator[Ask]:
        found = conversation_of(material)
        if found is None or found.speakers.overlap_ms > self.most_overlap * material.duration_ms:
            return
        count = len({utterance.speaker for utterance in found.utterances})
        if not 2 <= count <= self.most_speakers:
            return
        entries = self._entries(material, found.utterances)
        for kind in ("plain", *(("timed",) if entries else ())):
            turn = partial(_plain_turn, found.utterances)
            yield Ask(
                kind=kind,
                topic="",
                fact="",
                materials=(material,),
                evidence=found.evidence,
                difficulty=grade(count, crowded=found.speakers.overlap_ms > 0, timed=kind == "timed"),
                turn=turn if kind == "plain" else partial(_timed_turn, entries, self.tolerance_ms),
            )

    def _entries(self, material: Material, utterances: Sequence[Utterance]) -> tuple[tuple[TimedText, int], ...]:
        """(what is said when, by whom); nothing where a time lies outside the segment."""
        entries = tuple(
            (
                TimedText(
                    segment_start_ms=material.in_clip(one.start_ms),
                    segment_end_ms=material.in_clip(one.end_ms),
                    text=one.text,
                ),
                one.speaker,
            )
            for one in utterances
        )
        inside = all(0 <= one.segment_start_ms < one.segment_end_ms <= material.duration_ms for one, _ in entries)
        return entries if inside else ()


def _plain_turn(utterances: Sequence[Utterance], words: Words) -> Turn:
    text = "\n".join(words.say("line", number=str(one.speaker), text=one.text) for one in utterances)
    return Turn(words.say("question", form=words.say("line", number="1", text="…")), text, speaker_wer(text))


def _timed_turn(entries: Sequence[tuple[TimedText, int]], tolerance_ms: int, words: Words) -> Turn:
    named = [
        entry.model_copy(update={"text": words.say("line", number=str(speaker), text=entry.text)})
        for entry, speaker in entries
    ]
    text = words.timed(named)
    form = words.style.line.format(start="start", end="end", text=words.say("line", number="1", text="…"))
    return Turn(words.say("question", form=form), text, spans(named, text, tolerance_ms))
