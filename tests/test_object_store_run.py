"""Whole runs from an object store into it, against a real server process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundseam.pipeline.storage import files, object_store
from tests.support.corpora import RECORDINGS, quick_profile, run_cli, start_cli, tables_of
from tests.support.s3 import S3Server, s3_server

NAMES = ("sound-bell.flac", "speech-phone-menu.flac", "sound-chime.flac")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment(tmp_path_factory.mktemp("cache")).items():
            patch.setenv(name, value)
        object_store.use_settings({})
        yield running
    object_store.use_settings({})


def download(folder: str, target: Path) -> Path:
    for stat in files.list_files(folder):
        path = target / files.relative_to(stat.uri, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.read_bytes(stat.uri))
    return target


def test_a_run_on_an_object_store_is_killed_resumed_and_used(server: S3Server, tmp_path: Path) -> None:
    bucket = server.make_bucket("soundseam-runs")
    raw, out, profile = f"{bucket}/raw", f"{bucket}/out", quick_profile(tmp_path)
    local = tmp_path / "raw"
    local.mkdir()
    for name in NAMES:
        data = (RECORDINGS / name).read_bytes()
        files.write_atomically(files.join(raw, name), data)
        (local / name).write_bytes(data)
    first = start_cli("run", raw, "--output", out, "--profile", profile)
    while not files.list_files(files.join(out, "_run", "commits", "segments")) and first.poll() is None:
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

    assert "Requests to the object store: " in run_cli("run", raw, "--output", out, "--profile", profile)
    server.requests()
    run_cli("run", raw, "--output", out, "--profile", profile)
    again = server.requests()
    assert again["PUT"] <= 3, "only the configuration, versions and the summary are written with nothing to do"
    assert again.total() <= 120

    run_cli("run", local, "--output", tmp_path / "out", "--profile", profile)
    there, here = tables_of(download(out, tmp_path / "downloaded")), tables_of(tmp_path / "out")
    assert {table: [_placeless(row) for row in rows] for table, rows in there.items()} == {
        table: [_placeless(row) for row in rows] for table, rows in here.items()
    }

    run_cli("sft", out)
    run_cli("export", out, "--output", f"{bucket}/export", "--format", "hf")
    assert any(stat.uri.endswith(".parquet") for stat in files.list_files(f"{bucket}/export"))
    assert "3" in run_cli("inspect", out)
    run_cli("check", out)
    run_cli("report", out, "--to", tmp_path / "report")
    assert list((tmp_path / "report").glob("*.html"))


def test_what_a_store_refuses_is_one_line_and_exit_code_2(server: S3Server, tmp_path: Path) -> None:
    for arguments in (
        ["run", "s3://soundseam-nowhere/raw", "--output", tmp_path / "out"],
        ["inspect", "s3://soundseam-nowhere/out"],
    ):
        said = run_cli(*arguments, expect=2)
        assert "NoSuchBucket" in said
        assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_right_to_its_input_or_output_ends_at_once(server: S3Server, tmp_path: Path) -> None:
    bucket = server.make_bucket("soundseam-closed")
    with server.checking_credentials():
        for arguments in (
            ["run", f"{bucket}/raw", "--output", tmp_path / "out"],
            ["run", RECORDINGS / NAMES[0], "--output", f"{bucket}/out"],
        ):
            said = run_cli(*arguments, expect=2)
            assert "check the credentials and their rights (" in said
            assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def _placeless(row: dict[str, object]) -> dict[str, object]:
    """A row without what depends on where its recording lies."""
    return {name: value for name, value in row.items() if name not in {"source_uri", "config_key"}}
