"""What a good cut is, in numbers."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from schemas.record import Record

FINEST_CELL_MS = 100
COARSEST_CELL_MS = 1000


class CutConfig(Record):
    """Lengths and costs. Cutting an event always costs more than anything else; the rest is weighed as given here.

    The unit of a weight is the cost of one segment as long as nothing or twice the target.
    """

    min_ms: int = Field(
        default=1_000, ge=1, description="shortest segment; only a shorter recording gives a shorter one"
    )
    target_ms: int = Field(default=12_000, ge=1, description="the length that costs nothing")
    max_ms: int = Field(default=30_000, ge=1, description="longest segment")
    leave_out_ms: int = Field(
        default=4_000, ge=1, description="a stretch without any event longer than this is left out but for its margins"
    )
    margin_ms: int = Field(default=500, ge=0, description="what is kept of such a stretch next to an event")
    impure_weight: float = Field(
        default=20.0, ge=0.0, description="cost of a second of event time in a segment that is not of its main class"
    )
    change_weight: float = Field(
        default=2.0, ge=0.0, description="cost of a change of class inside a segment, with a gap to cut in"
    )
    change_gap_ms: int = Field(default=400, ge=1, description="a shorter gap makes it cost less, in proportion")
    break_weight: float = Field(
        default=0.5, ge=0.0, description="cost of a boundary between two events of one class that all but touch"
    )
    pause_ms: int = Field(default=600, ge=1, description="a gap this long between them costs nothing any more")
    risk_weight: float = Field(
        default=1.0, ge=0.0, description="cost of a boundary where a detector is sure of a sound, if not of an event"
    )
    tight_weight: float = Field(default=1.0, ge=0.0, description="cost of a boundary right at an event's edge")
    clearance_ms: int = Field(default=200, ge=1, description="this far from any event, that costs nothing any more")

    @property
    def cell_ms(self) -> int:
        """At least one candidate lies in every two cells, so any stretch can be cut within the length limits."""
        return min(COARSEST_CELL_MS, (self.max_ms - 2 * self.min_ms) // 2)

    @model_validator(mode="after")
    def _a_cut_within_the_limits_exists(self) -> Self:
        if not self.min_ms <= self.target_ms <= self.max_ms:
            raise ValueError(
                f"cut.target_ms ({self.target_ms}) must lie from min_ms ({self.min_ms}) to max_ms ({self.max_ms})"
            )
        if self.max_ms < 2 * self.min_ms + 2 * FINEST_CELL_MS:
            raise ValueError(
                f"cut.max_ms ({self.max_ms}) must be at least twice min_ms ({self.min_ms}) and {2 * FINEST_CELL_MS} ms "
                "more, or some lengths could not be cut at all: raise it or lower min_ms"
            )
        if self.leave_out_ms < 2 * max(self.margin_ms, self.min_ms):
            raise ValueError(
                f"cut.leave_out_ms ({self.leave_out_ms}) must be at least twice margin_ms ({self.margin_ms}) and twice "
                f"min_ms ({self.min_ms}), so that segments on both sides have room"
            )
        return self
