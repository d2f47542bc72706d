"""Divides a run between the workers of a machine: into groups of recordings, and a long recording into rounds.

First a long recording is cut. Then backends that need nothing from others annotate portions of its segments, each a
task, and those that process whole recordings do so once, beside them. Then its group does what is left, and commits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from soundseam.annotators.chat.served import ServedBackend
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.plan import annotation_stage
from soundseam.pipeline.work import SEGMENTS_STAGE, Portion, ShardTask

MAX_BYTES = 128 * 2**20
"""About two hours of speech as FLAC: the work of a worker between two commits, which it may lose."""
MIN_BYTES = 8 * 2**20
"""Below this, the start of a pipeline costs more than balance gains: each worker then gets about one group."""
MAX_RECORDINGS = 256
GROUPS_A_WORKER = 4
"""So that workers finish at about the same time."""


def recordings_of(tasks: Iterable[ShardTask]) -> tuple[str, ...]:
    """The recordings with something left to do in `tasks`, each once, in order."""
    return tuple(dict.fromkeys(name for work in tasks for stage in work.stages for name, _ in stage.keys))


def group_tasks(tasks: Sequence[ShardTask], workers: int) -> list[tuple[ShardTask, ...]]:
    """All of `tasks`, in groups for one worker at a time, the largest first.

    A task larger than a group is split between recordings; a single larger recording is a group of its own.
    """
    total = sum(work.size_bytes for work in tasks)
    each = -(-total // workers)
    limit = min(MAX_BYTES, max(min(MIN_BYTES, each), total // (workers * GROUPS_A_WORKER)))
    groups: list[list[ShardTask]] = []
    room_bytes = room_recordings = 0
    for piece in (piece for work in tasks for piece in _pieces(work, limit)):
        if piece.size_bytes > room_bytes or len(piece.sources) > room_recordings:
            groups.append([])
            room_bytes, room_recordings = limit, MAX_RECORDINGS
        groups[-1].append(piece)
        room_bytes -= piece.size_bytes
        room_recordings -= len(piece.sources)
    return [tuple(group) for group in sorted(groups, key=lambda group: -sum(work.size_bytes for work in group))]


def _pieces(work: ShardTask, limit_bytes: int) -> list[ShardTask]:
    runs: list[list[str]] = []
    room_bytes = 0
    for source in work.sources:
        if not runs or source.size_bytes > room_bytes or len(runs[-1]) == MAX_RECORDINGS:
            runs.append([])
            room_bytes = limit_bytes
        runs[-1].append(source.recording_id)
        room_bytes -= source.size_bytes
    if len(runs) == 1:
        return [work]
    return list(chain.from_iterable(take_from_tasks([work], frozenset(run)) for run in runs))


def halve_tasks(tasks: Sequence[ShardTask]) -> list[tuple[ShardTask, ...]]:
    """`tasks` in two groups; in one if there is only one recording."""
    names = recordings_of(tasks)
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    return [group for half in halves if (group := take_from_tasks(tasks, frozenset(half)))]


def take_from_tasks(tasks: Sequence[ShardTask], recording_ids: frozenset[str]) -> tuple[ShardTask, ...]:
    """The tasks with only these recordings, without tasks in which nothing is left to do."""
    return tuple(part for work in tasks if (part := work.only(recording_ids)).stages)


MIN_DIVIDED_MS = 10 * 60_000
"""Shorter recordings are not divided: each further task reads the segments again."""
PORTIONS_A_WORKER = 4
"""So that workers finish at about the same time."""


@dataclass(frozen=True)
class Division:
    """Which recordings of a run are divided, and how."""

    config: RunConfig
    durations_ms: Mapping[str, int]
    """recording_id → length of each recording with something left to do, estimated."""
    workers: int

    def rounds(self, group: Sequence[ShardTask]) -> list[list[ShardTask]]:
        """What is done before a group that is one long recording, in rounds of tasks; nothing before another group."""
        if not self._is_long(group):
            return []
        (work,) = group
        whole, clips = self._ahead(work)
        portions = PORTIONS_A_WORKER * self.workers
        ahead = [_at(work, [stage], Portion(number=0, total=1)) for stage in whole]
        if clips:
            ahead += [_at(work, clips, Portion(number=number, total=portions)) for number in range(portions)]
        first = [[_at(work, [SEGMENTS_STAGE])]] if work.at(SEGMENTS_STAGE) else []
        return [*first, ahead] if ahead else []

    def _is_long(self, group: Sequence[ShardTask]) -> bool:
        if self.workers == 1 or len(group) != 1 or len(group[0].sources) != 1:
            return False
        own_ms = self.durations_ms.get(group[0].sources[0].recording_id, 0)
        return own_ms >= max(MIN_DIVIDED_MS, sum(self.durations_ms.values()) / (2 * self.workers))

    def _ahead(self, work: ShardTask) -> tuple[list[str], list[str]]:
        """The stages left whose backends need no rows of others: those of whole recordings, and those of clips."""
        whole: list[str] = []
        clips: list[str] = []
        for backend in self.config.branches.all():
            stage = annotation_stage(backend)
            if work.at(stage) and not backend.reads_annotations and not isinstance(backend, ServedBackend):
                (whole if backend.takes_recordings else clips).append(stage)
        return whole, clips


def _at(work: ShardTask, stages: Sequence[str], portion: Portion | None = None) -> ShardTask:
    kept = tuple(stage for stage in work.stages if stage.stage in stages)
    return work.model_copy(update={"stages": kept, "portion": portion})


class Rounds:
    """A group that is done in rounds, each of which begins when all tasks of the one before are done."""

    def __init__(self, whole: tuple[ShardTask, ...], before: Sequence[Sequence[ShardTask]]) -> None:
        self.whole = whole
        self._before = deque(before)
        self._running = 0

    def begin(self) -> Sequence[ShardTask]:
        """The tasks of the next round; empty if only the whole group is left, or the rounds were given up."""
        tasks = self._before.popleft() if self._before else ()
        self._running = len(tasks)
        return tasks

    def is_over(self) -> bool:
        """Counts a task of the round that is done, or lost; whether it was the last one."""
        self._running -= 1
        return self._running == 0

    def give_up(self) -> bool:
        """Ends the rounds, since a task was lost: the group is done as a whole. Whether they had not ended before."""
        had_not, self._running = self._running > 0, 0
        self._before.clear()
        return had_not
