"""Speech, music and other sound, by a small network on Silero's probabilities and a spectrogram. No torch, no hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soundseam.annotators.base import DETECTION_RATE_HZ, Waveform
from soundseam.annotators.detection.activity import (
    Thresholds,
    active_runs,
    duration_ms_of,
    events_of,
    frames_of,
    in_order,
    join_masked,
)
from soundseam.annotators.detection.base import Detection, DetectionBackend, Detector, FrameScores
from soundseam.annotators.detection.features import FLOOR_REACH, MELS, MelStream, contrast
from soundseam.annotators.detection.silero_vad import HOP_MS, SILERO_FILE, SILERO_SHA256, SileroStream
from soundseam.annotators.onnx import Floats, Session, carried_weights, open_session
from soundseam.schemas.event import Event, EventClass

EVENT_NET_FILE = "event_net.onnx"
EVENT_NET_SHA256 = "e27919bfede7e956b016d214c4344b869b3209cd9d68dfe2863e806fca44c1dc"

CLASS_COUNT = 3
"""Speech, music, other sound."""
ALIGNMENT = 4
"""The network pools by this many frames: its input must begin at a multiple of it."""
REACH_FRAMES = 276
"""An output depends on no frame further away than this (training/model.py), rounded up to the alignment."""
CHUNK_FRAMES = 4096
"""131 s: frames decided per call of the network."""

_FLOOR_FRAMES = -(-FLOOR_REACH // 2)
_MARGIN = REACH_FRAMES + _FLOOR_FRAMES
_EMPTY = np.zeros((0, CLASS_COUNT), dtype=np.float32)


class EventNetStream:
    """The network on one stream: each call gets enough context around its chunk that chunking does not change
    results.
    """

    def __init__(self, session: Session, chunk_frames: int = CHUNK_FRAMES) -> None:
        self._session = session
        self._chunk = chunk_frames
        self._mel = np.zeros((0, MELS), dtype=np.float32)
        self._speech = np.zeros(0, dtype=np.float32)
        self._first = 0
        """First frame of the stream in the buffered features."""
        self._decided = 0

    def push(self, mel: Floats, speech: Floats) -> Floats:
        """Scores (num_frames, CLASS_COUNT) that can be computed now.

        Takes log-mel (num_half_frames, MELS), two frames per Silero probability (num_frames,); either may be ahead of
        the other.
        """
        self._mel = np.concatenate((self._mel, mel))
        self._speech = np.concatenate((self._speech, speech))
        scores = []
        while self._held_end() >= self._decided + self._chunk + _MARGIN:
            scores.append(self._decide(self._decided + self._chunk))
        return np.concatenate([_EMPTY, *scores])

    def finish(self) -> Floats:
        """Scores of the remaining frames."""
        left = self._held_end() - self._decided
        return self._decide(self._held_end()) if left > 0 else _EMPTY

    def _held_end(self) -> int:
        return self._first + min(len(self._mel) // 2, len(self._speech))

    def _decide(self, stop: int) -> Floats:
        """Scores of the frames from the first undecided one to `stop`; drops features that no later frame needs."""
        end = min(self._held_end(), stop + REACH_FRAMES)
        begin = max(0, self._decided - REACH_FRAMES)
        floor_begin, floor_end = max(0, begin - _FLOOR_FRAMES), min(self._held_end(), end + _FLOOR_FRAMES)
        mel = self._mel[2 * (floor_begin - self._first) : 2 * (floor_end - self._first)]
        both = np.stack((mel, contrast(mel)))[:, 2 * (begin - floor_begin) : 2 * (end - floor_begin)]
        speech = self._speech[begin - self._first : end - self._first]
        missing = -(end - begin) % ALIGNMENT
        spectrum = np.pad(both, ((0, 0), (0, 2 * missing), (0, 0)), mode="edge")[None]
        inputs = {"spectrum": spectrum, "speech": np.pad(speech, (0, missing))[None]}
        scores: Floats = self._session.run(None, inputs)[0][0].T[self._decided - begin : stop - begin]
        self._decided = stop
        keep = max(0, stop - _MARGIN)
        self._mel = self._mel[2 * (keep - self._first) :]
        self._speech = self._speech[keep - self._first :]
        self._first = keep
        return scores


CLASSES = (EventClass.SPEECH, EventClass.MUSIC, EventClass.SOURCE_AMBIGUOUS)
LABELS = ("speech", "music", "sound")
STEADY_LABEL = "steady sound"
TONE_CHANGE = 0.2
"""Share of power that moves at a new note, a beat or a change of timbre: at least 0.31 somewhere in each of 52
stretches of labelled music, and less all through a tone, or two that beat.
"""
TONE_EDGE_MS = 192
"""A tone's own beginning and end, where it does change."""
MIN_TONE_MS = 2_000
"""A single note may be shorter."""
STEADY_SCORE = 0.5
"""Score of an event that is based on the level alone."""


@dataclass(frozen=True)
class FrameActivity:
    """Scores and level for each 32 ms of a recording; the last frame may be partial."""

    scores: NDArray[np.float16]
    """(num_frames, 3) of speech, music and other sound."""
    level_db: NDArray[np.float16]
    """(num_frames,): power over all bands, in dB."""
    change: NDArray[np.float16]
    """(num_frames,): share of the power that moves from one spectrogram frame to the next, in [0, 1]."""


