"""Speech, music and other sound, by a small network on Silero's probabilities and a spectrogram. No torch, no hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from annotators.detection.activity import (
    Thresholds,
    active_runs,
    duration_ms_of,
    events_of,
    frames_of,
    in_order,
    join_masked,
)
from annotators.detection.base import Detection, DetectionBackend, Detector, FrameScores
from annotators.detection.event_net import CHUNK_FRAMES, EVENT_NET_FILE, EVENT_NET_SHA256, EventNetStream
from annotators.detection.features import MelStream
from annotators.detection.session import Floats, Session, carried_weights, open_session
from annotators.detection.silero_vad import HOP_MS, SILERO_FILE, SILERO_SHA256, SileroStream
from annotators.waveform import DETECTION_RATE_HZ, Waveform
from schemas.event import Event, EventClass

CLASSES = (EventClass.SPEECH, EventClass.MUSIC, EventClass.SOURCE_AMBIGUOUS)
LABELS = ("speech", "music", "sound")
STEADY_LABEL = "steady sound"
STEADY_SCORE = 0.5
"""Of an event that the level alone gives: as likely as not worth listening to."""


@dataclass(frozen=True)
class Heard:
    """What the network and the ear say of each 32 ms of a recording, the last frame partial."""

    scores: NDArray[np.float16]
    """(num_frames, 3) of speech, music and other sound."""
    level_db: NDArray[np.float16]
    """(num_frames,): power over all bands, in dB."""


def listen(waveform: Waveform, silero: Session, net: Session, chunk_frames: int = CHUNK_FRAMES) -> Heard:
    """Reads `waveform` once. Kept in half precision, so that a long recording stays small."""
    voice, mels, decide = SileroStream(silero), MelStream(), EventNetStream(net, chunk_frames)
    scores, levels = [], []
    for block in waveform.blocks(30 * DETECTION_RATE_HZ):
        mel = mels.push(block)
        levels.append(_band_levels(mel))
        scores.append(decide.push(mel, voice.push(block)).astype(np.float16))
    # A few frames more than can be missing of the spectrogram: Silero's count says where the recording ends.
    mel = mels.finish(4)
    levels.append(_band_levels(mel))
    scores += [part.astype(np.float16) for part in (decide.push(mel, voice.finish()), decide.finish())]
    told = np.concatenate(scores)
    half_frames = np.concatenate(levels)[: 2 * len(told)]
    return Heard(told, half_frames.reshape(-1, 2).max(axis=1))


def _band_levels(mel: Floats) -> NDArray[np.float16]:
    """Power over all bands of each spectrogram frame (num_half_frames, bands), in dB."""
    levels: NDArray[np.float16] = (10.0 * np.log10(np.power(10.0, mel).sum(axis=1))).astype(np.float16)
    return levels


def events_in(heard: Heard, duration_ms: int, backend: Embedded) -> Detection:
    """The events of a recording of `duration_ms`, by the thresholds of `backend`."""
    scores = heard.scores
    thresholds = (backend.speech, backend.music, backend.sound)
    columns = [np.ascontiguousarray(scores[:, index]) for index in range(len(CLASSES))]
    speech, music, sound = (
        active_runs(column, HOP_MS, limits) for column, limits in zip(columns, thresholds, strict=True)
    )
    masked = frames_of(speech, len(scores)) | frames_of(sound, len(scores))
    music = join_masked(music, masked, heard.level_db, backend.masked_ms // HOP_MS)
    events = []
    for index, runs in enumerate((speech, music, sound)):
        events += events_of(columns[index], runs, HOP_MS, duration_ms, CLASSES[index], LABELS[index])
    if not events:
        events = steady_sound(heard, duration_ms, backend.steady_dbfs)
    return Detection(in_order(events), FrameScores(HOP_MS, CLASSES, scores))


def steady_sound(heard: Heard, duration_ms: int, steady_dbfs: float) -> list[Event]:
    """One event over a whole recording in which nothing stands out, if its median level is over `steady_dbfs`.

    So rain, a fan or an engine that runs from end to end is segmented, and silence and room tone are not.
    """
    if len(heard.level_db) == 0 or float(np.median(heard.level_db)) < steady_dbfs or duration_ms == 0:
        return []
    return [
        Event(
            event_class=EventClass.SOURCE_AMBIGUOUS,
            label=STEADY_LABEL,
            onset_ms=0,
            offset_ms=duration_ms,
            score=STEADY_SCORE,
        )
    ]


class EmbeddedDetector:
    """Implements Detector."""

    def __init__(self, silero: Session, net: Session, backend: Embedded) -> None:
        self._silero = silero
        self._net = net
        self._backend = backend

    def detect(self, waveform: Waveform) -> Detection:
        duration_ms = duration_ms_of(waveform.num_samples, DETECTION_RATE_HZ)
        return events_in(listen(waveform, self._silero, self._net), duration_ms, self._backend)


class Embedded(DetectionBackend):
    """Needs no model hub and no torch. Other sound is not told apart: it is `source_ambiguous`."""

    kind: Literal["embedded"] = "embedded"
    speech: Thresholds = Field(
        default=Thresholds(enter=0.6, stay=0.4, bridge_ms=224, shortest_ms=128), description="when speech sounds"
    )
    music: Thresholds = Field(
        default=Thresholds(enter=0.7, stay=0.3, bridge_ms=320, shortest_ms=320), description="when music sounds"
    )
    sound: Thresholds = Field(
        default=Thresholds(enter=0.25, stay=0.2, bridge_ms=224, shortest_ms=64), description="when other sound does"
    )

    masked_ms: int = Field(
        default=12_000, ge=0, description="music that louder sounds cover goes on if they do for no longer than this"
    )

    steady_dbfs: float = Field(
        default=-45.0,
        description="a recording without any other event is one steady sound if its median level is over this; noise "
        "reads about 5 dB more than its RMS level",
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
