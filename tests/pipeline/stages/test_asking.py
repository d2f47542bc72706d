"""Backends whose models are behind servers, in the one graph: broad streams, kept answers, and counts of both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from soundseam.annotators.base import Clip
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Usage
from soundseam.pipeline.config import RunConfig, load_config
from soundseam.pipeline.input.sources import list_sources
from soundseam.pipeline.local.progress import ProgressLog, Step
from soundseam.pipeline.plan import Plan, plan_run, stage_keys
from soundseam.pipeline.stages.annotate import read_clips
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.stages.graph import run_graph
from soundseam.pipeline.storage.commits import prepare_output
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.schemas.segment import Segment
from tests.support.chat_models import Scripted
from tests.support.chat_server import ChatServer, Fault
from tests.support.corpora import RECORDINGS, rows_of
from tests.support.memory_files import MemoryFileSystem

STAGE = "annotations/speech/openai_audio"
PROFILE = """
detectors: [{{kind: embedded}}]
branches:
  speech:
    - kind: openai_audio
      server: {{urls: ["{url}"], model: asr, in_flight: 64, outage_s: 1}}
"""


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(Scripted(lambda asked: "good morning"), latency_s=0.05) as running:
        yield running


@pytest.fixture
def config(server: ChatServer, tmp_path: Path) -> RunConfig:
    path = tmp_path / "served.yaml"
    path.write_text(PROFILE.format(url=server.url))
    return load_config(str(path))


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four short recordings of speech, each of other content."""
    folder = tmp_path_factory.mktemp("recordings")
    samples, rate = soundfile.read(RECORDINGS / "speech-circuits-busy.wav")
    for number in range(24):
        soundfile.write(folder / f"{number}.flac", samples[: len(samples) - 160 * number], rate)
    return folder


def plan_of(inputs: Path, output: Path | str, config: RunConfig) -> Plan:
    sources = list_sources([str(inputs)], None).sources
    return plan_run(
        sources, config, Corpus.load_present(str(output), list(stage_keys(config))), prepare_output(str(output))
    )


def run(inputs: Path, output: Path | str, config: RunConfig, progress: ProgressLog | None = None) -> None:
    run_graph(plan_of(inputs, output, config).tasks, RunContext(str(output), progress or ProgressLog(), config=config))


def test_questions_of_many_works_are_under_way_together(
    server: ChatServer, config: RunConfig, recordings: Path, tmp_path: Path
) -> None:
    assert len(plan_of(recordings, tmp_path / "out", config).tasks) > 12
    server.latency_s = 2.0  # longer than a busy machine needs to ask all of them
    run(recordings, tmp_path / "out", config)
    assert len(rows_of(tmp_path / "out", "annotations/speech")) == server.count == 24
    assert server.max_in_flight > 12


def test_what_was_answered_is_not_asked_again_though_its_rows_are_gone(
    server: ChatServer, config: RunConfig, recordings: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    run(recordings, output, config)
    rows = rows_of(output, "annotations/speech")
    asked = server.count
    shutil.rmtree(output / "_run" / "commits" / STAGE.replace("/", "."))
    shutil.rmtree(output / "annotations" / "speech")
    run(recordings, output, config)
    assert server.count == asked
    assert rows_of(output, "annotations/speech") == rows


def test_another_model_is_asked_everything(
    server: ChatServer, config: RunConfig, recordings: Path, tmp_path: Path
) -> None:
    run(recordings, tmp_path / "out", config)
    asked = server.count
    (backend,) = config.branches.speech
    assert isinstance(backend.server, Endpoint)  # type: ignore[union-attr]
    for changed, more in (({"in_flight": 3}, 0), ({"revision": "2"}, asked)):
        other = backend.model_copy(update={"server": backend.server.model_copy(update=changed)})  # type: ignore[union-attr]
        run(
            recordings,
            tmp_path / "out",
            config.model_copy(update={"branches": config.branches.model_copy(update={"speech": (other,)})}),
        )
        assert server.count == asked + more


def test_an_outage_ends_the_job_and_rejects_nothing(
    server: ChatServer, config: RunConfig, recordings: Path, tmp_path: Path
) -> None:
    server.faults = lambda number, asked: Fault(503) if number > 12 else None
    with pytest.raises(Exception, match="stayed away for 1 s"):
        run(recordings, tmp_path / "out", config)
    assert not list((tmp_path / "out" / "rejected").glob("*-*.parquet"))


def test_a_clip_that_the_server_refuses_is_rejected_alone(
    server: ChatServer, config: RunConfig, recordings: Path, tmp_path: Path
) -> None:
    server.faults = lambda number, asked: Fault(400) if number == 5 else None
    run(recordings, tmp_path / "out", config)
    assert len(rows_of(tmp_path / "out", "annotations/speech")) == 23
    assert [row["reason"] for row in rows_of(tmp_path / "out", "rejected") if row["stage"] == STAGE] == [
        "refused_by_server"
    ]


def test_a_job_into_a_remote_folder_keeps_its_answers_there(
    server: ChatServer, config: RunConfig, recordings: Path
) -> None:
    MemoryFileSystem.clear()
    run(recordings, "mem://bucket/out", config)
    kept = [uri for uri in MemoryFileSystem.contents if "/_run/answers/" in uri]
    MemoryFileSystem.clear()
    assert kept


def test_steps_tell_what_was_asked_and_how_long_it_took(
    server: ChatServer, config: RunConfig, recordings: Path, tmp_path: Path
) -> None:
    log = tmp_path / "steps.jsonl"
    run(recordings, tmp_path / "out", config, ProgressLog(path=str(log)))
    steps = [Step.model_validate_json(line) for line in log.read_text().splitlines()]
    done = [step for step in steps if step.stage == STAGE and step.state == "done"]
    assert len(done) == 24
    assert sum(step.audio_ms for step in done) > 24_000
    total = sum((step.usage for step in done), Usage())
    assert (total.requests, total.answers, total.kept_answers) == (24, 24, 0)
    assert any(step.state == "alive" for step in steps)


def test_a_backend_that_asks_a_server_gets_the_segments_own_file(
    server: ChatServer, config: RunConfig, recordings: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    run(recordings, output, config)
    (backend,) = config.branches.speech
    shutil.rmtree(output / "_run" / "commits" / STAGE.replace("/", "."))
    clips: list[Clip] = [
        clip
        for work in plan_of(recordings, output, config).tasks
        for clip in read_clips(RunContext(str(output), config=config), work, backend, lambda *_: None)
    ]
    audio = {row["segment_id"]: row["audio"]["bytes"] for row in rows_of(output, "segments")}  # type: ignore[index]
    assert {clip.segment.segment_id: clip.flac for clip in clips} == audio
    assert all(isinstance(clip.segment, Segment) and not clip.samples.size for clip in clips)
