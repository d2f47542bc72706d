"""Events from a tagger of many labels: one curve for each of our classes, and the label that makes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annotators.detection.activity import Runs, Thresholds, active_runs, duration_ms_of, events_of, in_order
from annotators.detection.base import Detection, FrameScores
from annotators.detection.session import Floats
from annotators.detection.windows import Tagger, Windowing, stitched_scores
from annotators.waveform import DETECTION_RATE_HZ, Waveform
from schemas.event import Event, EventClass


class TaggingDetector:
    """Implements Detector. Of `labels`, those whose class is None are left out."""

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
        self._told = tuple(sorted({each for each in classes if each is not None}))
        self._columns = [np.flatnonzero([each is told for each in classes]) for told in self._told]
        self._windowing = windowing
        self._thresholds = thresholds

    def detect(self, waveform: Waveform) -> Detection:
        hop_ms, duration_ms = self._windowing.hop_ms, duration_ms_of(waveform.num_samples, DETECTION_RATE_HZ)
        best, label = self._curves(waveform)
        events: list[Event] = []
        for index, event_class in enumerate(self._told):
            column = np.ascontiguousarray(best[:, index])
            runs = active_runs(column, hop_ms, self._thresholds)
            for run in runs:
                name = self._labels[_commonest(label[:, index], column, run)]
                events += events_of(column, run[None], hop_ms, duration_ms, event_class, name)
        return Detection(in_order(events), FrameScores(hop_ms, self._told, best))

    def detect_labels(self, waveform: Waveform) -> tuple[Event, ...]:
        """Events of each label by itself, whatever others of its class sound; scenery is left out.

        For recordings of minutes: memory holds every label's scores.
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
        """For each frame and class, the highest score of its labels, and which label has it: (num_frames, classes).

        Reduced window by window: hundreds of labels over hours would not fit in memory.
        """
        best = [np.zeros((0, len(self._told)), dtype=np.float16)]
        label = [np.zeros((0, len(self._told)), dtype=np.uint16)]
        for scores in stitched_scores(waveform, self._tagger, self._windowing):
            own = [scores[:, columns] for columns in self._columns]
            best.append(np.stack([part.max(axis=1) for part in own], axis=1).astype(np.float16))
            tops = [columns[part.argmax(axis=1)] for columns, part in zip(self._columns, own, strict=True)]
            label.append(np.stack(tops, axis=1).astype(np.uint16))
        return np.concatenate(best), np.concatenate(label)


def _commonest(labels: NDArray[np.uint16], scores: NDArray[np.float16], run: Runs) -> int:
    """The label with the largest summed score among the frames of `run` that it tops."""
    first, stop = run.tolist()
    return int(np.bincount(labels[first:stop], weights=scores[first:stop].astype(np.float64)).argmax())


def sigmoid(logits: Floats) -> Floats:
    """Scores in [0, 1], without overflow."""
    scores: Floats = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return scores
