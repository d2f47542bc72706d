"""LLaMA-Factory: its own command, `llamafactory-cli train`, and its loader, on the samples of an export.

    soundseam export out --format llamafactory --output llamafactory
    python -m tests.trainers.llama_factory llamafactory

Environment: torch 2.14.1, torchaudio 2.11.1, torchcodec 0.17.0, llamafactory 0.9.5 (which brings transformers 5.6.0,
datasets 4.0.0, peft 0.18.1, trl 0.24.0, torchvision 0.29.2). The model is a tiny random Qwen2-Audio.
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

from llamafactory.data import SFTDataCollatorWith4DAttentionMask, get_template_and_fix_tokenizer
from llamafactory.data.converter import SharegptDatasetConverter
from llamafactory.data.parser import get_dataset_list
from llamafactory.data.processor import SupervisedDatasetProcessor
from llamafactory.hparams import get_train_args
from llamafactory.model import load_model, load_tokenizer

from tests.trainers.fitting import Pair, Steps, lines_of, pairs_of_messages, run
from tests.trainers.tiny_qwen import save_tiny_qwen

_BATCH = 4


def options_of(export: Path, model: Path, output: Path) -> dict[str, Any]:
    """One epoch, with the data options of the export's README."""
    return {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": str(model),
        "template": "qwen2_audio",
        "finetuning_type": "full",
        "dataset_dir": str(export),
        "dataset": "soundseam_train",
        "eval_dataset": "soundseam_validation",
        "eval_strategy": "epoch",
        "output_dir": str(output),
        "num_train_epochs": 1.0,
        "per_device_train_batch_size": _BATCH,
        "per_device_eval_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "learning_rate": 2e-3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "cutoff_len": 2048,
        "overwrite_cache": True,
    }


def train(options: dict[str, Any]) -> list[float]:
    """The losses of one epoch of `llamafactory-cli train`."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(options, file)
        file.flush()
        command = [sys.executable, "-m", "llamafactory.cli", "train", file.name]
        subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""})
    history = json.loads((Path(options["output_dir"]) / "trainer_state.json").read_text())["log_history"]
    assert any(math.isfinite(entry.get("eval_loss", math.nan)) for entry in history), "no loss of the validation"
    return [entry["loss"] for entry in history if "loss" in entry]


class Batches:
    """Batches of one sample, by the converter, processor and collator that the command uses."""

    def __init__(self, options: dict[str, Any]) -> None:
        model_args, data_args, _, tuning, _ = get_train_args(options)
        parts = load_tokenizer(model_args)
        template = get_template_and_fix_tokenizer(parts["tokenizer"], data_args)
        self.model = load_model(parts["tokenizer"], model_args, tuning, is_trainable=True)
        entry = get_dataset_list(["soundseam_train"], options["dataset_dir"])[0]
        self._convert = SharegptDatasetConverter(entry, data_args)
        self._processor = SupervisedDatasetProcessor(template=template, data_args=data_args, **parts)
        self._collate = SFTDataCollatorWith4DAttentionMask(template=template, model=self.model, **parts)

    def of(self, pair: Pair) -> dict[str, Any]:
        messages = [
            {"role": "user", "content": f"<audio>{pair.question}"},
            {"role": "assistant", "content": pair.answer},
        ]
        line = self._convert({"messages": messages, "audios": [pair.clip]})
        encoded = self._processor.preprocess_dataset({name: [value] for name, value in line.items()})
        return dict(self._collate([{name: values[0] for name, values in encoded.items()}]))


def main() -> None:
    export = Path(sys.argv[1]).resolve()
    lines = lines_of(export)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        save_tiny_qwen(model)
        options = options_of(export, model, Path(folder) / "output")
        losses = train(options)
        trained = sum(1 for _ in (export / "train.jsonl").open())
        assert len(losses) == math.ceil(trained / _BATCH), f"{len(losses)} steps are not one epoch of {trained} lines"
        assert all(map(math.isfinite, losses)), "a loss is not finite"
        print(f"llamafactory-cli: {len(losses)} steps of {_BATCH}, from {losses[0]:.2f} to {losses[-1]:.2f}")  # noqa: T201
        # Its parser refuses a folder in which something was trained.
        batches = Batches({**options, "output_dir": str(Path(folder) / "again")})
        steps = Steps(batches.model, batches.of)
        print(len(lines), "lines;", run(pairs_of_messages(lines), steps.step, steps.loss))  # noqa: T201


if __name__ == "__main__":
    main()
