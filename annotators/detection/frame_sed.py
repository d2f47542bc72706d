"""Any frame-level tagger as one ONNX or TorchScript file with a label file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from annotators.base import BackendUnavailableError
from annotators.detection.activity import Thresholds
from annotators.detection.base import DetectionBackend, Detector
from annotators.detection.label_table import carried_table, classes_of, read_labels, read_table
from annotators.detection.session import Floats, open_session
from annotators.detection.tagging import TaggingDetector, sigmoid
from annotators.detection.windows import Tagger, Windowing

TAGGER_THRESHOLDS = Thresholds(enter=0.3, stay=0.15, bridge_ms=400, shortest_ms=80)


class FrameSed(DetectionBackend):
    """The model takes 16 kHz windows (batch, samples) and gives (batch, frames, labels) or (batch, labels, frames)."""

    kind: Literal["frame_sed"] = "frame_sed"
    path: str = Field(
        default="tagger.onnx", description="the model: .onnx, or TorchScript (.pt, .ts), which needs torch"
    )
    labels: str = Field(
        default="labels.txt",
        description="its labels in order: one a line, or a CSV with a column display_name or label",
    )
    classes: str | None = Field(default=None, description="CSV label,class instead of the table carried for AudioSet")
    gives_logits: bool = Field(default=True, description="a sigmoid is still to be applied")
    windowing: Windowing = Field(
        default=Windowing(window_ms=10_000, step_ms=5_000, hop_ms=40), description="its window and frames"
    )
    thresholds: Thresholds = Field(default=TAGGER_THRESHOLDS, description="when a class counts as sounding")
    device: str = Field(default="cpu", description="for TorchScript: cpu, cuda, cuda:1")

    licence: ClassVar[str] = "LicenseRef-of-the-model"
    remedy: ClassVar[str] = "pip install 'soundseam[models]'"

    @property
    def model(self) -> str:
        return Path(self.path).name

    @property
    def revision(self) -> str:
        return file_revision(Path(self.path), Path(self.labels))

    def check_available(self) -> None:
        super().check_available()
        for name in (self.path, self.labels):
            if not Path(name).is_file():
                raise BackendUnavailableError(f"{self.backend}: {name} is missing; give the path of a local file")

    def load(self) -> Detector:
        self.check_available()
        labels = read_labels(Path(self.labels))
        table = carried_table() if self.classes is None else read_table(Path(self.classes).read_text(encoding="utf-8"))
        run = _onnx(Path(self.path)) if self.path.endswith(".onnx") else _torch_script(Path(self.path), self.device)

        def tag(windows: Floats) -> Floats:
            answer = run(windows)
            frames_last = answer.shape[1] == len(labels) and answer.shape[2] == self.windowing.frames
            answer = answer.transpose(0, 2, 1) if frames_last else answer
            if answer.shape[2] != len(labels):
                raise ValueError(f"{self.path} gives {answer.shape[2]} labels, {self.labels} lists {len(labels)}")
            return sigmoid(answer) if self.gives_logits else answer

        return TaggingDetector(tag, labels, classes_of(labels, table), self.windowing, self.thresholds)


def file_revision(*paths: Path) -> str:
    """Changes with the bytes of any of `paths`; "missing" where one is not there."""
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            return "missing"
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _onnx(path: Path) -> Tagger:
    session = open_session(path)
    name = session.get_inputs()[0].name

    def run(windows: Floats) -> Floats:
        return session.run(None, {name: windows})[0]

    return run


def _torch_script(path: Path, device: str) -> Tagger:
    try:
        import torch
    except ImportError as error:
        raise BackendUnavailableError(f"{path} needs torch: {FrameSed.remedy}") from error
    model = torch.jit.load(str(path), map_location=device).eval()

    def run(windows: Floats) -> Floats:
        with torch.inference_mode():
            answer = model(torch.from_numpy(windows).to(device))
        return np.asarray(answer.float().cpu().numpy(), dtype=np.float32)

    return run
