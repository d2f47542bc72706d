"""Parquet with typed audio and a dataset card, as Hugging Face datasets reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from soundseam.pipeline.export.base import Finished, Format, Item, PartWriter, Place
from soundseam.pipeline.export.packs import PackedDocument, PackItem
from soundseam.pipeline.export.shards import RollingName
from soundseam.schemas.sample import Sample
from soundseam.schemas.tables import arrow_schema

ROW_GROUP_BYTES = 32 * 2**20
"""Audio over all open files together: the amount that a writer keeps in memory."""
ROW_GROUP_ROWS = 200

_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_CLIP = {"audio": {"_type": "Audio"}}
# `Sequence` is what datasets 3, 4 and 5 all read; `List` is unknown to 3.
_CLIPS = {"audios": {"feature": {"_type": "Audio"}, "_type": "Sequence"}}
TWO_CLIPS = "_two_clips"
"""Suffix of the configuration of a task's samples with two clips."""


def sample_schema(clips: int = 1, packs: bool = False) -> pa.Schema:
    """A sample's columns, its question and answer as texts, its answer's prior, and its clip with datasets' Audio type;
    a list of clips if samples have several, or are `packs`, which have more columns."""
    if packs:
        return _with_documents(sample_schema(clips=2))
    audio = pa.field("audio", _AUDIO) if clips == 1 else pa.field("audios", pa.list_(_AUDIO))
    texts = [pa.field(name, pa.string()) for name in ("question", "text")]
    fields = [audio, *texts, *arrow_schema(Sample), pa.field("answer_prior", pa.float64())]
    # datasets reads struct<bytes, path> as Audio only if this key says so.
    features = _CLIP if clips == 1 else _CLIPS
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _with_documents(schema: pa.Schema) -> pa.Schema:
    documents = pa.list_(pa.field("element", pa.struct(list(arrow_schema(PackedDocument)))))
    return schema.append(pa.field("tokens", pa.int64())).append(pa.field("documents", documents))


class HuggingFace(Format):
    """`data/<task>/<split>-*.parquet`, one configuration per task, and the corpus's tables, one configuration each."""

    name: ClassVar[str] = "hf"
    reader: ClassVar[str] = "datasets 3, 4 and 5"
    command: ClassVar[str] = "python -c \"import datasets; print(datasets.load_dataset('{target}'))\""
    holds_packs: ClassVar[bool] = True

    def writer(self, place: Place) -> PartWriter:
        return HuggingFaceWriter(place)

    def finish(self, finished: Finished) -> Mapping[str, str]:  # noqa: ARG002 - the card needs counts: see card.py
        return {}


class HuggingFaceWriter(PartWriter):
    def __init__(self, place: Place) -> None:
        self._place = place
        self._open: dict[tuple[str, str], _OpenFile] = {}

    def write(self, item: Item) -> str | None:
        is_pack = isinstance(item, PackItem)
        several = len(item.clips) > 1 and not is_pack
        key = (f"{item.sample.task}{TWO_CLIPS if several else ''}", item.sample.split)
        if key not in self._open:
            name = RollingName(self._place, f"data/{key[0]}", key[1], "parquet")
            self._open[key] = _OpenFile(name, sample_schema(len(item.clips), is_pack))
        self._open[key].add(item)
        if sum(file.pending_bytes for file in self._open.values()) >= ROW_GROUP_BYTES:
            max(self._open.values(), key=lambda file: file.pending_bytes).flush()
        return None

    def close(self) -> None:
        for file in self._open.values():
            file.close()


class _OpenFile:
    def __init__(self, name: RollingName, schema: pa.Schema) -> None:
        self._name, self._schema = name, schema
        self._writer: Any = None
        self._pending: list[dict[str, object]] = []
        self.pending_bytes = 0

    def add(self, item: Item) -> None:
        audios = [{"bytes": clip.flac, "path": f"{clip.segment_id}.flac"} for clip in item.clips]
        played = {"audios": audios} if "audios" in self._schema.names else {"audio": audios[0]}
        texts = {"question": item.question, "text": item.answer}
        self._pending.append({**item.fields(), **texts, **played})
        self.pending_bytes += sum(len(clip.flac) for clip in item.clips) + 4096
        if len(self._pending) >= ROW_GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        if not self._pending:
            return
        if self._writer is None or self._name.is_full:
            self._close_file()
            self._writer = pq.ParquetWriter(self._name.next_path(), self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._pending, schema=self._schema))
        self._name.bytes += self.pending_bytes
        self._pending, self.pending_bytes = [], 0

    def close(self) -> None:
        self.flush()
        self._close_file()

    def _close_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
