"""What the general-audio branch measures. Times are in the recording's own time."""

from __future__ import annotations

from pydantic import Field

from schemas.claim import BranchFacts
from schemas.event import Event
from schemas.record import Record


class HeardEvent(Event):
    """An event with what was measured on it."""

    level_dbfs: float | None = Field(description="RMS over the event; null for digital silence")
    salience_db: float | None = Field(description="level over the segment's noise floor")
    brightness_hz: float | None = Field(description="spectral centroid")
    tonal_share: float | None = Field(ge=0.0, le=1.0, description="share of frames with a clear pitch or few partials")
    attack_ms: int | None = Field(description="from onset to the loudest point")


class Repetition(Record):
    """A sound that comes again at even distances."""

    period_ms: int
    count: int
    regularity: float = Field(ge=0.0, le=1.0)


class Acoustics(Record):
    """The segment as a whole."""

    level_dbfs: float | None
    peak_dbfs: float | None
    noise_floor_dbfs: float | None = Field(description="10th percentile of the short-term level")
    dynamic_range_db: float | None = Field(description="95th minus 10th percentile of the short-term level")
    silence_share: float = Field(
        ge=0.0, le=1.0, description="share of time within 3 dB of the noise floor or under -60 dBFS"
    )
    bandwidth_hz: int | None = Field(description="highest frequency with energy over the floor, at the analysis rate")


class GeneralFacts(BranchFacts):
    """The general branch's typed fields; each backend fills its own and leaves the rest null."""

    events: tuple[HeardEvent, ...] | None = None
    repetition: Repetition | None = None
    acoustics: Acoustics | None = None
