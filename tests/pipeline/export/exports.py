"""Small corpora with samples, exported."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import soundfile
from numpy.typing import NDArray

from soundseam.pipeline.export.base import ExportOptions
from soundseam.pipeline.export.launch import ExportSummary, run_export
from soundseam.pipeline.export.plan import plan_export
from soundseam.pipeline.export.target import check_export
from soundseam.pipeline.sft.build import SftConfig
from soundseam.schemas.sample import Sample
from tests.pipeline.sft.builders import CONFIG, a_rich_recording
from tests.pipeline.sft.corpora import build_samples, commit_corpus

NAMES = ("rec1", "rec2", "rec3", "a", "b")
"""The last two fall into one shard, the others each into one of its own: four parts."""
HALF = CONFIG.model_copy(update={"validation_share": 0.5})


def make_corpus(folder: Path, config: SftConfig = HALF) -> Path:
    """Five recordings of four segments, with samples of every task, on both sides of the split."""
    commit_corpus(folder, [a_rich_recording(name) for name in NAMES])
    build_samples(folder, config)
    return folder


def export(
    corpus: Path, target: Path, to: str, workers: int = 1, replace: bool = False, **options: object
) -> ExportSummary:
    plan = plan_export(str(corpus), str(target), ExportOptions.model_validate({"to": to, **options}))
    check_export(plan, replace)
    return run_export(plan, workers, lambda done, parts: None)


def samples_in(corpus: Path) -> dict[str, Sample]:
    tables = [pq.read_table(folder).to_pylist() for folder in sorted((corpus / "sft").iterdir())]
    return {row["sample_id"]: Sample.model_validate(row) for table in tables for row in table}


@cache
def audio_in(corpus: Path) -> dict[str, NDArray[np.int16]]:
    """segment_id → its samples."""
    rows = pq.read_table(corpus / "segments", columns=["segment_id", "audio"]).to_pylist()
    return {row["segment_id"]: decode(row["audio"]["bytes"]) for row in rows}


def decode(data: bytes) -> NDArray[np.int16]:
    samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    assert rate == 16_000
    result: NDArray[np.int16] = samples
    return result


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file of an export but its own notes, with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("export.json", "layout.json")
    }
