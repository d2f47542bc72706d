"""How shard works are laid out over workers: groups of a bearable size, and parts of a work for a second try."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from pipeline.work import ShardWork

MOST_BYTES = 128 * 2**20
"""About two hours of speech as FLAC: what a worker does between two commits, and may lose."""
LEAST_BYTES = 2**20
"""Below this, starting a pipeline costs more than balance brings."""
MOST_RECORDINGS = 256
GROUPS_A_WORKER = 4
"""So that workers finish at about the same time."""


def recordings_of(works: Iterable[ShardWork]) -> tuple[str, ...]:
    """The recordings that the works have something left to do for, each once, in order."""
    return tuple(dict.fromkeys(name for work in works for stage in work.stages for name, _ in stage.keys))


def group_works(works: Sequence[ShardWork], workers: int) -> list[tuple[ShardWork, ...]]:
    """All that `works` hold, in groups for one worker at a time, the largest first.

    A work larger than a group is cut between recordings; a single larger recording is a group of its own.
    """
    total = sum(work.size_bytes for work in works)
    limit = min(MOST_BYTES, max(LEAST_BYTES, total // (workers * GROUPS_A_WORKER)))
    groups: list[list[ShardWork]] = []
    room_bytes = room_recordings = 0
    for piece in (piece for work in works for piece in _pieces(work, limit)):
        if piece.size_bytes > room_bytes or len(piece.sources) > room_recordings:
            groups.append([])
            room_bytes, room_recordings = limit, MOST_RECORDINGS
        groups[-1].append(piece)
        room_bytes -= piece.size_bytes
        room_recordings -= len(piece.sources)
    return [tuple(group) for group in sorted(groups, key=lambda group: -sum(work.size_bytes for work in group))]


def _pieces(work: ShardWork, limit_bytes: int) -> list[ShardWork]:
    runs: list[list[str]] = []
    room_bytes = 0
    for source in work.sources:
        if not runs or source.size_bytes > room_bytes or len(runs[-1]) == MOST_RECORDINGS:
            runs.append([])
            room_bytes = limit_bytes
        runs[-1].append(source.recording_id)
        room_bytes -= source.size_bytes
    if len(runs) == 1:
        return [work]
    return list(chain.from_iterable(take_from_works([work], frozenset(run)) for run in runs))


def halve_works(works: Sequence[ShardWork]) -> list[tuple[ShardWork, ...]]:
    """The same in two groups; in one where there is only one recording."""
    names = recordings_of(works)
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    return [group for half in halves if (group := take_from_works(works, frozenset(half)))]


def take_from_works(works: Sequence[ShardWork], recording_ids: frozenset[str]) -> tuple[ShardWork, ...]:
    """The works with these recordings alone, without those in which nothing of them is left to do."""
    return tuple(part for work in works if (part := work.only(recording_ids)).stages)
