"""The pitch of speech, frame by frame, by SwiftF0: a small network with a confidence per frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.annotators.onnx import Session, carried_weights, open_session

RATE_HZ = 16_000
FRAME_MS = 10
LOWEST_HZ, HIGHEST_HZ = 70.0, 400.0
"""The range of adults' and most children's speech; outside it a period is hum, a whistle or an error."""
SWIFT_F0_FILE = "swift_f0.onnx"
SWIFT_F0_SHA256 = "6385e8c2ebc3872e82c9ff5946228de44cd3be77a750ea53698b7dbfe94b0a22"
_SEARCH_HZ = (50.0, 500.0)
"""Wider than the range of results, so that hum at 50 or 60 Hz is found as such and not as its double."""
_HOP = 256
"""Samples between frames of the network."""
_WINDOW_FRAMES, _LEFT_FRAMES, _RIGHT_FRAMES = 1875, 11, 10
"""30 s at once; a frame depends on this many before and after it, so that windows give the same result as the whole."""
_LEVEL_MS = 60
_SURE = 0.5
"""The authors' minimum confidence of a voiced frame."""
_SILENT_PEAK = 1e-3
"""From the authors: the network was not trained on digital silence, and its output for it is random."""
_LOUD = 0.1
"""The target level of samples: the network was not trained on very faint speech."""
_MIN_LEVEL_DB = 30.0
_PLAUSIBLE = (0.75, 1.5)


@dataclass(frozen=True)
class PitchTrack:
    """`f0_hz` and `voiced`, (num_frames,): frame i is centred on i * FRAME_MS. `f0_hz` is only valid where `voiced`."""

    f0_hz: NDArray[np.float64]
    voiced: NDArray[np.bool_]


def load_tracker() -> Session:
    """SwiftF0, for `track_pitch`. Raises BackendUnavailableError if its weights are damaged."""
    return open_session(carried_weights(SWIFT_F0_FILE), SWIFT_F0_SHA256)


def track_pitch(samples: Samples, session: Session, wanted: NDArray[np.bool_] | None = None) -> PitchTrack:
    """The pitch of 16 kHz mono `samples` (num_samples,), in the frames `wanted` (num_frames,), by default all.

    A frame is voiced if the network is sure, it is less than 30 dB below the loud frames, and its pitch is from 70 to
    400 Hz and from 0.75 of the first to 1.5 of the third quartile of all such pitches (De Looze and Hirst, 2008).
    On prompts resynthesised by WORLD, so that their pitch is known, at 0.45 to 1.6 times it,
    at most 0.1 % of the voiced frames of clean speech are more than 20 % off (YIN: 0.7 % at 0.45),
    and 0.5 to 8 % under babble 10 dB below the speech.
    """
    count = num_frames(samples)
    wanted = np.ones(count, dtype=np.bool_) if wanted is None else wanted
    if len(samples) < _HOP or not np.any(samples):
        return PitchTrack(np.zeros(count), np.zeros(count, dtype=np.bool_))
    f0_hz, confidence = _frames(samples, session, wanted)
    level_db = _level_db(samples, count)
    voiced = (
        wanted
        & (confidence >= _SURE)
        & (level_db > np.quantile(level_db, 0.95) - _MIN_LEVEL_DB)
        & (f0_hz >= LOWEST_HZ)
        & (f0_hz <= HIGHEST_HZ)
    )
    return PitchTrack(f0_hz, voiced & _plausible(f0_hz, voiced))


def num_frames(samples: Samples) -> int:
    """The number of frames of a pitch track of 16 kHz mono `samples`."""
    return len(samples) // (RATE_HZ * FRAME_MS // 1000) + 1


def _frames(
    samples: Samples, session: Session, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pitch in Hz and confidence in [0, 1] of each frame of FRAME_MS: of the network's frame nearest to it.

    Both are 0 in frames that are not `wanted`, except between two of them with less than the network's context between.
    """
    loud = _brought_up(samples)
    total = max(1, len(loud) // _HOP)
    nearest = np.rint(np.arange(len(wanted)) * (FRAME_MS * RATE_HZ / 1000 / _HOP)).astype(np.intp)
    nearest = np.minimum(nearest, total - 1)
    found = np.zeros((2, total))
    for first, last in _runs(np.unique(nearest[wanted])):
        for start in range(first, last, _WINDOW_FRAMES):
            end = min(start + _WINDOW_FRAMES, last)
            found[:, start:end] = _window(loud, start, end, session)
    pitch, confidence = found
    return pitch[nearest], confidence[nearest]


def _runs(frames: NDArray[np.intp]) -> list[tuple[int, int]]:
    """First and last + 1 of each run of ascending `frames`; gaps that the context would fill anyway are in a run."""
    if not len(frames):
        return []
    gaps = np.flatnonzero(np.diff(frames) > _LEFT_FRAMES + _RIGHT_FRAMES)
    firsts, lasts = [0, *(gaps + 1)], [*gaps, len(frames) - 1]
    return [(int(frames[first]), int(frames[last]) + 1) for first, last in zip(firsts, lasts, strict=True)]


def _window(samples: Samples, first: int, last: int, session: Session) -> NDArray[np.float64]:
    """Pitch and confidence (2, num_frames) of the network's frames from `first` to before `last`."""
    begin = max(0, first - _LEFT_FRAMES)
    context = samples[begin * _HOP : (last + _RIGHT_FRAMES) * _HOP]
    limits = {name: np.array(hz, dtype=np.float32) for name, hz in zip(("fmin", "fmax"), _SEARCH_HZ, strict=True)}
    answers = session.run(["pitch", "confidence"], {"audio": context[None], **limits})
    found = np.array([answer[0] for answer in answers], dtype=np.float64)[:, first - begin : last - begin]
    peaks = np.abs(samples[first * _HOP : last * _HOP]).reshape(-1, _HOP).max(axis=1)
    found[1, : len(peaks)][peaks < _SILENT_PEAK] = 0.0
    return found


def _brought_up(samples: Samples) -> Samples:
    """The samples, amplified to -20 dBFS in their loudest 20 ms if they are fainter."""
    frame = RATE_HZ // 50
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    loudest = float(np.sqrt(np.square(frames).mean(axis=1).max(initial=0.0))) or float(np.abs(samples).max())
    gain = np.float32(max(1.0, _LOUD / loudest))
    brought: Samples = (samples * gain).astype(np.float32)
    return brought


def _level_db(samples: Samples, count: int) -> NDArray[np.float64]:
    """Level of the 60 ms around each frame's centre: (count,)."""
    reach = RATE_HZ * _LEVEL_MS // 2000
    sums = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    centres = np.arange(count) * (RATE_HZ * FRAME_MS // 1000)
    first, last = np.clip(centres - reach, 0, len(samples)), np.clip(centres + reach, 0, len(samples))
    level: NDArray[np.float64] = 10 * np.log10((sums[last] - sums[first]) / (2 * reach) + 1e-12)
    return level


def _plausible(f0_hz: NDArray[np.float64], voiced: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not voiced.any():
        return voiced
    first, third = np.percentile(f0_hz[voiced], [25, 75])
    plausible: NDArray[np.bool_] = (f0_hz >= _PLAUSIBLE[0] * first) & (f0_hz <= _PLAUSIBLE[1] * third)
    return plausible
