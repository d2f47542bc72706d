"""Checkpoints of PretrainedSED (BEATs, ATST-F, frame_mn06, frame_mn10), run with their own code from a local clone.

github.com/fschmid56/PretrainedSED (MIT): frame-level taggers of AudioSet-Strong's 447 classes, 250 frames per window of
10 s. Its published inference uses separate chunks of 10 s; here windows overlap with cross-fades.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.detection.activity import Tagger, Thresholds, Windowing
from soundseam.annotators.detection.base import DetectionBackend
from soundseam.annotators.detection.frame_sed import TAGGER_THRESHOLDS
from soundseam.annotators.detection.label_table import carried_table, classes_of
from soundseam.annotators.detection.tagging import TaggingDetector, file_revision, sigmoid
from soundseam.annotators.onnx import Floats
from soundseam.annotators.weights import importable, torch_device

if TYPE_CHECKING:
    from types import ModuleType

WRAPPERS = {
    "BEATs": ("models.beats.BEATs_wrapper", "BEATsWrapper"),
    "ATST-F": ("models.atstframe.ATSTF_wrapper", "ATSTWrapper"),
    "frame_mn06": ("models.frame_mn.Frame_MN_wrapper", "FrameMNWrapper"),
    "frame_mn10": ("models.frame_mn.Frame_MN_wrapper", "FrameMNWrapper"),
}
"""Module and class of each architecture in the clone."""


class PretrainedSed(DetectionBackend):
    """447 classes, mapped to ours. The clone has checkpoints in `resources/` and downloads missing ones."""

    kind: Literal["pretrained_sed"] = "pretrained_sed"
    clone: str = Field(default="PretrainedSED", description="folder of a clone of github.com/fschmid56/PretrainedSED")
    architecture: Literal["BEATs", "ATST-F", "frame_mn06", "frame_mn10"] = Field(
        default="frame_mn10", description="which of its taggers; frame_mn06 and frame_mn10 are fast enough on a CPU"
    )
    weights: str | None = Field(
        alias="checkpoint",
        default=None,
        description="name of a file in the clone's resources/ without .pt; ARCHITECTURE_strong_1 if null",
    )
    step_ms: int = Field(default=5_000, gt=0, le=10_000, description="from one window to the next, in steps of 40 ms")
    batch: int = Field(default=8, ge=1, description="windows per call")
    thresholds: Thresholds = Field(default=TAGGER_THRESHOLDS, description="when a class counts as active")
    device: str = Field(default="auto", description="torch device: auto (a GPU if there is one), cpu, cuda, cuda:1")

    requires: ClassVar[tuple[str, ...]] = ("torch",)
    remedy: ClassVar[str] = "pip install 'soundseam[models]', and in the clone: pip install -r requirements.txt"
    licence: ClassVar[str] = "MIT"

    @property
    def model(self) -> str:
        return f"PretrainedSED {self._checkpoint}"

    @property
    def revision(self) -> str:
        return file_revision(self._file)

    @property
    def _checkpoint(self) -> str:
        return self.weights or f"{self.architecture}_strong_1"

    @property
    def _file(self) -> Path:
        return Path(self.clone) / "resources" / f"{self._checkpoint}.pt"

    def check_available(self) -> None:
        super().check_available()
        if not (Path(self.clone) / "models" / "prediction_wrapper.py").is_file():
            raise BackendUnavailableError(
                f"{self.backend}: {self.clone} is not a clone of github.com/fschmid56/PretrainedSED; "
                "git clone it and set clone to its folder"
            )

    def load(self) -> TaggingDetector:
        self.check_available()
        with importable(Path(self.clone)):
            labels = tuple(_import("data_util.audioset_classes", self).as_strong_train_classes)
            tagger = _tagger(self)
        windowing = Windowing(window_ms=10_000, step_ms=self.step_ms, hop_ms=40, batch=self.batch)
        return TaggingDetector(tagger, labels, classes_of(labels, carried_table()), windowing, self.thresholds)


def _import(name: str, backend: PretrainedSed) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BackendUnavailableError(f"{backend.backend}: {error}; {backend.remedy}") from error


def _tagger(backend: PretrainedSed) -> Tagger:
    import torch

    # By default, its code looks for checkpoints in resources/ in the working directory.
    vars(_import("config", backend))["RESOURCES_FOLDER"] = str(backend._file.parent.resolve())
    predictions = _import("models.prediction_wrapper", backend).PredictionsWrapper
    module, name = WRAPPERS[backend.architecture]
    wrapper = getattr(_import(module, backend), name)
    if backend.architecture.startswith("frame_mn"):
        base = wrapper(_import("models.frame_mn.utils", backend).NAME_TO_WIDTH(backend.architecture))
        width = base.state_dict()["frame_mn.features.16.1.bias"].shape[0]
        net = predictions(base, checkpoint=backend._checkpoint, embed_dim=width)
    else:
        net = predictions(wrapper(), checkpoint=backend._checkpoint)
    device = torch_device(backend.device)
    net = net.eval().to(device)

    def tag(windows: Floats) -> Floats:
        with torch.inference_mode():
            strong, _ = net(net.mel_forward(torch.from_numpy(windows).to(device)))
        logits = np.asarray(strong.float().cpu().numpy(), dtype=np.float32)
        return sigmoid(logits.transpose(0, 2, 1))

    return tag
