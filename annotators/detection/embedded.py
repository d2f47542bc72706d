"""Speech, music and other sound, by a small network on Silero's probabilities and a spectrogram. No torch, no hub."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from annotators.detection.activity import Thresholds, active_runs, duration_ms_of, events_of, in_order
from annotators.detection.base import DETECTION_RATE_HZ, Detection, DetectionBackend, Detector, FrameScores, Waveform
from annotators.detection.event_net import CHUNK_FRAMES, EVENT_NET_FILE, EVENT_NET_SHA256, EventNetStream
from annotators.detection.features import MelStream
from annotators.detection.session import Session, carried_weights, open_session
from annotators.detection.silero_vad import HOP_MS, SILERO_FILE, SILERO_SHA256, SileroStream
from schemas.event import EventClass

CLASSES = (EventClass.SPEECH, EventClass.MUSIC, EventClass.SOURCE_AMBIGUOUS)
LABELS = ("speech", "music", "sound")


def event_scores(
    waveform: Waveform, silero: Session, net: Session, chunk_frames: int = CHUNK_FRAMES
) -> NDArray[np.float16]:
    """Scores (num_frames, 3) of speech, music and other sound for each 32 ms of `waveform`, the last frame partial."""
    voice, mels, decide = SileroStream(silero), MelStream(), EventNetStream(net, chunk_frames)
    # Half precision, as they are kept, so that a long recording stays small.
    parts = [
        decide.push(mels.push(block), voice.push(block)).astype(np.float16)
        for block in waveform.blocks(30 * DETECTION_RATE_HZ)
    ]
    # One frame more than can be missing of the spectrogram: Silero's count says where the recording ends.
    parts.append(decide.push(mels.finish(4), voice.finish()).astype(np.float16))
    parts.append(decide.finish().astype(np.float16))
    return np.concatenate(parts)


class EmbeddedDetector:
    """Implements Detector."""

    def __init__(self, silero: Session, net: Session, backend: Embedded) -> None:
        self._silero = silero
        self._net = net
        self._backend = backend

    def detect(self, waveform: Waveform) -> Detection:
        scores = event_scores(waveform, self._silero, self._net)
        duration_ms = duration_ms_of(waveform.num_samples, DETECTION_RATE_HZ)
        thresholds = (self._backend.speech, self._backend.music, self._backend.sound)
        events = []
        for index, (event_class, label) in enumerate(zip(CLASSES, LABELS, strict=True)):
            column = np.ascontiguousarray(scores[:, index])
            runs = active_runs(column, HOP_MS, thresholds[index])
            events += events_of(column, runs, HOP_MS, duration_ms, event_class, label)
        return Detection(in_order(events), FrameScores(HOP_MS, CLASSES, scores))


class Embedded(DetectionBackend):
    """Needs no model hub and no torch. Other sound is not told apart: it is `source_ambiguous`."""

    kind: Literal["embedded"] = "embedded"
    speech: Thresholds = Field(
        default=Thresholds(enter=0.5, stay=0.3, bridge_ms=320, shortest_ms=128), description="when speech sounds"
    )
    music: Thresholds = Field(
        default=Thresholds(enter=0.6, stay=0.3, bridge_ms=640, shortest_ms=320), description="when music sounds"
    )
    sound: Thresholds = Field(
        default=Thresholds(enter=0.5, stay=0.3, bridge_ms=320, shortest_ms=96), description="when other sound does"
    )

    requires: ClassVar[tuple[str, ...]] = ("onnxruntime", "scipy")
    remedy: ClassVar[str] = "pip install onnxruntime scipy"
    licence: ClassVar[str] = "MIT AND CC-BY-SA-4.0"

    @property
    def model(self) -> str:
        return "silero-vad-16k 6.2.3 and event-net 1"

    @property
    def revision(self) -> str:
        return f"{SILERO_SHA256[:16]}-{EVENT_NET_SHA256[:16]}"

    def load(self) -> Detector:
        self.check_available()
        silero = open_session(carried_weights(SILERO_FILE), SILERO_SHA256)
        return EmbeddedDetector(silero, open_session(carried_weights(EVENT_NET_FILE), EVENT_NET_SHA256), self)
