"""Any frame-level tagger given as an ONNX or TorchScript file with a label file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.detection.activity import Thresholds, Windowing
from soundseam.annotators.detection.base import DetectionBackend
from soundseam.annotators.detection.label_table import carried_table, classes_of, read_labels, read_table
from soundseam.annotators.detection.tagging import TaggingDetector, file_revision, open_exported, sigmoid
from soundseam.annotators.onnx import Floats

TAGGER_THRESHOLDS = Thresholds(enter=0.3, stay=0.15, bridge_ms=400, shortest_ms=80)


class FrameSed(DetectionBackend):
    """The model maps 16 kHz windows (batch, samples) to (batch, frames, labels) or (batch, labels, frames)."""

    kind: Literal["frame_sed"] = "frame_sed"
    weights: str = Field(
        alias="path",
        default="tagger.onnx",
        description="the model: .onnx, or TorchScript (.pt, .ts), which needs torch",
    )
    labels: str = Field(
        default="labels.txt",
        description="its labels in order: one per line, or a CSV with a column display_name or label",
    )
    classes: str | None = Field(default=None, description="CSV label,class instead of the included table for AudioSet")
    gives_logits: bool = Field(default=True, description="true if a sigmoid must still be applied")
    windowing: Windowing = Field(
        default=Windowing(window_ms=10_000, step_ms=5_000, hop_ms=40), description="its window and frames"
    )
    thresholds: Thresholds = Field(default=TAGGER_THRESHOLDS, description="when a class counts as active")
    device: str = Field(default="auto", description="for TorchScript: auto (a GPU if there is one), cpu, cuda")

    licence: ClassVar[str] = "LicenseRef-of-the-model"
    remedy: ClassVar[str] = "pip install 'soundseam[models]'"

    @property
    def model(self) -> str:
        return Path(self.weights).name

    @property
    def revision(self) -> str:
        return file_revision(Path(self.weights), Path(self.labels))

    def check_available(self) -> None:
        super().check_available()
        for name in (self.weights, self.labels):
            if not Path(name).is_file():
                raise BackendUnavailableError(f"{self.backend}: {name} is missing; give the path of a local file")

    def load(self) -> TaggingDetector:
        self.check_available()
        labels = read_labels(Path(self.labels))
        table = carried_table() if self.classes is None else read_table(Path(self.classes).read_text(encoding="utf-8"))
        run = open_exported(Path(self.weights), self.device)

        def tag(windows: Floats) -> Floats:
            answer = run(windows)[0]
            frames_last = answer.shape[1] == len(labels) and answer.shape[2] == self.windowing.frames
            answer = answer.transpose(0, 2, 1) if frames_last else answer
            if answer.shape[2] != len(labels):
                raise ValueError(f"{self.weights} gives {answer.shape[2]} labels, {self.labels} lists {len(labels)}")
            return sigmoid(answer) if self.gives_logits else answer

        return TaggingDetector(tag, labels, classes_of(labels, table), self.windowing, self.thresholds)
