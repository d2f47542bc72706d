"""A name for each sound of the detection stage, only as specific as the confidence allows: `yamnet`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, Clip, checked_samples
from soundseam.annotators.detection.yamnet import (
    FRAME_MS,
    WINDOW_FRAMES,
    YAMNET_FILE,
    YAMNET_LICENCE,
    YAMNET_SHA256,
    embed_windows,
    open_yamnet,
    yamnet_spectrogram,
)
from soundseam.annotators.general.naming import KINDS_FILE, NAMING_REVISION, Name, Namer
from soundseam.annotators.onnx import Session
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.timespan import TimeSpan

STEP_FRAMES = 48
"""Step between the windows of a long event, if it has at most MAX_WINDOWS; else they are spread over it."""
MAX_WINDOWS = 8
_NOT_NAMED = frozenset({EventClass.SPEECH, EventClass.SINGING, EventClass.MUSIC})


class SoundNames(Backend[GeneralFacts]):
    """Names each sound of the detection stage with YAMNet, over the sound's own time: a class of AudioSet, a broader
    word such as an animal if the class is uncertain, or nothing."""

    kind: Literal["yamnet"] = "yamnet"
    sure: float = Field(
        default=0.7,
        ge=0.5,
        lt=1.0,
        description="minimum probability that a name is right, as fitted on labelled sounds",
    )

    branch: ClassVar[Branch] = Branch.GENERAL
    requires: ClassVar[tuple[str, ...]] = ("onnxruntime", "scipy")
    remedy: ClassVar[str] = "pip install onnxruntime scipy"
    carries: ClassVar[tuple[str, ...]] = (f"detection/weights/{YAMNET_FILE}", f"detection/weights/{KINDS_FILE}")
    licence: ClassVar[str] = f"{YAMNET_LICENCE} AND CC-BY-SA-4.0"

    @property
    def model(self) -> str:
        return "yamnet"

    @property
    def revision(self) -> str:
        return f"{YAMNET_SHA256[:16]}-{NAMING_REVISION}"

    def load(self) -> Annotator[GeneralFacts]:
        self.check_available()
        return SoundNamer(open_yamnet(), Namer(self.sure))


class SoundNamer:
    """The annotator of `SoundNames`."""

    def __init__(self, session: Session, namer: Namer) -> None:
        self._session = session
        self._namer = namer

    def annotate(self, clips: Sequence[Clip]) -> Sequence[GeneralFacts]:
        return [self._name_events(clip) for clip in clips]

    def _name_events(self, clip: Clip) -> GeneralFacts:
        spectrogram = yamnet_spectrogram(checked_samples(clip.samples))
        events = [event for event in clip.segment.events if event.event_class not in _NOT_NAMED]
        spans = [event.span.shift(-clip.segment.start_ms) for event in events]
        starts = [window_starts(span, len(spectrogram)) for span in spans]
        windows = [spectrogram[start : start + WINDOW_FRAMES] for own in starts for start in own]
        if not windows:
            return GeneralFacts(tagged=())
        # All windows of a segment in one batch, whichever event they belong to.
        scores, embeddings = embed_windows(np.stack(windows), self._session)
        bounds = np.cumsum([0, *map(len, starts)])
        tagged = []
        for event, first, stop in zip(events, bounds[:-1], bounds[1:], strict=True):
            name = self._namer.name(scores[first:stop], embeddings[first:stop])
            if name is not None:
                tagged.append(_named(event, name))
        return GeneralFacts(tagged=tuple(tagged))


def window_starts(span: TimeSpan, num_frames: int) -> list[int]:
    """First frames of the windows for an event of `span`, in ms from the start of a spectrogram.

    One window centred on a short event; over a longer one windows from its onset to its offset, evenly spread.
    """
    last = num_frames - WINDOW_FRAMES
    first, stop = span.start_ms // FRAME_MS, -(-span.end_ms // FRAME_MS)
    length = stop - first
    if length <= WINDOW_FRAMES:
        middle = (first + stop - WINDOW_FRAMES) // 2
        return [min(max(middle, 0), last)]
    count = min(MAX_WINDOWS, 1 + -(-(length - WINDOW_FRAMES) // STEP_FRAMES))
    starts = np.linspace(first, stop - WINDOW_FRAMES, count).round().astype(int)
    return sorted({min(max(int(start), 0), last) for start in starts})


def _named(event: Event, name: Name) -> Event:
    return event.model_copy(
        update={"event_class": name.event_class, "label": name.label, "score": round(name.confidence, 3)}
    )
