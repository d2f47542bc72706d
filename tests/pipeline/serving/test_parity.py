"""The gate lets a right server through and says what is wrong with each wrong one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from soundseam.annotators.base import Samples
from soundseam.pipeline.commands import cli
from tests.annotators.moss.tiny_moss import TinyMoss, make_checkpoint
from tests.pipeline.serving.moss_server import Json, MossServer, served

GLOBAL = CliRunner(env={"COLUMNS": "160"})


def check(url: str, checkpoint: Path, *options: str) -> Result:
    return GLOBAL.invoke(cli.app, ["serve", str(checkpoint), "--check", url, *options])


@pytest.fixture(autouse=True)
def _short_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 s are checked once, in the first test; elsewhere the time is better spent."""
    monkeypatch.setattr("soundseam.pipeline.serving.parity.CHECKED_MS", (3_000, 10_000))


def test_a_right_server_passes_at_every_length(
    tiny: TinyMoss, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with served(MossServer(tiny)) as url:
        result = check(url, checkpoint)
    assert result.exit_code == 0, result.output
    assert "a question about a sound with given choices: answered" in result.output
    rows = [line for line in result.output.splitlines() if "│" in line and " s │" in line]
    assert [row.split("│")[1].strip() for row in rows] == ["3 s", "4 s", "10 s", "12 s", "30 s"]
    assert all(row.split("│")[5].strip() == "1.000" and row.split("│")[8].strip() == "ok" for row in rows)
    whole = [float(row.split("│")[6]) for row in rows]
    assert whole[:2] == [0.0, 0.0]
    assert min(whole[2:]) > 0.01


def test_a_server_that_has_lost_deepstack_is_told(tiny: TinyMoss, checkpoint: Path) -> None:
    with served(MossServer(TinyMoss(checkpoint, deepstack=False))) as url:
        result = check(url, checkpoint)
    assert result.exit_code == 1
    assert "the server drops DeepStack: install the plugin" in result.stderr
    assert " 0.000 " in result.output


def rounding(tiny: TinyMoss, deepstack: bool) -> Callable[[list[int], Samples], np.ndarray]:
    """A server whose answers carry noise larger than what DeepStack changes."""
    draw = np.random.default_rng(0)

    def score(ids: list[int], clip: Samples) -> np.ndarray:
        exact = tiny.model.prompt_log_probabilities(ids, [tiny.encode(clip)], deepstack)
        return exact + draw.normal(0, 0.02, len(exact)).astype(np.float32)

    return score


@pytest.mark.parametrize("deepstack", [True, False])
def test_deepstack_is_seen_through_the_rounding_of_bfloat16(tiny: TinyMoss, tmp_path: Path, deepstack: bool) -> None:
    rounded = TinyMoss(make_checkpoint(tmp_path / "rounded", dtype="bfloat16"))
    with served(MossServer(rounded, rounding(rounded, deepstack))) as url:
        result = check(url, tmp_path / "rounded")
        strict = check(url, tmp_path / "rounded", "--dtype", "float32")
    assert result.exit_code == (0 if deepstack else 1), result.output
    assert strict.exit_code == 1


def test_a_server_with_other_weights_is_told(tiny: TinyMoss, checkpoint: Path, tmp_path: Path) -> None:
    with served(MossServer(TinyMoss(make_checkpoint(tmp_path / "other", seed=1)))) as url:
        result = check(url, checkpoint, "--dtype", "bfloat16")
    assert result.exit_code == 1
    assert "other weights" in result.stderr


def test_a_server_that_encodes_the_whole_clip_is_told(tiny: TinyMoss, checkpoint: Path) -> None:
    def score(ids: list[int], clip: Samples) -> np.ndarray:
        return tiny.model.prompt_log_probabilities(ids, [tiny.model.encode(clip, chunked=False)])

    with served(MossServer(tiny, score)) as url:
        result = check(url, checkpoint)
    assert result.exit_code == 1
    assert "encodes the whole clip at once" in result.stderr


def test_a_server_without_time_markers_is_told(tiny: TinyMoss, checkpoint: Path) -> None:
    with served(MossServer(tiny, time_markers=False)) as url:
        result = check(url, checkpoint)
    assert result.exit_code == 1
    assert "--mm-processor-kwargs '{\"enable_time_marker\": true}'" in result.stderr


def without(*names: str) -> Callable[[Json], Json]:
    return lambda answer: {name: value for name, value in answer.items() if name not in names}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (without("prompt_logprobs"), "does not return log-probabilities of its prompt"),
        (without("prompt_token_ids"), "does not return log-probabilities of its prompt"),
        (
            lambda answer: {**answer, "prompt_logprobs": answer.get("prompt_logprobs", [])[:-1]},
            "does not return log-prob",
        ),
        (
            lambda answer: {**answer, "prompt_logprobs": [None] * len(answer.get("prompt_token_ids", []))},
            "does not return a log-probability of token",
        ),
        (lambda answer: {**answer, "prompt_token_ids": ["x"]}, "does not answer as OpenAI's interfaces do"),
        (lambda answer: {**answer, "prompt_token_ids": [-1]}, "does not answer as OpenAI's interfaces do"),
    ],
)
def test_an_answer_that_cannot_be_read_is_one_line(
    tiny: TinyMoss, checkpoint: Path, edit: Callable[[Json], Json], said: str
) -> None:
    server = MossServer(tiny)
    server.edit = edit
    with served(server) as url:
        result = check(url, checkpoint)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_server_that_writes_no_audio_into_its_prompt_is_told(tiny: TinyMoss, checkpoint: Path) -> None:
    server = MossServer(tiny)
    server.edit = lambda answer: (
        {**answer, "prompt_token_ids": [1, 2], "prompt_logprobs": [None, {"2": {"logprob": -1.0}}]}
        if "prompt_token_ids" in answer
        else answer
    )
    with served(server) as url:
        result = check(url, checkpoint)
    assert result.exit_code == 1
    assert "the prompt has no audio" in result.stderr


