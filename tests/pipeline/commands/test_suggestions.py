"""Misspelt names get the nearest one as a suggestion, and wrong set-up creates nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soundseam.pipeline.commands import cli
from tests.pipeline.commands.test_cli import commands, invoke, text_of


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["inspekt", "out"], "inspect"),
        (["run", "samples", "--outptu", "out"], "--output"),
        (["export", "out", "--format", "mos", "-o", "moss"], "moss"),
        (["export", "out", "--format", "moss", "--stage", "pretrane", "-o", "moss"], "pretrain"),
        (["sft", "out", "--task", "asrr"], "asr"),
        (["sft", "out", "--leave-out", "copy"], "copies"),
        (["evaluate", "musik", "samples/truth"], "music"),
        (["filter", "out", "--set", "colapse.share=1"], "collapse"),
        (["serve", "chek", "model"], "check"),
    ],
)
def test_a_misspelt_name_exits_with_2_suggests_the_nearest_and_creates_nothing(
    arguments: list[str], suggestion: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2, text_of(result)
    assert re.search(rf"[Dd]id you mean '?{suggestion}'?\?", re.sub(r"[│\s]+", " ", text_of(result)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["inspect", "check", "dedup", "filter", "sft", "report", "export"])
def test_a_folder_without_a_corpus_is_a_wrong_set_up_and_stays_as_it_is(command: str, tmp_path: Path) -> None:
    export = ["--format", "moss", "--output", tmp_path / "moss"] if command == "export" else []
    for folder in (tmp_path, tmp_path / "missing"):
        assert invoke(command, folder, *export).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_every_command_that_prints_a_result_can_print_it_as_json_quietly_and_with_more() -> None:
    for name, command in commands().items():
        if name != "serve":
            assert {"--json", "--quiet", "--verbose"} <= {option for each in command.params for option in each.opts}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("soundseam ins", ["inspect"]),
        ("soundseam run --qu", ["--quiet"]),
        ("soundseam run --profile la", ["laptop"]),
        ("soundseam plan --profile cl", ["cluster"]),
        ("soundseam sft out --task asr_", ["asr_words", "asr_sentences"]),
        ("soundseam export out --format mo", ["moss"]),
    ],
)
def test_the_shell_completes_commands_options_and_values(typed: str, offered: list[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    asked = {"_SOUNDSEAM_COMPLETE": "complete_bash", **words}
    result = CliRunner().invoke(cli.app, [], prog_name="soundseam", env=asked)
    assert result.output.split() == offered
