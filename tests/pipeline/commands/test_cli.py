from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner, Result

from soundseam.pipeline.commands import cli
from soundseam.pipeline.commands.run import split_beam_options
from tests.docs.pages import blocks
from tests.support.corpora import copy_samples, quick_profile

BELL = "sound-bell.flac"
MADE_FROM_A_CORPUS: dict[str, tuple[tuple[str, ...], ...]] = {
    "report": (),
    "dedup": (),
    "inspect": (),
    "check": (),
    "long": (),
    "evaluate claims": (),
    "filter": (),
    "sft": (),
    "export": (("sft", "out", "--workers", "1"),),
}
"""Command → the commands that come before it, once there is a corpus."""


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def text_of(result: Result) -> str:
    return " ".join((result.output + result.stderr).split())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus, made once; holds its inputs, its profile and its output."""
    folder = tmp_path_factory.mktemp("corpus")
    inputs = copy_samples(folder / "inputs", BELL, "speech-circuits-busy.wav")
    (inputs / "empty.wav").touch()
    result = invoke("run", inputs, "--output", folder / "out", "--profile", quick_profile(folder), "--workers", "1")
    assert result.exit_code == 0, text_of(result)
    (folder / "run.txt").write_text(text_of(result))
    return folder


def commands() -> dict[str, typer.core.TyperCommand]:
    return typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]


def examples() -> Iterator[str]:
    for help_text in (command.epilog or "" for command in commands().values()):
        yield from re.findall(r"`(soundseam .*?)`", help_text)


def test_every_command_has_help_with_examples() -> None:
    for name, command in commands().items():
        result = invoke(name, "--help")
        assert result.exit_code == 0
        assert "Examples" in result.output
        assert command.help


def test_every_option_and_argument_has_help() -> None:
    silent = [
        f"{name} {parameter.name}"
        for name, command in commands().items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert not silent


def test_examples_in_the_documentation_that_are_not_run_there_are_those_of_the_help() -> None:
    shown = {line for block in blocks() if block.mark == "help" for line in block.text.splitlines() if line}
    assert shown
    assert not shown - set(examples())


@pytest.mark.parametrize("example", sorted(examples()))
def test_every_example_of_the_help_works(
    example: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_samples(tmp_path / "samples" / "recordings", BELL)
    (tmp_path / "samples" / "truth").mkdir()
    truth = {"file": f"../recordings/{BELL}", "label": "general"}
    (tmp_path / "samples" / "truth" / "clips.jsonl").write_text(json.dumps(truth))
    for name in ("pieces", "sounds"):
        (tmp_path / "samples" / "truth" / f"{name}.jsonl").write_text(json.dumps({"file": truth["file"]}))
    monkeypatch.chdir(tmp_path)
    command = " ".join(example.split()[1:3])
    before_it = MADE_FROM_A_CORPUS.get(command, MADE_FROM_A_CORPUS.get(command.split()[0]))
    if before_it is not None:
        shutil.copytree(corpus / "out", tmp_path / "out")
        for before in before_it:
            assert invoke(*before).exit_code == 0
    else:
        (tmp_path / "out").mkdir()
    result = invoke(*shlex.split(example)[1:])
    assert result.exit_code == 0, text_of(result)


def test_there_are_examples_of_every_command() -> None:
    assert {example.split()[1] for example in examples()} == set(commands())


def test_the_plan_is_shown_before_the_run(corpus: Path) -> None:
    shown = (corpus / "run.txt").read_text()
    assert shown.index("Plan") < shown.index("recordings done in")
    assert "annotations/speech/voice" in shown


def test_the_summary_counts_what_was_rejected(corpus: Path) -> None:
    shown = (corpus / "run.txt").read_text()
    assert "empty_file" in shown
    summary = json.loads((corpus / "out" / "_run" / "summary.json").read_text())
    assert summary["corpus"]["rejected"] == [{"stage": "list", "reason": "empty_file", "rows": 1}]
    assert summary["corpus"]["recordings"] == 2


def test_each_stage_is_measured(corpus: Path) -> None:
    stages = json.loads((corpus / "out" / "_run" / "metrics.json").read_text())["stages"]
    assert {"segments", "annotations/speech/voice", "captions"} <= {stage["stage"] for stage in stages}
    assert all(stage["seconds"] > 0 and stage["recording_ms"] > 0 for stage in stages)


def test_the_resolved_configuration_is_kept(corpus: Path) -> None:
    config = json.loads((corpus / "out" / "_run" / "config.json").read_text())
    assert config["branches"]["speech"][0]["kind"] == "voice"
    assert config["segmentation"]["cut"]["max_ms"] == 30_000


def test_a_plan_of_a_finished_run_says_that_nothing_is_to_do(corpus: Path) -> None:
    result = invoke("plan", corpus / "inputs", "--output", corpus / "out", "--profile", quick_profile(corpus))
    assert result.exit_code == 0
    assert "Nothing to do" in result.output


def test_a_plan_does_no_work(tmp_path: Path) -> None:
    inputs = copy_samples(tmp_path / "inputs", BELL)
    result = invoke("plan", inputs, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert "new" in result.output
    assert not (tmp_path / "out").exists()


def test_results_are_printed_as_json_and_nothing_else_on_standard_output(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(corpus / "out", tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    again = [corpus / "inputs", "--output", "out", "--profile", quick_profile(corpus)]
    expected = {
        ("plan", *again): {"recordings": 0},
        ("run", *again): {"recordings_done": 0, "recordings_up_to_date": 2},
        ("inspect", "out", "--captions", "1"): {"recordings": 2},
        ("report", "out", "--segments", "0"): {"segments": 0, "page": "out/report/index.html"},
        ("dedup", "out"): {"duplicates": 0},
        ("filter", "out", "--undo", "--dry-run"): {"filtered": 0},
        ("sft", "out", "--task", "order", "--workers", "1"): {},
    }
    for arguments, values in expected.items():
        result = invoke(*arguments, "--json")
        assert result.exit_code == 0, text_of(result)
        found = json.loads(result.stdout)
        assert {name: found[name] for name in values} == values, arguments
    assert json.loads(invoke("check", "out", "--json").stdout) == []
    assert json.loads(invoke("doctor", "--json").stdout)["machine"]["python"]


def test_quiet_shows_the_result_alone(corpus: Path) -> None:
    arguments = ["run", corpus / "inputs", "--output", corpus / "out", "--profile", quick_profile(corpus)]
    assert "Nothing to do: " in invoke(*arguments).stdout
    result = invoke(*arguments, "-q")
    assert "Nothing to do: " not in result.stdout
    assert "nothing to do: 2 recordings up to date" in result.stdout
    assert result.stderr == ""


def test_too_many_rejected_give_exit_code_3(corpus: Path) -> None:
    arguments = ["run", corpus / "inputs", "--output", corpus / "out", "--profile", quick_profile(corpus)]
    assert invoke(*arguments, "--max-reject-rate", "0.5").exit_code == 0
    result = invoke(*arguments, "--max-reject-rate", "0.1")
    assert result.exit_code == 3
    assert "0.3333" in text_of(result)


def test_inspect_shows_numbers_and_captions(corpus: Path) -> None:
    result = invoke("inspect", corpus / "out", "--captions", "2")
    assert result.exit_code == 0
    assert "median" in result.output
    assert len(re.findall(r"^[0-9a-f]{32}-\d{9}-\d{9}$", result.output, re.MULTILINE)) == 2


def test_inspect_shows_the_same_captions_for_the_same_seed(corpus: Path) -> None:
    first, again, other = (invoke("inspect", corpus / "out", "--captions", "1", "--seed", seed) for seed in "112")
    assert first.output == again.output
    assert other.exit_code == 0


def test_inspect_refuses_a_folder_without_a_corpus(tmp_path: Path) -> None:
    result = invoke("inspect", tmp_path)
    assert result.exit_code == 2
    assert "holds no corpus" in text_of(result)
    assert list(tmp_path.iterdir()) == []


def test_inspect_wants_a_folder_that_exists(tmp_path: Path) -> None:
    result = invoke("inspect", tmp_path / "missing")
    assert result.exit_code == 2
    assert "there is no folder" in text_of(result)


def test_doctor_names_every_backend() -> None:
    result = invoke("doctor")
    assert result.exit_code == 0
    for kind in ("embedded", "silero_vad", "voice", "mir", "events", "general_caption"):
        assert kind in result.output


def test_doctor_checks_one_profile(corpus: Path) -> None:
    result = invoke("doctor", "--profile", quick_profile(corpus))
    assert result.exit_code == 0
    assert "voice" in result.output
    assert "mir" not in result.output


def test_doctor_checks_a_profile_as_it_is_changed(corpus: Path) -> None:
    backend = "branches.speech.0={kind: faster_whisper, weights: /no/such/folder}"
    result = invoke("doctor", "--profile", quick_profile(corpus), "--set", backend)
    assert result.exit_code == 1
    assert "finds no folder /no/such/folder" in " ".join(result.output.split())


def test_doctor_changes_no_profile_that_is_not_named() -> None:
    result = invoke("doctor", "--set", "captions.sentences=3")
    assert result.exit_code == 2
    assert "--profile" in text_of(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--wrokers", "3"], "did you mean --workers?"),
        (["--dry-run"], "no option --dry-run: `soundseam plan` shows"),
        (["--jsn"], "did you mean --json?"),
        (["--profile", "embeded"], "did you mean embedded?"),
        (["--set", "branches.speech.0.kind=whisper"], "did you mean faster_whisper?"),
        (["--flink_mastr=host"], "did you mean --flink_master?"),
        (["--runner", "FlinkRuner"], "did you mean FlinkRunner?"),
        (["--runner", "DaskRunner"], "loses rows"),
        (["--set", "segmentation.cut.max_ms"], "write it as key.path=value"),
        (["--set", "segmentation.cut.nothing=1"], "no key nothing in segmentation.cut"),
        (["--profile", "nonesuch"], "one of cluster, embedded"),
        (["--profile", "nonesuch.yaml"], "cannot read"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_a_wrong_set_up_is_one_line_with_the_remedy_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    inputs = copy_samples(tmp_path / "inputs", BELL)
    result = invoke("run", inputs, "--output", tmp_path / "out", *arguments)
    assert result.exit_code == 2, text_of(result)
    assert message in text_of(result)
    assert "Traceback" not in text_of(result)
    assert not (tmp_path / "out").exists()


def test_an_input_that_names_nothing_is_a_wrong_set_up(tmp_path: Path) -> None:
    result = invoke("run", tmp_path / "missing", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "matches no recording" in text_of(result)


def test_a_file_that_a_manifest_names_in_vain_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text('{"uri": "gone.wav"}\n')
    for command in ("plan", "run"):
        result = invoke(command, tmp_path / "list.jsonl", "--output", tmp_path / "out")
        assert result.exit_code == 3, text_of(result)
        assert "up to date" not in result.output
        assert re.search(r"gone\.wav: missing_file \(", text_of(result))
        assert "none of these inputs" in result.stderr


def test_a_run_that_rejects_every_input_does_not_end_well(tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"no audio at all" * 100)
    arguments = ["run", tmp_path / "noise.wav", "--output", tmp_path / "out", "--profile", quick_profile(tmp_path)]
    for _ in range(2):
        result = invoke(*arguments, "--workers", "1")
        assert result.exit_code == 3, text_of(result)
        assert "none of these inputs gave a segment" in result.stderr


def test_without_inputs_nothing_is_read(tmp_path: Path) -> None:
    result = invoke("plan", "--flink_master=host:8081", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "no inputs" in text_of(result)


def test_a_local_run_without_options_of_beam_leaves_beam_to_its_workers() -> None:
    assert split_beam_options(["a.wav", "b.flac"], "DirectRunner", ()) == (["a.wav", "b.flac"], None)


def test_an_option_of_beam_passes_through(tmp_path: Path) -> None:
    inputs = copy_samples(tmp_path / "inputs", BELL)
    tokens = ["--flink_master", "host:8081", str(inputs), "--streaming", "--experiments=one", "--experiments=two"]
    names, options = split_beam_options(tokens, "FlinkRunner", ())
    assert names == [str(inputs)]
    given = options.get_all_options(drop_default=True)
    assert (given["flink_master"], given["runner"]) == ("host:8081", "FlinkRunner")
    assert given["streaming"] is True
    assert given["experiments"] == ["one", "two"]


def test_the_version_is_shown() -> None:
    told = invoke("--version").output
    assert re.fullmatch(r"soundseam \d+\.\d+\.\d+\S*\n", told)
    run_as_module = [sys.executable, "-m", "soundseam", "--version"]
    assert subprocess.run(run_as_module, capture_output=True, text=True, check=True).stdout == told


def test_a_bug_in_the_parent_process_shows_where_it_is_and_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise RuntimeError("cannot parse https://someone:hunter22@example.org/a.wav?token=abcdef0123")

    with pytest.raises(typer.Exit) as left:
        cli._with_exit_codes(command)()
    shown = capsys.readouterr().err
    assert left.value.exit_code == 1
    assert "test_cli.py" in shown
    assert "example.org" in shown
    assert "hunter22" not in shown
    assert "abcdef0123" not in shown
