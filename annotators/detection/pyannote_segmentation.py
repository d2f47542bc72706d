"""Speech and overlapped speech by a pyannote segmentation model."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import DETECTION_RATE_HZ, BackendUnavailableError, Waveform
from soundseam.annotators.detection.activity import (
    Tagger,
    Thresholds,
    Windowing,
    active_runs,
    duration_ms_of,
    events_of,
    in_order,
    stitched_scores,
)
from soundseam.annotators.detection.base import Detection, DetectionBackend, Detector, FrameScores
from soundseam.annotators.detection.tagging import file_revision
from soundseam.annotators.hub import refuse_unreachable
from soundseam.annotators.onnx import Floats
from soundseam.annotators.weights import licence_of, refuse_incomplete, torch_device
from soundseam.schemas.event import EventClass

if TYPE_CHECKING:
    from pyannote.audio import Model

HOP_MS = 20


class PyannoteSegmentation(DetectionBackend):
    """Speech only; overlapping speech is an event of its own, labelled so."""

    kind: Literal["pyannote_segmentation"] = "pyannote_segmentation"
    weights: str = Field(
        alias="path",
        default="pyannote/segmentation-3.0",
        description="local checkpoint or folder, or name on the Hugging Face hub",
    )
    weights_revision: str = Field(
        alias="hub_revision", default="main", description="commit on the hub; set one for reproducible results"
    )
    step_ms: int = Field(default=5_000, gt=0, description="from one window to the next, in steps of 20 ms")
    batch: int = Field(default=8, ge=1, description="windows per call")
    speech: Thresholds = Field(
        default=Thresholds(enter=0.5, stay=0.35, bridge_ms=300, shortest_ms=100), description="when anyone speaks"
    )
    overlap: Thresholds = Field(
        default=Thresholds(enter=0.5, stay=0.5, bridge_ms=100, shortest_ms=200), description="when two speak at once"
    )
    weights_licence: str = Field(default="", description="SPDX identifier, if no model card in the folder states it")
    device: str = Field(default="auto", description="torch device: auto (a GPU if there is one), cpu, cuda, cuda:1")

    not_in_key: ClassVar[frozenset[str]] = DetectionBackend.not_in_key | {"weights_licence"}
    requires: ClassVar[tuple[str, ...]] = ("torch", "pyannote.audio")
    remedy: ClassVar[str] = "pip install 'soundseam[models]'"
    licence: ClassVar[str] = "MIT"

    @property
    def model(self) -> str:
        return Path(self.weights).name

    @property
    def revision(self) -> str:
        path = Path(self.weights)
        path = path / "pytorch_model.bin" if path.is_dir() else path
        return file_revision(path) if path.is_file() else self.weights_revision

    @property
    def repository(self) -> str | None:
        return None if Path(self.weights).exists() else self.weights

    @property
    def weights_terms(self) -> str:
        return licence_of(self.weights, self.weights_licence)

    def check_available(self) -> None:
        super().check_available()
        refuse_incomplete(self.backend, self.weights, ["pytorch_model.bin"])
        if not Path(self.weights).is_file():
            refuse_unreachable(self.backend, self.weights, "weights")

    def load(self) -> Detector:
        self.check_available()
        # Set before the import: pyannote.audio reports its use over the network by default.
        os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
        from pyannote.audio import Model

        try:
            model = Model.from_pretrained(
                self.weights, revision=None if Path(self.weights).exists() else self.weights_revision
            )
        except (OSError, ValueError) as error:
            raise BackendUnavailableError(_not_found(self, str(error).splitlines()[0])) from error
        if model is None:
            raise BackendUnavailableError(_not_found(self, "gated, and no token was accepted"))
        seconds = float(model.specifications.duration)
        windowing = Windowing(window_ms=round(1000 * seconds), step_ms=self.step_ms, hop_ms=HOP_MS, batch=self.batch)
        device = torch_device(self.device)
        return PyannoteDetector(_tagger(model.eval().to(device), windowing, device), windowing, self)


def _not_found(backend: PyannoteSegmentation, why: str) -> str:
    return (
        f"{backend.backend}: {backend.weights} cannot be loaded ({why}); accept its terms on the hub and set HF_TOKEN, "
        "or set weights to a local checkpoint"
    )


class PyannoteDetector:
    """Implements Detector."""

    def __init__(self, tagger: Tagger, windowing: Windowing, backend: PyannoteSegmentation) -> None:
        self._tagger = tagger
        self._windowing = windowing
        self._backend = backend

    def detect(self, waveform: Waveform) -> Detection:
        parts = [part.astype(np.float16) for part in stitched_scores(waveform, self._tagger, self._windowing)]
        scores = np.concatenate([np.zeros((0, 2), dtype=np.float16), *parts])
        duration_ms = duration_ms_of(waveform.num_samples, DETECTION_RATE_HZ)
        events = []
        for index, (label, limits) in enumerate(
            (("speech", self._backend.speech), ("overlapping speech", self._backend.overlap))
        ):
            column = np.ascontiguousarray(scores[:, index])
            runs = active_runs(column, HOP_MS, limits)
            events += events_of(column, runs, HOP_MS, duration_ms, EventClass.SPEECH, label)
        return Detection(in_order(events), FrameScores(HOP_MS, (EventClass.SPEECH,), scores[:, :1]))


def _tagger(model: Model, windowing: Windowing, device: str) -> Tagger:
    """Speech and overlap scores per frame: (batch, frames, 2)."""
    import torch

    specifications = model.specifications
    powerset = bool(specifications.powerset)
    speakers = len(specifications.classes)
    sizes = [
        size
        for size in range((specifications.powerset_max_classes if powerset else 0) + 1)
        for _ in combinations(range(speakers), size)
    ]

    def tag(windows: Floats) -> Floats:
        with torch.inference_mode():
            answer = model(torch.from_numpy(windows)[:, None].to(device)).float().cpu().numpy()
        both = _of_powerset(answer, np.array(sizes)) if powerset else _of_speakers(answer)
        # The model's frames are not a whole number of milliseconds long: each of ours uses the one at its middle.
        middle = (np.arange(windowing.frames) + 0.5) * both.shape[1] / windowing.frames
        scores: Floats = both[:, middle.astype(np.int64)]
        return scores

    return tag


def _of_powerset(log_probabilities: Floats, sizes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
    """Speech and overlap from log-probabilities (batch, frames, speaker sets); `sizes` are the sizes of the sets."""
    probabilities = np.exp(log_probabilities)
    speech = probabilities[..., sizes >= 1].sum(axis=-1)
    overlap = probabilities[..., sizes >= 2].sum(axis=-1)
    both: Floats = np.clip(np.stack((speech, overlap), axis=-1), 0.0, 1.0).astype(np.float32)
    return both


def _of_speakers(activities: Floats) -> Floats:
    """Speech and overlap from each speaker's activity (batch, frames, speakers): the highest and the second highest."""
    ranked = np.sort(activities, axis=-1)
    second = ranked[..., -2] if ranked.shape[-1] > 1 else np.zeros_like(ranked[..., -1])
    both: Floats = np.stack((ranked[..., -1], second), axis=-1).astype(np.float32)
    return both
