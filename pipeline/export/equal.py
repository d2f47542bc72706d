"""Divides an export's entries, clips and pairs of clips, into shards with equal numbers of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from soundseam.pipeline.export.base import Window
from soundseam.pipeline.storage.commits import Commit
from soundseam.pipeline.storage.corpus import Corpus, Row
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.sample import MessageKind, Split
from soundseam.schemas.tables import LongTable

_COLUMNS = ("sample_id", "task", "kind", "language", "event_class", "messages", "audio_ms", "split")


class Member(NamedTuple):
    """A recording's share of a split's entries."""

    shard: int
    recording_id: str
    entries: int
    bytes: float
    """Approximate, of its clips."""


@dataclass
class Surveyed:
    """The entries of a corpus, by split, clips and pairs apart."""

    members: dict[tuple[Split, bool], list[Member]] = field(default_factory=dict)
    lost: int = 0
    """Samples whose segments are gone."""
    clips_ms: int = 0
    """Total length of the clips, each counted once."""


def survey(
    output: str,
    shards: Iterable[int],
    stages: Sequence[str],
    built: Mapping[str, object],
    uses: Callable[[Row], int],
) -> Surveyed:
    """Counts the entries of the recordings in `built`; a sample counts if `uses`, given its row, is not 0.

    Only reads columns without audio, one shard of the corpus at a time.
    """
    found = Surveyed()
    for shard in shards:
        segments = Corpus.load(output, [SEGMENTS_STAGE, *LongTable], shard)
        samples = Corpus.load(output, stages, shard)
        entries = _ShardEntries(shard, segments, built)
        wanted = dict.fromkeys(entries.order, "")
        for stage in samples.commits:
            for row in samples.rows(stage, _COLUMNS, wanted):
                if uses(row):
                    entries.add(row)
        found.lost += entries.lost
        found.clips_ms += entries.clips_ms
        for kind, members in entries.members():
            found.members.setdefault(kind, []).extend(members)
    return found


def windows(
    split: Split, pairs: bool, members: Sequence[Member], shard_bytes: int
) -> Iterator[tuple[Window, list[Member]]]:
    """Each shard with the recordings in it; there are never more shards than entries."""
    ends = list(accumulate(member.entries for member in members))
    entries, size = ends[-1], sum(member.bytes for member in members)
    total = max(1, min(entries, round(size / shard_bytes)))
    for number in range(total):
        first, last = entries * number // total, entries * (number + 1) // total
        inside = [
            (member, max(first - (end - member.entries), 0), min(last - (end - member.entries), member.entries))
            for member, end in zip(members, ends, strict=True)
            if end > first and end - member.entries < last
        ]
        partial = {
            member.recording_id: (begin, end) for member, begin, end in inside if (begin, end) != (0, member.entries)
        }
        window = Window(split=split, pairs=pairs, number=number, total=total, partial=partial)
        yield window, [member for member, _, _ in inside]


class _ShardEntries:
    """The entries of one shard of the corpus, by recording and split."""

    def __init__(self, shard: int, segments: Corpus, built: Mapping[str, object]) -> None:
        self.lost = 0
        self.order: dict[str, None] = {}
        """The recordings, in the order of their segments."""
        self._shard = shard
        self._entries: dict[tuple[str, Split, bool], set[tuple[str, ...]]] = {}
        self._lengths: dict[str, int] = {}
        for row in segments.rows(SEGMENTS_STAGE, ["segment_id", "start_ms", "end_ms"], dict.fromkeys(built, "")):
            self._lengths[str(row["segment_id"])] = int(str(row["end_ms"])) - int(str(row["start_ms"]))
            self.order[str(row["recording_id"])] = None
        self._bytes_a_ms = _bytes(segments.commits[SEGMENTS_STAGE]) / max(1, sum(self._lengths.values()))
        rows = segments.rows(LongTable.WINDOWS, ["window_id"], dict.fromkeys(self.order, ""))
        self._windows = {str(row["window_id"]) for row in rows}

    @property
    def clips_ms(self) -> int:
        clips = {name for entries in self._entries.values() for entry in entries for name in entry}
        return sum(self._lengths[name] for name in clips)

    def add(self, row: Row) -> None:
        names = tuple(_audio_names(row))
        if len(names) == 1 and names[0] in self._windows:
            self._lengths[names[0]] = int(str(row["audio_ms"]))
        if all(name in self._lengths for name in names):
            kind = (str(row["recording_id"]), Split(str(row["split"])), len(names) > 1)
            self._entries.setdefault(kind, set()).add(names)
        else:
            self.lost += 1

    def members(self) -> Iterable[tuple[tuple[Split, bool], list[Member]]]:
        """Kind of entries → the recordings with such entries, in order."""
        found: dict[tuple[Split, bool], list[Member]] = {}
        for name in self.order:
            for split in Split:
                for pairs in (False, True):
                    if entries := self._entries.get((name, split, pairs)):
                        size = self._bytes_a_ms * sum(self._lengths[name] for entry in entries for name in entry)
                        found.setdefault((split, pairs), []).append(Member(self._shard, name, len(entries), size))
        return found.items()


def _bytes(commits: Sequence[Commit]) -> int:
    return sum(entry.bytes for commit in commits for entry in commit.files if entry.table == SEGMENTS_STAGE)


def _audio_names(row: Row) -> Iterator[str]:
    messages = row["messages"]
    assert isinstance(messages, list)
    return (str(one["content"]) for one in messages if one["kind"] == MessageKind.AUDIO)
