"""The rows of a manifest in Parquet, in memory that its size bears out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.redact import redact_uri

_BATCH_ROWS = 4096
_MAX_TEXT_BYTES = 2**12
"""A batch is unpacked as a whole while no text in it is longer than this."""
_MAX_GROUP_BYTES = 2**29
_MAX_ROWS_A_BYTE = 100


def read_parquet_rows(uri: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Number, from 1 on, and values of each row. Raises SetupError for a file that unpacks to too much."""
    with files.local_copy(uri) as path:
        # A text that many rows share is read once: a kilobyte of Parquet may otherwise become gigabytes.
        with pq.ParquetFile(path) as file:
            _check_size(uri, file.metadata, path.stat().st_size)
            texts = [column.path for column in map(file.schema.column, range(len(file.schema))) if _is_text(column)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            # Embedded audio and the like is neither metadata nor anything to carry along.
            columns = [entry.name for entry in file.schema_arrow if not _holds_bytes(entry.type)]
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
                step = max(1, _BATCH_ROWS * _MAX_TEXT_BYTES // max(_MAX_TEXT_BYTES, _longest_text(batch)))
                for start in range(0, batch.num_rows, step):
                    for row in batch.slice(start, step).to_pylist():
                        number += 1
                        yield number, row


def _check_size(uri: str, metadata: pq.FileMetaData, size_bytes: int) -> None:
    """Raises SetupError for a file that would unpack to more than a table of recordings ever does."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    sizes = [sum(group.column(i).total_uncompressed_size for i in range(group.num_columns)) for group in groups]
    largest = max(sizes, default=0)
    if largest > _MAX_GROUP_BYTES or metadata.num_rows > _MAX_ROWS_A_BYTE * size_bytes:
        raise SetupError(
            f"{redact_uri(uri)} unpacks from {size_bytes} bytes to {metadata.num_rows} rows, the largest row group to "
            f"{largest} bytes: write it anew with smaller row groups, or as JSONL"
        )


def _is_text(column: pq.ColumnSchema) -> bool:
    return bool(column.physical_type == "BYTE_ARRAY" and column.logical_type.type in ("STRING", "JSON", "ENUM"))


def _longest_text(batch: pa.RecordBatch) -> int:
    """Bytes of the longest value of a column of texts, and at most those of a column of lists or structs."""
    longest = 0
    for column in batch.columns:
        if pa.types.is_nested(column.type):
            longest = max(longest, column.nbytes)
        elif pa.types.is_dictionary(column.type) and len(column.dictionary):
            longest = max(longest, pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
    return longest


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_nested(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))
