"""One run by the tasks of real schedulers: rows of a local run, also when a worker is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.clusters import CLUSTERS, Cluster, is_missing
from tests.support.corpora import copy_samples, files_of, quick_profile, run_cli, start_cli, tables_of, wait_until

NAMES = ("sound-bell.flac", "speech-phone-menu.flac", "sound-chime.flac", "speech-circuits-busy.wav")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs, profile, and `out`: what a local run made of them."""
    folder = tmp_path_factory.mktemp("engines")
    copy_samples(folder / "inputs", *NAMES)
    (folder / "inputs" / "empty.wav").write_bytes(b"")
    run_cli("run", folder / "inputs", "--output", folder / "out", "--profile", quick_profile(folder))
    return folder


@pytest.fixture(scope="module", params=CLUSTERS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if missing := is_missing(request.param):
        pytest.skip(missing)
    with CLUSTERS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


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
    wait_until(lambda: any((output / "_run" / "commits").rglob("*.json")) and bool(cluster.worker_pids()))
    os.kill(cluster.worker_pids()[0], signal.SIGKILL)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, said + errors
    assert tables_of(output) == tables_of(folder / "out")
