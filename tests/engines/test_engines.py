"""One run by the tasks of real schedulers: rows of a local run, also when a worker is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.clusters import CLUSTERS, Cluster, is_missing
from tests.support.corpora import files_of, quick_profile, run_cli, start_cli, tables_of, wait_until


@pytest.fixture(scope="module", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if missing := is_missing(request.param):
        pytest.skip(missing)
    with CLUSTERS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


LETHAL = """
import multiprocessing, os, sys


def abort_at_one_recording(event, details):
    if event == "open" and str(details[0]).endswith("sound-chime.flac") and multiprocessing.parent_process():
        os.abort()


sys.addaudithook(abort_at_one_recording)
"""
"""Takes down every process that decodes one of the recordings."""


def run_into(folder: Path, output: Path, cluster: Cluster, *more: str) -> list[str | Path]:
    options = [word for option in cluster.options for word in ("--engine-option", option)]
    profile = ["--profile", quick_profile(folder)]
    return ["run", folder / "inputs", "--output", output, *profile, "--engine", cluster.address, *options, *more]


def test_an_engine_gives_the_rows_of_a_local_run_and_does_nothing_twice(
    folder: Path, cluster: Cluster, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    said = run_cli(*run_into(folder, output, cluster))
    assert "5 files in 5 parts on 2 cores of" in said
    assert tables_of(output) == tables_of(folder / "out")

    before = files_of(output)
    assert "Nothing to do" in run_cli(*run_into(folder, output, cluster))
    assert files_of(output) == before

    run_cli(*run_into(folder, output, cluster, "--set", "captions.sentences=1"))
    changed = {name.rpartition("/")[0] for name, when in files_of(output).items() if before.get(name) != when}
    assert changed == {"captions"} | {name for name in changed if name.startswith("_run/commits/captions")}


def test_a_killed_worker_costs_no_row(folder: Path, cluster: Cluster, tmp_path: Path) -> None:
    output = tmp_path / "out"
    process = start_cli(*run_into(folder, output, cluster))
    wait_until(lambda: any((output / "_run" / "commits").rglob("*.json")) and bool(cluster.worker_pids()), 240)
    os.kill(cluster.worker_pids()[0], signal.SIGKILL)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, said + errors
    assert tables_of(output) == tables_of(folder / "out")


def test_a_recording_that_kills_its_process_is_rejected_and_the_rest_is_done(folder: Path, tmp_path: Path) -> None:
    if missing := is_missing("dask"):
        pytest.skip(missing)
    (tmp_path / "sitecustomize.py").write_text(LETHAL)
    output = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        with CLUSTERS["dask"](tmp_path) as cluster:
            patch.undo()
            run_cli(*run_into(folder, output, cluster))
    without = tables_of(folder / "out")
    (culprit,) = {row["recording_id"] for row in without["recordings"] if "chime" in str(row["source_uri"])}
    tables = tables_of(output)
    lost = [row for row in tables["rejected"] if row["recording_id"] == culprit]
    assert [(row["stage"], row["reason"]) for row in lost] == [("segments", "worker_crashed")]
    assert tables["captions"] == [
        row for row in without["captions"] if not str(row["segment_id"]).startswith(str(culprit))
    ]
