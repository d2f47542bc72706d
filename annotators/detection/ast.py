"""An audio spectrogram transformer, or any audio classifier of transformers, on sliding windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import DETECTION_RATE_HZ
from soundseam.annotators.detection.activity import Tagger, Thresholds, Windowing
from soundseam.annotators.detection.base import DetectionBackend
from soundseam.annotators.detection.frame_sed import TAGGER_THRESHOLDS
from soundseam.annotators.detection.label_table import carried_table, classes_of
from soundseam.annotators.detection.tagging import TaggingDetector, sigmoid
from soundseam.annotators.hub import refuse_unreachable
from soundseam.annotators.onnx import Floats
from soundseam.annotators.weights import cannot_open, licence_of, repository_of, torch_device, weights_key

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Ast(DetectionBackend):
    """One answer per window, so events are no sharper than the step between windows."""

    kind: Literal["ast"] = "ast"
    weights: str = Field(
        alias="path",
        default="MIT/ast-finetuned-audioset-10-10-0.4593",
        description="local folder, or name on the Hugging Face hub",
    )
    weights_revision: str = Field(
        alias="hub_revision", default="main", description="commit on the hub; set one for reproducible results"
    )
    windowing: Windowing = Field(
        default=Windowing(window_ms=2_000, step_ms=400, hop_ms=100), description="how windows slide"
    )
    thresholds: Thresholds = Field(default=TAGGER_THRESHOLDS, description="when a class counts as active")
    weights_licence: str = Field(default="", description="SPDX identifier, if no model card in the folder states it")
    device: str = Field(default="auto", description="torch device: auto (a GPU if there is one), cpu, cuda, cuda:1")

    not_in_key: ClassVar[frozenset[str]] = DetectionBackend.not_in_key | {"weights_licence"}
    requires: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    remedy: ClassVar[str] = "pip install 'soundseam[models]'"
    licence: ClassVar[str] = "BSD-3-Clause"

    @property
    def model(self) -> str:
        return Path(self.weights).name

    @property
    def revision(self) -> str:
        return weights_key(self.weights, self.weights_revision)

    @property
    def repository(self) -> str | None:
        return repository_of(self.weights)

    @property
    def weights_terms(self) -> str:
        return licence_of(self.weights, self.weights_licence)

    def check_available(self) -> None:
        super().check_available()
        refuse_unreachable(self.backend, self.weights, "weights")

    def load(self) -> TaggingDetector:
        self.check_available()
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        try:
            extractor = AutoFeatureExtractor.from_pretrained(self.weights, revision=self.weights_revision)
            net = AutoModelForAudioClassification.from_pretrained(self.weights, revision=self.weights_revision)
        except (OSError, ValueError) as error:
            raise cannot_open(self.backend, self.weights, error) from error
        labels = tuple(str(net.config.id2label[index]) for index in range(net.config.num_labels))
        tagger = _tagger(net.eval().to(torch_device(self.device)), extractor, self)
        return TaggingDetector(tagger, labels, classes_of(labels, carried_table()), self.windowing, self.thresholds)


def _tagger(net: PreTrainedModel, extractor: object, backend: Ast) -> Tagger:
    import torch

    def tag(windows: Floats) -> Floats:
        inputs = extractor(list(windows), sampling_rate=DETECTION_RATE_HZ, return_tensors="pt")  # type: ignore[operator]
        with torch.inference_mode():
            logits = net(**inputs.to(net.device)).logits
        scores = sigmoid(np.asarray(logits.float().cpu().numpy(), dtype=np.float32))
        return np.repeat(scores[:, None, :], backend.windowing.frames, axis=1)

    return tag
