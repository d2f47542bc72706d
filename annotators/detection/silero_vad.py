"""Speech by Silero VAD, from its own ONNX weights, without torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import DETECTION_RATE_HZ, Samples, Waveform
from soundseam.annotators.detection.activity import Thresholds, active_runs, duration_ms_of, events_of, in_order
from soundseam.annotators.detection.base import Detection, DetectionBackend, Detector, FrameScores
from soundseam.annotators.onnx import Floats, Session, carried_weights, open_session
from soundseam.schemas.event import EventClass

SILERO_FILE = "silero_vad_16k_sequence.onnx"
SILERO_SHA256 = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"

FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64
HOP_MS = 1000 * FRAME_SAMPLES // DETECTION_RATE_HZ


class SileroStream:
    """Silero VAD on one stream: its recurrent state, and the samples left over from the last block."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._h = np.zeros((1, 1, 128), dtype=np.float32)
        self._c = np.zeros((1, 1, 128), dtype=np.float32)
        self._tail = np.zeros(CONTEXT_SAMPLES, dtype=np.float32)

    def push(self, samples: Samples) -> Floats:
        """Speech probability (num_frames,) of each 32 ms frame completed by `samples` (num_samples,).

        Equal to streaming frame by frame: the model processes the frames in order and keeps its state.
        """
        held = np.concatenate((self._tail, samples))
        count = (len(held) - CONTEXT_SAMPLES) // FRAME_SAMPLES
        if count == 0:
            self._tail = held
            return np.zeros(0, dtype=np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(held, CONTEXT_SAMPLES + FRAME_SAMPLES)
        frames = np.ascontiguousarray(windows[::FRAME_SAMPLES][:count])
        self._tail = held[count * FRAME_SAMPLES :]
        outputs = self._session.run(None, {"input": frames, "h": self._h, "c": self._c})
        probabilities, self._h, self._c = outputs
        return probabilities.reshape(-1)

    def finish(self) -> Floats:
        """The last frame, padded with silence; empty if the stream ended on a whole frame."""
        left = len(self._tail) - CONTEXT_SAMPLES
        return self.push(np.zeros(FRAME_SAMPLES - left, dtype=np.float32)) if left else np.zeros(0, dtype=np.float32)


def speech_probabilities(blocks: Iterable[Samples], session: Session) -> Floats:
    """Speech probability (num_frames,) of each 32 ms frame of 16 kHz mono `blocks`; the last frame may be partial."""
    stream = SileroStream(session)
    parts = [stream.push(block) for block in blocks]
    return np.concatenate([*parts, stream.finish()])


class SileroDetector:
    """Implements Detector."""

    def __init__(self, session: Session, thresholds: Thresholds) -> None:
        self._session = session
        self._thresholds = thresholds

    def detect(self, waveform: Waveform) -> Detection:
        scores = speech_probabilities(waveform.blocks(), self._session)
        duration_ms = duration_ms_of(waveform.num_samples, DETECTION_RATE_HZ)
        runs = active_runs(scores, HOP_MS, self._thresholds)
        events = events_of(scores, runs, HOP_MS, duration_ms, EventClass.SPEECH, "speech")
        frames = FrameScores(HOP_MS, (EventClass.SPEECH,), scores.astype(np.float16)[:, None])
        return Detection(in_order(events), frames)


class SileroVad(DetectionBackend):
    """Speech only. Thresholds like Silero's own defaults (0.5 and 0.35); pauses within one turn are bridged."""

    kind: Literal["silero_vad"] = "silero_vad"
    thresholds: Thresholds = Field(
        default=Thresholds(enter=0.5, stay=0.35, bridge_ms=300, shortest_ms=96), description="when speech sounds"
    )
    """On Silero's speech probability."""

    requires: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    remedy: ClassVar[str] = "pip install onnxruntime"
    carries: ClassVar[tuple[str, ...]] = (f"detection/weights/{SILERO_FILE}",)
    licence: ClassVar[str] = "MIT"

    @property
    def model(self) -> str:
        return "silero-vad-16k 6.2.3"

    @property
    def revision(self) -> str:
        return SILERO_SHA256[:16]

    def load(self) -> Detector:
        self.check_available()
        self.check_available()
        return SileroDetector(open_session(carried_weights(SILERO_FILE), SILERO_SHA256), self.thresholds)
