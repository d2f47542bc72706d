"""Who speaks when, by a pipeline of pyannote.audio: `pyannote_diarization`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from annotators.base import Backend, BackendUnavailableError, Clip, RecordingAnnotator, Samples
from annotators.detection.base import DETECTION_RATE_HZ
from annotators.speech.turns import SpeakerSpan, WindowTurns, join_windows, speakers_in, windows_over
from annotators.weights import NamedWeights, torch_device
from schemas.event import Branch
from schemas.segment import Segment
from schemas.speech import SpeechFacts
from schemas.timespan import TimeSpan

if TYPE_CHECKING:
    from pyannote.audio import Pipeline

    from annotators.detection.base import Waveform

_SHORTEST_MS = 100
"""Less sound than this gives the segmentation model nothing to judge."""


class PyannoteDiarization(NamedWeights, Backend[SpeechFacts]):
    """Speakers' turns, overlaps kept, under labels that hold all through a recording."""

    kind: Literal["pyannote_diarization"] = "pyannote_diarization"
    weights: str = "pyannote/speaker-diarization-community-1"
    """A pipeline on the model hub, or a folder with its config.yaml and models."""
    window_s: int = Field(default=600, ge=60)
    """What is diarized at once: bounds memory, whatever the recording's length."""
    overlap_s: int = Field(default=30, ge=5, le=50)
    """What neighbouring windows share, to know their speakers again."""
    most_speakers: int | None = Field(default=None, ge=1)
    """In one window; null for as many as are found."""

    branch: ClassVar[Branch] = Branch.SPEECH
    hears_recordings: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("torch", "pyannote.audio")
    runs_on: ClassVar[tuple[str, ...]] = ("pyannote.audio",)
    licence: ClassVar[str] = "CC-BY-4.0"

    def load(self) -> RecordingAnnotator[SpeechFacts]:
        self.check_available()
        # Set before the import: pyannote.audio reports its use over the network unless told not to.
        os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
        import torch
        from pyannote.audio import Pipeline

        try:
            pipeline = Pipeline.from_pretrained(self.weights, revision=self.hub_revision)
        except (OSError, ValueError) as error:
            raise BackendUnavailableError(self._not_found(str(error))) from error
        if pipeline is None:
            raise BackendUnavailableError(self._not_found("gated, and no token was accepted"))
        return PyannoteDiarizer(pipeline.to(torch.device(torch_device(self.device))), self)

    def _not_found(self, why: str) -> str:
        lines = why.strip().splitlines()
        return (
            f"{self.backend} cannot open {self.weights} ({lines[0] if lines else 'no reason given'}): accept its terms "
            "on its page of the model hub and set HF_TOKEN, or set weights to a folder with the pipeline"
        )


class PyannoteDiarizer:
    """The annotator of `PyannoteDiarization`."""

    def __init__(self, pipeline: Pipeline, backend: PyannoteDiarization) -> None:
        self._pipeline = pipeline
        self._backend = backend

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        """Each clip on its own: labels mean the same speaker within their segment only."""
        return [self._of_clip(clip) for clip in clips]

    def annotate_recording(self, waveform: Waveform, segments: Sequence[Segment]) -> Sequence[SpeechFacts]:
        duration_ms = waveform.num_samples * 1000 // DETECTION_RATE_HZ
        spans = windows_over(duration_ms, 1000 * self._backend.window_s, 1000 * self._backend.overlap_s)
        per_ms = DETECTION_RATE_HZ // 1000
        turns = join_windows(
            [self._diarize(waveform.read(span.start_ms * per_ms, span.end_ms * per_ms), span) for span in spans]
        )
        return [SpeechFacts(speakers=speakers_in(segment, turns)) for segment in segments]

    def _of_clip(self, clip: Clip) -> SpeechFacts:
        turns = join_windows([self._diarize(clip.samples, clip.segment.span)])
        return SpeechFacts(speakers=speakers_in(clip.segment, turns, scope="segment"))

    def _diarize(self, samples: Samples, window: TimeSpan) -> WindowTurns:
        import torch

        if window.duration_ms < _SHORTEST_MS:
            return WindowTurns(window, (), {})
        wave = torch.from_numpy(np.array(samples, dtype=np.float32))[None]
        most = self._backend.most_speakers
        options = {} if most is None else {"max_speakers": most}
        with torch.inference_mode():
            output = self._pipeline({"waveform": wave, "sample_rate": DETECTION_RATE_HZ}, **options)
        found = output.speaker_diarization
        turns = tuple(
            SpeakerSpan(str(label), _span_in(window, turn.start, turn.end))
            for turn, _, label in found.itertracks(yield_label=True)
        )
        embeddings = output.speaker_embeddings
        voices = {} if embeddings is None else dict(zip(map(str, found.labels()), embeddings, strict=False))
        return WindowTurns(window, turns, {name: voice for name, voice in voices.items() if np.isfinite(voice).all()})


def _span_in(window: TimeSpan, start_s: float, end_s: float) -> TimeSpan:
    span = TimeSpan(window.start_ms + round(1000 * start_s), window.start_ms + round(1000 * end_s))
    return span.intersection(window)
