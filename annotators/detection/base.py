"""What finds sound events: frame-level scores and events, from a waveform read in blocks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from annotators.base import Model, Samples
from schemas.event import Event, EventClass

DETECTION_RATE_HZ = 16_000


class Waveform(Protocol):
    """16 kHz mono audio of any length that need not be in memory. May be read any number of times."""

    @property
    def num_samples(self) -> int: ...

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[Samples]:
        """All samples, in order, in blocks of `block_samples` (num_samples,), the last one shorter."""
        ...

    def read(self, start: int, stop: int) -> Samples:
        """Samples `[start, stop)`, (stop - start,)."""
        ...


class InMemory:
    """A Waveform of samples, 16 kHz mono, that are there already."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    @property
    def num_samples(self) -> int:
        return int(self._samples.size)

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[Samples]:
        yield from (self.read(start, start + block_samples) for start in range(0, self.num_samples, block_samples))

    def read(self, start: int, stop: int) -> Samples:
        return self._samples[start:stop]


@dataclass(frozen=True)
class FrameScores:
    """Scores of the classes a detector can tell, frame by frame.

    `scores` is (num_frames, len(classes)), float16, in [0, 1]; frame i covers `[i * hop_ms, (i + 1) * hop_ms)`.
    """

    hop_ms: int
    classes: tuple[EventClass, ...]
    scores: NDArray[np.float16]


@dataclass(frozen=True)
class Detection:
    """What one detector found in one recording: `events` in order of onset, in the recording's time."""

    events: tuple[Event, ...]
    frames: FrameScores


class Detector(Protocol):
    """What `DetectionBackend.load()` returns."""

    def detect(self, waveform: Waveform) -> Detection:
        """The events of a whole recording, the same whatever the block size.

        Memory grows only with the frame scores and the events. Raises AnnotationError for audio it cannot judge.
        """
        ...


class DetectionBackend(Model):
    """A detector as data."""

    @abstractmethod
    def load(self) -> Detector:
        """Loads the models. Raises BackendUnavailableError, with the remedy, where that cannot be done here."""
