"""The transcript that a manifest gives for an utterance: `manifest_transcript`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, Clip
from soundseam.annotators.speech.transcripts import (
    MAX_CHARACTERS,
    Limits,
    doubts,
    measure,
    speech_stretches,
    without_controls,
)
from soundseam.annotators.wording.normalise import unit_of, units_of
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts, Transcript

MANIFEST = "manifest"
"""The model of its rows: a person or whatever else made the manifest."""
_EDGE = "recording_edge"


class ManifestTranscript(Backend[SpeechFacts]):
    """Takes the transcript of an utterance from the manifest's column `text`, and trusts it.

    Only if the segment holds all events of its manifest line; the text of a line that was cut into several segments
    belongs to none of them alone. Text of an impossible length for the speech is stored, but not trusted.
    """

    kind: Literal["manifest_transcript"] = "manifest_transcript"
    max_letters_per_second: float = Field(default=30.0, gt=0.0)
    """Twice the rate of fast speech; half of it applies to Chinese, Japanese and Korean characters."""
    min_letters_per_second: float = Field(default=1.5, ge=0.0)
    """Slower than the slowest speech. Not checked under 3 s of speech."""

    branch: ClassVar[Branch] = Branch.SPEECH
    sample_rate_hz: ClassVar[int | None] = None
    reads_language: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ("text",)
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return MANIFEST

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> Annotator[SpeechFacts]:
        return ManifestTranscriptAnnotator(self)


class ManifestTranscriptAnnotator:
    """The annotator of `ManifestTranscript`."""

    def __init__(self, backend: ManifestTranscript) -> None:
        self._backend = backend

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [self._facts(clip.segment) for clip in clips]

    def _facts(self, segment: Segment) -> SpeechFacts:
        text = text_in(segment.metadata)
        edges = (segment.start_boundary.reason, segment.end_boundary.reason)
        if not text or edges != (_EDGE, _EDGE):
            return SpeechFacts()
        transcript = Transcript(
            text=text,
            words=(),
            language=segment.language,
            confidence=None,
            agreement=None,
            usable_for_training=False,
            flags=(),
        )
        unit = unit_of([text])
        limits = Limits(
            min_coverage=0.0,
            longest_tail_ms=0,
            max_no_speech_probability=1.0,
            max_letters_per_second=self._backend.max_letters_per_second,
            min_letters_per_second=self._backend.min_letters_per_second,
        )
        figures = measure(transcript, speech_stretches(segment))
        flags = tuple(doubts(transcript, units_of(text, unit, None), unit, figures, limits))
        return SpeechFacts(transcript=transcript.model_copy(update={"usable_for_training": not flags, "flags": flags}))


def text_in(metadata: str | None) -> str:
    """The column `text` of a manifest line, on one line; empty if there is none."""
    value = json.loads(metadata).get("text") if metadata else None
    text = without_controls(value) if isinstance(value, str) else ""
    return text if len(text) <= MAX_CHARACTERS else ""
