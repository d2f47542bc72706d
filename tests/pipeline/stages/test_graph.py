"""The one graph, run in this process: on local folders, on a remote filesystem, and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import pyarrow.parquet as pq
import pytest

from soundseam.annotators.base import AnnotationError, Backend, Clip, RecordingAnnotator, Waveform
from soundseam.pipeline.config import RunConfig, load_config
from soundseam.pipeline.input.sources import list_sources
from soundseam.pipeline.plan import Plan, plan_run, stage_keys, wanted_keys
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.stages.graph import run_graph
from soundseam.pipeline.storage.commits import prepare_output
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.storage.files import list_files, local_copy
from soundseam.pipeline.storage.sweep import sweep
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts
from soundseam.schemas.tables import Table
from tests.support.corpora import RECORDINGS, quick_profile
from tests.support.memory_files import MemoryFileSystem

NAMES = ("speech-circuits-busy.wav", "sound-alarm-clock.flac", "sound-chime.flac")


@pytest.fixture
def remote() -> Iterator[str]:
    for name in NAMES:
        MemoryFileSystem.put(f"mem://bucket/in/{name}", (RECORDINGS / name).read_bytes())
    yield "mem://bucket/in"
    MemoryFileSystem.clear()


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return load_config(quick_profile(tmp_path))


def plan_of(inputs: str, output: str, config: RunConfig) -> Plan:
    sources = list_sources([inputs], None).sources
    return plan_run(sources, config, Corpus.load_present(output, list(stage_keys(config))), prepare_output(output))


def rows_of(output: str, table: Table) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for stat in list_files(f"{output}/{table}"):
        with local_copy(stat.uri) as path:
            rows += pq.read_table(path).to_pylist()
    return sorted((row for row in rows), key=str)


def test_a_job_from_one_remote_folder_into_another_gives_the_rows_of_a_local_one(
    remote: str, config: RunConfig, tmp_path: Path
) -> None:
    local = tmp_path / "in"
    local.mkdir()
    for name in NAMES:
        (local / name).write_bytes((RECORDINGS / name).read_bytes())
    outputs = {remote: "mem://bucket/out", str(local): str(tmp_path / "out")}
    for inputs, output in outputs.items():
        run_graph(plan_of(inputs, output, config).tasks, RunContext(output, config=config))
    there, here = outputs.values()
    for table in (Table.SPEECH, Table.GENERAL, Table.CAPTIONS):
        assert rows_of(there, table) == rows_of(here, table) != []
    assert [row["segment_id"] for row in rows_of(there, Table.SEGMENTS)] == [
        row["segment_id"] for row in rows_of(here, Table.SEGMENTS)
    ]


def test_what_a_job_has_done_is_not_planned_again(remote: str, config: RunConfig) -> None:
    output = "mem://bucket/out"
    run_graph(plan_of(remote, output, config).tasks, RunContext(output, config=config))
    assert plan_of(remote, output, config).is_empty


def test_works_run_in_several_jobs_give_what_one_job_gives(remote: str, config: RunConfig) -> None:
    together, apart = "mem://bucket/together", "mem://bucket/apart"
    tasks = plan_of(remote, together, config).tasks
    run_graph(tasks, RunContext(together, config=config))
    prepare_output(apart)
    for work in tasks:
        run_graph([work], RunContext(apart, config=config))
    for table in Table:
        assert rows_of(together, table) == rows_of(apart, table)


def test_the_same_work_done_twice_stands_once_after_sweeping(remote: str, config: RunConfig) -> None:
    output = "mem://bucket/out"
    tasks = plan_of(remote, output, config).tasks
    run_graph(tasks, RunContext(output, config=config))
    once = {table: rows_of(output, table) for table in Table}
    run_graph(tasks, RunContext(output, config=config))
    sweep(output, wanted_keys(config, list_sources([remote], None).sources))
    assert {table: rows_of(output, table) for table in Table} == once


class HearsAll:
    """Captions each segment with what it heard of the whole recording; gives long recordings up."""

    def annotate(self, clips: Sequence[Clip]) -> list[SpeechFacts]:
        raise AssertionError("a recording was to be heard, not its clips")

    def annotate_recording(self, waveform: Waveform, segments: Sequence[Segment]) -> list[SpeechFacts]:
        heard = sum(map(len, waveform.blocks()))
        if heard > 20 * 16_000:
            raise AnnotationError("too_long", f"{heard} samples")
        return [SpeechFacts(caption=f"{segment.end_ms} of {heard}") for segment in segments]


class WholeListener(Backend[SpeechFacts]):
    """A backend that takes recordings."""

    kind: Literal["whole_listener"] = "whole_listener"
    branch: ClassVar[Branch] = Branch.SPEECH
    takes_recordings: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return "counter"

    @property
    def revision(self) -> str:
        return "1"

    def load(self) -> RecordingAnnotator[SpeechFacts]:
        return HearsAll()


def test_a_backend_of_recordings_hears_the_whole_and_answers_for_each_segment(
    remote: str, config: RunConfig, tmp_path: Path
) -> None:
    MemoryFileSystem.put(f"{remote}/long.flac", (RECORDINGS / "speech-phone-menu.flac").read_bytes())
    branches = config.branches.model_copy(update={"speech": (WholeListener(),)})
    listening = config.model_copy(update={"branches": branches})
    output = "mem://bucket/out"
    run_graph(plan_of(remote, output, listening).tasks, RunContext(output, config=listening))
    spoken = [row for row in rows_of(output, Table.SEGMENTS) if "speech" in str(row["branches"])]
    short = [row for row in spoken if "circuits" in str(row["source_uri"])]
    assert [row["caption"] for row in rows_of(output, Table.SPEECH)] == [
        f"{row['end_ms']} of {28_822}" for row in short
    ]
    rejected = [row for row in rows_of(output, Table.REJECTED) if row["reason"] == "too_long"]
    assert (
        {row["segment_id"] for row in rejected}
        == {row["segment_id"] for row in spoken} - {row["segment_id"] for row in short}
        != set()
    )
