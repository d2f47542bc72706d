"""Notes by Spotify's Basic Pitch, from its ONNX file and without TensorFlow: `basic_pitch`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, BackendUnavailableError, Clip, checked_samples
from soundseam.annotators.detection.tagging import file_revision
from soundseam.annotators.music.spectra import RATE_HZ, Array
from soundseam.annotators.onnx import Floats, Session, open_session
from soundseam.schemas.event import Branch
from soundseam.schemas.music import MusicFacts, Note
from soundseam.schemas.record import Record

FRAME_SAMPLES = 256
LOWEST_MIDI = 21
"""A0, the lowest of 88 keys."""


class NoteLimits(Record):
    """The defaults are those of Basic Pitch."""

    onset: float = Field(default=0.5, gt=0.0, lt=1.0, description="onset activity at which a note begins")
    activity: float = Field(default=0.3, gt=0.0, lt=1.0, description="activity below which a note ends")
    gap_frames: int = Field(
        default=11, ge=0, description="number of frames of 11.6 ms below it that do not yet end a note"
    )
    shortest_frames: int = Field(default=11, ge=1, description="notes of fewer frames are left out")


def find_notes(activity: Array, onsets: Array, limits: NoteLimits) -> list[tuple[int, int, int, float]]:
    """(first frame, frame after the last, key from A0, mean activity) of each note, in order.

    `activity` and `onsets` are (num_frames, num_keys) in [0, 1].
    """
    before = np.pad(onsets, ((1, 0), (0, 0)))[:-1]
    after = np.pad(onsets, ((0, 1), (0, 0)))[1:]
    begins = (onsets >= limits.onset) & (onsets >= before) & (onsets > after)
    found = []
    for key in np.flatnonzero(begins.any(axis=0)):
        starts = np.flatnonzero(begins[:, key])
        bounds = np.append(starts[1:], len(activity))
        for start, bound in zip(starts, bounds, strict=True):
            stop = _last_active(activity[start:bound, key], limits) + int(start)
            if stop - start >= limits.shortest_frames:
                strength = float(np.clip(activity[start:stop, key].mean(), 0, 1))
                found.append((int(start), stop, int(key), strength))
    return sorted(found)


def _last_active(activity: Array, limits: NoteLimits) -> int:
    """Frames until the activity has been low for longer than the gap allowed."""
    active = np.flatnonzero(activity >= limits.activity)
    if not active.size:
        return 0
    breaks = np.flatnonzero(np.diff(active, prepend=-1) > limits.gap_frames + 1)
    last = active[breaks[0] - 1] if breaks.size and breaks[0] > 0 else (-1 if breaks.size else active[-1])
    return int(last) + 1


WINDOW = 43_844
"""Samples of the model's input; it returns 172 frames of 256 samples."""
_EDGE = 15
"""Frames at each end without enough context, as in its own inference."""
_INNER_FRAMES = 141
_BATCH = 8
_NOTES, _ONSETS = "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"


class BasicPitch(Backend[MusicFacts]):
    """Every note with its pitch and times, of any instrument (Bittner et al., ICASSP 2022)."""

    kind: Literal["basic_pitch"] = "basic_pitch"
    weights: str = Field(
        alias="path",
        default="nmp.onnx",
        description="the model, from `pip download --no-deps basic-pitch`: basic_pitch/saved_models/icassp_2022",
    )
    limits: NoteLimits = Field(default=NoteLimits(), description="what counts as a note")

    branch: ClassVar[Branch] = Branch.MUSIC
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "basic-pitch-icassp-2022"

    @property
    def revision(self) -> str:
        return file_revision(Path(self.weights))

    def check_available(self) -> None:
        super().check_available()
        if not Path(self.weights).is_file():
            raise BackendUnavailableError(
                f"{self.backend}: {self.weights} is missing; take nmp.onnx out of `pip download --no-deps basic-pitch` "
                "and set weights to it"
            )

    def load(self) -> Annotator[MusicFacts]:
        self.check_available()
        return BasicPitchAnnotator(open_session(Path(self.weights)), self.limits)


class BasicPitchAnnotator:
    """The annotator of `BasicPitch`."""

    def __init__(self, session: Session, limits: NoteLimits) -> None:
        self._session = session
        self._limits = limits

    def annotate(self, clips: Sequence[Clip]) -> Sequence[MusicFacts]:
        return [self._transcribe(clip) for clip in clips]

    def _transcribe(self, clip: Clip) -> MusicFacts:
        activity, onsets = self._frames(checked_samples(clip.samples))
        start_ms, frame_ms = clip.segment.start_ms, 1000 * FRAME_SAMPLES / RATE_HZ
        notes = (
            Note(
                pitch=LOWEST_MIDI + key,
                start_ms=start_ms + round(first * frame_ms),
                end_ms=min(clip.segment.end_ms, start_ms + round(stop * frame_ms)),
                confidence=round(strength, 3),
            )
            for first, stop, key, strength in find_notes(activity, onsets, self._limits)
        )
        return MusicFacts(notes=tuple(note for note in notes if note.end_ms > note.start_ms))

    def _frames(self, samples: Floats) -> tuple[Floats, Floats]:
        """Note and onset activity (num_frames, 88) in [0, 1]; frame i is at `i * FRAME_SAMPLES`.

        Windows advance by a whole number of frames, so frames of all windows lie on one grid.
        """
        wanted = 1 + samples.size // FRAME_SAMPLES
        count = -(-wanted // _INNER_FRAMES)
        step, lead = _INNER_FRAMES * FRAME_SAMPLES, _EDGE * FRAME_SAMPLES
        padded = np.zeros(lead + (count - 1) * step + WINDOW, dtype=np.float32)
        padded[lead : lead + samples.size] = samples
        windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::step]
        name = self._session.get_inputs()[0].name
        parts = [
            self._session.run([_NOTES, _ONSETS], {name: np.ascontiguousarray(windows[i : i + _BATCH, :, None])})
            for i in range(0, count, _BATCH)
        ]
        notes, onsets = (
            np.concatenate([part[kind][:, _EDGE : _EDGE + _INNER_FRAMES] for part in parts]).reshape(-1, 88)[:wanted]
            for kind in (0, 1)
        )
        return notes, onsets
