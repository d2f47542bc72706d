"""Measures the text that recognisers make up for recordings without speech, and what of it is usable for training.

Recordings labelled music or general, of up to 30 s. Each is given to the recognisers as if all of it was speech: the
worst that detectors can do. Beside it stands what remains with the detectors of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from soundseam.annotators.base import Backend
from soundseam.annotators.detection.base import Detector
from soundseam.annotators.speech.agreement import TranscriptAgreement
from soundseam.annotators.speech.recognisers import RECOGNISERS
from soundseam.annotators.speech.text_language import TextLanguage
from soundseam.pipeline.cutting.segmentation import combine
from soundseam.pipeline.evaluation.loop import (
    Annotating,
    Finding,
    Labelled,
    Scorer,
    Scores,
    ScoreTable,
    evaluate,
    mean_of,
    read_labelled,
    score_table,
)
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.speech import SpeechFacts, Transcript


class SilentClip(BaseModel):
    """A line of clips.jsonl about a recording without speech."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str
    label: Branch = Branch.SPEECH


class MadeUpText(Scores):
    """What one backend writes for recordings in which nobody speaks, as shares of them."""

    backend: str
    with_text: float | None = Field(description="a text, if all of the recording is treated as speech")
    usable: float | None = Field(description="a text that is usable for training, if it is treated so")
    with_text_as_detected: float | None = Field(description="a text, and the detectors find speech in the recording")
    usable_as_detected: float | None = Field(description="the same, and usable for training")


class MadeUpScorer(Scorer[Labelled[SilentClip], list[Finding]]):
    """Counts texts; `detectors` decide which recordings would reach the recognisers."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = detectors
        self._texts: dict[str, list[tuple[bool, bool, bool]]] = {}
        self._detected: dict[str, bool] = {}

    def add(self, system: str, item: Labelled[SilentClip], answer: list[Finding]) -> None:
        detected = self._finds_speech(item)
        for transcript in filter(None, map(_transcript_of, answer)):
            has_text = any(character.isalnum() for character in transcript.text)
            usable = has_text and transcript.usable_for_training
            self._texts.setdefault(system, []).append((has_text, usable, detected))

    def _finds_speech(self, item: Labelled[SilentClip]) -> bool:
        file = item.truth.file
        if file not in self._detected:
            events = combine([detector.detect(item.waveform) for detector in self._detectors]).events
            self._detected[file] = any(event.event_class is EventClass.SPEECH for event in events)
        return self._detected[file]

    @property
    def detected_share(self) -> float | None:
        return mean_of(list(self._detected.values()))

    def scores(self) -> Iterator[MadeUpText]:
        """One per backend with transcripts, in order."""
        for name, texts in self._texts.items():
            yield MadeUpText(
                backend=name,
                with_text=mean_of([has_text for has_text, _, _ in texts]),
                usable=mean_of([usable for _, usable, _ in texts]),
                with_text_as_detected=mean_of([has_text and detected for has_text, _, detected in texts]),
                usable_as_detected=mean_of([usable and detected for _, usable, detected in texts]),
            )


def made_up_text(
    folder: Path,
    clips: Iterable[SilentClip],
    backends: Sequence[Backend[SpeechFacts]],
    detectors: Sequence[Detector],
    longest_ms: int,
) -> Iterator[ScoreTable]:
    """A table of the texts of those of `backends` that write or judge one, run in order on recordings of up to
    `longest_ms`; nothing without recognisers or without such recordings."""
    silent = [clip for clip in clips if clip.label is not Branch.SPEECH]
    if not silent or not any(isinstance(backend, RECOGNISERS) for backend in backends):
        return
    writing = [one for one in backends if isinstance(one, (*RECOGNISERS, TextLanguage, TranscriptAgreement))]
    items = (item for item in read_labelled(folder, silent, Branch.SPEECH) if 0 < item.duration_ms <= longest_ms)
    scorer = MadeUpScorer(detectors)
    timing = evaluate(map(_as_speech, items), {one.backend: Annotating(one) for one in writing}, scorer)
    if scores := list(scorer.scores()):
        title = f"Recordings without speech: {timing.items}, {timing.audio_s:.0f} s"
        yield score_table(f"{title}; detectors find speech in {scorer.detected_share:.1%}", scores)


def _as_speech(item: Labelled[SilentClip]) -> Labelled[SilentClip]:
    item.events = (
        Event(event_class=EventClass.SPEECH, label="speech", onset_ms=0, offset_ms=item.duration_ms, score=1.0),
    )
    return item


def _transcript_of(finding: Finding) -> Transcript | None:
    return finding.row.transcript if isinstance(finding.row, SpeechAnnotation) else None
