"""One shard work from committed rows to committed samples."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.local.progress import ProgressLog
from pipeline.sft.build import samples_of
from pipeline.sft.config import SftConfig
from pipeline.sft.marks import Marks
from pipeline.sft.plan import sft_stage
from pipeline.sft.read import read_recordings
from pipeline.storage.commits import Commit, new_commit
from pipeline.work import ShardWork


def build_shard(
    output: str, work: ShardWork, config: SftConfig, marks: Marks, progress: ProgressLog
) -> Iterator[tuple[str, int]]:
    """Builds what `work` has left to do and commits it a task at a time; gives (task, its samples) as it goes."""
    names = {name for stage in work.stages for name in stage.recording_ids}
    recordings = [
        recording.without(marks.left_out_of(recording.recording_id))
        for recording in read_recordings(output, work.shard, names)
    ]
    for task in config.tasks:
        stage = sft_stage(task.task)
        todo = work.at(stage)
        if todo is None:
            continue
        ids = sorted(todo.recording_ids)
        progress.write(stage, "start", ids)
        count = audio_ms = 0
        with new_commit(output, Commit(stage=stage, shard=work.shard, covers=todo.keys, files=())) as writer:
            for recording in recordings:
                if recording.recording_id not in todo.recording_ids:
                    continue
                group = marks.group_of(recording.recording_id)
                for sample in samples_of(task, recording, config, group, config.task_key(task)):
                    writer.append(stage, sample)
                    count += 1
                    audio_ms += sample.audio_ms
        progress.write(stage, "done", ids, audio_ms)
        yield task.task, count
