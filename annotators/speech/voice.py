"""How the speech of a segment sounds, by signal analysis: `voice`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Annotator, Backend, Clip, Samples
from soundseam.annotators.speech.pitch import FRAME_MS, RATE_HZ, PitchTrack, track_pitch
from soundseam.annotators.speech.transcripts import gaps_between, sample_mask, speech_stretches
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts, Voice
from soundseam.schemas.timespan import TimeSpan, covered_ms, union_spans

_WINDOW_MS = 64
"""Praat's intensity at a minimum pitch of 50 Hz, as in their script."""
_BELOW_LOUDEST_DB = 25.0
_LEAST_DIP_DB = 2.0


def count_nuclei(samples: Samples, in_speech: NDArray[np.bool_], voiced: NDArray[np.bool_]) -> int:
    """Nuclei in the frames of 16 kHz mono `samples` that are `in_speech`; both masks as in `track_pitch`.

    A nucleus is a voiced peak of the level, at most 25 dB under the loudest (the 99th percentile), after a dip of at
    least 2 dB.
    """
    if not in_speech.any():
        return 0
    from scipy.signal import find_peaks

    level_db = np.where(in_speech, _level_db(samples, len(in_speech)), -200.0)
    loudest = float(np.percentile(level_db[in_speech], 99))
    peaks, _ = find_peaks(level_db, height=loudest - _BELOW_LOUDEST_DB, prominence=_LEAST_DIP_DB)
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
_PAUSE_DB = 25.0
"""A pause lies this much under the speech's 99th percentile of level (de Jong and Wempe, 2009)."""
_LEVEL_FRAME_MS = 10
_GUARD_MS = 100
"""Left out on either side of an event where the background is measured: its edges are not exact."""
_LEAST_BACKGROUND_MS = 200
_BACKGROUND_FRAME_MS = 20
_LEAST_SNR = 0.1
"""Speech further down is not told from the background: a ratio of power."""
_LEAST_SPEECH_FOR_RATE_MS = 1000
_LEAST_VOICED_FRAMES = 10
_QUANTISATION = 1.0 / (12 * 32768**2)
"""Power of the rounding error of 16-bit samples: nothing recorded is quieter."""


class VoiceMeasures(Backend[SpeechFacts]):
    """Pitch, level, signal-to-noise ratio, syllable rate and pauses of what the detectors call speech."""

    kind: Literal["voice"] = "voice"

    branch: ClassVar[Branch] = Branch.SPEECH
    requires: ClassVar[tuple[str, ...]] = ("librosa",)
    remedy: ClassVar[str] = "pip install librosa"
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "yin-and-syllable-nuclei"

    @property
    def revision(self) -> str:
        return "2"

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        return VoiceAnnotator()


class VoiceAnnotator:
    """The annotator of `VoiceMeasures`."""

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [SpeechFacts(voice=measure_voice(clip)) for clip in clips]


def measure_voice(clip: Clip) -> Voice:
    """The voice of a 16 kHz mono clip. A constant offset is taken off before anything is measured."""
    stretches = speech_stretches(clip.segment)
    samples = clip.samples - clip.samples.mean() if len(clip.samples) else clip.samples
    mask = sample_mask(clip, stretches)
    power = np.square(samples, dtype=np.float64)
    speech_power = float(power[mask].mean()) if mask.any() else 0.0
    track = track_pitch(samples)
    in_speech = _frames_inside(len(track.voiced), clip.segment, stretches)
    low, median, high = _pitch_percentiles(track, in_speech)
    pauses = _pauses_ms(power, mask, clip.sample_rate_hz)
    return Voice(
        speech_ms=covered_ms(stretches),
        pitch_median_hz=median,
        pitch_low_hz=low,
        pitch_high_hz=high,
        voiced_share=round(float(track.voiced[in_speech].mean()), 3) if in_speech.any() else 0.0,
        level_dbfs=_decibels(speech_power),
        snr_db=_snr_db(speech_power, power[sample_mask(clip, _background(clip.segment))], clip.sample_rate_hz),
        syllable_rate_hz=_syllable_rate(samples, track, stretches, clip.segment),
        pause_count=len(pauses),
        pause_ms=sum(pauses),
        longest_pause_ms=max(pauses, default=0),
    )


