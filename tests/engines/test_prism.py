"""Beam's portable protocol with a job server of its own: rows of a local run, also when a worker is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundseam.pipeline.launch import GraphGroup, RunRequest, prepare_run
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.storage.commits import prepare_output
from tests.engines.prism import find_prism, prism_server
from tests.support.corpora import Row, files_of, quick_profile, run_cli, start_cli, tables_of, wait_until
from tests.support.recordings import Sound, a_tone, noise, silence, write


@pytest.fixture(scope="module")
def prism() -> Path:
    return find_prism()


def test_prism_gives_the_rows_of_a_local_run_and_does_nothing_twice(prism: Path, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = ["run", folder / "inputs", "--output", output, "--profile", quick_profile(folder)]
    command += ["--runner", "PrismRunner", f"--prism_location={prism}"]
    run_cli(*command)
    assert tables_of(output) == tables_of(folder / "out")

    before = files_of(output)
    assert "Nothing to do" in run_cli(*command)
    assert files_of(output) == before

    run_cli(*command, "--set", "captions.sentences=1")
    changed = {name.rpartition("/")[0] for name, when in files_of(output).items() if before.get(name) != when}
    assert changed == {"captions"} | {name for name in changed if name.startswith("_run/commits/captions")}


def test_a_killed_worker_ends_the_job_in_one_line_and_the_same_command_finishes_it(
    prism: Path, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with prism_server(prism, tmp_path) as server:
        command = ["run", folder / "inputs", "--output", output, "--profile", quick_profile(folder), *server.options]
        process = start_cli(*command)
        wait_until(
            lambda: bool(server.worker_pids()) and any((output / "_run" / "commits" / "segments").rglob("*.json")), 240
        )
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGKILL)
        said, errors = process.communicate(timeout=120)
        assert process.returncode == 1, said + errors
        assert "Traceback" not in said + errors
        assert "PortableRunner ended the job: " in errors
        assert "of 4 recordings are done" in errors
        assert "the same command resumes" in errors
        assert (output / "_run" / "logs" / "PortableRunner.log").stat().st_size
        run_cli(*command)
    assert tables_of(output) == tables_of(folder / "out")


SOUNDS = ("tone", "noise", "silence", "bursts", "nothing")


def a_sound(kind: str, seconds: float, rate_hz: int, seed: int) -> Sound:
    if kind == "tone":
        return a_tone(seconds, rate_hz, 200.0 + 40 * seed)
    if kind == "silence":
        return silence(seconds, rate_hz)
    sound = noise(seconds, rate_hz, seed=seed)
    if kind == "bursts":
        sound = sound * (np.arange(sound.shape[1]) // (rate_hz // 4) % 2)
    return sound[:, :0] if kind == "nothing" else sound.astype(np.float32)


recordings = st.tuples(
    st.sampled_from(SOUNDS), st.floats(0.1, 2.0), st.sampled_from((8_000, 16_000, 44_100)), st.integers(0, 3)
)


def tables_by(inputs: Path, output: Path, profile: str, options: PipelineOptions | None) -> dict[str, list[Row]]:
    """What the graph makes of `inputs` on a runner, in this process."""
    prepared = prepare_run(RunRequest(inputs=(str(inputs),), output=str(output), profile=profile))
    prepare_output(str(output))
    GraphGroup(prepared.config, str(output), options)(prepared.plan.tasks, ProgressLog())
    return tables_of(output)


@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(recordings, min_size=1, max_size=4))
def test_any_corpus_has_the_same_rows_on_prism_as_in_this_process(
    prism: Path, tmp_path: Path, corpus: list[tuple[str, float, int, int]]
) -> None:
    options = PipelineOptions(["--runner=PrismRunner", f"--prism_location={prism}"])
    with TemporaryDirectory(dir=tmp_path) as name:
        folder = Path(name)
        (folder / "inputs").mkdir()
        for number, (kind, seconds, rate_hz, seed) in enumerate(corpus):
            write(folder / "inputs" / f"{number}.wav", a_sound(kind, seconds, rate_hz, seed), rate_hz)
        profile = quick_profile(folder)
        here = tables_by(folder / "inputs", folder / "here", profile, None)
        assert tables_by(folder / "inputs", folder / "prism", profile, options) == here
