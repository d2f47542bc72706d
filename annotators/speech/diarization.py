"""Who speaks when, by a pipeline of pyannote.audio: `pyannote_diarization`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import (
    DETECTION_RATE_HZ,
    AnnotationError,
    Backend,
    BackendUnavailableError,
    RecordingAnnotator,
    Samples,
)
from soundseam.annotators.onnx import is_out_of_memory
from soundseam.annotators.speech.turns import SpeakerSpan, WindowedDiarizer, WindowTurns, span_in
from soundseam.annotators.weights import TorchWeights, refuse_incomplete, torch_device
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import SpeechFacts
from soundseam.schemas.timespan import TimeSpan

if TYPE_CHECKING:
    from pyannote.audio import Pipeline
    from pyannote.audio.pipelines.speaker_diarization import DiarizeOutput


_PART = re.compile(r"\$model/([\w./-]+)")
"""A part of a pipeline that its configuration takes from its own folder."""


class PyannoteDiarization(TorchWeights, Backend[SpeechFacts]):
    """Speakers' turns, including overlaps, with labels that are consistent within a recording."""

    kind: Literal["pyannote_diarization"] = "pyannote_diarization"
    weights: str = "pyannote/speaker-diarization-community-1"
    """A pipeline on the model hub, or a folder with its config.yaml and models."""
    window_s: int = Field(default=600, ge=60)
    """Length of a diarization window: bounds memory, whatever the recording's length."""
    overlap_s: int = Field(default=30, ge=5, le=50)
    """Overlap of neighbouring windows, for matching their speakers."""
    max_speakers: int | None = Field(alias="most_speakers", default=None, ge=1)
    """Maximum number of speakers per window; null for no limit."""

    branch: ClassVar[Branch] = Branch.SPEECH
    takes_recordings: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("torch", "pyannote.audio")
    runs_on: ClassVar[tuple[str, ...]] = ("pyannote.audio",)
    licence: ClassVar[str] = "CC-BY-4.0"

    def check_available(self) -> None:
        super().check_available()
        refuse_incomplete(self.backend, self.weights, _files_of(Path(self.weights)))

    def load(self) -> RecordingAnnotator[SpeechFacts]:
        self.check_available()
        # Set before the import: pyannote.audio reports its use over the network by default.
        os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
        import torch
        from pyannote.audio import Pipeline

        try:
            pipeline = Pipeline.from_pretrained(self.weights, revision=self.hub_revision)
        except (OSError, ValueError) as error:
            raise BackendUnavailableError(self._not_found(str(error))) from error
        if pipeline is None:
            raise BackendUnavailableError(self._not_found("gated, and no token was accepted"))
        device = torch_device(self.device)
        if device == "cpu":
            # On a CPU, batches are no faster and need more memory.
            pipeline.embedding_batch_size = 1
        hearing = WindowPipeline(pipeline.to(torch.device(device)), self.max_speakers)
        return WindowedDiarizer(hearing.diarize, self)

    def _not_found(self, why: str) -> str:
        lines = why.strip().splitlines()
        return (
            f"{self.backend} cannot open {self.weights} ({lines[0] if lines else 'no reason given'}): accept its terms "
            "on its page of the model hub and set HF_TOKEN, or set weights to a folder with the pipeline"
        )


def _files_of(pipeline: Path) -> list[str]:
    """What must be in the folder of a pipeline: its configuration, and the parts that this takes from the folder."""
    configuration = pipeline / "config.yaml"
    text = configuration.read_text(encoding="utf-8", errors="replace") if configuration.is_file() else ""
    return [configuration.name, *_PART.findall(text)]


class WindowPipeline:
    """A pipeline of pyannote.audio for one window of a recording."""

    def __init__(self, pipeline: Pipeline, max_speakers: int | None) -> None:
        self._pipeline = pipeline
        self._options = {} if max_speakers is None else {"max_speakers": max_speakers}

    def diarize(self, samples: Samples, window: TimeSpan) -> WindowTurns:
        import torch

        wave = torch.from_numpy(np.array(samples, dtype=np.float32))[None]
        output = self._apply({"waveform": wave, "sample_rate": DETECTION_RATE_HZ})
        found = output.speaker_diarization
        turns = tuple(
            SpeakerSpan(str(label), span_in(window, turn.start, turn.end))
            for turn, _, label in found.itertracks(yield_label=True)
        )
        embeddings = output.speaker_embeddings
        voices = {} if embeddings is None else dict(zip(map(str, found.labels()), embeddings, strict=False))
        return WindowTurns(window, turns, {name: voice for name, voice in voices.items() if np.isfinite(voice).all()})

    def _apply(self, sound: Mapping[str, object]) -> DiarizeOutput:
        """The pipeline's result; batches are halved whenever the device runs out of memory.

        Raises AnnotationError if the batch size is already 1.
        """
        import torch

        pipeline = self._pipeline
        while True:
            try:
                with torch.inference_mode():
                    return pipeline(sound, **self._options)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if pipeline.segmentation_batch_size == pipeline.embedding_batch_size == 1:
                    raise AnnotationError("out_of_memory", f"a window does not fit: {error}") from error
            pipeline.segmentation_batch_size = max(1, pipeline.segmentation_batch_size // 2)
            pipeline.embedding_batch_size = max(1, pipeline.embedding_batch_size // 2)
