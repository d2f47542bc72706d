"""Speech by Silero VAD; music and other sound by their level over a noise floor that is tracked over time."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from annotators.base import Samples
from annotators.detection.activity import (
    Runs,
    Thresholds,
    active_runs,
    duration_ms_of,
    events_of,
    in_order,
)
from annotators.detection.base import DETECTION_RATE_HZ, Detection, DetectionBackend, Detector, FrameScores, Waveform
from annotators.detection.session import Floats, Session, carried_weights, open_session
from annotators.detection.silero_vad import (
    FRAME_SAMPLES,
    HOP_MS,
    SILERO_FILE,
    SILERO_SHA256,
    SileroStream,
)
from schemas.event import EventClass

CLASSES = (EventClass.SPEECH, EventClass.MUSIC, EventClass.SOURCE_AMBIGUOUS)
FLOOR_MS = 12_000
MUSIC_MS = 4_000


def frame_levels(samples: Samples) -> Floats:
    """Level in dBFS (num_frames,) of each 32 ms frame of `samples` (num_samples,), a partial one filled with zeros."""
    count = -(-len(samples) // FRAME_SAMPLES)
    padded = np.zeros(count * FRAME_SAMPLES, dtype=np.float32)
    padded[: len(samples)] = samples
    power = np.square(padded.reshape(count, FRAME_SAMPLES)).mean(axis=1)
    levels: Floats = (10.0 * np.log10(power + 1e-10)).astype(np.float32)
    return levels


def sound_scores(levels: Floats) -> Floats:
    """How surely each frame of `levels` (num_frames,) stands out of the noise floor around it, in [0, 1]."""
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    frames = FLOOR_MS // HOP_MS
    floor = minimum_filter1d(uniform_filter1d(levels, 7, mode="nearest"), frames, mode="nearest")
    above = levels - np.maximum(floor, -70.0)
    scores: Floats = np.clip((above - 3.0) / 12.0, 0.0, 1.0).astype(np.float32)
    return scores


class EmbeddedDetector:
    """Implements Detector."""

    def __init__(self, session: Session, backend: Embedded) -> None:
        self._session = session
        self._backend = backend

    def detect(self, waveform: Waveform) -> Detection:
        stream = SileroStream(self._session)
        speech_parts, level_parts = [], []
        for block in waveform.blocks(30 * DETECTION_RATE_HZ):
            speech_parts.append(stream.push(block))
            level_parts.append(frame_levels(block))
        speech = np.concatenate([*speech_parts, stream.finish()])
        sound = sound_scores(np.concatenate([*level_parts, np.zeros(0, dtype=np.float32)]))[: len(speech)]
        return self._events(speech, sound, duration_ms_of(waveform.num_samples, DETECTION_RATE_HZ))

    def _events(self, speech: Floats, sound: Floats, duration_ms: int) -> Detection:
        spoken = active_runs(speech, HOP_MS, self._backend.speech)
        rest = np.where(_mask(spoken, len(sound)), 0.0, sound).astype(np.float32)
        others = active_runs(rest, HOP_MS, self._backend.sound)
        long = (others[:, 1] - others[:, 0]) * HOP_MS >= MUSIC_MS
        events = events_of(speech, spoken, HOP_MS, duration_ms, EventClass.SPEECH, "speech")
        events += events_of(rest, others[long], HOP_MS, duration_ms, EventClass.MUSIC, "music")
        events += events_of(rest, others[~long], HOP_MS, duration_ms, EventClass.SOURCE_AMBIGUOUS, "sound")
        musical = _mask(others[long], len(rest))
        scores = np.stack((speech, np.where(musical, rest, 0), np.where(musical, 0, rest)), axis=1)
        return Detection(in_order(events), FrameScores(HOP_MS, CLASSES, scores.astype(np.float16)))


def _mask(runs: Runs, length: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    steps = np.zeros(length + 1, dtype=np.int32)
    np.add.at(steps, runs[:, 0], 1)
    np.add.at(steps, runs[:, 1], -1)
    return np.cumsum(steps[:-1]) > 0


class Embedded(DetectionBackend):
    """Needs no model hub and no torch. Tells speech, music and other sound."""

    kind: Literal["embedded"] = "embedded"
    speech: Thresholds = Thresholds(enter=0.5, stay=0.35, bridge_ms=300, shortest_ms=96)
    """On Silero's speech probability."""
    sound: Thresholds = Thresholds(enter=0.6, stay=0.2, bridge_ms=400, shortest_ms=128)
    """On how surely a frame stands out of the noise floor: 3 dB above it score 0, 15 dB score 1."""

    requires: ClassVar[tuple[str, ...]] = ("onnxruntime", "scipy")
    remedy: ClassVar[str] = "pip install onnxruntime scipy"
    licence: ClassVar[str] = "MIT"

    @property
    def model(self) -> str:
        return "silero-vad-16k 6.2.3 and level"

    @property
    def revision(self) -> str:
        return f"{SILERO_SHA256[:16]}-1"

    def load(self) -> Detector:
        self.check_available()
        return EmbeddedDetector(open_session(carried_weights(SILERO_FILE), SILERO_SHA256), self)
