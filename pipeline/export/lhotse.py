"""Cuts with supervisions as Lhotse Shar: a cut a segment, a supervision a sample."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Mapping
from typing import ClassVar

from pipeline.export.audio import num_samples
from pipeline.export.base import SAMPLE_RATE_HZ, Clip, Finished, Format, Item, Json, PartWriter, Place
from pipeline.export.rolling import RollingName, add_member


class Lhotse(Format):
    """Folders `train` and `validation` for `CutSet.from_shar(in_dir=...)`. A supervision's text is the answer; the
    question and what else is known stand in `custom`. A cut has one recording: samples that play two have no such
    form."""

    name: ClassVar[str] = "lhotse"
    reader: ClassVar[str] = "lhotse"

    def writer(self, place: Place) -> PartWriter:
        return LhotseWriter(place)

    def finish(self, finished: Finished) -> Mapping[str, str]:  # noqa: ARG002 - a Shar folder holds nothing else
        return {}


class LhotseWriter(PartWriter):
    """Samples of one segment come one after another: they are gathered until the next one's come."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._shards: dict[str, _Shard] = {}
        self._gathered: list[Item] = []
        self._cuts: dict[str, int] = {}

    def write(self, item: Item) -> str | None:
        if len(item.clips) != 1:
            return "several_audios"
        if self._gathered and self._gathered[0].clips[0].segment_id != item.clips[0].segment_id:
            self._write_cut()
        self._gathered.append(item)
        return None

    def close(self) -> None:
        self._write_cut()
        for shard in self._shards.values():
            shard.close()

    def _write_cut(self) -> None:
        if not self._gathered:
            return
        split = self._gathered[0].sample.split
        shard = self._shards.setdefault(split, _Shard(self._place, split))
        clip = self._gathered[0].clips[0]
        shard.add(clip, _cut(clip, self._gathered))
        self._gathered = []


class _Shard:
    """A pair of files, cuts and their audio in the same order, followed by another pair when it is full."""

    def __init__(self, place: Place, split: str) -> None:
        self._cut_names = RollingName(place, split, "cuts.0", "jsonl.gz")
        self._tar_names = RollingName(place, split, "recording.0", "tar")
        self._cuts: gzip.GzipFile | None = None
        self._tar: tarfile.TarFile | None = None

    def add(self, clip: Clip, cut: Mapping[str, Json]) -> None:
        if self._cuts is None or self._tar is None or self._tar_names.is_full:
            self.close()
            # No time in the header: equal cuts, equal bytes.
            self._cuts = gzip.GzipFile(self._cut_names.next_path(), "wb", mtime=0)
            self._tar = tarfile.open(self._tar_names.next_path(), "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        self._cuts.write(json.dumps(cut, ensure_ascii=False).encode() + b"\n")
        name = str(cut["id"])
        self._tar_names.bytes += add_member(self._tar, f"{name}.flac", clip.flac)
        self._tar_names.bytes += add_member(self._tar, f"{name}.json", json.dumps(cut["recording"]).encode())

    def close(self) -> None:
        for file in (self._cuts, self._tar):
            if file is not None:
                file.close()


def _cut(clip: Clip, items: list[Item]) -> dict[str, Json]:
    length = num_samples(clip)
    seconds = length / SAMPLE_RATE_HZ
    recording: dict[str, Json] = {
        "id": clip.segment_id,
        "sources": [{"type": "shar", "channels": [0], "source": ""}],
        "sampling_rate": SAMPLE_RATE_HZ,
        "num_samples": length,
        "duration": seconds,
        "channel_ids": [0],
    }
    return {
        "id": clip.segment_id,
        "start": 0.0,
        "duration": seconds,
        "channel": 0,
        "supervisions": [_supervision(clip, item, seconds) for item in items],
        "recording": recording,
        "type": "MonoCut",
    }


def _supervision(clip: Clip, item: Item, seconds: float) -> dict[str, Json]:
    sample = item.sample
    return {
        "id": item.key,
        "recording_id": clip.segment_id,
        "start": 0.0,
        "duration": seconds,
        "channel": 0,
        "text": item.answer,
        "language": sample.language,
        "custom": {
            "task": sample.task,
            "kind": sample.kind,
            "question": sample.question,
            "difficulty": str(sample.difficulty),
            "answer_prior": item.answer_prior,
        },
    }
