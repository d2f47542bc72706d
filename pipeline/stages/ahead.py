"""Annotates portions of a long recording ahead of the recording's own task, so that several workers share it.

The answers are set aside in a folder of the local run. The recording's task, which commits, takes them from there; what
was not set aside it asks for itself. So rows, keys and commits do not depend on the division.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

from soundseam.annotators.base import AnyBackend
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.plan import annotation_stage
from soundseam.pipeline.stages.annotate import Answer, answer_clips, answer_recordings
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.work import ShardTask
from soundseam.schemas.segment import Segment

FOLDER = "ahead"
SetAside = Mapping[str, tuple[Segment, Answer]]
"""segment_id → the segment and a backend's answer for it."""


def annotate_ahead(context: RunContext, work: ShardTask) -> None:
    """Sets aside what the backends that `work` names answer for its portion of the segments.

    `work` has one recording, whose segments are committed.
    """
    portion = work.portion
    assert portion is not None
    chosen = frozenset(segment.segment_id for segment in portion.of(context.segments(work)))
    for backend in context.config.branches.all():
        stage = annotation_stage(backend)
        if work.at(stage) is None:
            continue
        if backend.takes_recordings:
            answers = list(answer_recordings(context, work, backend))
        else:
            answers = list(answer_clips(context, work, backend, chosen))
        folder = _folder(context.progress, stage, work)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = folder / f"{portion.number}.unfinished"
            unfinished.write_bytes(pickle.dumps(answers))
            unfinished.rename(folder / f"{portion.number}-of-{portion.total}")


def read_ahead(context: RunContext, work: ShardTask, backend: AnyBackend) -> SetAside:
    """What was set aside for the recordings of `work` that `backend` has left to do."""
    folder = _folder(context.progress, annotation_stage(backend), work)
    if folder is None or not folder.is_dir():
        return {}
    return {segment.segment_id: (segment, answer) for segment, answer in _read(folder)}


def left_by(known: SetAside, context: RunContext, work: ShardTask, backend: AnyBackend) -> frozenset[str]:
    """The segment_ids of `backend`'s branch that were not set aside."""
    segments = (segment for segment in context.segments(work) if backend.branch in segment.branches)
    return frozenset(segment.segment_id for segment in segments) - known.keys()


def _read(folder: Path) -> Iterator[tuple[Segment, Answer]]:
    for path in sorted(folder.glob("*-of-*")):
        yield from pickle.loads(path.read_bytes())  # noqa: S301 - written by this run, in a folder of its own


def _folder(progress: ProgressLog, stage: str, work: ShardTask) -> Path | None:
    """Where the answers of a backend for a task with one recording are set aside; None outside of a local run."""
    if progress.path is None or len(work.sources) != 1:
        return None
    return Path(progress.path).parent / FOLDER / stage.replace("/", ".") / work.sources[0].recording_id
