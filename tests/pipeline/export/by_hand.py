"""A corpus of a few segments and samples, committed by hand: no task builds it, so a test has it in no time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from soundseam.pipeline.export.base import ExportOptions
from soundseam.pipeline.export.plan import ExportPlan, plan_export
from soundseam.pipeline.storage.commits import Commit, new_commit, prepare_output
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.sample import Sample
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import SAMPLES_FOLDER, Table
from tests.pipeline.export.items import a_sample, flac_of
from tests.support.builders import a_segment, with_audio

SEGMENTS: Mapping[str, tuple[Segment, ...]] = {
    name: tuple(a_segment(name, start_ms, start_ms + 1_000) for start_ms in (0, 1_000, 2_000)) for name in "abc"
}
"""Recording → its three segments of a second each."""


def sample_of(name: str, recording: str, *segments: int, task: str = "key", **changes: object) -> Sample:
    """A sample about segments of a recording, by their numbers."""
    found = [SEGMENTS[recording][number] for number in segments]
    clips = tuple(segment.segment_id for segment in found)
    return a_sample(name, clips, task, **{"recording_id": found[0].recording_id, **changes})  # type: ignore[arg-type]


SAMPLES = (
    sample_of("1", "a", 0),
    sample_of("2", "a", 0, task="asr", language="zh"),
    sample_of("3", "a", 2, 0, task="comparison"),
    sample_of("4", "a", 1, reasoning="It rings."),
    sample_of("5", "b", 1, split="validation"),
    sample_of("6", "b", 2, task="caption", kind="short", split="validation"),
    sample_of("7", "b", 2, task="caption", kind="detailed", split="validation"),
    sample_of("8", "c", 0, 0, task="comparison"),
    sample_of("9", "c", 0),
)


def commit_by_hand(
    folder: Path,
    samples: Sequence[Sample] = SAMPLES,
    segments: Mapping[str, Sequence[Segment]] = SEGMENTS,
    shards: Mapping[str, int] | None = None,
    key: str = "1",
) -> Path:
    """Each recording in its shard, all in one if it is not said."""
    prepare_output(str(folder))
    for name, members in segments.items():
        recording_id = members[0].recording_id
        covers, shard = ((recording_id, key),), (shards or {}).get(name, 0)
        with new_commit(str(folder), Commit(stage=SEGMENTS_STAGE, shard=shard, covers=covers, files=())) as writer:
            for segment in members:
                audio = flac_of(segment.span.duration_ms * 16, segment.start_ms)
                writer.append(Table.SEGMENTS, with_audio(segment, audio))
        for task in sorted({sample.task for sample in samples}):
            stage = f"{SAMPLES_FOLDER}/{task}"
            with new_commit(str(folder), Commit(stage=stage, shard=shard, covers=covers, files=())) as writer:
                for sample in samples:
                    if (sample.task, sample.recording_id) == (task, recording_id):
                        writer.append(stage, sample)
    return folder


def plan_by_hand(corpus: Path, target: Path, to: str = "nemo", **options: object) -> ExportPlan:
    return plan_export(str(corpus), str(target), ExportOptions.model_validate({"to": to, "audio_root": "", **options}))
