"""Events from a tagger with many labels: one score curve per class, and the label with the highest score."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import DETECTION_RATE_HZ, BackendUnavailableError, Waveform
from soundseam.annotators.detection.activity import (
    Runs,
    Tagger,
    Thresholds,
    Windowing,
    active_runs,
    duration_ms_of,
    events_of,
    in_order,
    stitched_scores,
)
from soundseam.annotators.detection.base import Detection, FrameScores
from soundseam.annotators.onnx import Floats, open_session
from soundseam.annotators.weights import torch_device
from soundseam.schemas.event import Event, EventClass


class TaggingDetector:
    """Implements Detector. `labels` whose class is None are ignored."""

    def __init__(
        self,
        tagger: Tagger,
        labels: Sequence[str],
        classes: Sequence[EventClass | None],
        windowing: Windowing,
        thresholds: Thresholds,
    ) -> None:
        self._tagger = tagger
        self._labels = tuple(labels)
        self._classes = tuple(classes)
        self._used_classes = tuple(sorted({each for each in classes if each is not None}))
        self._columns = [np.flatnonzero([each is used for each in classes]) for used in self._used_classes]
        self._windowing = windowing
        self._thresholds = thresholds

    def detect(self, waveform: Waveform) -> Detection:
        hop_ms, duration_ms = self._windowing.hop_ms, duration_ms_of(waveform.num_samples, DETECTION_RATE_HZ)
        best, label = self._curves(waveform)
        events: list[Event] = []
        for index, event_class in enumerate(self._used_classes):
            column = np.ascontiguousarray(best[:, index])
            runs = active_runs(column, hop_ms, self._thresholds)
            for run in runs:
                name = self._labels[_commonest(label[:, index], column, run)]
                events += events_of(column, run[None], hop_ms, duration_ms, event_class, name)
        return Detection(in_order(events), FrameScores(hop_ms, self._used_classes, best))

    def detect_labels(self, waveform: Waveform) -> tuple[Event, ...]:
        """Events of each label separately, whatever other labels of its class are active; scenery is ignored.

        For recordings of a few minutes: all labels' scores are in memory.
        """
        hop_ms, duration_ms = self._windowing.hop_ms, duration_ms_of(waveform.num_samples, DETECTION_RATE_HZ)
        parts = list(stitched_scores(waveform, self._tagger, self._windowing))
        events: list[Event] = []
        for index, event_class in enumerate(self._classes):
            if event_class is not None and parts:
                scores = np.concatenate([part[:, index] for part in parts])
                runs = active_runs(scores, hop_ms, self._thresholds)
                events += events_of(scores, runs, hop_ms, duration_ms, event_class, self._labels[index])
        return in_order(events)

    def _curves(self, waveform: Waveform) -> tuple[NDArray[np.float16], NDArray[np.uint16]]:
        """For each frame and class, the highest score of its labels, and the index of that label: (num_frames,
        classes).

        Reduced window by window: hundreds of labels over hours would not fit in memory.
        """
        best = [np.zeros((0, len(self._used_classes)), dtype=np.float16)]
        label = [np.zeros((0, len(self._used_classes)), dtype=np.uint16)]
        for scores in stitched_scores(waveform, self._tagger, self._windowing):
            own = [scores[:, columns] for columns in self._columns]
            best.append(np.stack([part.max(axis=1) for part in own], axis=1).astype(np.float16))
            tops = [columns[part.argmax(axis=1)] for columns, part in zip(self._columns, own, strict=True)]
            label.append(np.stack(tops, axis=1).astype(np.uint16))
        return np.concatenate(best), np.concatenate(label)


def _commonest(labels: NDArray[np.uint16], scores: NDArray[np.float16], run: Runs) -> int:
    """The label with the largest sum of scores over the frames of `run` in which it is the highest."""
    first, stop = run.tolist()
    return int(np.bincount(labels[first:stop], weights=scores[first:stop].astype(np.float64)).argmax())


def sigmoid(logits: Floats) -> Floats:
    """Scores in [0, 1], without overflow."""
    scores: Floats = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return scores


Exported = Callable[[Floats], tuple[Floats, ...]]
"""From a model's input to all its outputs."""


def open_exported(path: Path, device: str) -> Exported:
    """The model at `path`. `device` is for TorchScript; auto is a GPU if there is one.

    Raises BackendUnavailableError if it cannot be opened.
    """
    return _onnx(path) if path.suffix == ".onnx" else _torch_script(path, device)


def file_revision(*paths: Path) -> str:
    """Changes with the bytes of any of `paths`; "missing" if one does not exist."""
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            return "missing"
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _onnx(path: Path) -> Exported:
    session = open_session(path)
    name = session.get_inputs()[0].name

    def run(given: Floats) -> tuple[Floats, ...]:
        return tuple(session.run(None, {name: given}))

    return run


def _torch_script(path: Path, device: str) -> Exported:
    try:
        import torch
    except ImportError as error:
        raise BackendUnavailableError(f"{path} needs torch: pip install 'soundseam[models]'") from error
    device = torch_device(device)
    try:
        model = torch.jit.load(str(path), map_location=device).eval()
    except RuntimeError as error:
        lines = str(error).strip().splitlines()
        raise BackendUnavailableError(
            f"{path} is not a TorchScript model: {lines[0] if lines else 'it is empty'}"
        ) from error

    def run(given: Floats) -> tuple[Floats, ...]:
        with torch.inference_mode():
            answer = model(torch.from_numpy(given).to(device))
        answers = answer if isinstance(answer, tuple) else (answer,)
        return tuple(np.asarray(one.float().cpu().numpy(), dtype=np.float32) for one in answers)

    return run
