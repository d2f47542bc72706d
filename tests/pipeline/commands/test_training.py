"""`sft` and `export` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from soundseam.pipeline.commands import cli
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.mixing import mix_from
from tests.pipeline.sft.builders import a_rich_recording
from tests.pipeline.sft.corpora import commit_corpus


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def text_of(result: Result) -> str:
    return " ".join((result.output + result.stderr).split())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    commit_corpus(folder, [a_rich_recording(name) for name in ("rec1", "rec2")])
    result = invoke("sft", folder, "--workers", "1")
    assert result.exit_code == 0, text_of(result)
    assert "tempo" in result.output
    return folder


def test_a_second_time_there_is_nothing_to_do(corpus: Path) -> None:
    assert "Nothing to do" in text_of(invoke("sft", corpus, "--workers", "1"))


def test_an_audit_before_anything_is_built_says_so(tmp_path: Path) -> None:
    commit_corpus(tmp_path, [a_rich_recording("rec1")])
    result = invoke("sft", tmp_path, "--audit")
    assert result.exit_code == 2
    assert "build them with soundseam sft" in text_of(result)


def test_tasks_can_be_chosen(corpus: Path) -> None:
    shown = text_of(invoke("sft", corpus, "--task", "key", "--workers", "1"))
    assert "key" in shown
    assert "tempo" not in shown


def test_an_export_tells_what_it_holds(corpus: Path, tmp_path: Path) -> None:
    result = invoke("export", corpus, "--format", "moss", "--output", tmp_path, "--workers", "1", "--quota", "key=1")
    assert result.exit_code == 0, text_of(result)
    assert "left out: several_audios" in text_of(result)
    assert f"samples are in {tmp_path}".replace(" ", "") in text_of(result).replace(" ", "")
    assert (tmp_path / "train.jsonl").is_file()


def test_packs_are_told_with_their_padding_and_the_shares_reached(corpus: Path, tmp_path: Path) -> None:
    arguments = ("--recipe", "pretrain", "--set", "context=1024", "--workers", "1")
    result = invoke("export", corpus, "--format", "swift", "--output", tmp_path, *arguments)
    assert result.exit_code == 0, text_of(result)
    assert "packs of 1,024 tokens hold" in text_of(result)
    assert "is padding" in text_of(result)
    assert "caption" in text_of(result)
    assert "docs/pretraining.md says what each needs" in text_of(result)


def test_what_pretraining_lacks_is_said(corpus: Path, tmp_path: Path) -> None:
    def told(folder: Path) -> str:
        arguments = (
            "--to",
            "nemo",
            "--output",
            tmp_path / f"of-{folder.name}",
            "--stage",
            "pretrain",
            "--workers",
            "1",
        )
        return text_of(invoke("export", folder, *arguments))

    commit_corpus(tmp_path / "mute", [a_rich_recording()])
    invoke("sft", tmp_path / "mute", "--task", "caption", "--workers", "1")
    assert "No samples of asr, asr_words, asr_sentences" in told(tmp_path / "mute")
    assert "No samples" not in told(corpus)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--to", "csv"), "no format csv (one of moss"),
        (("--to", "moss", "--stage", "play"), "--stage: Input should be"),
        (("--to", "moss", "--quota", "key"), "write it as name=number"),
        (("--to", "moss", "--weight", "key=-1"), "a factor must be a number of at least 0"),
        (("--to", "moss", "--weight", "key=nan"), "a factor must be a number of at least 0"),
        (("--to", "moss", "--quota", "key=1.5"), "a quota must be an integer of at least 0"),
        (("--to", "moss", "--quota", "key=-1"), "a quota must be an integer of at least 0"),
        (("--to", "moss", "--task", "dance"), "no samples of dance"),
        (("--to", "moss", "--recipe", "pretrain"), "moss cannot hold packs"),
        (("--to", "hf", "--set", "context=4096"), "add --recipe pretrain"),
        (("--to", "hf", "--recipe", "pretrain", "--task", "asr"), "a recipe chooses documents itself"),
        (("--to", "hf", "--recipe", "pretrain", "--set", "contxt=1"), "did you mean context?"),
        (("--to", "hf", "--recipe", "nowhere.yaml"), "cannot read the configuration nowhere.yaml"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(
    corpus: Path, tmp_path: Path, arguments: tuple[str, ...], remedy: str
) -> None:
    result = invoke("export", corpus, "--output", tmp_path, *arguments)
    assert result.exit_code == 2
    assert remedy in text_of(result)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--task", "dance"), "no task dance"),
        (("--config", "nowhere.yaml"), "cannot read the configuration"),
        (("--groups", "nowhere.parquet"), "not a Parquet file"),
        (("elsewhere",), "is not an option"),
    ],
)
def test_wrong_options_of_sft_too(corpus: Path, arguments: tuple[str, ...], remedy: str) -> None:
    result = invoke("sft", corpus, *arguments)
    assert result.exit_code == 2
    assert remedy in text_of(result)


def test_there_must_be_a_corpus(tmp_path: Path) -> None:
    assert "holds no corpus" in text_of(invoke("sft", tmp_path))
    assert "holds no corpus" in text_of(invoke("export", tmp_path, "--to", "moss", "--output", tmp_path / "x"))


def test_weights_go_where_their_names_belong() -> None:
    mix = mix_from(10, ["key=3"], ["zh=2", "music=0.5", "tempo=4"], 7)
    assert (mix.languages, mix.classes, mix.tasks) == ({"zh": 2.0}, {"music": 0.5}, {"tempo": 4.0})
    assert (mix.samples, mix.quotas, mix.seed) == (10, {"key": 3}, 7)
    with pytest.raises(SetupError, match="name=number"):
        mix_from(None, [], ["zh"], 0)
