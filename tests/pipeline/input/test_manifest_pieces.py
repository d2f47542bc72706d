"""A manifest divided into pieces has the lines of the whole."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from soundseam.pipeline.input.manifest_rows import BadLineError, Piece, read_rows, split_manifest


@given(
    suffix=st.sampled_from(["csv", "jsonl"]),
    names=st.lists(st.text("ab\n\"', ü", max_size=12), min_size=1, max_size=30),
    with_mark=st.booleans(),
    piece_bytes=st.integers(1, 60),
)
def test_the_pieces_of_a_manifest_give_the_lines_of_the_whole(
    suffix: str, names: list[str], with_mark: bool, piece_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"m.{suffix}")
        with path.open("w", encoding="utf-8-sig" if with_mark else "utf-8", newline="") as file:
            if suffix == "csv":
                csv.writer(file).writerows([["uri", "title"], *(["a.wav", name] for name in names)])
            else:
                file.writelines(json.dumps({"uri": "a.wav", "title": name}) + "\n" for name in names)
                file.write('not JSON\n\n{"uri": "b.wav"}')
        pieces = list(split_manifest(str(path), piece_bytes))
        assert [row for piece in pieces for row in _comparable(path, piece)] == list(_comparable(path, None))
        assert len(pieces) >= len(names) or piece_bytes > 1


def test_the_row_groups_of_a_manifest_are_its_pieces(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"uri": [f"{number}.wav" for number in range(7)]}), path, row_group_size=3)
    pieces = list(split_manifest(str(path)))
    assert len(pieces) == 3
    assert [row for piece in pieces for row in _comparable(path, piece)] == list(_comparable(path, None))


def test_a_large_manifest_is_read_in_pieces_and_a_small_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    lines = [json.dumps({"uri": f"{number}.wav", "title": "x" * 500}) + "\n" for number in range(20_000)]
    path.write_text("".join(lines))
    assert len([piece for piece in split_manifest(str(path)) if piece]) == 3
    path.write_text("".join(lines[:100]))
    assert list(split_manifest(str(path))) == [None]


def _comparable(path: Path, piece: Piece | None) -> Iterator[tuple[int, object]]:
    for number, row in read_rows(str(path), piece):
        yield number, str(row) if isinstance(row, BadLineError) else row
