"""Speed and memory of `sft`, every export, `dedup` and `report`, on a corpus of made-up rows over a few real clips.

`python -m benchmarks.training_data` prints rows per second of each step, next to a bare pyarrow read and write of the
bytes that it reads, in the same run, and each step's peak memory at a fourth of the corpus and at the whole of it. Each
step runs in a process of its own, with one worker. Seconds are of processor time, which a machine or a disk that does
other work as well changes little.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from benchmarks.training_corpus import SEGMENTS_A_RECORDING, make_corpus
from soundseam.pipeline.dedup.launch import DedupRequest, find_duplicates
from soundseam.pipeline.export.base import ExportOptions, Stage
from soundseam.pipeline.export.formats import FORMATS
from soundseam.pipeline.export.launch import run_export
from soundseam.pipeline.export.packs import packing_line, shares_reached
from soundseam.pipeline.export.plan import plan_export
from soundseam.pipeline.export.pretrain import planned
from soundseam.pipeline.export.recipe import PretrainRecipe
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.report.launch import ReportRequest, make_report
from soundseam.pipeline.sft.build import load_sft_config
from soundseam.pipeline.sft.launch import SftGroup, prepare_sft
from soundseam.pipeline.sft.read import Marks

TEXT_TABLES = ("segments", "recordings", "annotations/speech", "annotations/music", "annotations/general", "captions")
BATCH_ROWS = 200
TASKS = ("asr", "tempo")
"""What is exported: with all tasks, formats that hold audio with every sample would fill the disk."""


class Measured(NamedTuple):
    """One step: how many rows it wrote, in which time, and the most memory its process held."""

    rows: int
    seconds: float
    peak_mb: float
    written_mb: float


def main(
    segments: Annotated[int, typer.Option(help="Size of the corpus.")] = 10_000,
    folder: Annotated[Path | None, typer.Option(help="Where to work; a temporary folder by default.")] = None,
) -> None:
    with tempfile.TemporaryDirectory(prefix="soundseam-", dir=folder) as work:
        small, large = Path(work, "small"), Path(work, "large")
        for corpus, size in ((small, segments // 4), (large, segments)):
            make_corpus(corpus, size // SEGMENTS_A_RECORDING)
        print(f"{segments:,} segments\n")
        print(f"{'step':<12} {'rows/s':>8} {'bare rows/s':>12} {'written':>9} {'peak at 1/4':>12} {'peak':>8}")
        _report("sft", _measure(build, small), _measure(build, large), _measure(copy_text, large))
        bare = _measure(copy_all, large)
        for name in FORMATS:
            measured = []
            for corpus in (small, large):
                measured.append(_measure(write, corpus, name))
                shutil.rmtree(corpus.with_name(f"{corpus.name}-{name}"))
            _report(name, measured[0], measured[1], bare)
        _report("packs", _measure(pack, small), _measure(pack, large), bare)
        segments_alone = _measure(copy_segments, large)
        _report("dedup", _measure(find, small), _measure(find, large), segments_alone)
        _report("report", _measure(show, small), _measure(show, large), _measure(copy_text, large))


def build(corpus: Path) -> Measured:
    """All samples of all tasks."""
    job = prepare_sft(str(corpus), load_sft_config(), Marks())
    began = time.process_time()
    SftGroup(job.made_with, None)(job.plan.tasks, ProgressLog())
    seconds = time.process_time() - began
    files = list((corpus / "sft").rglob("*.parquet"))
    return Measured(sum(pq.read_metadata(file).num_rows for file in files), seconds, peak_mb(), megabytes(files))


def write(corpus: Path, name: str) -> Measured:
    """The samples of TASKS with their audio, in one format."""
    target = corpus.with_name(f"{corpus.name}-{name}")
    began = time.process_time()
    options = ExportOptions(to=name, tables=False, tasks=TASKS)
    summary = run_export(plan_export(str(corpus), str(target), options), 1, _say_nothing)
    seconds = time.process_time() - began
    return Measured(
        summary.counts.total, seconds, peak_mb(), megabytes([file for file in target.rglob("*") if file.is_file()])
    )


def pack(corpus: Path) -> Measured:
    """The documents of a pretraining mix, in packs; prints what they hold and what is lost."""
    target = corpus.with_name(f"{corpus.name}-packs")
    began = time.process_time()
    recipe = PretrainRecipe()
    options = ExportOptions(to="webdataset", stage=Stage.PRETRAIN, recipe=recipe)
    counts = run_export(planned(str(corpus), str(target), options), 1, _say_nothing).counts
    seconds = time.process_time() - began
    print(packing_line(recipe, counts))
    for kind, (wanted, reached, amount) in shares_reached(recipe, counts).items():
        tokens = amount.audio_tokens + amount.text_tokens
        print(f"{kind:<12} {tokens:>12,} tokens, {reached:.1%} of all; wanted {wanted:.0%}")
    written = megabytes([file for file in target.rglob("*") if file.is_file()])
    shutil.rmtree(target)
    return Measured(counts.total, seconds, peak_mb(), written)


def find(corpus: Path) -> Measured:
    """Fingerprints of all segments, and their duplicates: the clips are few, so that nearly all are copies."""
    began = time.process_time()
    found = find_duplicates(DedupRequest(output=str(corpus)), _say_nothing).found
    seconds = time.process_time() - began
    files = [*(corpus / "_run" / "fingerprints").rglob("*.parquet"), *(corpus / "duplicates").iterdir()]
    return Measured(found.segments, seconds, peak_mb(), megabytes(files))


def show(corpus: Path) -> Measured:
    """A report over all segments, of which 500 are shown."""
    began = time.process_time()
    made = make_report(ReportRequest(output=str(corpus), target=str(corpus.with_name(f"{corpus.name}-report"))))
    seconds = time.process_time() - began
    files = [file for file in made.page.parent.rglob("*") if file.is_file()]
    return Measured(made.of, seconds, peak_mb(), megabytes(files))


def copy_segments(corpus: Path) -> Measured:
    """What `dedup` reads, read and written by pyarrow alone."""
    return _copy([corpus / "segments"], corpus.with_name("bare"), with_audio=True)


def copy_text(corpus: Path) -> Measured:
    """What `sft` reads, read and written by pyarrow alone."""
    return _copy([corpus / table for table in TEXT_TABLES], corpus.with_name("bare"), with_audio=False)


def copy_all(corpus: Path) -> Measured:
    """What an export reads, read and written by pyarrow alone: segments with audio, and samples."""
    return _copy(
        [corpus / "segments", *(corpus / "sft" / task for task in TASKS)], corpus.with_name("bare"), with_audio=True
    )


def _copy(tables: Sequence[Path], target: Path, with_audio: bool) -> Measured:
    target.mkdir()
    began, rows = time.process_time(), 0
    written: list[Path] = []
    for path in (path for table in tables for path in sorted(table.glob("*.parquet"))):
        written.append(target / f"{len(written)}.parquet")
        rows += _copy_file(path, written[-1], with_audio)
    measured = Measured(rows, time.process_time() - began, peak_mb(), megabytes(written))
    shutil.rmtree(target)
    return measured


def _copy_file(source: Path, target: Path, with_audio: bool) -> int:
    with pq.ParquetFile(source) as file:
        names = [name for name in file.schema_arrow.names if with_audio or name != "audio"]
        schema = pa.schema([file.schema_arrow.field(name) for name in names])
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in file.iter_batches(BATCH_ROWS, columns=names):
                writer.write_batch(batch.cast(schema))
        return int(file.metadata.num_rows)


def peak_mb() -> float:
    """The most memory that this process has held, by Linux's own account."""
    # getrusage would also count what the parent held when it started this process.
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("/proc/self/status tells no VmHWM")


def megabytes(files: Sequence[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 2**20


def _say_nothing(done: int, parts: int) -> None:
    """Progress is for people."""


def _measure(step: Callable[..., Measured], *arguments: object) -> Measured:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(step, *arguments).result()


def _report(name: str, small: Measured, large: Measured, bare: Measured) -> None:
    print(
        f"{name:<12} {large.rows / large.seconds:>8,.0f} {bare.rows / bare.seconds:>12,.0f} "
        f"{large.written_mb:>6,.0f} MB {small.peak_mb:>9,.0f} MB {large.peak_mb:>5,.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    typer.run(main)
