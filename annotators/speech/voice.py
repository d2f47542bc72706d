"""Voice measurements of a segment's speech, by signal analysis: `voice`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Annotator, Backend, Clip, Samples
from soundseam.annotators.onnx import Session
from soundseam.annotators.speech.pitch import (
    FRAME_MS,
    RATE_HZ,
    SWIFT_F0_FILE,
    SWIFT_F0_SHA256,
    PitchTrack,
    load_tracker,
    num_frames,
    track_pitch,
)
from soundseam.annotators.speech.transcripts import gaps_between, sample_mask, speech_stretches
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts, Voice
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

_WINDOW_MS = 64
"""Praat's intensity at a minimum pitch of 50 Hz, as in their script."""
_BELOW_LOUDEST_DB = 25.0
_MIN_DIP_DB = 2.0


def count_nuclei(samples: Samples, in_speech: NDArray[np.bool_], voiced: NDArray[np.bool_]) -> int:
    """Nuclei in the frames of 16 kHz mono `samples` that are `in_speech`; both masks as in `track_pitch`.

    A nucleus is a voiced peak of the level, at most 25 dB below the loudest (the 99th percentile), after a dip of at
    least 2 dB.
    """
    if not in_speech.any():
        return 0
    from scipy.signal import find_peaks

    level_db = np.where(in_speech, _level_db(samples, len(in_speech)), -200.0)
    loudest = float(np.percentile(level_db[in_speech], 99))
    peaks, _ = find_peaks(level_db, height=loudest - _BELOW_LOUDEST_DB, prominence=_MIN_DIP_DB)
    return int(np.count_nonzero(voiced[peaks]))


