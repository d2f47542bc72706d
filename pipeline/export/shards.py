"""Shards: WebDataset tars, and Lhotse Shar with one cut per segment and one supervision per sample."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from soundseam.pipeline.export.base import (
    DATA,
    EXPORT_FOLDER,
    PAIRS,
    SAMPLE_RATE_HZ,
    SPLITS,
    Clip,
    EntryWriter,
    Finished,
    Format,
    Item,
    Json,
    PartWriter,
    Place,
    main_item,
    num_samples,
    read_target,
)


class RollingName:
    """Names of the shards of one part and split: `<folder>/<stem>-<part>-00000.<suffix>`, and so on."""

    def __init__(self, place: Place, folder: str, stem: str, suffix: str) -> None:
        self._place, self._folder, self._stem, self._suffix = place, folder, stem, suffix
        self._count = 0
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        return self.bytes >= self._place.options.shard_mb * 2**20

    def next_path(self) -> Path:
        path = self._place.path(self._folder, f"{self._stem}-{self._place.part}-{self._count:05d}.{self._suffix}")
        self._count += 1
        self.bytes = 0
        return path


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> int:
    """Adds a file to a tar, the same bytes for the same content; returns its size."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))
    return len(data)


_COUNTS = f"{EXPORT_FOLDER}/counts"


class WebDataset(Format):
    """`data/train-{000000..000007}.tar`, with equal numbers of entries, give or take one. An entry is a clip,
    `KEY.flac`, all its samples, `KEY.json`, and its caption, else its transcript or another answer, `KEY.txt`. Samples
    with two clips are in `pairs/`, the second clip as `KEY.2.flac`.
    """

    name: ClassVar[str] = "webdataset"
    reader: ClassVar[str] = "webdataset"
    indexes: ClassVar[tuple[str, ...]] = tuple(f"{stem}{split}.json" for stem in ("", "pairs-") for split in SPLITS)
    equal_shards: ClassVar[bool] = True
    holds_packs: ClassVar[bool] = True
    pack_command: ClassVar[str] = (
        "python -c \"import json, webdataset; index = json.load(open('{target}/train.json')); "
        "print(next(iter(webdataset.WebDataset(['{target}/' + shard['url'] for shard in index['shardlist']], "
        'shardshuffle=False))))"'
    )

    def writer(self, place: Place) -> PartWriter:
        return WebDatasetWriter(place) if place.options.recipe is None else PackedTarWriter(place)

    def command_for(self, names: Sequence[str]) -> str:
        found = sorted(name for name in names if name.startswith(f"{DATA}/") and name.endswith(".tar"))
        first = [name for name in found if name.startswith(found[0].rpartition("-")[0])]
        stem, ends = first[0].rpartition("-")[0], [name[-10:-4] for name in (first[0], first[-1])]
        return (
            f"python -c \"import webdataset; print(next(iter(webdataset.WebDataset('{{target}}/{stem}-"
            f"{{{{{ends[0]}..{ends[1]}}}}}.tar', shardshuffle=False))))\""
        )

    def finish(self, finished: Finished) -> Mapping[str, str]:
        counts: dict[str, int] = {}
        for name in finished.under(f"{_COUNTS}/"):
            counts.update(json.loads(read_target(finished.target, name)))
        stems = {f"{stem}{split}": f"{folder}/{split}-" for stem, folder in _STEMS for split in SPLITS}
        if finished.options.recipe is not None:
            stems = {str(split): f"{split}/" for split in SPLITS}
        shards = {stem: _shards(prefix, counts) for stem, prefix in stems.items()}
        return {f"{stem}.json": _index(stem, listed) for stem, listed in shards.items() if listed}


_STEMS = (("", DATA), ("pairs-", PAIRS))


