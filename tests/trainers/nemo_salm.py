"""NeMo's SALM: its data loader on every conversation of an export, and its training step.

    soundseam export out --format nemo --output nemo
    python -m tests.trainers.nemo_salm nemo

Environment: torch 2.14.1, lhotse 1.33.0, nemo_toolkit 3.0.0 (installed without its dependencies), lightning 2.4.0,
hydra-core 1.3.2, transformers 4.57.1, peft 0.18.0. The model is a tiny random Qwen2 with a tiny Conformer.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from nemo.collections.common.data.lhotse import get_lhotse_dataloader_from_config
from nemo.collections.speechlm2.data.salm_dataset import SALMDataset
from nemo.collections.speechlm2.models.salm import SALM
from omegaconf import OmegaConf
from transformers import Qwen2Config

from tests.trainers.fitting import Pair, Steps, lines_of, run
from tests.trainers.tiny_qwen import tiny_tokenizer

AUDIO = "<|audioplaceholder|>"
_WIDTH = 64
_PERCEPTION = {
    "target": "nemo.collections.speechlm2.modules.perception.AudioPerceptionModule",
    "output_dim": _WIDTH,
    "preprocessor": {
        "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
        "sample_rate": 16_000,
        "normalize": "per_feature",
        "window_size": 0.025,
        "window_stride": 0.01,
        "features": 80,
        "n_fft": 512,
        "dither": 0.0,
    },
    "encoder": {
        "_target_": "nemo.collections.asr.modules.ConformerEncoder",
        "feat_in": 80,
        "n_layers": 1,
        "d_model": _WIDTH,
        "n_heads": 4,
        "subsampling": "dw_striding",
        "subsampling_factor": 8,
        "subsampling_conv_channels": 16,
        "dropout": 0.0,
        "dropout_pre_encoder": 0.0,
        "dropout_emb": 0.0,
        "dropout_att": 0.0,
    },
    "modality_adapter": {
        "_target_": "nemo.collections.speechlm2.modules.perception.IdentityConnector",
        "d_model": _WIDTH,
    },
}


def make_model(folder: Path) -> SALM:
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    Qwen2Config(
        vocab_size=512,
        hidden_size=_WIDTH,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = {
        "pretrained_llm": str(folder),
        "pretrained_weights": False,
        "audio_locator_tag": AUDIO,
        "prompt_format": "qwen",
        "perception": _PERCEPTION,
    }
    return SALM(config)


def loaded(model: SALM, lines: Sequence[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """Batches of one conversation each, by NeMo's loader, with the data options of the export's README."""
    manifest = folder / "lines.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    config = {
        "input_cfg": [
            {"type": "multimodal_conversation", "manifest_filepath": str(manifest), "audio_locator_tag": AUDIO}
        ],
        "prompt_format": "qwen",
        "token_equivalent_duration": 0.08,
        "sample_rate": 16_000,
        "batch_size": 1,
        "shuffle": False,
        "force_finite": True,
        "num_workers": 0,
    }
    data = SALMDataset(model.tokenizer)
    yield from get_lhotse_dataloader_from_config(
        OmegaConf.create(config), global_rank=0, world_size=1, dataset=data, tokenizer=model.tokenizer
    )


class Batches:
    """Batches of single pairs, and the loss of SALM's own training step."""

    def __init__(self, model: SALM, folder: Path) -> None:
        self._model, self._folder = model, folder
        self.parameters = model.parameters

    def of(self, pair: Pair) -> dict[str, Any]:
        turns = [json.loads(pair.clip), {"from": "User", "value": pair.question, "type": "text"}]
        answer = {"from": "Assistant", "value": pair.answer, "type": "text"}
        line = {"id": pair.name, "conversations": [*turns, answer]}
        (batch,) = loaded(self._model, [line], self._folder)
        return {"batch": batch}

    def __call__(self, batch: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(loss=self._model.training_step(batch, 0)["loss"])


def pairs_of(lines: Sequence[dict[str, Any]]) -> list[Pair]:
    """Of the conversations that play one clip and ask once."""
    found = [(line["id"], line["conversations"]) for line in lines if len(line["conversations"]) == 3]
    return [
        Pair(name, json.dumps(audio, sort_keys=True), question["value"], answer["value"])
        for name, (audio, question, answer) in found
        if audio["type"] == "audio"
    ]


def check_command(export: Path) -> None:
    """The command in the export's README, as Hydra reads it."""
    (command,) = (line for line in (export / "README.md").read_text().splitlines() if "salm_train.py" in line)
    for override in shlex.split(command)[2:]:
        (entry,) = OverridesParser.create().parse_override(override).value()
        assert (export / entry["manifest_filepath"]).exists(), override


def main() -> None:
    check_command(Path(sys.argv[1]))
    lines = lines_of(Path(sys.argv[1]).resolve(), "salm-")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder / "model")
        batches = list(loaded(model, lines, folder))
        names = {one.id for batch in batches for one in batch["conversations"]}
        assert names == {line["id"] for line in lines}, "a conversation was not loaded"
        assert all(bool(batch["loss_mask"].any()) for batch in batches), "a conversation has no answer to train on"
        print(len(names), "conversations loaded, each with an answer to train on")  # noqa: T201
        model.train()
        single = Batches(model, folder)
        steps = Steps(single, single.of)
        print(run(pairs_of(lines), steps.step, steps.loss))  # noqa: T201


if __name__ == "__main__":
    main()