@pytest.mark.parametrize("status", [404, 500])
def test_a_status_is_told(tiny: TinyMoss, checkpoint: Path, status: int) -> None:
    server = MossServer(tiny)
    server.status = status
    with served(server) as url:
        result = check(url, checkpoint)
    assert result.exit_code == 2
    assert f"answers with status {status}" in result.stderr


def test_a_key_comes_from_the_environment(tiny: TinyMoss, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = MossServer(tiny)
    server.key = "sesame"
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with served(server) as url:
        refused = check(url, checkpoint)
        monkeypatch.setenv("OPENAI_API_KEY", "sesame")
        admitted = check(f"{url}/v1/", checkpoint)
    assert refused.exit_code == 2
    assert "is its key in OPENAI_API_KEY?" in refused.stderr
    assert admitted.exit_code == 0


def test_a_redirect_is_not_followed_as_the_key_would_go_with_it(
    tiny: TinyMoss, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")
    elsewhere, server = MossServer(tiny), MossServer(tiny)
    with served(elsewhere) as other, served(server) as url:
        server.status, server.location = 302, f"{other}/v1/models"
        result = check(url, checkpoint)
    assert result.exit_code == 2
    assert "answers with status 302" in result.stderr
    assert elsewhere.requests == 0
    assert server.requests == 1


@pytest.mark.parametrize("url", ["localhost:8000", "file:///etc/passwd", "http://127.0.0.1:9"])
def test_where_no_server_is_one_line_says_so(checkpoint: Path, url: str) -> None:
    result = check(url, checkpoint)
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_folder_without_a_checkpoint_is_told(tiny: TinyMoss, tmp_path: Path) -> None:
    with served(MossServer(tiny)) as url:
        result = check(url, tmp_path)
    assert result.exit_code == 2
    assert "name a folder with a MOSS-Audio checkpoint" in result.stderr
