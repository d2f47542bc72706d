"""Parquet with typed audio and a dataset card, as Hugging Face datasets reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from soundseam.pipeline.export.base import (
    EntryWriter,
    Finished,
    Format,
    Item,
    PartWriter,
    Place,
    main_item,
)
from soundseam.pipeline.export.packs import PACK, PackedDocument
from soundseam.pipeline.export.shards import RollingName
from soundseam.schemas.sample import Sample
from soundseam.schemas.tables import arrow_schema

ROW_GROUP_BYTES = 32 * 2**20
"""Audio that a writer keeps in memory, over all its open files."""
ROW_GROUP_ROWS = 200

_AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_CLIP = {"audio": {"_type": "Audio"}}
# `Sequence` is what datasets 3, 4 and 5 all read; `List` is unknown to 3.
_CLIPS = {"audios": {"feature": {"_type": "Audio"}, "_type": "Sequence"}}
_TEXTS = [pa.field(name, pa.string()) for name in ("question", "text")]


def row_schema(pairs: bool) -> pa.Schema:
    """A clip with datasets' Audio type, or a list of two; a question with its text; and all samples."""
    audio = pa.field("audios", pa.list_(_AUDIO)) if pairs else pa.field("audio", _AUDIO)
    sample = pa.struct([*_TEXTS, *arrow_schema(Sample), pa.field("answer_prior", pa.float64())])
    names = pa.field("segment_ids", pa.list_(pa.string()))
    known = [pa.field(name, pa.string()) for name in ("recording_id", "license")]
    fields = [audio, *_TEXTS, names, *known, pa.field("samples", pa.list_(sample))]
    # datasets reads struct<bytes, path> as Audio only if this key says so.
    features = {"info": {"features": _CLIPS if pairs else _CLIP}}
    return pa.schema(fields, metadata={"huggingface": json.dumps(features)})


def pack_schema() -> pa.Schema:
    """A pack's columns as those of a sample, its clips, and its documents."""
    documents = pa.list_(pa.field("element", pa.struct(list(arrow_schema(PackedDocument)))))
    own = [pa.field("answer_prior", pa.float64()), pa.field("tokens", pa.int64()), pa.field("documents", documents)]
    fields = [pa.field("audios", pa.list_(_AUDIO)), *_TEXTS, *arrow_schema(Sample), *own]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": _CLIPS}})})


class HuggingFace(Format):
    """`data/train-00000-of-00008.parquet`: a row is a clip, `audio`, with `question` and `text` (its caption, else its
    transcript or another answer), and `samples`, a list of all its samples. The configuration `pairs` has samples with
    two clips, `audios`; the corpus's tables are a configuration each.
    """

    name: ClassVar[str] = "hf"
    reader: ClassVar[str] = "datasets 3, 4 and 5"
    # datasets 5 takes no relative path to the present folder.
    command: ClassVar[str] = (
        "python -c \"import datasets, pathlib; print(datasets.load_dataset(str(pathlib.Path('{target}').resolve())))\""
    )
    equal_shards: ClassVar[bool] = True
    holds_packs: ClassVar[bool] = True

    def writer(self, place: Place) -> PartWriter:
        return HuggingFaceWriter(place) if place.options.recipe is None else PackRowsWriter(place)

    def finish(self, finished: Finished) -> Mapping[str, str]:  # noqa: ARG002 - the card needs counts: see card.py
        return {}


class HuggingFaceWriter(EntryWriter):
    def __init__(self, place: Place) -> None:
        super().__init__(place)
        window = place.window
        self._schema = row_schema(window.pairs)
        path = place.path(f"{window.stem(5)}-of-{window.total:05d}.parquet")
        self._writer: Any = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._pending: list[dict[str, object]] = []
        self._pending_bytes = 0

    def write_entry(self, items: Sequence[Item]) -> None:
        main, sample = main_item(items), items[0].sample
        audios = [{"bytes": clip.flac, "path": f"{clip.segment_id}.flac"} for clip in main.clips]
        played = {"audios": audios} if len(audios) > 1 else {"audio": audios[0]}
        samples = [{**item.fields(), **_texts(item)} for item in items]
        known = {name: getattr(sample, name) for name in ("segment_ids", "recording_id", "license")}
        self._pending.append({**played, **_texts(main), **known, "samples": samples})
        self._pending_bytes += sum(len(clip.flac) for clip in main.clips) + 4096 * len(samples)
        if len(self._pending) >= ROW_GROUP_ROWS or self._pending_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        super().close()
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.Table.from_pylist(self._pending, schema=self._schema))
            self._pending, self._pending_bytes = [], 0


def _texts(item: Item) -> dict[str, str]:
    return {"question": item.question, "text": item.answer}


class PackRowsWriter(PartWriter):
    """Writes packs, each as a row, in files of its part."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._open: dict[str, _OpenFile] = {}

    def write(self, item: Item) -> str | None:
        split = item.sample.split
        if split not in self._open:
            self._open[split] = _OpenFile(RollingName(self._place, f"data/{PACK}", split, "parquet"))
        self._open[split].add(item)
        if sum(file.pending_bytes for file in self._open.values()) >= ROW_GROUP_BYTES:
            max(self._open.values(), key=lambda file: file.pending_bytes).flush()
        return None

    def close(self) -> None:
        for file in self._open.values():
            file.close()


class _OpenFile:
    def __init__(self, name: RollingName) -> None:
        self._name, self._schema = name, pack_schema()
        self._writer: Any = None
        self._pending: list[dict[str, object]] = []
        self.pending_bytes = 0

    def add(self, item: Item) -> None:
        audios = [{"bytes": clip.flac, "path": f"{clip.segment_id}.flac"} for clip in item.clips]
        self._pending.append({**item.fields(), **_texts(item), "audios": audios})
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
