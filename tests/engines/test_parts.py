"""A part as a task: a command in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from soundseam.pipeline import engines
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.engines import connect
from soundseam.pipeline.engines.launch import EngineRun
from soundseam.pipeline.engines.parts import PartOutcome, PartTask, do_part
from soundseam.pipeline.launch import RunRequest
from soundseam.pipeline.local.supervisor import WorkerFailedError
from tests.support.corpora import quick_profile
from tests.support.recordings import a_tone, write


def a_task(folder: Path, *arguments: str) -> PartTask:
    return PartTask(part="1/2", arguments=arguments, folder=str(folder), output="out", cores=1)


def test_a_part_runs_the_command_where_it_was_typed(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("detectors: 3")
    outcome = do_part(a_task(tmp_path, "run", "nowhere", "--output", "out", "--profile", "odd.yaml"))
    assert (outcome.part, outcome.exit_code) == ("1/2", 2)
    assert "detectors" in outcome.tail
    assert (tmp_path / "out" / "_run" / "logs" / "part-1-of-2.log").read_text().endswith(outcome.tail)
    assert do_part(a_task(tmp_path, "--version")).exit_code == 0


def test_a_folder_that_a_worker_does_not_have_is_named(tmp_path: Path) -> None:
    outcome = do_part(a_task(tmp_path / "gone", "--version"))
    assert outcome.exit_code == 2
    assert "gone is not on this worker" in outcome.tail


class Here:
    """An engine of one core, in this process; it fails at the part `gives_up_at`."""

    cores = 1
    logs = "its log is this test's"

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        self._gives_up_at = options.get("gives_up_at")

    def run(self, tasks: Sequence[PartTask]) -> Iterator[PartOutcome]:
        for task in tasks:
            if task.part == self._gives_up_at:
                raise WorkerFailedError("Here gave up a part")
            yield do_part(task)

    def close(self) -> None: ...


@pytest.fixture
def a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(engines.ENGINES, "here", Here)  # type: ignore[attr-defined]
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw" / "tone.wav", a_tone(0.2))
    return tmp_path


def run_here(folder: Path, inputs: str = "raw", **options: str) -> list[str]:
    request = RunRequest(inputs=(str(folder / "raw"),), output=str(folder / "out"), profile=quick_profile(folder))
    shown: list[str] = []
    EngineRun("here://localhost", options, request, [inputs], str(folder)).do_parts(shown.append)
    return shown


def test_parts_that_fail_are_named_with_what_is_done_and_their_logs(a_file: Path) -> None:
    with pytest.raises(WorkerFailedError) as failed:
        run_here(a_file, inputs="--no-such-option")
    text = str(failed.value)
    assert "1 of 1 parts failed: part 1/1 with exit code 2 (soundseam: no option --no-such-option" in text
    assert f"0 of 1 recordings, 1 of 1 parts; the logs of parts are in {a_file}/out/_run/logs" in text
    assert len(list((a_file / "out" / "_run" / "logs").iterdir())) == 1


def test_an_engine_that_gives_up_says_what_is_done_and_where_its_log_is(a_file: Path) -> None:
    with pytest.raises(WorkerFailedError) as failed:
        run_here(a_file, gives_up_at="1/1")
    assert str(failed.value) == "Here gave up a part. 0 of 1 recordings, 0 of 1 parts; its log is this test's"


@pytest.mark.parametrize("address", ["slurm://here", "dask://", "tcp://127.0.0.1:8786", ""])
def test_an_address_of_no_engine_is_a_wrong_set_up(address: str) -> None:
    with pytest.raises(SetupError, match="is no address of an engine"):
        connect(address, {})
