"""MOSS-Audio's own finetune script: a tiny random MOSS-Audio on the samples of an export.

    git clone https://github.com/OpenMOSS/MOSS-Audio
    soundseam export out --format moss --output moss
    python -m tests.trainers.moss_finetune moss MOSS-Audio

Environment: torch 2.14.1, transformers 4.57.1, accelerate 1.12.0, peft 0.18.0, datasets 4.4.1, librosa 0.11.0;
MOSS-Audio at 2c9984b.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config

from tests.trainers.fitting import Pair, Steps, lines_of, run

_VOCABULARY = 151_680
"""The script's ids of special tokens are those of Qwen3."""
_MAX_TOKENS = 512
_STEPS = 2


def make_checkpoint(folder: Path) -> None:
    """A tiny random model, with one token a byte."""
    configuration, modelling = (
        importlib.import_module(f"src.{name}_moss_audio") for name in ("configuration", "modeling")
    )
    torch.manual_seed(0)
    language = Qwen3Config(
        vocab_size=_VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
    )
    audio = configuration.MossAudioEncoderConfig(
        d_model=32,
        output_dim=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        downsample_hidden_size=8,
        dropout=0.0,
        attention_dropout=0.0,
        deepstack_encoder_layer_indexes=[0],
    )
    config = configuration.MossAudioConfig(audio_config=audio, language_config=language, adapter_hidden_size=64)
    modelling.MossAudioModel(config).save_pretrained(folder)
    names = {name: index for index, name in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab={**names, "<pad>": len(names)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>").save_pretrained(folder)


def run_script(code: Path, model: Path, export: Path, output: Path) -> list[float]:
    """The losses that finetune.py logs over a few steps, and of a few lines of the validation, with the options of the
    export's README. In bfloat16 on a CPU a step takes most of a minute."""
    held_out = output.with_name("validation.jsonl")
    held_out.write_text("".join((export / "validation.jsonl").open().readlines()[:2]))
    command = [
        *(sys.executable, str(code / "finetune/finetune.py"), "--model_dir", str(model)),
        *("--data_path", str(export / "train.jsonl"), "--eval_data_path", str(held_out), "--output_dir", str(output)),
        *("--use_lora", "--attn_implementation", "eager", "--max_len", str(_MAX_TOKENS), "--logging_steps", "1"),
        *("--per_device_train_batch_size", "1", "--per_device_eval_batch_size", "1", "--eval_strategy", "steps"),
        *("--eval_steps", str(_STEPS), "--max_steps", str(_STEPS), "--use_cpu", "--optim", "adamw_torch"),
        *("--save_strategy", "no", "--report_to", "none", "--learning_rate", "1e-3"),
    ]
    subprocess.run(command, check=True, cwd=code, env={**os.environ, "PYTHONPATH": str(code), "HF_HUB_OFFLINE": "1"})
    history = json.loads((output / "trainer_state.json").read_text())["log_history"]
    return [entry[name] for entry in history for name in ("loss", "eval_loss") if name in entry]


class Batches:
    """Batches of one sample, by the data set that the script uses."""

    def __init__(self, script: Any, folder: Path) -> None:
        modelling = importlib.import_module("src.modeling_moss_audio")
        self.model = modelling.MossAudioModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
        self._read = script.MossAudioDataset([], tokenizer, _MAX_TOKENS)

    def pairs(self, lines: list[dict[str, Any]]) -> list[Pair]:
        parts = [self._read._parse(line["conversation"]) for line in lines]
        return [Pair(str(index), *part) for index, part in enumerate(parts)]

    def of(self, pair: Pair) -> dict[str, torch.Tensor]:
        texts = [("user", "audio", pair.clip), ("user", "text", pair.question), ("assistant", "text", pair.answer)]
        keys = ("role", "message_type", "content")
        self._read.data = [{"conversation": [dict(zip(keys, text, strict=True)) for text in texts]}]
        item = self._read[0]
        length = int(item["attention_mask"].sum())
        padded = ("input_ids", "labels", "attention_mask", "audio_input_mask")
        batch = {name: value[None, :length] if name in padded else value[None] for name, value in item.items()}
        return {**batch, "audio_data": batch["audio_data"].float()}


def main() -> None:
    export, code = (Path(argument).resolve() for argument in sys.argv[1:])
    sys.path[:0] = [str(code), str(code / "finetune")]
    lines = lines_of(export)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_checkpoint(folder / "model")
        losses = run_script(code, folder / "model", export, folder / "output")
        assert all(map(math.isfinite, losses)), "a loss is not finite"
        print(f"finetune.py: losses {losses}, the last of the validation")  # noqa: T201
        batches = Batches(importlib.import_module("finetune"), folder / "model")
        pairs = batches.pairs(lines)
        readable = sum(bool((batches.of(pair)["labels"] >= 0).any()) for pair in pairs)
        assert readable == len(lines), f"{len(lines) - readable} lines give no answer to train on"
        steps = Steps(batches.model, batches.of)
        print(readable, "lines read;", run(pairs, steps.step, steps.loss))  # noqa: T201


if __name__ == "__main__":
    main()
