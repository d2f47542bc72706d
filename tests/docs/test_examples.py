"""Every command and snippet in the documentation does what it says: those marked `runnable` are run here.

`elsewhere` marks what needs another machine or a person; `tests` and `main-job` are the README's two commands, which
`.ci/run` runs; `help` are the examples of `--help`, which the tests of the command line run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from soundseam.pipeline.export.lines import Moss
from tests.docs.pages import ROOT, Block, blocks

RUNNABLE = [block for block in blocks() if block.mark == "runnable"]


def name_of(block: Block) -> str:
    return f"{block.page}: {block.text.splitlines()[0][:60]}"


RECORDINGS = ("speech-circuits-busy.wav", "sound-bell.flac", "sound-trash.wav")
"""Enough for every example; the README's main job runs over all of them, in `.ci/run`."""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it after a first run: some of the samples, and `out`."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "samples" / "recordings").mkdir(parents=True)
    for name in RECORDINGS:
        shutil.copy(ROOT / "samples" / "recordings" / name, folder / "samples" / "recordings")
    run(Block("", "bash", "", "soundseam run samples/recordings --output out"), folder)
    return folder


@pytest.fixture
def folder(reader: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reader, tmp_path / "reader"))


def run(block: Block, folder: Path) -> str:
    """What the block prints. Its commands and modules are those of this environment."""
    command = [sys.executable, "-c", block.text] if block.language == "python" else ["bash", "-euc", block.text]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    answer = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=300
    )
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    return answer.stdout


@pytest.mark.parametrize("block", RUNNABLE, ids=name_of)
def test_an_example_runs(block: Block, folder: Path) -> None:
    assert run(block, folder).strip()


def test_every_command_says_where_it_is_run() -> None:
    marks = {"runnable", "elsewhere", "tests", "main-job", "help"}
    unmarked = [
        name_of(block) for block in blocks() if block.language in {"bash", "python"} and block.mark not in marks
    ]
    assert not unmarked


def test_the_tutorial_trains_with_the_command_that_the_export_names() -> None:
    (command,) = (" ".join(block.text.replace("\\\n", " ").split()) for block in blocks() if "accelerate" in block.text)
    assert command == Moss.command.format(target="../soundseam/moss")


def test_the_readme_has_both_commands_that_ci_runs() -> None:
    found = [block for block in blocks() if block.page == "README.md" and block.mark in {"tests", "main-job"}]
    assert sorted(block.mark for block in found) == ["main-job", "tests"]
    assert all(len(block.text.splitlines()) == 1 for block in found)
