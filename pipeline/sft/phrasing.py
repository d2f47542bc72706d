"""In which language and form samples speak: what a task may know of the configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pipeline.drawing import draw
from pipeline.sft.timestamps import TimestampFormat


@dataclass(frozen=True)
class Phrasing:
    """`languages` are shares, positive or 0."""

    languages: Mapping[str, float]
    seed: int
    style: TimestampFormat

    def languages_for(self, identity: str, allowed: Collection[str] | None = None) -> list[str]:
        """The language drawn for one fact first, then the others that there are; only `allowed` ones, None for any."""
        shares = {
            name: share
            for name, share in sorted(self.languages.items())
            if share > 0 and (allowed is None or name in allowed)
        }
        left = draw(self.seed, "language", identity) * sum(shares.values())
        drawn = ""
        for name, share in shares.items():
            if left < share:
                drawn = name
                break
            left -= share
        return sorted(shares, key=lambda name: (name != drawn, name))
