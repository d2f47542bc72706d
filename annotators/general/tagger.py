"""Named sounds from a tagger of the detection stage, label by label: `tagger`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, Clip, InMemory, checked_samples
from soundseam.annotators.detection.ast import Ast
from soundseam.annotators.detection.frame_sed import FrameSed
from soundseam.annotators.detection.pretrained_sed import PretrainedSed
from soundseam.annotators.detection.tagging import TaggingDetector
from soundseam.schemas.event import Branch, Event
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.segment import Segment

AnyTagger = Annotated[Ast | FrameSed | PretrainedSed, Field(discriminator="kind")]


class Tagger(Backend[GeneralFacts]):
    """All labels of a tagger with their times, whereas a detector keeps one label per class."""

    kind: Literal["tagger"] = "tagger"
    tagger: AnyTagger = Field(default=Ast(), description="a detector that names sounds: ast, frame_sed, pretrained_sed")

    branch: ClassVar[Branch] = Branch.GENERAL
    licence: ClassVar[str] = "LicenseRef-of-the-tagger"

    @property
    def model(self) -> str:
        return self.tagger.model

    @property
    def revision(self) -> str:
        return f"{self.tagger.revision}-labels-1"

    @property
    def repository(self) -> str | None:
        return self.tagger.repository

    @property
    def weights_terms(self) -> str:
        return self.tagger.weights_terms

    def check_available(self) -> None:
        super().check_available()
        self.tagger.check_available()

    def load(self) -> Annotator[GeneralFacts]:
        self.check_available()
        return LabelListener(self.tagger.load())


class LabelListener:
    """The annotator of `Tagger`."""

    def __init__(self, detector: TaggingDetector) -> None:
        self._detector = detector

    def annotate(self, clips: Sequence[Clip]) -> Sequence[GeneralFacts]:
        return [self._listen(clip) for clip in clips]

    def _listen(self, clip: Clip) -> GeneralFacts:
        found = self._detector.detect_labels(InMemory(checked_samples(clip.samples)))
        return GeneralFacts(tagged=in_recording(found, clip.segment))


def in_recording(events: Sequence[Event], segment: Segment) -> tuple[Event, ...]:
    """`events`, whose times count from the segment's start, in the recording's time and inside the segment."""
    moved = []
    for event in events:
        span = event.span.shift(segment.start_ms).intersection(segment.span)
        if span.duration_ms:
            moved.append(event.model_copy(update={"onset_ms": span.start_ms, "offset_ms": span.end_ms}))
    return tuple(moved)
