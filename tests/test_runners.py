"""Whatever runs the graph, the rows are the same."""

from __future__ import annotations

from pathlib import Path

from tests.support.corpora import copy_samples, quick_profile, run_cli, tables_of


def test_the_portable_protocol_gives_the_rows_of_a_local_run(tmp_path: Path) -> None:
    inputs = copy_samples(tmp_path / "inputs", "speech-circuits-busy.wav", "sound-bell.flac", "sound-trash.wav")
    (inputs / "broken.flac").write_bytes(b"fLaC, but no more")
    command = ["run", inputs, "--profile", quick_profile(tmp_path)]
    embedded_job_server = ["--runner", "PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"]
    run_cli(*command, "--output", tmp_path / "local")
    run_cli(*command, "--output", tmp_path / "portable", *embedded_job_server)
    rows = tables_of(tmp_path / "portable")
    assert rows == tables_of(tmp_path / "local")
    assert len(rows["recordings"]) == 3
    assert rows["captions"]
    assert rows["rejected"]
