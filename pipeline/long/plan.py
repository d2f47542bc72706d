"""Plans which recordings still need windows or a caption of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.sft.read import Marks
from soundseam.schemas.record import content_key
from soundseam.schemas.tables import LongTable


@dataclass(frozen=True)
class LongBuild:
    """The inputs for building the long tables of a corpus."""

    output: str
    config: LongConfig
    marks: Marks


def long_keys(upstream: Mapping[str, str], made_with: LongBuild) -> dict[str, dict[str, str]]:
    """table, which is also its stage → recording_id → the key of its rows."""
    config, marks = made_with.config, made_with.marks
    return {
        LongTable.RECORDING_CAPTIONS: {name: content_key([config.captions_key, key]) for name, key in upstream.items()},
        LongTable.WINDOWS: {
            name: content_key([config.windows_key, key, sorted(marks.left_out_of(name))])
            for name, key in upstream.items()
        },
    }