class WebDatasetWriter(EntryWriter):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._name = f"{place.window.stem(6)}.tar"
        self._tar = tarfile.open(place.path(self._name), "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        self._entries = 0

    def write_entry(self, items: Sequence[Item]) -> None:
        # Two ids would be too long for the name of a member.
        key = items[0].key if self._place.window.pairs else items[0].clips[0].segment_id
        for index, clip in enumerate(items[0].clips):
            add_member(self._tar, f"{key}.{f'{index + 1}.' if index else ''}flac", clip.flac)
        fields = json.dumps({"samples": [item.fields() for item in items]}, ensure_ascii=False)
        add_member(self._tar, f"{key}.json", fields.encode())
        add_member(self._tar, f"{key}.txt", main_item(items).answer.encode())
        self._entries += 1

    def close(self) -> None:
        super().close()
        self._tar.close()
        text = json.dumps({self._name: self._entries})
        self._place.path(_COUNTS, f"{self._place.part}.json").write_text(text, encoding="utf-8")


class PackedTarWriter(PartWriter):
    """Writes packs, each as an entry, in shards of its part."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._names: dict[str, RollingName] = {}
        self._tars: dict[str, tarfile.TarFile] = {}
        self._open: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def write(self, item: Item) -> str | None:
        split = item.sample.split
        name = self._names.setdefault(split, RollingName(self._place, split, split, "tar"))
        if split not in self._tars or name.is_full:
            self._close(split)
            path = name.next_path()
            self._tars[split] = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed in _close
            self._open[split] = f"{split}/{path.name}"
        tar = self._tars[split]
        for index, clip in enumerate(item.clips):
            name.bytes += add_member(tar, f"{item.key}.{f'{index + 1}.' if index else ''}flac", clip.flac)
        fields = json.dumps(item.fields(), ensure_ascii=False)
        name.bytes += add_member(tar, f"{item.key}.json", fields.encode())
        name.bytes += add_member(tar, f"{item.key}.txt", item.answer.encode())
        shard = self._open[split]
        self._counts[shard] = self._counts.get(shard, 0) + 1
        return None

    def close(self) -> None:
        for split in list(self._tars):
            self._close(split)
        text = json.dumps(self._counts, sort_keys=True)
        self._place.path(_COUNTS, f"{self._place.part}.json").write_text(text, encoding="utf-8")

    def _close(self, split: str) -> None:
        if split in self._tars:
            self._tars.pop(split).close()


def _shards(prefix: str, counts: Mapping[str, int]) -> list[dict[str, str | int]]:
    return [{"url": name, "nsamples": count} for name, count in sorted(counts.items()) if name.startswith(prefix)]


def _index(stem: str, shards: Sequence[Mapping[str, str | int]]) -> str:
    index = {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": f"soundseam-{stem}",
        "shardlist": shards,
    }
    return json.dumps(index, indent=1) + "\n"


class Lhotse(Format):
    """Folders `train` and `validation` for `CutSet.from_shar(in_dir=...)`. A supervision's text is the answer; the
    question and everything else is in `custom`. A cut has one recording: samples with two clips are not supported."""

    name: ClassVar[str] = "lhotse"
    reader: ClassVar[str] = "lhotse"
    command: ClassVar[str] = (
        "python -c \"import lhotse; print(next(iter(lhotse.CutSet.from_shar(in_dir='{target}/train'))))\""
    )
    holds_conversations: ClassVar[bool] = False

    def writer(self, place: Place) -> PartWriter:
        return LhotseWriter(place)

    def finish(self, finished: Finished) -> Mapping[str, str]:  # noqa: ARG002 - a Shar folder holds nothing else
        return {}


class LhotseWriter(EntryWriter):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._shards: dict[str, _Shard] = {}

    def write(self, item: Item) -> str | None:
        return super().write(item) if len(item.clips) == 1 else "several_audios"

    def close(self) -> None:
        super().close()
        for shard in self._shards.values():
            shard.close()

    def write_entry(self, items: Sequence[Item]) -> None:
        split = items[0].sample.split
        shard = self._shards.setdefault(split, _Shard(self._place, split))
        clip = items[0].clips[0]
        shard.add(clip, _cut(clip, items))


class _Shard:
    """A pair of files, cuts and their audio in the same order; when it is full, the next pair begins."""

    def __init__(self, place: Place, split: str) -> None:
        self._cut_names = RollingName(place, split, "cuts.0", "jsonl.gz")
        self._tar_names = RollingName(place, split, "recording.0", "tar")
        self._cuts: gzip.GzipFile | None = None
        self._tar: tarfile.TarFile | None = None

    def add(self, clip: Clip, cut: Mapping[str, Json]) -> None:
        if self._cuts is None or self._tar is None or self._tar_names.is_full:
            self.close()
            # No time in the header, so that equal cuts give equal bytes.
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


def _cut(clip: Clip, items: Sequence[Item]) -> dict[str, Json]:
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
