"""Tempo, beats, bars, chords, key, loudness and colour by signal analysis: `mir`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from annotators.base import Annotator, Backend, Clip
from annotators.music.bars import Bars, find_bars
from annotators.music.chords import NO_CHORD, ChordPath, find_chords, merged
from annotators.music.chroma import measure_chroma
from annotators.music.key import PITCH_CLASSES, find_key
from annotators.music.loudness import LoudnessMeter, load_meter, measure_dynamics
from annotators.music.onsets import onset_frames, onset_strength
from annotators.music.pulse import Pulse, find_pulse
from annotators.music.spectra import FRAME_MS, RATE_HZ, measure_spectra
from annotators.music.timbre import measure_timbre
from annotators.music.weights import weights_key
from schemas.event import Branch, EventClass
from schemas.music import Chord, MusicFacts, Rhythm, Tonality
from schemas.segment import Segment


class Mir(Backend[MusicFacts]):
    """Music information retrieval without a model: what numpy can tell of a clip."""

    kind: Literal["mir"] = "mir"

    branch: ClassVar[Branch] = Branch.MUSIC
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    requires: ClassVar[tuple[str, ...]] = ("pyloudnorm",)
    remedy: ClassVar[str] = "pip install pyloudnorm"
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "music-measures"

    @property
    def revision(self) -> str:
        return f"3-{weights_key()}"

    def load(self) -> Annotator[MusicFacts]:
        self.check_available()
        return MirAnnotator(load_meter())


class MirAnnotator:
    """The annotator of `Mir`."""

    def __init__(self, meter: LoudnessMeter) -> None:
        self._meter = meter

    def annotate(self, clips: Sequence[Clip]) -> Sequence[MusicFacts]:
        return [self._measure(clip) for clip in clips]

    def _measure(self, clip: Clip) -> MusicFacts:
        spectra = measure_spectra(clip.samples)
        chroma = measure_chroma(spectra.slow)
        onsets = onset_strength(spectra.fast)
        pulse = find_pulse(onsets, chroma.harmony)
        bars = None if pulse is None else find_bars(pulse.beats, onsets, chroma.harmony)
        chords = find_chords(chroma, None if pulse is None else pulse.beats, spectra.duration_ms)
        onset_rate_hz = len(onset_frames(onsets.full)) / max(spectra.duration_ms / 1000, 0.1)
        return MusicFacts(
            rhythm=_rhythm(pulse, bars, onset_rate_hz, clip.segment.start_ms),
            tonality=_tonality(chords, chroma.tuning_cents),
            dynamics=measure_dynamics(spectra.samples, self._meter),
            timbre=measure_timbre(spectra.fast),
            chords=_chords(chords, clip.segment.start_ms),
            voice_share=_voice_share(clip.segment),
        )


def _rhythm(pulse: Pulse | None, bars: Bars | None, onset_rate_hz: float, start_ms: int) -> Rhythm:
    if pulse is None:
        return Rhythm(tempo_bpm=None, tempo_confidence=0.0, beats_ms=(), onset_rate_hz=round(onset_rate_hz, 2))
    beats = tuple(start_ms + round(float(beat) * FRAME_MS) for beat in pulse.beats)
    return Rhythm(
        tempo_bpm=round(pulse.tempo_bpm, 1),
        tempo_confidence=round(pulse.strength, 3),
        tempo_alternatives_bpm=tuple(round(tempo, 1) for tempo in pulse.alternatives_bpm),
        beats_ms=beats,
        onset_rate_hz=round(onset_rate_hz, 2),
        beats_per_bar=None if bars is None else bars.beats_per_bar,
        meter_confidence=0.0 if bars is None else round(bars.confidence, 3),
        downbeats_ms=() if bars is None else beats[bars.phase :: bars.beats_per_bar],
    )


def _tonality(chords: ChordPath, tuning_cents: float | None) -> Tonality:
    estimate = find_key(chords.mean_features, chords.shares)
    cents = None if tuning_cents is None else round(tuning_cents, 1) + 0.0
    if estimate is None:
        return Tonality(tonic=None, mode=None, confidence=0.0, runner_up=None, tuning_cents=cents)
    return Tonality(
        tonic=PITCH_CLASSES[estimate.best.tonic],
        mode=estimate.best.mode,
        confidence=estimate.confidence,
        runner_up=estimate.runner_up.text,
        tuning_cents=cents,
    )


def _chords(path: ChordPath, start_ms: int) -> tuple[Chord, ...]:
    if np.all(path.labels == NO_CHORD):
        return ()
    return tuple(
        Chord(
            start_ms=start_ms + round(first),
            end_ms=start_ms + round(last),
            label=label,
            confidence=round(min(1.0, probability), 3),
        )
        for first, last, label, probability in merged(path)
    )


def _voice_share(segment: Segment) -> float:
    return round(sum(entry.share for entry in segment.profile if entry.event_class is EventClass.SINGING), 3)
