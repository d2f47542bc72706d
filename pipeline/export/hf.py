"""Parquet with typed audio and a dataset card, as Hugging Face datasets reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from soundseam.pipeline.export.base import Finished, Format, Item, PartWriter, Place, sample_fields
from soundseam.pipeline.export.shards import RollingName
from soundseam.schemas.sample import Sample
from soundseam.schemas.tables import arrow_schema

ROW_GROUP_BYTES = 32 * 2**20
"""Of audio, over all open files together: what a writer holds in memory."""
ROW_GROUP_ROWS = 200

_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_FEATURES = {"info": {"features": {"audios": {"feature": {"_type": "Audio"}, "_type": "List"}}}}


def sample_schema() -> pa.Schema:
    """A sample's columns, its answer's prior, and its clips typed as datasets' Audio."""
    fields = [*arrow_schema(Sample), pa.field("answer_prior", pa.float64()), pa.field("audios", pa.list_(_AUDIO))]
    # datasets turns list<struct<bytes, path>> into a list of Audio only where this key says so.
    return pa.schema(fields, metadata={"huggingface": json.dumps(_FEATURES)})


class HuggingFace(Format):
    """`data/<task>/<split>-*.parquet`, a configuration a task, and the corpus's tables, a configuration each."""

    name: ClassVar[str] = "hf"
    reader: ClassVar[str] = "datasets"

    def writer(self, place: Place) -> PartWriter:
        return HuggingFaceWriter(place)

    def finish(self, finished: Finished) -> Mapping[str, str]:  # noqa: ARG002 - the card needs counts: see card.py
        return {}


class HuggingFaceWriter(PartWriter):
    def __init__(self, place: Place) -> None:
        self._place = place
        self._open: dict[tuple[str, str], _OpenFile] = {}

    def write(self, item: Item) -> str | None:
        key = (item.sample.task, item.sample.split)
        if key not in self._open:
            self._open[key] = _OpenFile(RollingName(self._place, f"data/{key[0]}", key[1], "parquet"))
        self._open[key].add(item)
        if sum(file.pending_bytes for file in self._open.values()) >= ROW_GROUP_BYTES:
            max(self._open.values(), key=lambda file: file.pending_bytes).flush()
        return None

    def close(self) -> None:
        for file in self._open.values():
            file.close()


class _OpenFile:
    def __init__(self, name: RollingName) -> None:
        self._name = name
        self._writer: Any = None
        self._pending: list[dict[str, object]] = []
        self.pending_bytes = 0

    def add(self, item: Item) -> None:
        audios = [{"bytes": clip.flac, "path": f"{clip.segment_id}.flac"} for clip in item.clips]
        self._pending.append({**sample_fields(item), "audios": audios})
        self.pending_bytes += sum(len(clip.flac) for clip in item.clips) + 4096
        if len(self._pending) >= ROW_GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        if not self._pending:
            return
        if self._writer is None or self._name.is_full:
            self._close_file()
            self._writer = pq.ParquetWriter(self._name.next_path(), sample_schema(), compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._pending, schema=sample_schema()))
        self._name.bytes += self.pending_bytes
        self._pending, self.pending_bytes = [], 0

    def close(self) -> None:
        self.flush()
        self._close_file()

    def _close_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
