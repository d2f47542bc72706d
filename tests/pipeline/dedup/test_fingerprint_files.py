"""Fingerprint files come back whole; what others wrote is read with distrust."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.dedup.fingerprint import VERSION
from soundseam.pipeline.dedup.fingerprint_files import VERSION_KEY, read_fingerprints, write_fingerprints
from soundseam.schemas.duplicate import Fingerprint

PEAKS = np.arange(0, 20 << 16, 1 << 16, dtype=np.uint64)
GOOD = Fingerprint(
    name="clip", recording_id=None, duration_ms=8000, audio_sha256="ab" * 32, peaks=PEAKS.astype("<u8").tobytes()
)
METADATA = {VERSION_KEY: str(VERSION).encode()}


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    rows = [GOOD.model_copy(update={"name": f"clip {number}"}) for number in range(2500)]
    assert write_fingerprints(tmp_path / "folder" / "prints.parquet", rows) == 2500
    assert list(read_fingerprints(tmp_path / "folder" / "prints.parquet")) == rows
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["prints.parquet"]


def rows_with(**changes: object) -> pa.Table:
    return pa.Table.from_pylist([{**GOOD.model_dump(), **changes}]).replace_schema_metadata(METADATA)


BROKEN: dict[str, tuple[Callable[[], pa.Table], str]] = {
    "another version": (lambda: rows_with().replace_schema_metadata({VERSION_KEY: b"0"}), "no fingerprints of version"),
    "no version": (lambda: rows_with().replace_schema_metadata(None), "no fingerprints of version"),
    "a missing column": (lambda: rows_with().drop_columns(["peaks"]), "has an invalid row"),
    "no name": (lambda: rows_with(name=None), "has an invalid row"),
    "a column of another type": (lambda: rows_with(duration_ms="long"), "has an invalid row"),
    "a negative length": (lambda: rows_with(duration_ms=-1), "has an invalid row"),
    "an endless length": (lambda: rows_with(duration_ms=2**50), "has an invalid row"),
    "a digest that is none": (lambda: rows_with(audio_sha256="ab" * 31 + "zz"), "has an invalid row"),
    "half a peak": (lambda: rows_with(peaks=b"\0" * 12), "has an invalid row"),
    "a peak at the end of time": (lambda: rows_with(peaks=b"\xff" * 8), "peaks after its end"),
    "far too many peaks": (lambda: rows_with(peaks=PEAKS.tobytes() * 1000), "20000 peaks in 8000 ms"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_true_is_one_line(tmp_path: Path, case: str) -> None:
    make, message = BROKEN[case]
    path = tmp_path / "prints.parquet"
    pq.write_table(make(), path)
    with pytest.raises(SetupError, match=message) as caught:
        list(read_fingerprints(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", b"no Parquet at all"])
def test_a_file_that_is_no_parquet_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "prints.parquet"
    path.write_bytes(content)
    with pytest.raises(SetupError, match="not a readable Parquet file") as caught:
        list(read_fingerprints(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_off_is_one_line(tmp_path: Path) -> None:
    write_fingerprints(tmp_path / "whole.parquet", [GOOD])
    data = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(SetupError, match="not a readable Parquet file"):
        list(read_fingerprints(tmp_path / "cut.parquet"))


def test_a_file_with_bytes_changed_inside_is_refused_or_read_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "prints.parquet"
    write_fingerprints(path, [GOOD] * 3)
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(data)
        damaged[random.integers(4, len(data))] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        try:
            for fingerprint in read_fingerprints(path):
                assert len(fingerprint.peaks) < 10_000
        except SetupError:
            continue
