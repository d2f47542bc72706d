"""A part as a task: a command in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.engines import connect
from soundseam.pipeline.engines.parts import PartTask, do_part


def a_task(folder: Path, *arguments: str) -> PartTask:
    return PartTask(part="1/2", arguments=arguments, folder=str(folder), cores=1)


def test_a_part_runs_the_command_where_it_was_typed(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("detectors: 3")
    outcome = do_part(a_task(tmp_path, "run", "nowhere", "--output", "out", "--profile", "odd.yaml"))
    assert (outcome.part, outcome.exit_code) == ("1/2", 2)
    assert "detectors" in outcome.tail
    assert do_part(a_task(tmp_path, "--version")).exit_code == 0


def test_a_folder_that_a_worker_does_not_have_is_named(tmp_path: Path) -> None:
    outcome = do_part(a_task(tmp_path / "gone", "--version"))
    assert outcome.exit_code == 2
    assert "gone is not on this worker" in outcome.tail


@pytest.mark.parametrize("address", ["slurm://here", "dask://", "tcp://127.0.0.1:8786", ""])
def test_an_address_of_no_engine_is_a_wrong_set_up(address: str) -> None:
    with pytest.raises(SetupError, match="is no address of an engine"):
        connect(address, {})
