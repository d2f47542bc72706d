"""The interface of detectors: frame-level scores and events, from a waveform read in blocks."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Model, Waveform
from soundseam.schemas.event import Event, EventClass


@dataclass(frozen=True)
class FrameScores:
    """Scores of the classes that a detector supports, frame by frame.

    `scores` is (num_frames, len(classes)), float16, in [0, 1]; frame i covers `[i * hop_ms, (i + 1) * hop_ms)`.
    """

    hop_ms: int
    classes: tuple[EventClass, ...]
    scores: NDArray[np.float16]


@dataclass(frozen=True)
class Detection:
    """One detector's result for one recording: `events` in order of onset, in the recording's time."""

    events: tuple[Event, ...]
    frames: FrameScores


class Detector(Protocol):
    """What `DetectionBackend.load()` returns."""

    def detect(self, waveform: Waveform) -> Detection:
        """The events of a whole recording, the same whatever the block size.

        Memory grows only with the frame scores and the events. Raises AnnotationError for audio that it cannot process.
        """
        ...


class DetectionBackend(Model):
    """The configuration of a detector."""

    @abstractmethod
    def load(self) -> Detector:
        """Loads the models. Raises BackendUnavailableError, with the remedy, if that cannot be done here."""
