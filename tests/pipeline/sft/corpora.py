"""Corpora on disk, committed as a run would, from hand-made rows."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.sft.build import SftConfig
from soundseam.pipeline.sft.launch import SftGroup, prepare_sft, run_sft
from soundseam.pipeline.sft.material import RecordingMaterial
from soundseam.pipeline.sft.read import Marks
from soundseam.pipeline.sft.summary import SftSummary, summarise
from soundseam.pipeline.storage.commits import Commit, new_commit, prepare_output, shard_of
from soundseam.pipeline.work import CAPTIONS_STAGE, SEGMENTS_STAGE
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table, annotation_table
from tests.support.builders import with_audio

NONE = Marks()


def flac_of(segment: Segment) -> bytes:
    """Audio of the segment's length, different for every segment."""
    length = segment.span.duration_ms * 16
    seed = int.from_bytes(segment.segment_id.encode())
    # Faint noise: different everywhere, and small as FLAC.
    samples = np.random.default_rng(seed).integers(-3, 4, length, dtype=np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16_000, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def commit_corpus(output: Path | str, recordings: Iterable[RecordingMaterial], key: str = "1") -> None:
    """Commits every stage of `recordings`, each recording by itself, under `key`."""
    shards = prepare_output(str(output))
    for recording in recordings:
        name = recording.recording_id
        shard = shard_of(name, shards)

        def commit(stage: str, name: str = name, shard: int = shard) -> Commit:
            return Commit(stage=stage, shard=shard, covers=((name, key),), files=())

        with new_commit(str(output), commit(SEGMENTS_STAGE)) as writer:
            for material in recording.segments:
                writer.append(Table.SEGMENTS, with_audio(material.segment, flac_of(material.segment)))
            if recording.recording is not None:
                writer.append(Table.RECORDINGS, recording.recording)
        rows = [row for material in recording.segments for row in material.annotations]
        for branch, backend in sorted({(row.branch, row.backend) for row in rows}):
            with new_commit(str(output), commit(f"annotations/{branch}/{backend}")) as writer:
                for row in rows:
                    if (row.branch, row.backend) == (branch, backend):
                        writer.append(annotation_table(branch), row)
        with new_commit(str(output), commit(CAPTIONS_STAGE)) as writer:
            for material in recording.segments:
                if material.caption is not None:
                    writer.append(Table.CAPTIONS, material.caption)


class Silent:
    """A display that shows nothing."""

    def show(self, reading: object) -> None: ...

    def note(self, message: str) -> None: ...


def build_samples(output: Path | str, config: SftConfig, tasks: int | None = None, marks: Marks = NONE) -> SftSummary:
    """Plans and builds in this process; only the first `tasks` of the plan where it says so, as if killed then."""
    job = prepare_sft(str(output), config, marks)
    if tasks is None:
        return run_sft(job, 1, Silent(), runner="InProcess")
    SftGroup(job.made_with, None)(job.plan.tasks[:tasks], ProgressLog())
    return summarise(str(output), config)


def planned(output: Path, config: SftConfig, marks: Marks = NONE) -> Sequence[tuple[str, int]]:
    """(stage, recordings to do) of every stage with any."""
    plan = prepare_sft(str(output), config, marks).plan
    return [(stage.stage, stage.todo) for stage in plan.stages if stage.todo]
