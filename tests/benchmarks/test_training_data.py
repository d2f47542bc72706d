"""The benchmark of sft and exports measures what it says."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.training_corpus import SEGMENTS_A_RECORDING, make_corpus
from benchmarks.training_data import TASKS, build, copy_all, copy_segments, copy_text, find, show, write


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark") / "corpus"
    make_corpus(folder, 1)
    build(folder)
    return folder


def test_a_recording_has_rows_in_every_table(corpus: Path) -> None:
    for table in ("segments", "annotations/speech", "annotations/music", "annotations/general", "captions"):
        assert pq.read_table(corpus / table, columns=["segment_id"]).num_rows == SEGMENTS_A_RECORDING


def test_an_export_writes_every_sample_of_its_tasks(corpus: Path) -> None:
    measured = write(corpus, "webdataset")
    assert measured.rows == len(TASKS) * SEGMENTS_A_RECORDING
    assert measured.written_mb > 1
    assert measured.peak_mb > 50


def test_the_bare_copy_reads_the_same_rows(corpus: Path) -> None:
    assert copy_all(corpus).rows == (1 + len(TASKS)) * SEGMENTS_A_RECORDING
    assert copy_text(corpus).rows == 5 * SEGMENTS_A_RECORDING


def test_duplicates_and_the_report_are_of_every_segment(corpus: Path) -> None:
    assert find(corpus).rows == show(corpus).rows == copy_segments(corpus).rows == SEGMENTS_A_RECORDING
