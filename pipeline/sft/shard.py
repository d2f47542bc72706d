"""One shard work from committed rows to committed samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

from annotators.chat.client import ChatClient
from annotators.chat.endpoint import Endpoint
from annotators.chat.kept import KeepingAsker
from pipeline.asking import asking
from pipeline.local.progress import ProgressLog
from pipeline.sft.answerable import with_text_only
from pipeline.sft.ask import ServedTask
from pipeline.sft.build import samples_from, samples_of
from pipeline.sft.config import SftConfig
from pipeline.sft.marks import Marks
from pipeline.sft.material import RecordingMaterial
from pipeline.sft.plan import sft_stage
from pipeline.sft.read import read_recordings
from pipeline.sft.tasks import AnyTask
from pipeline.storage.commits import Commit, new_commit
from pipeline.work import ShardWork
from schemas.sample import Sample


@dataclass(frozen=True)
class ShardBuilder:
    """Builds works of one corpus; `load` gives the client of an endpoint, the same one each time."""

    output: str
    config: SftConfig
    marks: Marks
    progress: ProgressLog
    load: Callable[[Endpoint], ChatClient]

    def build(self, work: ShardWork) -> Iterator[tuple[str, int]]:
        """Builds what `work` has left to do and commits it a task at a time; gives (task, its samples) as it goes."""
        names = {name for stage in work.stages for name in stage.recording_ids}
        recordings = [
            recording.without(self.marks.left_out_of(recording.recording_id))
            for recording in read_recordings(self.output, work.shard, names)
        ]
        for task in self.config.tasks:
            stage = sft_stage(task.task)
            todo = work.at(stage)
            if todo is None:
                continue
            ids = sorted(todo.recording_ids)
            self.progress.write(stage, "start", ids)
            count = audio_ms = 0
            mine = [recording for recording in recordings if recording.recording_id in todo.recording_ids]
            with new_commit(self.output, Commit(stage=stage, shard=work.shard, covers=todo.keys, files=())) as writer:
                for sample in self._samples(task, mine):
                    writer.append(stage, sample)
                    count += 1
                    audio_ms += sample.audio_ms
            self.progress.write(stage, "done", ids, audio_ms)
            yield task.task, count

    def _samples(self, task: AnyTask, recordings: Iterable[RecordingMaterial]) -> Iterator[Sample]:
        with ExitStack() as stack:

            def asker(endpoint: Endpoint) -> KeepingAsker:
                client = self.load(endpoint)
                return stack.enter_context(asking(client, self.output, sft_stage(task.task), self.progress))

            if isinstance(task, ServedTask):
                samples = self._written(task, recordings, [asker(endpoint) for endpoint in task.endpoints()])
            else:
                samples = (
                    sample
                    for recording in recordings
                    for sample in samples_of(
                        task,
                        recording,
                        self.config,
                        self.marks.group_of(recording.recording_id),
                        self.config.task_key(task),
                    )
                )
            if self.config.answerer is not None:
                samples = with_text_only(samples, self.config.timestamps, asker(self.config.answerer))
            yield from samples

    def _written(
        self, task: ServedTask, recordings: Iterable[RecordingMaterial], askers: list[KeepingAsker]
    ) -> Iterator[Sample]:
        asks = task.asks_from(recordings, self.config.phrasing, askers)
        key = self.config.task_key(task)
        for recording_id, mine in groupby(asks, key=lambda ask: ask.materials[0].segment.recording_id):
            yield from samples_from(task, mine, self.config, self.marks.group_of(recording_id), key)
