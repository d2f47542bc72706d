"""ms-swift: its own command, `swift sft`, and its template, on the samples of an export.

    soundseam export out --format swift --output swift
    python -m tests.trainers.ms_swift swift

Environment: torch 2.14.1, ms-swift 4.6.0 (which brings transformers 5.19.0, datasets 4.8.4, peft 0.20.0, trl 0.29.1),
librosa 0.11.0. The model is a tiny random Qwen2-Audio.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from swift import get_model_processor, get_template

from tests.trainers.fitting import Pair, Steps, lines_of, pairs_of_messages, run
from tests.trainers.tiny_qwen import save_tiny_qwen

_BATCH = 4


def train(export: Path, model: Path, output: Path) -> list[float]:
    """The losses of one epoch of `swift sft`, with the data options of the export's README."""
    command = [
        *(sys.executable, "-m", "swift.cli.main", "sft", "--model", str(model), "--model_type", "qwen2_audio"),
        *("--dataset", str(export / "train.jsonl"), "--val_dataset", str(export / "validation.jsonl")),
        *("--tuner_type", "full", "--torch_dtype", "float32", "--num_train_epochs", "1", "--logging_steps", "1"),
        *(
            "--per_device_train_batch_size",
            str(_BATCH),
            "--per_device_eval_batch_size",
            "1",
            "--eval_strategy",
            "epoch",
        ),
        *("--gradient_accumulation_steps", "1", "--save_strategy", "no", "--report_to", "none", "--use_cpu", "true"),
        *("--learning_rate", "2e-3", "--output_dir", str(output), "--add_version", "false", "--dataset_num_proc", "1"),
        *("--dataloader_num_workers", "0", "--attn_impl", "eager"),
    ]
    subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""})
    entries = [json.loads(line) for line in (output / "logging.jsonl").open()]
    assert any(math.isfinite(float(entry.get("eval_loss", "nan"))) for entry in entries), "no loss of the validation"
    return [float(entry["loss"]) for entry in entries if "loss" in entry]


class Batches:
    """Batches of one sample, by the template that `swift sft` uses."""

    def __init__(self, model: Path) -> None:
        self.model, processor = get_model_processor(str(model), model_type="qwen2_audio", torch_dtype="float32")
        self._template = get_template(processor)
        self._template.set_mode("train")

    def of(self, pair: Pair) -> dict[str, Any]:
        messages = [
            {"role": "user", "content": f"<audio>{pair.question}"},
            {"role": "assistant", "content": pair.answer},
        ]
        encoded = self._template.encode({"messages": messages, "audios": [pair.clip]})
        batch = self._template.data_collator([encoded])
        names = ("input_ids", "labels", "attention_mask", "input_features", "feature_attention_mask")
        return {name: batch[name] for name in names if name in batch}


def main() -> None:
    export = Path(sys.argv[1]).resolve()
    lines = lines_of(export)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        save_tiny_qwen(model)
        losses = train(export, model, Path(folder) / "output")
        trained = sum(1 for _ in (export / "train.jsonl").open())
        assert len(losses) == math.ceil(trained / _BATCH), f"{len(losses)} steps are not one epoch of {trained} lines"
        assert all(map(math.isfinite, losses)), "a loss is not finite"
        print(f"swift sft: {len(losses)} steps of {_BATCH} samples, from {losses[0]:.2f} to {losses[-1]:.2f}")  # noqa: T201
        batches = Batches(model)
        steps = Steps(batches.model, batches.of)
        print(len(lines), "lines;", run(pairs_of_messages(lines), steps.step, steps.loss))  # noqa: T201


if __name__ == "__main__":
    main()
