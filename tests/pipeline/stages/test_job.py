"""A whole job in the graph: listing, planning, work, sweep and counts, with the rows of a local run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
import pytest

from soundseam.pipeline.config import RunConfig, load_config
from soundseam.pipeline.engines.job import JobProgress, read_report
from soundseam.pipeline.input.index import SourceIndex, index_folder, index_uri
from soundseam.pipeline.input.sources import list_sources
from soundseam.pipeline.inspection import inspect_corpus, inspection_of
from soundseam.pipeline.local.meter import Reading
from soundseam.pipeline.plan import plan_run, wanted_keys
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.stages.graph import build_job, run_graph, run_job
from soundseam.pipeline.stages.shard import DoneCounts, Job, PlanCounts
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.commits import Commit, commit_listing, new_commit, prepare_output
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.sweep import sweep
from soundseam.pipeline.work import LIST_STAGE, SEGMENTS_STAGE
from soundseam.schemas.recording import Rejected
from soundseam.schemas.tables import Table
from tests.support.corpora import files_of, tables_of
from tests.support.recordings import a_tone, noise, write

RATE_HZ = 16_000


class Report(NamedTuple):
    planned: PlanCounts
    done: DoneCounts


class Shown:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def show(self, reading: Reading) -> None: ...

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    path = tmp_path_factory.mktemp("profile") / "small.yaml"
    path.write_text("detectors: [{kind: embedded}]\nbranches: {general: [{kind: events}]}\n")
    return load_config(str(path))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A folder and a manifest, with equal files, contradictions, intervals and lines that cannot be used."""
    folder = tmp_path_factory.mktemp("inputs")
    raw = folder / "raw"
    raw.mkdir()
    for number in range(3):
        write(raw / f"{number}.wav", a_tone(1.0, RATE_HZ, 300.0 + 50 * number), RATE_HZ)
    write(folder / "named.wav", noise(1.5, RATE_HZ, seed=1).astype("float32"), RATE_HZ)
    shutil.copy(raw / "1.wav", raw / "copy.wav")
    shutil.copy(raw / "2.wav", folder / "elsewhere.wav")
    (raw / "broken.flac").write_bytes(b"fLaC, but no more")
    (raw / "empty.wav").write_bytes(b"")
    (raw / "notes.txt").write_text("no audio")
    lines: list[dict[str, object]] = [
        {"uri": "raw/0.wav", "license": "CC0-1.0", "start_ms": 0, "end_ms": 400, "title": "first"},
        {"uri": "raw/0.wav", "license": "CC-BY-4.0", "start_ms": 500, "end_ms": 900},
        {"uri": "named.wav", "language": "xx-nothing"},
        {"uri": "elsewhere.wav", "license": "CC0-1.0"},
        {"uri": "missing.wav"},
        {"title": "no uri"},
    ]
    manifest = folder / "corpus.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines) + "not JSON\n")
    return str(raw), str(manifest)


def local_run(inputs: Sequence[str], output: str, config: RunConfig) -> None:
    """What a local run does, in this process."""
    listing = list_sources(inputs, output=output)
    shards = prepare_output(output)
    listed = commit_listing(output, inputs, listing.rejected)
    plan = plan_run(listing.sources, config, Corpus.load_present(output, wanted_keys(config, ())), shards)
    run_graph(plan.tasks, RunContext(output, config=config))
    sweep(output, {**wanted_keys(config, listing.sources), LIST_STAGE: listed})


def a_job(inputs: Sequence[str], output: str) -> Job:
    shards = prepare_output(output)
    return Job(inputs=tuple(inputs), output=output, shards=shards, max_retries=3, name="test")


def job_run(inputs: Sequence[str], output: str, config: RunConfig) -> Report:
    job = a_job(inputs, output)
    run_job(job, RunContext(output, config=config))
    planned, done = read_report(job, "planned", PlanCounts), read_report(job, "done", DoneCounts)
    assert planned is not None
    assert done is not None
    for when in ("planned", "done"):
        Path(job.report_uri(when)).unlink()
    return Report(planned, done)