def _level_db(samples: Samples, num_frames: int) -> NDArray[np.float64]:
    """Level of each frame under a Gaussian-like window centred on it: (num_frames,)."""
    from scipy.signal import fftconvolve

    window = np.kaiser(RATE_HZ * _WINDOW_MS // 1000, 20.0)
    power = np.square(samples, dtype=np.float64)
    smooth = fftconvolve(power, window / window.sum(), mode="same")
    hop = RATE_HZ * FRAME_MS // 1000
    at_frames = np.minimum(np.arange(num_frames) * hop, max(0, len(samples) - 1))
    level: NDArray[np.float64] = 10 * np.log10(np.maximum(smooth[at_frames], 1e-14))
    return level


PAUSE_MS = 250
"""A shorter silence may be the closure of a stop consonant (Goldman-Eisler, 1968)."""
_OVER_BACKGROUND_DB = 3.0
"""In a pause the level is at most this far over the background: a quieter second talker is not a pause."""
_INAUDIBLE_DB = 45.0
"""Levels this far below the loud parts are inaudible, however quiet the background is."""
_FLOOR_PERCENTILE = 5.0
_LEVEL_FRAME_MS, _LEVEL_WINDOW_MS = 10, 50
_RUMBLE_HZ = 150.0
"""High-pass frequency for finding pauses: the level below it fluctuates most."""
_VOICE_MIN_DIP_DB, _HIDDEN_DB = 12.0, 6.0
"""Clean speech dips this far between its syllables. If it does not, and the level between events is even lower by more
than the second figure, another sound is present during the speech, and that is its background.
"""
_REACHED_DB = 6.0
"""The level from the first to the last speech falls this close to the background, unless another sound, such as other
voices, is present for as long as the speech is.
"""
_PAUSING_PERCENTILE, _SPEAKING_PERCENTILE = 5.0, 15.0
"""The share of that time, in percent, in which it does: with background between the speech, and with none. Measured on
babble: voices all fall silent together for less.
"""
_GUARD_MS = 100
"""Margin on either side of an event that is excluded from the background: edges are not exact."""
_MIN_BACKGROUND_MS = 200
_BACKGROUND_FRAME_MS = 20
_MIN_SNR = 0.1
"""Minimum power ratio at which speech is distinguished from the background."""
_MIN_SPEECH_FOR_RATE_MS = 1000
_MIN_VOICED_FRAMES = 10
_QUANTISATION = 1.0 / (12 * 32768**2)
"""Power of the rounding error of 16-bit samples: no recording is quieter."""


class VoiceMeasures(Backend[SpeechFacts]):
    """Pitch, level, signal-to-noise ratio, syllable rate and pauses of the detected speech."""

    kind: Literal["voice"] = "voice"

    branch: ClassVar[Branch] = Branch.SPEECH
    requires: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    remedy: ClassVar[str] = "pip install onnxruntime"
    carries: ClassVar[tuple[str, ...]] = (f"detection/weights/{SWIFT_F0_FILE}",)
    licence: ClassVar[str] = "MIT"

    @property
    def model(self) -> str:
        return "swift-f0-and-syllable-nuclei"

    @property
    def revision(self) -> str:
        return f"5-{SWIFT_F0_SHA256[:8]}"

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        return VoiceAnnotator(load_tracker())


class VoiceAnnotator:
    """The annotator of `VoiceMeasures`."""

    def __init__(self, tracker: Session) -> None:
        self._tracker = tracker

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [SpeechFacts(voice=measure_voice(clip, self._tracker)) for clip in clips]


def measure_voice(clip: Clip, tracker: Session) -> Voice:
    """The voice of a 16 kHz mono clip. A constant offset is removed before anything is measured.

    `tracker` is what `load_tracker` returns.
    """
    stretches = speech_stretches(clip.segment)
    samples = clip.samples - clip.samples.mean() if len(clip.samples) else clip.samples
    mask = sample_mask(clip, stretches)
    power = np.square(samples, dtype=np.float64)
    speech_power = float(power[mask].mean()) if mask.any() else 0.0
    in_speech = _frames_inside(num_frames(samples), clip.segment, stretches)
    track = track_pitch(samples, tracker, in_speech)
    low, median, high = _pitch_percentiles(track, in_speech)
    pauses = _pauses_ms(samples, mask, clip.sample_rate_hz)
    return Voice(
        speech_ms=covered_ms(stretches),
        pitch_median_hz=median,
        pitch_low_hz=low,
        pitch_high_hz=high,
        voiced_share=round(float(track.voiced[in_speech].mean()), 3) if in_speech.any() else 0.0,
        level_dbfs=_decibels(speech_power),
        snr_db=_snr_db(power, mask, sample_mask(clip, _background(clip.segment)), clip.sample_rate_hz),
        syllable_rate_hz=_syllable_rate(samples, track, stretches, clip.segment),
        pause_count=len(pauses),
        pause_ms=sum(pauses),
        longest_pause_ms=max(pauses, default=0),
    )


def _smooth_level(power: NDArray[np.float64], sample_rate_hz: int) -> NDArray[np.float64]:
    """Mean power of the 50 ms around each frame of 10 ms: (num_frames,)."""
    hop, reach = sample_rate_hz * _LEVEL_FRAME_MS // 1000, sample_rate_hz * _LEVEL_WINDOW_MS // 2000
    sums = np.concatenate([[0.0], np.cumsum(power)])
    centres = hop * np.arange(len(power) // hop) + hop // 2
    first, last = np.maximum(centres - reach, 0), np.minimum(centres + reach, len(power))
    level: NDArray[np.float64] = (sums[last] - sums[first]) / np.maximum(last - first, 1)
    return level


def _frame_mask(samples: NDArray[np.bool_], sample_rate_hz: int) -> NDArray[np.bool_]:
    """True for the frames of 10 ms with any of the samples: (num_frames,)."""
    hop = sample_rate_hz * _LEVEL_FRAME_MS // 1000
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    return np.asarray(np.any(frames, axis=1), dtype=np.bool_)


def _pauses_ms(samples: Samples, in_speech: NDArray[np.bool_], sample_rate_hz: int) -> list[int]:
    """Lengths of the pauses between the beginning and the end of the speech, in order.

    Detectors bridge short pauses, so a fall to the background inside a speech event is also a pause. The background is
    the lowest level of the clip. Pauses during other sounds are missed, so the count is a lower bound; the time between
    talkers of different levels is not a pause.
    """
    speech = _frame_mask(in_speech, sample_rate_hz)
    if not speech.any():
        return []
    from scipy.signal import butter, sosfilt

    clear = sosfilt(butter(2, _RUMBLE_HZ, "highpass", fs=sample_rate_hz, output="sos"), samples)
    level = _smooth_level(np.square(clear), sample_rate_hz)
    background = max(float(np.percentile(level, _FLOOR_PERCENTILE)), _QUANTISATION)
    loudest = float(np.percentile(level[speech], 99))
    quiet = max(background * 10 ** (_OVER_BACKGROUND_DB / 10), loudest * 10 ** (-_INAUDIBLE_DB / 10))
    # With a background so close to the speech, the level shows no pauses, and only the events count.
    if quiet < loudest * 10 ** (-_VOICE_MIN_DIP_DB / 10):
        # The window extends from the sound on either side into a pause.
        reach = _LEVEL_WINDOW_MS // 2 // _LEVEL_FRAME_MS
        speech = speech & ~np.convolve(speech & (level <= quiet), np.ones(2 * reach + 1), mode="same").astype(bool)
    gaps_ms = (np.diff(np.flatnonzero(speech)) - 1) * _LEVEL_FRAME_MS
    return [int(gap_ms) for gap_ms in gaps_ms if gap_ms >= PAUSE_MS]


def _pitch_percentiles(
    track: PitchTrack, in_speech: NDArray[np.bool_]
) -> tuple[float | None, float | None, float | None]:
    pitches = track.f0_hz[track.voiced & in_speech]
    if len(pitches) < _MIN_VOICED_FRAMES:
        return None, None, None
    low, median, high = (round(float(pitch), 1) for pitch in np.percentile(pitches, [10, 50, 90]))
    return low, median, high


def _frames_inside(num_frames: int, segment: Segment, stretches: Sequence[TimeSpan]) -> NDArray[np.bool_]:
    """True for the frames whose centre, at a multiple of FRAME_MS, is in one of `stretches`."""
    times = segment.start_ms + FRAME_MS * np.arange(num_frames)
    inside = np.zeros(num_frames, dtype=np.bool_)
    for span in stretches:
        inside |= (times >= span.start_ms) & (times < span.end_ms)
    return inside


def _background(segment: Segment) -> tuple[TimeSpan, ...]:
    """The segment's time without any event, except for a guard around events; beds count as background."""
    events = union_spans(
        TimeSpan(event.onset_ms - _GUARD_MS, event.offset_ms + _GUARD_MS)
        for event in segment.events
        if not event.is_bed
    )
    edges = (TimeSpan(segment.start_ms, segment.start_ms), *events, TimeSpan(segment.end_ms, segment.end_ms))
    return tuple(gap.intersection(segment.span) for gap in gaps_between(edges) if gap.duration_ms > 0)


def _snr_db(
    power: NDArray[np.float64], speech: NDArray[np.bool_], background: NDArray[np.bool_], sample_rate_hz: int
) -> float | None:
    """Level of the speech over the background, whose power is subtracted from that measured as speech.

    The background is the median over 20 ms frames, so that a syllable missed by the detector does not count as noise.
    None if there is no background to measure, or if another sound, such as babble, occurs only during the speech.
    """
    frame = sample_rate_hz * _BACKGROUND_FRAME_MS // 1000
    apart = power[background]
    frames = apart[: len(apart) // frame * frame].reshape(-1, frame)
    if len(frames) * _BACKGROUND_FRAME_MS < _MIN_BACKGROUND_MS or not speech.any():
        return None
    noise, speech_power = max(float(np.median(frames.mean(axis=1))), _QUANTISATION), float(power[speech].mean())
    if speech_power <= noise:
        return None  # the time between is louder: the detector mistook something for speech, or speech for background
    level, spoken = _smooth_level(power, sample_rate_hz), _frame_mask(speech, sample_rate_hz)
    dip = float(np.percentile(level[spoken], _FLOOR_PERCENTILE))
    if dip > speech_power * 10 ** (-_VOICE_MIN_DIP_DB / 10) and dip > noise * 10 ** (_HIDDEN_DB / 10):
        return None
    if _floor_of(level, spoken, _frame_mask(background, sample_rate_hz)) > noise * 10 ** (_REACHED_DB / 10):
        return None
    return _decibels(max((speech_power - noise) / noise, _MIN_SNR))


def _floor_of(level: NDArray[np.float64], speech: NDArray[np.bool_], background: NDArray[np.bool_]) -> float:
    """How quiet it gets from the first to the last frame of speech; all arrays have one row per frame of 10 ms."""
    frames = np.flatnonzero(speech)
    whole = slice(frames[0], frames[-1] + 1)
    between_ms = _LEVEL_FRAME_MS * int(np.count_nonzero(background[whole]))
    share = _PAUSING_PERCENTILE if between_ms >= _MIN_BACKGROUND_MS else _SPEAKING_PERCENTILE
    return float(np.percentile(level[whole], share))


def _syllable_rate(
    samples: NDArray[np.float32], track: PitchTrack, stretches: Sequence[TimeSpan], segment: Segment
) -> float | None:
    speech_ms = covered_ms(stretches)
    if speech_ms < _MIN_SPEECH_FOR_RATE_MS:
        return None
    in_speech = _frames_inside(len(track.voiced), segment, stretches)
    return round(1000 * count_nuclei(samples, in_speech, track.voiced) / speech_ms, 2)


def _decibels(power_ratio: float) -> float | None:
    return round(10 * float(np.log10(power_ratio)), 2) + 0.0 if power_ratio > 0 else None