def _pauses_ms(power: NDArray[np.float64], in_speech: NDArray[np.bool_], sample_rate_hz: int) -> list[int]:
    """Lengths of the pauses between the first and the last sound of the speech, in order.

    Detectors bridge short pauses, so a pause is also what is quiet inside an event of speech. Background noise less
    than 25 dB under the speech hides those: the count is a lower bound.
    """
    frame = sample_rate_hz * _LEVEL_FRAME_MS // 1000
    count = len(power) // frame
    level = power[: count * frame].reshape(count, frame).mean(axis=1)
    speech = in_speech[: count * frame].reshape(count, frame).any(axis=1)
    if not speech.any():
        return []
    loud = speech & (level > np.percentile(level[speech], 99) * 10 ** (-_PAUSE_DB / 10))
    if not loud.any():
        return []
    gaps_ms = (np.diff(np.flatnonzero(loud)) - 1) * _LEVEL_FRAME_MS
    return [int(gap_ms) for gap_ms in gaps_ms if gap_ms >= PAUSE_MS]


def _pitch_percentiles(
    track: PitchTrack, in_speech: NDArray[np.bool_]
) -> tuple[float | None, float | None, float | None]:
    pitches = track.f0_hz[track.voiced & in_speech]
    if len(pitches) < _LEAST_VOICED_FRAMES:
        return None, None, None
    low, median, high = (round(float(pitch), 1) for pitch in np.percentile(pitches, [10, 50, 90]))
    return low, median, high


def _frames_inside(num_frames: int, segment: Segment, stretches: Sequence[TimeSpan]) -> NDArray[np.bool_]:
    """True for the frames whose middle, at a multiple of FRAME_MS, lies in one of `stretches`."""
    times = segment.start_ms + FRAME_MS * np.arange(num_frames)
    inside = np.zeros(num_frames, dtype=np.bool_)
    for span in stretches:
        inside |= (times >= span.start_ms) & (times < span.end_ms)
    return inside


def _background(segment: Segment) -> tuple[TimeSpan, ...]:
    """The segment's time without any event, a guard off its edges; beds are background like any noise."""
    events = union_spans(
        TimeSpan(event.onset_ms - _GUARD_MS, event.offset_ms + _GUARD_MS)
        for event in segment.events
        if not event.is_bed
    )
    edges = (TimeSpan(segment.start_ms, segment.start_ms), *events, TimeSpan(segment.end_ms, segment.end_ms))
    return tuple(gap.intersection(segment.span) for gap in gaps_between(edges) if gap.duration_ms > 0)


def _snr_db(speech_power: float, background: NDArray[np.float64], sample_rate_hz: int) -> float | None:
    """Speech alone over the background: what was measured as speech holds the background too.

    The background is the median over 20 ms frames: a syllable that the detector missed does not count as noise.
    """
    frame = sample_rate_hz * _BACKGROUND_FRAME_MS // 1000
    frames = background[: len(background) // frame * frame].reshape(-1, frame)
    if len(frames) * _BACKGROUND_FRAME_MS < _LEAST_BACKGROUND_MS:
        return None
    noise = max(float(np.median(frames.mean(axis=1))), _QUANTISATION)
    if speech_power <= noise:
        return None  # what lies between is louder: the detector took something else, or speech, for background
    return _decibels(max((speech_power - noise) / noise, _LEAST_SNR))


def _syllable_rate(
    samples: NDArray[np.float32], track: PitchTrack, stretches: Sequence[TimeSpan], segment: Segment
) -> float | None:
    speech_ms = covered_ms(stretches)
    if speech_ms < _LEAST_SPEECH_FOR_RATE_MS:
        return None
    in_speech = _frames_inside(len(track.voiced), segment, stretches)
    return round(1000 * count_nuclei(samples, in_speech, track.voiced) / speech_ms, 2)


def _decibels(power_ratio: float) -> float | None:
    return round(10 * float(np.log10(power_ratio)), 2) + 0.0 if power_ratio > 0 else None
