"""Beats and downbeats by Beat This!, a transformer (Foscarin, Schlüter and Widmer, ISMIR 2024): `beat_this`."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, BackendUnavailableError, Clip, Samples
from soundseam.annotators.detection.tagging import file_revision
from soundseam.annotators.music.spectra import RATE_HZ, measure_spectra, onset_frames, onset_strength
from soundseam.annotators.weights import installed_version, torch_device
from soundseam.schemas.event import Branch
from soundseam.schemas.music import MusicFacts, Rhythm
from soundseam.schemas.segment import Segment

if TYPE_CHECKING:
    from beat_this.inference import Audio2Frames

FRAMES_PER_SECOND = 50
_SHORTEST_S = 1.0
_FEWEST_BEATS, _FEWEST_BARS = 4, 2
_SLOWEST_BPM, _FASTEST_BPM = 40.0, 240.0

Seconds = NDArray[np.float64]


class BeatThis(Backend[MusicFacts]):
    """Beats, downbeats, and the tempo and meter derived from them, in any music, steady or not."""

    kind: Literal["beat_this"] = "beat_this"
    weights: str = Field(alias="checkpoint", default="final0")
    """A checkpoint of its authors, which is downloaded (final0 to final2, small0 to small2), or a .ckpt file."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """auto uses a GPU if there is one."""

    branch: ClassVar[Branch] = Branch.MUSIC
    sample_rate_hz: ClassVar[int | None] = RATE_HZ
    requires: ClassVar[tuple[str, ...]] = ("torch", "beat_this")
    remedy: ClassVar[str] = "pip install 'soundseam[models]'"
    licence: ClassVar[str] = "MIT"

    @property
    def model(self) -> str:
        return f"beat-this-{Path(self.weights).stem}"

    @property
    def revision(self) -> str:
        local = Path(self.weights)
        weights = file_revision(local) if local.is_file() else self.weights
        return f"{weights}-{installed_version('beat-this')}-1"

    def load(self) -> Annotator[MusicFacts]:
        self.check_available()
        from beat_this.inference import Audio2Frames

        try:
            return BeatTracker(Audio2Frames(self.weights, torch_device(self.device)))
        except (OSError, ValueError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
            lines = str(error).strip().splitlines()
            raise BackendUnavailableError(
                f"{self.backend} cannot open {self.weights} ({lines[0] if lines else type(error).__name__}): "
                "set weights to a .ckpt file of Beat This!, or let this machine reach cloud.cp.jku.at"
            ) from error


class BeatTracker:
    """The annotator of `BeatThis`."""

    def __init__(self, frames: Audio2Frames) -> None:
        from beat_this.model.postprocessor import Postprocessor

        self._frames = frames
        self._pick = Postprocessor("minimal", fps=FRAMES_PER_SECOND)

    def annotate(self, clips: Sequence[Clip]) -> Sequence[MusicFacts]:
        return [self._track(clip) for clip in clips]

    def _track(self, clip: Clip) -> MusicFacts:
        spectra = measure_spectra(clip.samples)
        strokes = len(onset_frames(onset_strength(spectra.fast).full))
        density_hz = round(strokes / max(spectra.duration_ms / 1000, 0.1), 2)
        beats, downbeats, certainty = self._beats(clip.samples)
        return MusicFacts(rhythm=rhythm_of(beats, downbeats, certainty, density_hz, clip.segment))

    def _beats(self, samples: Samples) -> tuple[Seconds, Seconds, float]:
        """Beats and downbeats, in seconds, and the beats' mean probability."""
        duration_s = samples.size / RATE_HZ
        padded = np.pad(samples, (0, max(0, round(_SHORTEST_S * RATE_HZ) - samples.size)))
        beat, downbeat = self._frames(padded, RATE_HZ)
        beats, downbeats = self._pick(beat, downbeat)
        beats, downbeats = beats[beats < duration_s], downbeats[downbeats < duration_s]
        at = np.clip(np.round(beats * FRAMES_PER_SECOND).astype(int), 0, len(beat) - 1)
        probabilities = beat.sigmoid().cpu().numpy()[at]
        return beats, downbeats, float(probabilities.mean()) if probabilities.size else 0.0


def rhythm_of(beats: Seconds, downbeats: Seconds, certainty: float, density_hz: float, segment: Segment) -> Rhythm:
    """The rhythm with `beats` and `downbeats`, in seconds from the segment's start, and the tempo and meter from
    them.
    """
    times = tuple(dict.fromkeys(segment.start_ms + round(1000 * float(beat)) for beat in beats))
    if len(times) < _FEWEST_BEATS:
        return Rhythm(tempo_bpm=None, tempo_confidence=0.0, beats_ms=(), onset_rate_hz=density_hz)
    tempo = 60_000 / float(np.median(np.diff(times)))
    starts = {segment.start_ms + round(1000 * float(beat)) for beat in downbeats}
    firsts = [index for index, time in enumerate(times) if time in starts]
    meter = _meter([second - first for first, second in pairwise(firsts)])
    return Rhythm(
        tempo_bpm=round(tempo, 1),
        tempo_confidence=round(min(1.0, certainty), 3),
        beats_ms=times,
        onset_rate_hz=density_hz,
        tempo_alternatives_bpm=tuple(
            round(other, 1) for other in (tempo / 2, tempo * 2) if _SLOWEST_BPM <= other <= _FASTEST_BPM
        ),
        beats_per_bar=None if meter is None else meter[0],
        meter_confidence=0.0 if meter is None else round(meter[1], 3),
        downbeats_ms=tuple(times[index] for index in firsts),
    )


def _meter(bars: Sequence[int]) -> tuple[int, float] | None:
    """The most common length of a bar in beats, and the share of bars with it; None for too few bars."""
    if len(bars) < _FEWEST_BARS:
        return None
    (length, count), *_ = Counter(bars).most_common(1)
    return length, count / len(bars)
