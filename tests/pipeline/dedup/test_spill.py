"""What is put on disk comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundseam.pipeline.dedup import spill
from soundseam.pipeline.dedup.spill import Partitions, Texts

KIND = np.dtype([("key", "<u8"), ("place", "<u4")])


@pytest.mark.parametrize("buffer_bytes", [100, 2**20])
def test_rows_come_back_by_partition_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buffer_bytes: int
) -> None:
    monkeypatch.setattr(spill, "BUFFER_BYTES", buffer_bytes)
    partitions = Partitions(tmp_path / "rows", KIND, 7)
    keys = np.random.default_rng(0).integers(0, 2**63, 1000).astype(np.uint64)
    for start in range(0, 1000, 90):
        rows = np.empty(len(keys[start : start + 90]), KIND)
        rows["key"], rows["place"] = keys[start : start + 90], np.arange(start, start + len(rows))
        partitions.add(rows, rows["key"])
    seen = []
    for part in partitions:
        assert len(set((part["key"] % np.uint64(7)).tolist())) == 1
        assert np.all(np.diff(part["place"].astype(int)) > 0)
        seen += part["place"].tolist()
    assert sorted(seen) == list(range(1000))
    assert not list((tmp_path / "rows").iterdir())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(codec=None, categories=None)), max_size=20))
def test_texts_come_back_by_number(tmp_path: Path, texts: list[str]) -> None:
    kept = Texts(tmp_path / "texts")
    for number, text in enumerate(texts):
        kept.append(text)
        assert kept[number // 2] == texts[number // 2]
    assert [kept[number] for number in range(len(kept))] == texts
    kept.close()