@pytest.fixture(scope="module")
def done(inputs: tuple[str, ...], config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    output = tmp_path_factory.mktemp("job") / "out"
    return output, job_run(inputs, str(output), config)


def test_a_job_gives_the_rows_and_the_rejects_of_a_local_run(
    inputs: tuple[str, ...], config: RunConfig, done: tuple[Path, Report], tmp_path: Path
) -> None:
    output, report = done
    local_run(inputs, str(tmp_path / "local"), config)
    rows = tables_of(output)
    assert rows == tables_of(tmp_path / "local")
    assert {row["reason"] for row in rows["rejected"]} >= {"duplicate", "missing_file", "bad_manifest_line"}
    assert inspection_of(report.done.corpus) == inspect_corpus(str(tmp_path / "local"))
    assert (report.planned.recordings, report.planned.to_do) == (5, 5)
    assert report.done.corpus.listed_with_segments == report.done.corpus.with_segments > 0
    assert report.done.audio_ms == report.done.corpus.audio_ms


def test_a_second_job_reads_no_file_again_whoever_has_read_it_and_does_nothing(
    inputs: tuple[str, ...], config: RunConfig, done: tuple[Path, Report]
) -> None:
    output, _ = done
    buckets = [stat.uri for stat in files.list_files(index_folder(str(output)))]
    SourceIndex(index_uri(str(output)), buckets).save()
    shutil.rmtree(index_folder(str(output)))
    changed = Path(inputs[0], "1.wav")
    data, status, before = changed.read_bytes(), changed.stat(), tables_and_markers(output)
    changed.write_bytes(data[::-1])
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    report = job_run(inputs, str(output), config)
    changed.write_bytes(data)
    assert report.planned.to_do == 0, "a file of the same size and time has not been read"
    assert tables_and_markers(output) == before
    assert [stat.uri for stat in files.list_files(index_folder(str(output)))] == buckets


def tables_and_markers(output: Path) -> dict[str, int]:
    return {name: when for name, when in files_of(output).items() if not name.startswith("_run/sources")}


def test_a_job_rebuilds_what_is_gone_retries_what_was_lost_and_removes_what_no_marker_names(
    inputs: tuple[str, ...], config: RunConfig, done: tuple[Path, Report], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    shutil.copytree(done[0], output)
    whole = tables_of(output)
    next((output / "captions").glob("0*.parquet")).unlink()
    stray = output / "captions" / f"0001-{'a' * 16}-{'b' * 16}.parquet"
    stray.write_bytes(b"of a killed run")
    lose_a_recording(output)
    report = job_run(inputs, str(output), config)
    assert tables_of(output) == whole
    assert (report.planned.damaged, report.planned.tried_again) == (1, 1)
    assert not stray.exists()
    assert not (output / "_run" / "retries").exists()


def lose_a_recording(output: Path) -> None:
    """As if the file of a recording had not been there when it was cut."""
    corpus = Corpus.load(str(output), [SEGMENTS_STAGE])
    commit = next(commit for commit in corpus.commits[SEGMENTS_STAGE] if len(commit.files) > 1)
    ((name, key),) = commit.covers
    lost = Commit(stage=SEGMENTS_STAGE, shard=commit.shard, covers=((name, key),), files=())
    with new_commit(str(output), lost) as writer:
        row = Rejected(recording_id=name, source_uri="x", stage="decode", reason="missing_file", detail="")
        writer.append(Table.REJECTED, row)


def test_what_a_job_carries_does_not_grow_with_the_corpus(config: RunConfig, tmp_path: Path) -> None:
    sizes = set()
    for number_of_files in (1, 300):
        folder = tmp_path / f"{number_of_files:03d}"
        folder.mkdir()
        for number in range(number_of_files):
            # Names that do not compress: carrying them would take 32 bytes each, as Beam compresses what it carries.
            (folder / f"{sha256(str(number).encode()).hexdigest()}.wav").write_text(str(number))
        pipeline = beam.Pipeline()
        build_job(pipeline, a_job([str(folder)], str(tmp_path / "out")), RunContext("out", config=config))
        sizes.add(pipeline.to_runner_api().ByteSize())
    assert max(sizes) - min(sizes) < 1_000, "what Beam compresses contains addresses, which differ"
    assert max(sizes) < 2**20


def test_the_progress_of_a_job_is_counted_from_its_commits(
    config: RunConfig, done: tuple[Path, Report], tmp_path: Path
) -> None:
    job, shown = a_job([], str(tmp_path)), Shown()
    progress = JobProgress(job, config, shown)
    progress.count()
    assert progress.done() == "nothing had been planned"
    Path(job.report_uri("planned")).write_text(done[1].planned.model_dump_json())
    progress.count()
    assert progress.done() == "0 of 5 recordings are done, 0% of the work"
    shutil.copytree(done[0] / "_run" / "commits", tmp_path / "_run" / "commits")
    progress.count()
    assert progress.done() == "5 of 5 recordings are done, 100% of the work"
    assert shown.notes == ["5 recordings have something left to do, 0 are up to date"]
