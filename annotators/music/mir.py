"""Tempo, beats, key, loudness and colour by signal analysis: `mir`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from annotators.base import Annotator, Backend, Clip
from annotators.music.chroma import Chroma, measure_chroma
from annotators.music.key import PITCH_CLASSES, find_key
from annotators.music.loudness import LoudnessMeter, load_meter, measure_dynamics
from annotators.music.onsets import onset_frames, onset_strength
from annotators.music.pulse import find_pulse
from annotators.music.spectra import FRAME_MS, RATE_HZ, Spectra, measure_spectra
from annotators.music.timbre import measure_timbre
from schemas.event import Branch, EventClass
from schemas.music import MusicFacts, Rhythm, Tonality
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
        return "2"

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
        return MusicFacts(
            rhythm=_rhythm(spectra, chroma, clip.segment.start_ms),
            tonality=_tonality(chroma),
            dynamics=measure_dynamics(spectra.samples, self._meter),
            timbre=measure_timbre(spectra.fast),
            voice_share=_voice_share(clip.segment),
        )


def _rhythm(spectra: Spectra, chroma: Chroma, start_ms: int) -> Rhythm:
    onsets = onset_strength(spectra.fast)
    rate = len(onset_frames(onsets.full)) / max(spectra.duration_ms / 1000, 0.1)
    pulse = find_pulse(onsets, chroma.harmony)
    if pulse is None:
        return Rhythm(tempo_bpm=None, tempo_confidence=0.0, beats_ms=(), onset_rate_hz=round(rate, 2))
    return Rhythm(
        tempo_bpm=round(pulse.tempo_bpm, 1),
        tempo_confidence=round(pulse.strength, 3),
        tempo_alternatives_bpm=tuple(round(tempo, 1) for tempo in pulse.alternatives_bpm),
        beats_ms=tuple(start_ms + round(float(beat) * FRAME_MS) for beat in pulse.beats),
        onset_rate_hz=round(rate, 2),
    )


def _tonality(chroma: Chroma) -> Tonality:
    estimate = find_key((chroma.treble + chroma.bass).mean(axis=0))
    cents = None if chroma.tuning_cents is None else round(chroma.tuning_cents, 1) + 0.0
    if estimate is None:
        return Tonality(tonic=None, mode=None, confidence=0.0, runner_up=None, tuning_cents=cents)
    return Tonality(
        tonic=PITCH_CLASSES[estimate.best.tonic],
        mode=estimate.best.mode,
        confidence=estimate.confidence,
        runner_up=estimate.runner_up.text,
        tuning_cents=cents,
    )


def _voice_share(segment: Segment) -> float:
    return round(sum(entry.share for entry in segment.profile if entry.event_class is EventClass.SINGING), 3)
