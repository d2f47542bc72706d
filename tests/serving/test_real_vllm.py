"""The gate in front of vLLM itself: with the plugin and without, compiled and eager."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from soundseam.annotators.moss.forward import MossAudio
from soundseam.pipeline.commands import cli
from soundseam.pipeline.serving.parity import check_clip
from soundseam.pipeline.serving.server import ScoredPrompt, score_messages
from tests.annotators.moss.tiny_moss import make_checkpoint
from tests.support.vllm import needs_vllm, real_vllm

pytestmark = needs_vllm


def check(folder: Path, dtype: str, *options: str, plugin: bool = True) -> Result:
    """What the gate says of a vLLM that serves a tiny checkpoint of `dtype`."""
    checkpoint = make_checkpoint(folder / "tiny", dtype=dtype)
    with real_vllm(checkpoint, folder / "vllm.log", "--dtype", dtype, *options, plugin=plugin) as url:
        result = CliRunner(env={"COLUMNS": "160"}).invoke(cli.app, ["serve", str(checkpoint), "--check", url])
    print(result.output)  # noqa: T201 - figures, for whoever runs this with -s
    return result


@pytest.mark.parametrize("options", [(), ("--enforce-eager",)], ids=["compiled", "eager"])
def test_with_the_plugin_vllm_is_right(tmp_path: Path, options: tuple[str, ...]) -> None:
    assert check(tmp_path, "float32", *options).exit_code == 0


def test_without_the_plugin_compiled_vllm_drops_deepstack_and_the_gate_says_so(tmp_path: Path) -> None:
    result = check(tmp_path, "float32", plugin=False)
    assert result.exit_code == 1
    assert "the server drops DeepStack" in result.stderr


def test_without_the_plugin_eager_vllm_is_right(tmp_path: Path) -> None:
    assert check(tmp_path, "float32", "--enforce-eager", plugin=False).exit_code == 0


@pytest.mark.parametrize("plugin", [True, False])
def test_in_bfloat16_the_gate_still_sees_deepstack(tmp_path: Path, plugin: bool) -> None:
    assert check(tmp_path, "bfloat16", plugin=plugin).exit_code == (0 if plugin else 1)


def ask_without_audio(url: str, number: int) -> ScoredPrompt:
    return score_messages(f"{url}/v1", "tiny", [{"role": "user", "content": f"What is {number} and {number}?"}])


def test_many_at_once_with_audio_and_without_are_right_too(tmp_path: Path) -> None:
    """Batches share the plugin's buffers; what one leaves must not reach another."""
    checkpoint = make_checkpoint(tmp_path / "tiny")
    model = MossAudio.load(checkpoint)
    lengths_ms = [4_000, 8_000, 12_000, 4_000, 16_000, 8_000] * 4
    with (
        real_vllm(checkpoint, tmp_path / "vllm.log", "--dtype", "float32") as url,
        ThreadPoolExecutor(12) as pool,
    ):
        texts = pool.map(lambda number: ask_without_audio(url, number), range(24))
        clips = list(pool.map(lambda ms: check_clip(model, f"{url}/v1", "tiny", ms, "float32"), lengths_ms))
        apart = [
            np.abs(text.log_probabilities - model.prompt_log_probabilities(text.token_ids)).max() for text in texts
        ]
    assert not [clip.problem for clip in clips if clip.problem]
    assert max(apart) < 1e-3
