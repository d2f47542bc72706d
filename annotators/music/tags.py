"""Instruments, genres and moods by any audio classification model of transformers: `tags`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import soxr
from numpy.typing import NDArray
from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, Clip, Samples, checked_samples
from soundseam.annotators.detection.tagging import sigmoid
from soundseam.annotators.onnx import Floats
from soundseam.annotators.weights import TorchWeights, cannot_open, torch_device
from soundseam.schemas.event import Branch, Tag, TagKind
from soundseam.schemas.music import MusicFacts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

RATE_HZ = 24_000


class Tags(TorchWeights, Backend[MusicFacts]):
    """Labels of the music by an audio classifier of transformers."""

    kind: Literal["tags"] = "tags"
    weights: str = "dima806/music_genres_classification"
    """A repository of the model hub, or a folder with an audio classification model and its feature extractor."""
    speaks_of: TagKind = TagKind.GENRE
    """The kind of its labels: instrument, genre, mood or other."""
    scores: Literal["auto", "sigmoid", "softmax"] = "auto"
    """sigmoid for independent labels, softmax for exclusive ones; auto follows the model's training."""
    min_score: float = Field(alias="least_score", default=0.2, ge=0.0, le=1.0)
    """Labels with lower scores are left out."""
    max_tags: int = Field(alias="most_tags", default=5, ge=1, le=100)
    """Maximum number of tags per segment."""
    window_s: float = Field(default=10.0, ge=1.0, le=60.0)
    """Length of the model's windows; scores are means over windows that cover the segment."""

    branch: ClassVar[Branch] = Branch.MUSIC
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    licence: ClassVar[str] = "Apache-2.0"

    def load(self) -> Annotator[MusicFacts]:
        self.check_available()
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        try:
            extractor = AutoFeatureExtractor.from_pretrained(self.weights, revision=self.hub_revision)
            net = AutoModelForAudioClassification.from_pretrained(self.weights, revision=self.hub_revision)
        except (OSError, ValueError) as error:
            raise cannot_open(self.backend, self.weights, error) from error
        return Classifier(net.eval().to(torch_device(self.device)), extractor, self)


class Classifier:
    """The annotator of `Tags`."""

    def __init__(self, net: PreTrainedModel, extractor: object, backend: Tags) -> None:
        self._net = net
        self._extractor = extractor
        self._backend = backend
        self._labels = [str(net.config.id2label[index]) for index in range(net.config.num_labels)]
        together = net.config.problem_type == "multi_label_classification"
        self._alone = backend.scores == "softmax" or (backend.scores == "auto" and not together)

    def annotate(self, clips: Sequence[Clip]) -> Sequence[MusicFacts]:
        return [MusicFacts(tags=self._tags(clip)) for clip in clips]

    def _tags(self, clip: Clip) -> tuple[Tag, ...]:
        backend = self._backend
        scores = self._scores(checked_samples(clip.samples))
        surest = np.argsort(-scores, kind="stable")[: backend.max_tags]
        return tuple(
            Tag(
                label=self._labels[index],
                kind=backend.speaks_of,
                score=round(float(scores[index]), 3),
                source=backend.model,
            )
            for index in surest
            if scores[index] >= backend.min_score
        )

    def _scores(self, samples: Samples) -> NDArray[np.floating]:
        """Mean over the windows: (num_labels,)."""
        windows = np.stack([self._window_scores(window) for window in self._windows(samples)])
        mean: NDArray[np.floating] = np.clip(windows.mean(axis=0), 0.0, 1.0)
        return mean

    def _windows(self, samples: Samples) -> list[Floats]:
        """Windows at the model's own rate: the smallest number that covers `samples`, spread evenly."""
        rate_hz = int(getattr(self._extractor, "sampling_rate", RATE_HZ))
        wave = samples if rate_hz == RATE_HZ else soxr.resample(samples, RATE_HZ, rate_hz)
        size = round(self._backend.window_s * rate_hz)
        starts = np.linspace(0, max(0, wave.size - size), -(-wave.size // size)).round().astype(int)
        return [np.array(wave[start : start + size], dtype=np.float32) for start in starts]

    def _window_scores(self, window: Floats) -> Floats:
        import torch

        rate_hz = int(getattr(self._extractor, "sampling_rate", RATE_HZ))
        padded = np.pad(window, (0, max(0, rate_hz // 2 - window.size)))  # convolutions need more than a few samples
        inputs = self._extractor(padded, sampling_rate=rate_hz, return_tensors="pt")  # type: ignore[operator]
        with torch.inference_mode():
            logits = self._net(**inputs.to(self._net.device)).logits[0]
        values = np.asarray(logits.float().cpu().numpy(), dtype=np.float32)
        if not self._alone:
            return sigmoid(values)
        raised = np.exp(values - values.max())
        shares: Floats = raised / raised.sum()
        return shares