def listen(waveform: Waveform, silero: Session, net: Session, chunk_frames: int = CHUNK_FRAMES) -> FrameActivity:
    """Reads `waveform` once. Results are in half precision, so that a long recording stays small."""
    voice, mels, decide = SileroStream(silero), MelStream(), EventNetStream(net, chunk_frames)
    scores, levels, changes = [], [], []
    last = np.zeros((0, MELS), dtype=np.float32)
    for block in waveform.blocks(30 * DETECTION_RATE_HZ):
        mel = mels.push(block)
        power = np.power(10.0, mel)
        levels.append(_levels(power))
        changes.append(_changes(last, power))
        last = power[-1:] if len(power) else last
        scores.append(decide.push(mel, voice.push(block)).astype(np.float16))
    # More frames than the spectrogram can lack: Silero's count determines the end of the recording.
    mel = mels.finish(4)
    power = np.power(10.0, mel)
    levels.append(_levels(power))
    changes.append(_changes(last, power))
    scores += [part.astype(np.float16) for part in (decide.push(mel, voice.finish()), decide.finish())]
    all_scores = np.concatenate(scores)
    level_db, change = (
        np.concatenate(parts)[: 2 * len(all_scores)].reshape(-1, 2).max(axis=1) for parts in (levels, changes)
    )
    return FrameActivity(all_scores, level_db, change)


def _levels(power: Floats) -> NDArray[np.float16]:
    """Power over all bands of each spectrogram frame (num_half_frames, bands), in dB."""
    levels: NDArray[np.float16] = (10.0 * np.log10(power.sum(axis=1))).astype(np.float16)
    return levels


def _changes(last: Floats, power: Floats) -> NDArray[np.float16]:
    """How much of the power of each frame (num_half_frames, bands) is in other bands, or gone, since the one before.

    `last` is the frame before the first, or none.
    """
    both = np.concatenate((last if len(last) else power[:1], power))
    moved = np.abs(np.diff(both, axis=0)).sum(axis=1) / (both[1:] + both[:-1]).sum(axis=1)
    changes: NDArray[np.float16] = moved.astype(np.float16)
    return changes


def events_in(activity: FrameActivity, duration_ms: int, backend: Embedded) -> Detection:
    """The events of a recording of `duration_ms`, by the thresholds of `backend`."""
    scores = activity.scores
    thresholds = (backend.speech, backend.music, backend.sound)
    columns = [np.ascontiguousarray(scores[:, index]) for index in range(len(CLASSES))]
    speech, music, sound = (
        active_runs(column, HOP_MS, limits) for column, limits in zip(columns, thresholds, strict=True)
    )
    masked = frames_of(speech, len(scores)) | frames_of(sound, len(scores))
    music = join_masked(music, masked, activity.level_db, backend.masked_ms // HOP_MS)
    events = []
    for index, runs in enumerate((speech, music, sound)):
        events += events_of(columns[index], runs, HOP_MS, duration_ms, CLASSES[index], LABELS[index])
    events = [_without_tone(event, activity) for event in events]
    if not events:
        events = steady_sound(activity, duration_ms, backend.steady_dbfs)
    return Detection(in_order(events), FrameScores(HOP_MS, CLASSES, scores))


def _without_tone(event: Event, activity: FrameActivity) -> Event:
    """The event; a steady sound in place of music in which nothing ever changes, as in a test tone or a hum."""
    edge = TONE_EDGE_MS // HOP_MS
    within = activity.change[event.onset_ms // HOP_MS + edge : event.offset_ms // HOP_MS - edge]
    if event.event_class is not EventClass.MUSIC or len(within) * HOP_MS < MIN_TONE_MS or within.max() > TONE_CHANGE:
        return event
    return event.model_copy(update={"event_class": EventClass.SOURCE_AMBIGUOUS, "label": STEADY_LABEL})


def steady_sound(activity: FrameActivity, duration_ms: int, steady_dbfs: float) -> list[Event]:
    """One event over a whole recording without other events, if its median level is over `steady_dbfs`.

    So steady rain, a fan or an engine is segmented, and silence and room tone are not.
    """
    if len(activity.level_db) == 0 or float(np.median(activity.level_db)) < steady_dbfs or duration_ms == 0:
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
    """Needs no model hub and no torch. Other sound is not classified further: it is `source_ambiguous`."""

    kind: Literal["embedded"] = "embedded"
    speech: Thresholds = Field(
        default=Thresholds(enter=0.6, stay=0.4, bridge_ms=224, shortest_ms=128), description="when speech sounds"
    )
    music: Thresholds = Field(
        default=Thresholds(enter=0.7, stay=0.3, bridge_ms=320, shortest_ms=320), description="when music sounds"
    )
    sound: Thresholds = Field(
        default=Thresholds(enter=0.45, stay=0.25, bridge_ms=224, shortest_ms=64), description="when other sound does"
    )

    masked_ms: int = Field(
        default=12_000, ge=0, description="music masked by louder sounds continues if they last no longer than this"
    )

    steady_dbfs: float = Field(
        default=-45.0,
        description="a recording without any other event is one steady sound if its median level is over this; "
        "for noise this level is about 5 dB above the RMS level",
    )

    requires: ClassVar[tuple[str, ...]] = ("onnxruntime", "scipy")
    remedy: ClassVar[str] = "pip install onnxruntime scipy"
    carries: ClassVar[tuple[str, ...]] = (f"detection/weights/{SILERO_FILE}", f"detection/weights/{EVENT_NET_FILE}")
    licence: ClassVar[str] = "MIT AND CC-BY-SA-4.0"

    @property
    def model(self) -> str:
        return "silero-vad-16k 6.2.3 and event-net 2"

    @property
    def revision(self) -> str:
        return f"{SILERO_SHA256[:16]}-{EVENT_NET_SHA256[:16]}-2"

    def load(self) -> Detector:
        self.check_available()
        silero = open_session(carried_weights(SILERO_FILE), SILERO_SHA256)
        return EmbeddedDetector(silero, open_session(carried_weights(EVENT_NET_FILE), EVENT_NET_SHA256), self)
