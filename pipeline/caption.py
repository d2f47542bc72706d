"""From the committed rows of a shard to its captions: merge, check, keep or reject."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.annotate import read_annotations, read_segments
from pipeline.captions.check import check_caption
from pipeline.captions.merge import merge_segment
from pipeline.config import RunConfig
from pipeline.keys import stage_keys
from pipeline.work import CAPTIONS_STAGE, ShardWork
from schemas.caption import Caption
from schemas.rejected import Rejected


def caption_segments(output: str, work: ShardWork, config: RunConfig) -> Iterator[Caption | Rejected]:
    """A caption for each segment of `work` that has captions left to do, or the reason why it has none."""
    todo = work.at(CAPTIONS_STAGE)
    if todo is None:
        return
    mine = work.only(todo.recording_ids)
    key = stage_keys(config)[CAPTIONS_STAGE]
    backends = [backend for group in config.branches.by_branch().values() for backend in group]
    annotations = read_annotations(output, mine, config, backends)
    for segment in read_segments(output, mine, config):
        rows = annotations.get(segment.segment_id, ())
        caption = merge_segment(segment, rows, config.captions, key)
        problems = check_caption(caption, segment, rows)
        if not problems:
            yield caption
        for problem in problems:
            yield Rejected(
                recording_id=segment.recording_id,
                source_uri=segment.source_uri,
                segment_id=segment.segment_id,
                start_ms=segment.start_ms,
                end_ms=segment.end_ms,
                stage=CAPTIONS_STAGE,
                reason=problem.reason,
                detail=problem.detail,
            )
