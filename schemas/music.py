"""What the music branch measures. Times are in the recording's own time."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from schemas.claim import BranchFacts
from schemas.record import Record


class Mode(StrEnum):
    MAJOR = "major"
    MINOR = "minor"


class Rhythm(Record):
    """Tempo and beats."""

    tempo_bpm: float | None = Field(description="quarter-note beats a minute; null where no pulse was found")
    tempo_confidence: float = Field(ge=0.0, le=1.0, description="strength of the pulse in the onset autocorrelation")
    beats_ms: tuple[int, ...]
    onset_rate_hz: float = Field(ge=0.0, description="note or drum onsets a second")


class Tonality(Record):
    """The key, and the one that comes next."""

    tonic: str | None = Field(description="C, C#, D ... B; null where no key stands out")
    mode: Mode | None
    confidence: float = Field(ge=0.0, le=1.0)
    runner_up: str | None = Field(description="the second best key, as in A minor")
    tuning_cents: float = Field(description="deviation from A4 = 440 Hz")


class Dynamics(Record):
    """Loudness and how it changes."""

    loudness_lufs: float | None = Field(description="integrated, ITU-R BS.1770-4; null under 400 ms or in silence")
    loudness_range_db: float | None = Field(description="95th minus 10th percentile of the short-term level")
    trend_db: float | None = Field(description="level of the last third over the first")


class Timbre(Record):
    """Spectral colour."""

    brightness_hz: float = Field(ge=0.0, description="median spectral centroid")
    percussive_share: float = Field(
        ge=0.0, le=1.0, description="share of energy that is percussive rather than harmonic"
    )


class MusicFacts(BranchFacts):
    """The music branch's typed fields; each backend fills its own and leaves the rest null."""

    rhythm: Rhythm | None = None
    tonality: Tonality | None = None
    dynamics: Dynamics | None = None
    timbre: Timbre | None = None
