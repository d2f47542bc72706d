"""Tar shards with an index, as WebDataset reads them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from typing import ClassVar

from pipeline.export.base import EXPORT_FOLDER, SPLITS, Finished, Format, Item, PartWriter, Place
from pipeline.export.rolling import RollingName, add_member
from pipeline.export.samples import read_target, sample_fields

_COUNTS = f"{EXPORT_FOLDER}/counts"


class WebDataset(Format):
    """`KEY.flac`, `KEY.json` (the sample) and `KEY.txt` (the answer); a second clip is `KEY.2.flac`."""

    name: ClassVar[str] = "webdataset"
    reader: ClassVar[str] = "webdataset"
    indexes: ClassVar[tuple[str, ...]] = tuple(f"{split}.json" for split in SPLITS)

    def writer(self, place: Place) -> PartWriter:
        return WebDatasetWriter(place)

    def finish(self, finished: Finished) -> Mapping[str, str]:
        counts: dict[str, int] = {}
        for name in finished.under(f"{_COUNTS}/"):
            counts.update(json.loads(read_target(finished.target, name)))
        return {f"{split}.json": _index(split, counts) for split in SPLITS if _shards(split, counts)}


class WebDatasetWriter(PartWriter):
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
        fields = json.dumps(sample_fields(item), ensure_ascii=False)
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


def _shards(split: str, counts: Mapping[str, int]) -> list[dict[str, str | int]]:
    return [{"url": name, "nsamples": count} for name, count in sorted(counts.items()) if name.startswith(f"{split}/")]


def _index(split: str, counts: Mapping[str, int]) -> str:
    index = {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": f"soundseam-{split}",
        "shardlist": _shards(split, counts),
    }
    return json.dumps(index, indent=1) + "\n"
