"""A backend is data, an annotator is alive.

A `Backend` comes from YAML, is hashed into keys and sent to workers; `backend.load()` returns an `Annotator`, which
holds models, is never pickled, and annotates batches of clips. Heavy imports only happen in `load()`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soundseam.schemas.annotation import Annotation, Facts
from soundseam.schemas.event import Branch
from soundseam.schemas.record import Record, content_key, key_content
from soundseam.schemas.recording import ModelUse
from soundseam.schemas.segment import Segment

DETECTION_RATE_HZ = 16_000


class Waveform(Protocol):
    """16 kHz mono audio of any length, not necessarily in memory. Can be read any number of times."""

    @property
    def num_samples(self) -> int: ...

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[NDArray[np.float32]]:
        """All samples, in order, in blocks of `block_samples` (num_samples,), the last one shorter."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples `[start, stop)`, (stop - start,)."""
        ...


class InMemory:
    """A Waveform of 16 kHz mono samples in memory."""

    def __init__(self, samples: NDArray[np.float32]) -> None:
        self._samples = samples

    @property
    def num_samples(self) -> int:
        return int(self._samples.size)

    def blocks(self, block_samples: int = 30 * DETECTION_RATE_HZ) -> Iterator[NDArray[np.float32]]:
        yield from (self.read(start, start + block_samples) for start in range(0, self.num_samples, block_samples))

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        return self._samples[start:stop]


Samples = NDArray[np.float32]

FactsT_co = TypeVar("FactsT_co", bound=Facts, covariant=True)


class AnnotationError(Exception):
    """One clip could not be annotated: it becomes a row in `rejected`, and the run goes on.

    `reason` is one of a fixed set of codes; the message is for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[AnnotationError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


class BackendUnavailableError(Exception):
    """A backend cannot load here. The message is one line with the remedy."""


def checked_samples(samples: Samples) -> Samples:
    """`samples` unchanged. Raises AnnotationError if it is empty or has values that are not finite."""
    if samples.size == 0:
        raise AnnotationError("empty_clip", "the clip has no samples")
    if not np.all(np.isfinite(samples)):
        raise AnnotationError("not_finite", "the clip holds NaN or infinite samples")
    return samples


@dataclass(frozen=True)
class Clip:
    """One segment as a backend sees it.

    `samples` is (num_samples,) for one channel, (channels, num_samples) for more, in [-1, 1], at the backend's own
    `sample_rate_hz`; empty if the backend needs no audio. Its first sample is at `segment.start_ms`.
    """

    segment: Segment
    samples: Samples
    sample_rate_hz: int
    annotations: tuple[Annotation, ...] = ()
    """Rows of the same segment and branch by earlier backends, if `reads_annotations` asks for them."""
    flac: bytes = b""
    """The segment's own FLAC file instead of samples, if `takes_flac` asks for it."""


class Annotator(Protocol[FactsT_co]):
    """What `Backend.load()` returns."""

    def annotate(self, clips: Sequence[Clip]) -> Sequence[FactsT_co]:
        """One answer per clip, in order.

        Raises AnnotationError if a clip cannot be annotated; the caller then calls again, one clip at a time.
        """
        ...


@runtime_checkable
class RecordingAnnotator(Annotator[FactsT_co], Protocol[FactsT_co]):
    """What the `load()` of a backend with `takes_recordings` returns."""

    def annotate_recording(self, waveform: Waveform, segments: Sequence[Segment]) -> Sequence[FactsT_co]:
        """One answer per segment in `segments`, in order, computed from the whole recording.

        `waveform` is 16 kHz mono and starts at the recording's start. It is read in windows, so that memory does not
        grow with the recording. Raises AnnotationError if the recording cannot be annotated; all of its segments
        are then rejected.
        """
        ...


class Model(Record, ABC):
    """The common part of detectors and branch backends: a name, a model and its exact revision."""

    name: str = Field(default="", pattern=r"^[a-z0-9_-]{0,64}$")
    """The name of this backend in rows; the kind if empty. Two backends of one kind need distinct names."""

    kind: str

    not_in_key: ClassVar[frozenset[str]] = frozenset({"optional"})
    optional: bool = False
    """If true, a run goes on without this backend if it cannot load here."""

    requires: ClassVar[tuple[str, ...]] = ()
    """Modules that must be importable; `doctor` and `check_available` look for them without importing them."""
    remedy: ClassVar[str] = ""
    """The command that installs them."""
    carries: ClassVar[tuple[str, ...]] = ()
    """Weight files included in the package, relative to its `annotators`."""
    licence: ClassVar[str]
    """SPDX identifier of the model's weights, or of the code if there are none."""

    @property
    def backend(self) -> str:
        return self.name or self.kind

    @property
    @abstractmethod
    def model(self) -> str:
        """The model or algorithm, as in silero-vad-16k or pyin."""

    @property
    @abstractmethod
    def revision(self) -> str:
        """Changes whenever answers may change: a weights checksum or hub commit, a library version, a number."""

    @property
    def repository(self) -> str | None:
        """The model hub's repository from which `load()` takes weights; None if it does not need the hub."""
        return None

    @property
    def weights_terms(self) -> str:
        """SPDX identifier of the licence of the configured weights; unknown if not stated."""
        return self.licence

    @property
    def use(self) -> ModelUse:
        return ModelUse(name=self.backend, model=self.model, revision=self.revision)

    @property
    def config_key(self) -> str:
        """Key of the configuration and the exact model: rows with equal keys on equal audio are equal."""
        return content_key([key_content(self), self.model, self.revision])

    def check_available(self) -> None:
        """Raises BackendUnavailableError if this backend cannot load here. Cheap: no heavy import."""
        missing = [module for module in self.requires if _is_missing(module)]
        if missing:
            raise BackendUnavailableError(f"{self.backend} needs {', '.join(missing)}: {self.remedy}")


def _is_missing(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is None
    except ModuleNotFoundError:
        # The parent package of a dotted name is missing.
        return True


class Backend(Model, Generic[FactsT_co]):
    """An annotation backend of one branch."""

    not_in_key: ClassVar[frozenset[str]] = Model.not_in_key | {"batch_size", "accelerator"}
    branch: ClassVar[Branch]
    sample_rate_hz: ClassVar[int | None] = 16_000
    """Sample rate of the clips it needs; None for a backend that only reads annotations."""
    mono: ClassVar[bool] = True
    takes_flac: ClassVar[bool] = False
    """True for a backend that forwards a segment's FLAC file unchanged, and so needs no samples."""
    reads_annotations: ClassVar[bool] = False
    """True for a backend that reads the rows of the backends listed before it in its branch."""
    reads_language: ClassVar[bool] = False
    """True for a backend whose answers depend on the segment's stated language."""
    columns: ClassVar[tuple[str, ...]] = ()
    """The manifest's free columns on which its answers depend."""
    takes_recordings: ClassVar[bool] = False
    """True if `load()` returns a RecordingAnnotator, which annotates whole recordings instead of clips."""
    batch_size: int = Field(default=16, ge=1, le=4096)
    """Maximum number of clips in one call of `annotate`."""

    accelerator: str = Field(default="", max_length=200)
    """Beam's resource hint for the workers of this backend, as in type:nvidia-l4;count:1;install-nvidia-driver."""

    @abstractmethod
    def load(self) -> Annotator[FactsT_co]:
        """Loads the models. Raises BackendUnavailableError, with the remedy, if that cannot be done here."""


AnyBackend = Backend[Facts]
"""A backend of any branch."""
