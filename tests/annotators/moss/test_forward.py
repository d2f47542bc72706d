"""The forward pass computes what the published code computes, and what a checkpoint lacks is told in one line."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.base import Samples
from soundseam.annotators.moss.checkpoint import CheckpointError, find_checkpoint
from soundseam.annotators.moss.forward import MossAudio
from soundseam.pipeline.serving.server import decoded_samples, probe_clip
from tests.annotators.moss.tiny_moss import AUDIO, TinyMoss, chat

REFERENCE = Path(__file__).parent / "reference.json"
DURATIONS_MS = (3_000, 10_000, 30_000)
QUESTION = chat("Describe this audio.")


@cache
def published(duration_ms: int) -> dict[str, list[float]]:
    """What the published code gives; see the file on how it was computed."""
    clips: dict[str, dict[str, list[float]]] = json.loads(REFERENCE.read_text(encoding="utf-8"))["clips"]
    return clips[str(duration_ms)]


@cache
def probe(duration_ms: int) -> Samples:
    return decoded_samples(probe_clip(duration_ms))


def test_the_tiny_checkpoint_is_the_one_that_the_numbers_are_of(checkpoint: Path) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(str(checkpoint / "model.safetensors"))
    digest = hashlib.sha256(b"".join(tensors[name].tobytes() for name in sorted(tensors))).hexdigest()
    assert digest == json.loads(REFERENCE.read_text(encoding="utf-8"))["weights_sha256"]


@pytest.mark.parametrize("duration_ms", DURATIONS_MS)
def test_a_prompt_has_the_tokens_of_the_published_processor(tiny: TinyMoss, duration_ms: int) -> None:
    assert tiny.token_ids(QUESTION, [probe(duration_ms)]) == published(duration_ms)["token_ids"]


@pytest.mark.parametrize("duration_ms", DURATIONS_MS)
def test_a_clip_heard_as_a_whole_gives_the_published_probabilities(tiny: TinyMoss, duration_ms: int) -> None:
    heard = tiny.model.encode(probe(duration_ms), chunked=False)
    ours = tiny.model.prompt_log_probabilities(tiny.token_ids(QUESTION, [probe(duration_ms)]), [heard])
    np.testing.assert_allclose(ours, published(duration_ms)["whole"], atol=1e-4)


@pytest.mark.parametrize("duration_ms", DURATIONS_MS)
def test_a_clip_heard_in_chunks_gives_those_of_the_published_encoder_on_each_chunk(
    tiny: TinyMoss, duration_ms: int
) -> None:
    ids = tiny.token_ids(QUESTION, [probe(duration_ms)])
    ours = tiny.prompt_log_probabilities(ids, [probe(duration_ms)])
    np.testing.assert_allclose(ours, published(duration_ms)["chunked"], atol=1e-4)


@pytest.mark.parametrize("duration_ms", DURATIONS_MS)
def test_without_deepstack_it_is_the_published_code_without_it(tiny: TinyMoss, duration_ms: int) -> None:
    ids = tiny.token_ids(QUESTION, [probe(duration_ms)])
    ours = tiny.model.prompt_log_probabilities(ids, [tiny.encode(probe(duration_ms))], deepstack=False)
    np.testing.assert_allclose(ours, published(duration_ms)["without_deepstack"], atol=1e-4)
    assert np.abs(ours - published(duration_ms)["chunked"]).max() > 1e-2


def test_chunks_and_the_whole_part_after_4_s(tiny: TinyMoss) -> None:
    for duration_ms, alike in ((4_000, True), (4_080, False)):
        ids = tiny.token_ids(QUESTION, [probe(duration_ms)])
        chunked, whole = (
            tiny.model.prompt_log_probabilities(ids, [tiny.model.encode(probe(duration_ms), chunked=chunks)])
            for chunks in (True, False)
        )
        assert np.allclose(chunked, whole, atol=1e-5) == alike


def test_what_comes_next_is_a_distribution_and_agrees_with_the_prompt(tiny: TinyMoss) -> None:
    clip = probe(3_000)
    ids = tiny.token_ids(QUESTION, [clip])
    following = tiny.next_log_probabilities(ids, [clip])
    assert np.exp(following).sum() == pytest.approx(1.0, abs=1e-4)
    said, distributions = tiny.generate(ids, [clip], max_tokens=3)
    again = tiny.prompt_log_probabilities([*ids, *said], [clip])
    assert said[0] == following.argmax()
    np.testing.assert_allclose(
        again[-len(said) :], [row[token] for row, token in zip(distributions, said, strict=True)], atol=1e-4
    )


def test_several_clips_are_heard_in_their_order(tiny: TinyMoss) -> None:
    first, second = probe(1_000), probe(2_000)
    prompt = chat(f"{AUDIO}\nWhich is longer?")
    ids = tiny.token_ids(prompt, [first, second])
    straight, crossed = (
        tiny.prompt_log_probabilities(ids, clips) for clips in ([first, second], [first, np.flip(second).copy()])
    )
    assert np.abs(straight - crossed).max() > 1e-3
    np.testing.assert_allclose(straight[:30], crossed[:30], atol=1e-6)


def test_clips_that_do_not_fit_the_prompt_are_refused(tiny: TinyMoss) -> None:
    ids = tiny.token_ids(QUESTION, [probe(1_000)])
    with pytest.raises(ValueError, match="13 audio tokens in the prompt, 25 in the clips"):
        tiny.prompt_log_probabilities(ids, [probe(2_000)])


def test_a_checkpoint_in_bfloat16_is_computed_in_float32(tmp_path: Path, checkpoint: Path) -> None:
    from tests.annotators.moss.tiny_moss import make_checkpoint

    rounded = TinyMoss(make_checkpoint(tmp_path / "bfloat16", dtype="bfloat16"))
    exact = TinyMoss(checkpoint)
    ids = exact.token_ids(QUESTION, [probe(1_000)])
    one, other = (tiny.prompt_log_probabilities(ids, [probe(1_000)]) for tiny in (exact, rounded))
    assert rounded.model.config.dtype == "bfloat16"
    assert 0 < np.abs(one - other).mean() < 0.05


def edited(checkpoint: Path, folder: Path, **changes: object) -> Path:
    folder.mkdir()
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")
    return folder


def test_another_model_is_told_apart(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="model_type is 'qwen3'"):
        MossAudio.load(edited(checkpoint, tmp_path / "other", model_type="qwen3"))


def test_a_configuration_that_would_be_computed_wrongly_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))["language_config"]
    stretched = {**config, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}
    with pytest.raises(CheckpointError, match=r"rope_scaling\.rope_type"):
        MossAudio.load(edited(checkpoint, tmp_path / "stretched", language_config=stretched))


def test_weights_that_would_run_code_are_not_opened(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "pickled")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(CheckpointError, match=r"no \.safetensors files"):
        MossAudio.load(folder)


def test_an_index_names_the_files_and_none_elsewhere(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "indexed")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"lm_head.weight": "../tiny/model.safetensors"}}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="names a file elsewhere"):
        MossAudio.load(folder)
    index.write_text(json.dumps({"weight_map": {"lm_head.weight": "part.safetensors"}}), encoding="utf-8")
    (folder / "part.safetensors").write_bytes((checkpoint / "model.safetensors").read_bytes())
    assert MossAudio.load(folder).encode(probe(1_000)).num_tokens == 13


def test_a_file_cut_short_is_told(checkpoint: Path, tmp_path: Path) -> None:
    folder = edited(checkpoint, tmp_path / "short")
    (folder / "model.safetensors").write_bytes((checkpoint / "model.safetensors").read_bytes()[:5_000])
    with pytest.raises(CheckpointError, match="fetch the checkpoint again"):
        MossAudio.load(folder)


def test_a_missing_weight_is_named(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = edited(checkpoint, tmp_path / "gap")
    tensors = load_file(str(checkpoint / "model.safetensors"))
    del tensors["audio_adapter.up_proj.weight"]
    save_file(tensors, str(folder / "model.safetensors"))
    with pytest.raises(CheckpointError, match=r"no weight audio_adapter\.up_proj\.weight"):
        MossAudio.load(folder).encode(probe(1_000))


@pytest.mark.parametrize(
    ("model", "said"), [("soundseam/no-such-model", "hf download soundseam/no-such-model"), ("nowhere", "no folder")]
)
def test_what_cannot_be_had_here_is_told_with_the_remedy(model: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        find_checkpoint(model)
