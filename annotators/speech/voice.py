"""How the speech of a segment sounds, by signal analysis: `voice`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from annotators.base import Annotator, Backend, Clip
from annotators.speech.pitch import FRAME_MS, PitchTrack, track_pitch
from annotators.speech.stretches import gaps_between, sample_mask, speech_stretches
from annotators.speech.syllables import count_nuclei
from schemas.event import Branch
from schemas.segment import Segment
from schemas.speech import SpeechFacts, Voice
from schemas.timespan import TimeSpan, covered_ms, union_spans

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
